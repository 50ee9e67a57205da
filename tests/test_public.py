"""The public names: the lazy table, what type checkers read, and what there is are the same."""

import ast
import inspect
from pathlib import Path

import pytest

import minprune as mp


def checked_names(source: str) -> dict[str, str]:
    """{name: module} of the imports under `if TYPE_CHECKING`."""
    blocks = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: str(node.module)
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name != "*"  # the layers, which the registry finds
    }


def lazy_names() -> dict[str, str]:
    """{name: module} of the tables that __getattr__ reads."""
    found = {name: f"minprune.{home}" for home, names in mp.NAMES.items() for name in names}
    for name, home in mp.MODULES.items():
        found[name] = ".".join(["minprune", *home.split(".")[:-1]])
    return found


def test_both_lists_are_one() -> None:
    source = Path(inspect.getfile(mp)).read_text("utf-8")
    assert checked_names(source) == lazy_names()


def test_a_name_that_stands_in_one_list_alone_is_seen() -> None:
    block = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from minprune.core import X\n"
    assert checked_names(block) == {"X": "minprune.core"} != lazy_names()


@pytest.mark.parametrize("name", mp.__all__)
def test_every_name_is_there_and_explained(name: str) -> None:
    found = getattr(mp, name)
    assert name in dir(mp)
    assert name == "__version__" or (found.__doc__ or "").strip()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError) as error:
        mp.prunes  # noqa: B018
    assert str(error.value) == "module 'minprune' has no attribute 'prunes'"


@pytest.mark.parametrize("module", mp.MODULES)
def test_each_public_module_lists_what_is_its_own(module: str) -> None:
    found = getattr(mp, module)
    assert all(hasattr(found, name) for name in found.__all__)
    assert not {"np", "Any", "Callable", "annotations"} & set(found.__all__)
