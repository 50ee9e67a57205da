"""The laws as text, read from the files that declare them: hypothesis is not needed to read."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minprune.verify import NAMES, part
from minprune.verify.kinds import FUNCTION_KINDS

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Told:
    """A law of a kind of function: its name, its sentence, and its code"""

    kind: str
    name: str
    sentence: str
    code: str


def homes(kind: str) -> list[Path]:
    """The files that may declare the laws of a kind: that of its check, or all of its folder"""
    file = HERE / f"{NAMES[FUNCTION_KINDS[kind].check].replace('.', '/')}.py"
    many = file.parent.name in ("criterion", "selection")  # each of one kind, but for allocations
    alone = ("allocation.py",)
    whole = many and file.name not in alone
    return sorted(p for p in file.parent.glob("*.py") if p.name not in alone) if whole else [file]


@cache
def laws_of(kind: str, name: str = "") -> tuple[Told, ...]:
    """The laws of a kind, a key of FUNCTION_KINDS; name: only of files that declare such a one"""
    return tuple(
        told
        for file in homes(kind)
        if f'("{name}' in file.read_text("utf-8")
        for told in declared(kind, file)
    )


@cache
def declared(kind: str, file: Path) -> tuple[Told, ...]:
    """What a table of laws decorates there: @TABLE("name", ...) above a docstring"""
    return tuple(_declared(kind, file))


def _declared(kind: str, file: Path) -> Iterator[Told]:
    text = file.read_text("utf-8")
    for node in ast.parse(text).body:
        for mark in getattr(node, "decorator_list", ()):
            first = mark.args[0] if isinstance(mark, ast.Call) and mark.args else None
            table = getattr(getattr(mark, "func", None), "id", "")
            if isinstance(node, ast.FunctionDef) and table.isupper() and first is not None:
                name = ast.literal_eval(first)
                words = (ast.get_docstring(node) or "").partition("\n\n")[0]
                code = ast.get_source_segment(text, node) or ""
                yield Told(kind, name, " ".join(words.split()), code)


def of_criterion(name: str) -> set[str]:
    """The names of the laws of a criterion: those of its definition, and those of all criteria"""
    part("plain.units")  # its marks, and those of plain.weights, fill the table
    row = part("plain.twin").TWINS[name]
    own = row.laws() if callable(row.laws) else row.laws
    general = {told.name for told in declared("criterion", HERE / "criterion" / "general.py")}
    return general | {"chunk", "definition", "positions", "any numbers", *own}
