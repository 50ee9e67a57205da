"""The checks that many public calls share: each returns the value, or raises ArgumentError.

Every message says which argument it is, what it must be, what was found, and what to pass instead.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from math import inf
from numbers import Integral, Real
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from minprune.errors import ArgumentError, ShapeError

LISTED = 20  # names that an error lists

if TYPE_CHECKING:
    from pathlib import Path


NUMBERS = re.compile(r"[0-9]+")
NEAR = 0.65  # how alike two names must be, from 0 to 1: rum and run are alike by 0.67


def is_count(given: object, least: int = 1) -> bool:
    """Whether it is an integer of at least `least`; a bool is no integer"""
    return isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= least


def is_number(given: object, least: float = -inf, most: float = inf) -> bool:
    """Whether it is a number from `least` to `most`; a bool or NaN is none"""
    number = isinstance(given, Real) and not isinstance(given, bool)
    return number and least <= float(given) <= most  # type: ignore[arg-type]


def count(owner: str, what: str, given: Any, least: int = 1) -> int:
    """An integer of at least `least`; a bool is no integer"""
    if not is_count(given, least):
        raise ArgumentError(
            f"{owner}: {what} must be an integer of at least {least}, not {given!r}; "
            f"pass {what}={max(least, 1)}, for example"
        )
    return int(given)


def number(owner: str, what: str, given: Any, least: float = 0.0, above: bool = False) -> float:
    """A finite number of at least `least`, or above it; a bool is no number"""
    if not is_number(given, least) or given == inf or (above and given == least):
        bound = f"above {least:g}" if above else f"of at least {least:g}"
        raise ArgumentError(
            f"{owner}: {what} must be a finite number {bound}, not {given!r}; "
            f"pass {what}={least + 1:g}, for example"
        )
    return float(given)


def share(owner: str, what: str, given: Any, above: bool = False, below: bool = False) -> float:
    """A number from 0 to 1; above: not 0; below: not 1; a bool is no number"""
    if not is_number(given, 0, 1) or (above and given == 0) or (below and given == 1):
        bounds = "above 0 and " if above else "from 0 to "
        bounds += "below 1" if below else "at most 1" if above else "1"
        raise ArgumentError(
            f"{owner}: {what} must be a number {bounds}, not {given!r}; "
            f"pass {what}=0.5, for example"
        )
    return float(given)


def meant(given: object, known: Iterable[str], otherwise: str = "choose one of them") -> str:
    """What to do about a name that is not known: the nearest one, if it is near, or `otherwise`

    >>> from minprune.arguments import meant
    >>> meant("magnitud", ("random", "magnitude")), meant("x", ("random", "magnitude"))
    ('did you mean magnitude?', 'choose one of them')
    """
    from difflib import get_close_matches

    low = str(given).lower()
    names = {name.lower(): name for name in known if isinstance(name, str)}
    near = get_close_matches(low, names, 1, NEAR)
    if not near or (near[0] != low and NUMBERS.sub("", near[0]) == NUMBERS.sub("", low) != ""):
        return otherwise  # fc7 is not fc1
    return f"did you mean {names[near[0]]}?"


def choice(owner: str, what: str, given: Any, choices: Sequence[Any]) -> Any:
    """One of the choices; a bool is no number"""
    for c in choices:
        if c == given and (type(c) is type(given) or not isinstance(given, bool)):
            return given
    raise ArgumentError(f"{owner}: {what} must be {known(given, choices, repr)}")


def one_of(owner: str, what: str, given: Any, names: Iterable[str]) -> str:
    """One of many names; the message says which one may have been meant"""
    there = list(names)
    if given not in there:
        raise ArgumentError(f"{owner}: {what} must be {known(given, there, str)}")
    return str(given)


def known(given: object, choices: Sequence[Any], shown: Callable[[Any], str]) -> str:
    """a, b or c, not d; choose one of them: where many are known and one is near, how many

    >>> from minprune.arguments import known
    >>> known("rum", ("run", "info"), str)
    "run or info, not 'rum'; did you mean run?"
    """
    advice = meant(given, choices)
    *most, last = map(shown, choices)
    listed = f"{', '.join(most)} or {last}" if most else last
    if len(choices) > LISTED and advice.endswith("?"):
        listed = f"one of {len(choices)} names"
    return f"{listed}, not {given!r}; {advice}"


def several(owner: str, what: str, given: Any, instead: str) -> None:
    """Raises ArgumentError unless it is a sequence, such as a list; a text is none"""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ArgumentError(f"{owner}: {what} must be a list, not {given!r}; pass {instead}")


def only_with(owner: str, option: str, needs: str, found: object) -> NoReturn:
    """Raises ArgumentError: `option` has a meaning only with another one, such as "order=2\""""
    raise ArgumentError(
        f"{owner}: {option} needs {needs}, not {needs.partition('=')[0]}={found!r}; "
        f"leave {option} out"
    )


def instance(owner: str, what: str, given: Any, kind: type, instead: str) -> Any:
    """An instance of that class; instead: what to pass, such as "mp.SGD(0.1)\""""
    if not isinstance(given, kind):
        name = kind.__name__
        found = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise ArgumentError(
            f"{owner}: {what} must be a{'n' * (name[0] in 'AEIOU')} {name}, not {found}; "
            f"pass {instead}"
        )
    return given


def filled(owner: str, what: str, given: Any, remedy: str) -> None:
    """Raises ArgumentError for an empty dict, sequence or array"""
    if not len(given):
        raise ArgumentError(f"{owner}: {what} must not be empty; {remedy}")


def shaped(what: str, given: Any, shape: tuple[int, ...], remedy: str) -> None:
    """Raises ShapeError unless an array has that shape"""
    if np.shape(given) != shape:
        raise ShapeError(f"{what} must have the shape {shape}, not {np.shape(given)}; {remedy}")


def float_type(owner: str, dtype: npt.DTypeLike) -> np.dtype[np.floating]:
    """The NumPy type that a dtype means: float32 or float64"""
    for kind in (np.dtype(np.float32), np.dtype(np.float64)):
        with suppress(TypeError):  # what is no dtype at all
            if dtype is not None and np.dtype(dtype) == kind:
                return kind
    raise ArgumentError(
        f"{owner}: dtype must be float32 or float64, not {dtype!r}; pass np.float32, for example"
    )


def file_path(owner: str, what: str, given: str | os.PathLike[str]) -> "Path":
    """The path that a text or a Path means"""
    from pathlib import Path

    if not isinstance(given, str | os.PathLike) or "\0" in str(given):
        raise ArgumentError(f"{owner}: {what} must be a path, not {given!r}; pass its name as text")
    return Path(given)


def guard(what: str, nbytes: int, limit: int, remedy: str) -> None:
    """Raises ArgumentError where an array of nbytes would be above the limit"""
    if nbytes > limit:
        raise ArgumentError(
            f"{what} would take {nbytes:,} bytes, more than the limit of {limit:,}; {remedy}"
        )


def function(spec: str) -> Any:
    """The function "package.module:name", also from the current folder

    Raises ArgumentError, one sentence, if there is none.
    """
    module, _, name = spec.partition(":")
    if not module or not name:
        raise ArgumentError(f"{spec!r} names no function; write package.module:function")
    if module.endswith(".py"):
        dotted = module.removesuffix(".py").replace("\\", "/").strip("./").replace("/", ".")
        raise ArgumentError(f"{module} is a file; write it as one imports it, {dotted}:{name}")
    found = imported(module)
    for part_of in name.split("."):
        if not hasattr(found, part_of):
            names = _functions(found)
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            listed = f"it has {', '.join(names[:LISTED]) or 'none'}{more}"
            raise ArgumentError(f"{module} has no {part_of}; {meant(part_of, names, listed)}")
        found = getattr(found, part_of)
    if not callable(found):
        raise ArgumentError(f"{spec} must be a function, not of type {type(found).__name__}")
    return found


def imported(module: str) -> Any:
    """The module of that name, also from the current folder; raises ArgumentError if it fails"""
    import sys

    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:  # user code may raise anything
        absent = isinstance(error, ModuleNotFoundError) and module.startswith(str(error.name))
        lines = str(error).strip().splitlines() or [""]
        said = f"{type(error).__name__}: {lines[0]}"
        advice = "run from the folder that holds it, or install it" if absent else "fix it first"
        raise ArgumentError(f"{module} cannot be imported: {said}; {advice}") from error


def _functions(found: Any) -> list[str]:
    """The public names that can be called."""
    names = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n, None))]
    if isinstance(found, ModuleType):  # its own ones, if it has any
        module = found.__name__
        own = [n for n in names if getattr(getattr(found, n), "__module__", "") == module]
        names = own or names
    return names


@contextmanager
def in_name_of(owner: object) -> Iterator[None]:
    """What pruning refuses inside begins with the name of the function or class that asked."""
    name = owner if isinstance(owner, str) else type(owner).__name__
    try:
        yield
    except ArgumentError as e:
        said = str(e)
        if said.startswith("prune: "):
            e.args = (name + said.removeprefix("prune"),)
        raise
