"""The course of `minprune lesson`: scripts in order, each with what its cells print.

A script is a docstring, imports, and cells, each begun by `# %% Title` and comment lines that say
what the code below them does. The last one may define figure(ax), which draws a picture.
"""

import ast
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, indent
from typing import Any, NamedTuple

from minprune.arguments import choice
from minprune.text import terminal

FOLDER = Path(__file__).parents[1] / "lessons"
MARK = "# %% "  # what editors run piece by piece
WIDTH = "80"  # of tables, whatever the terminal


class Cell(NamedTuple):
    """A part of a script: its title, the comment below it, the code, and what that printed"""

    title: str
    words: str
    code: str
    output: str


@dataclass(frozen=True)
class Lesson:
    """One script that was run

    figure: what draws its picture on axes, and caption, what that says; None without a picture.
    """

    number: int
    module: str
    title: str
    words: str
    cells: tuple[Cell, ...]
    figure: Callable[[Any], None] | None
    caption: str


def scripts() -> dict[int, Path]:
    """{number: file} in order"""
    files = sorted(FOLDER.glob("lesson_*.py"))
    return {int(file.stem.split("_")[1]): file for file in files}


def heading(file: Path) -> tuple[str, str]:
    """(title, the paragraph below it) of a script, without running it"""
    doc = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    title, _, rest = doc.partition("\n\n")
    return title, " ".join(rest.split())


def module(file: Path) -> str:
    """What `python -m` runs"""
    return f"minprune.lessons.{file.stem}"


def lesson(number: int) -> Lesson:
    """Runs the script of that number, cell by cell"""
    found = scripts()
    choice("lesson", "NUMBER", number, list(found))
    file = found[number]
    source = file.read_text("utf-8")
    lines = source.split("\n")
    marks = [at for at, line in enumerate(lines) if line.startswith(MARK)]
    world: dict[str, Any] = {"__name__": module(file)}
    first = ast.parse(source).body[0].end_lineno or 0
    preamble = "\n".join(lines[first : marks[0]]).strip("\n")
    cells: list[Cell] = []
    with columns():
        ran(lines, 0, marks[0], file, world)
        for begin, end in zip(marks, [*marks[1:], len(lines)], strict=True):
            after = next(at for at in range(begin + 1, end) if not lines[at].startswith("#"))
            words = " ".join(line.removeprefix("#").strip() for line in lines[begin + 1 : after])
            printed = ran(lines, after, end, file, world)
            code = "\n".join(lines[after:end]).strip("\n")
            code = code.replace("  # fmt: skip", "")
            code = code if cells else f"{preamble}\n\n{code}"
            cells.append(Cell(lines[begin].removeprefix(MARK), words, code, printed.rstrip()))
    figure, caption = world.get("figure"), ""
    if figure is not None:
        caption = cells.pop().words
    return Lesson(number, module(file), *heading(file), tuple(cells), figure, caption)


def ran(lines: list[str], begin: int, end: int, file: Path, world: dict[str, Any]) -> str:
    """What these lines print; errors name their place in the file"""
    text = "\n" * begin + "\n".join(lines[begin:end])
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, str(file), "exec"), world)
    return printed.getvalue()


@contextmanager
def columns() -> Iterator[None]:
    """Tables are as wide on every terminal"""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = WIDTH
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def listed() -> str:
    """The titles of all lessons, and how to run one"""
    titles = [f"{number:2d}  {heading(file)[0]}" for number, file in scripts().items()]
    how = [
        "minprune lesson 1 runs the first. Each is a script of its own, to be copied and changed:",
        f"python -m {module(scripts()[1])}, in {FOLDER}",
    ]
    return "\n".join([*titles, "", *how])


def as_text(one: Lesson) -> str:
    """A lesson as the terminal shows it: the words, the code set in, what it prints"""
    parts = [f"Lesson {one.number}: {one.title}", wrapped(one.words)]
    for cell in one.cells:
        parts.append(f"{cell.title}\n{'-' * len(cell.title)}\n{wrapped(cell.words)}")
        parts += filter(None, [indent(cell.code, "    "), cell.output])
    return "\n\n".join(parts)


def wrapped(words: str) -> str:
    """A paragraph as wide as the terminal"""
    return fill(words, terminal(), break_on_hyphens=False)


def run(number: int | None) -> str:
    """What `minprune lesson` prints"""
    return listed() if number is None else as_text(lesson(number))
