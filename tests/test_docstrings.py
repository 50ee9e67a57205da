"""Every example in a docstring runs, and every public callable has the sections that it needs."""

import ast
import doctest
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import minprune as mp

ROOT = Path(mp.__file__).parent
EXAMPLES = sorted(
    p for p in ROOT.rglob("*.py") if re.search(r"^ *>>> ", p.read_text("utf-8"), re.M)
)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
UNCHECKED = ("errors", "kernels", "autograd")  # exceptions; arrays in, arrays out, own docstrings


def module_of(path: Path) -> ModuleType:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return import_module(".".join(parts).removesuffix(".__init__"))


def failures(module: ModuleType) -> str:
    """What doctest prints of the examples of a module that fail"""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example may save a file
    assert failures(module_of(path)) == ""


def test_an_example_with_another_output_is_seen() -> None:
    module = ModuleType("page")
    module.__doc__ = ">>> 1 + 1\n3\n"
    assert "Expected:\n    3\nGot:\n    2\n" in failures(module)


def public() -> dict[str, Any]:
    """{"prune": ..., "criteria.magnitude": ...}: functions and classes, each once"""
    found: dict[str, Any] = {name: getattr(mp, name) for name in mp.__all__}
    for home in mp.MODULES:
        if home not in UNCHECKED:
            module = getattr(mp, home)
            names = getattr(module, "__all__", None) or [
                name
                for name, value in vars(module).items()
                if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
            ]
            found |= {f"{home}.{name}": getattr(module, name) for name in names}
    seen: set[int] = set()
    for name, value in list(found.items()):
        if not isinstance(value, FunctionType | type) or id(value) in seen:
            del found[name]
        seen.add(id(value))
    return found


def sections(text: str) -> dict[str, str]:
    """{title: body} of the sections that a row of hyphens underlines"""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(text), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(body: str) -> list[str]:
    """The names that a section describes, "a, b : type" being two"""
    heads = re.findall(r"^([*\w][^\n:]*?)(?: ?:.*)?$", body.partition(">>> ")[0], re.M)
    return [name.strip(" *") for head in heads for name in head.split(",")]


def taken(fn: Any) -> list[str]:
    """The names of its parameters, private ones left out"""
    try:
        names = inspect.signature(fn).parameters
    except ValueError:
        return []
    variadic = isinstance(fn, type) and list(names) == ["args", "kwargs"]  # Protocol, Exception
    return [] if variadic else [name for name in names if not name.startswith("_")]


def bodies(fn: Any) -> Iterator[FunctionType]:
    """The function, or of a class what makes an instance"""
    for f in (
        [vars(fn).get(n) for n in ("__init__", "__post_init__")] if inspect.isclass(fn) else [fn]
    ):
        if isinstance(f, FunctionType) and f.__code__.co_filename != "<string>":  # of a dataclass
            yield f


def has_raise(fn: FunctionType) -> bool:
    code = ast.parse(textwrap.dedent(inspect.getsource(fn)))
    return any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(code))


def raises(fn: Any) -> bool:
    """Whether it raises, itself or in a function of minprune that it calls by its name"""
    for body in map(inspect.unwrap, bodies(fn)):
        called = [body.__globals__.get(name) for name in body.__code__.co_names]
        own = [f for f in called if isinstance(f, FunctionType) and ours(f)]
        if any(map(has_raise, [body, *own])):
            return True
    return False


def ours(fn: FunctionType) -> bool:
    return Path(fn.__code__.co_filename).is_relative_to(ROOT)


def lacks(fn: Any) -> list[str]:
    """What its docstring lacks"""
    text = fn.__doc__ or ""
    found, names = sections(text), taken(fn)
    missing = []
    told = described(found.get("Parameters", "") + found.get("Attributes", ""))
    missing += [f"parameter {name}" for name in names if name not in told]
    if not isinstance(fn, type):
        missing += [f"no parameter {name}" for name in told if name not in names]
        returned = inspect.signature(fn).return_annotation
        if returned not in (None, "None") and not {"Returns", "Yields"} & set(found):
            missing.append("Returns")
    if raises(fn) and "Raises" not in found:
        missing.append("Raises")
    if ">>> " not in text:
        missing.append("an example")
    return missing


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_its_sections(name: str) -> None:
    assert lacks(PUBLIC[name]) == []


X, Y = (f"\n\nParameters\n----------\n{name} : int\n    the number" for name in "xy")
RETURNS = "\n\nReturns\n-------\nint\n    it"
WRONG = {
    "takes a number": ["parameter x", "Returns", "an example"],
    f"takes {Y}": ["parameter x", "no parameter y", "Returns", "an example"],
    f"takes {X}\n\n>>> 1\n1": ["Returns"],
    f"takes {X} {RETURNS}": ["an example"],
    f"takes {X} {RETURNS}\n\n>>> 1\n1": [],
}


@pytest.mark.parametrize("text", WRONG)
def test_what_lacks_is_seen(text: str) -> None:
    def fn(x: int) -> int:
        return x

    fn.__doc__ = text
    assert lacks(fn) == WRONG[text]


def test_what_raises_is_seen() -> None:
    def itself() -> None:
        """>>> 1"""
        raise ValueError

    def by_another() -> None:
        """>>> 1"""
        has_raise(itself)
        module_of(ROOT)

    assert lacks(itself) == ["Raises"]
    assert lacks(by_another) == []  # what it calls is not minprune's
    assert raises(mp.prune)
