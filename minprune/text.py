"""Plain-text tables, no wider than the terminal: numbers to the right, text to the left; stderr."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from numbers import Integral, Real
from textwrap import wrap

from minprune.errors import ArgumentError

# A number, with or without spread, unit and mark: -3, 1,024, 97.2 %, 1.5x, 0.12 (0.01) ms, 9.8 !
# or what is gained and lost: +12 -7 =
NUMBER = re.compile(
    r"[-+<>~]?\d[\d,.]*(e[-+]?\d+)?( -\d+| \([\d.]+(e[-+]?\d+)?\))?( ?[%A-Za-z/]{1,5})?( [!=])?"
)
told: set[str] = set()  # what `tell_once` has told in this process
EMPTY = "-"
USUAL = 100  # columns where the output is no terminal and COLUMNS is not set
NARROWEST = 40  # columns that a table takes in any case
WORD = 20  # characters of a number, or of a word, that is not cut
GAP = "  "  # between two columns


def tell(text: str) -> None:
    """A line on stderr; nothing where there is no console, or nobody reads it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def tell_once(what: str, text: str) -> None:
    """A line on stderr, once in a process; what: its name in `told`"""
    if what not in told:
        told.add(what)
        tell(f"minprune: {text}")


def cell(value: object) -> str:
    """A value as text: 12345 -> 12,345; 0.123456 -> 0.1235; None -> -; True -> yes"""
    if value is None:
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):  # NumPy's too
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):.4g}"
    return " ".join(str(value).split("\n"))


def numeric(column: Sequence[str]) -> bool:
    """Whether more than half of the cells that are not empty are numbers."""
    filled = [text for text in column if text not in ("", EMPTY, "nan", "inf", "-inf")]
    return 2 * sum(NUMBER.fullmatch(text) is not None for text in filled) > len(filled)


def terminal() -> int:
    """The columns of the terminal, or of COLUMNS where that is set; without either, 100."""
    from shutil import get_terminal_size  # which is slow to import, and not always needed

    return max(NARROWEST, get_terminal_size((USUAL, 24)).columns)


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], total: bool = False,
    width: float | None = None,
) -> str:  # fmt: skip
    """One line for the header, a rule, one line for each row; no newline at the end

    header: (columns,)    rows: (rows, columns)    total: whether a rule separates the last row
    width: characters of a line, at most; None: those of the terminal. In a table that is wider,
    text is broken at spaces; if that is not enough, the other columns follow below the first ones,
    under the first column again. A column is right aligned if most of its cells are numbers.
    Raises ArgumentError for a row of another length than the header.

    >>> print(table(["layer", "share"], [["conv1", "97.2 %"], ["fc", None]]))
    layer   share
    -----  ------
    conv1  97.2 %
    fc          -
    """
    for place, row in enumerate(rows):
        if len(row) != len(header):
            raise ArgumentError(
                f"table: row {place} must have {len(header)} cells, as the header, not {len(row)}; "
                f"pass one cell for each column"
            )
    columns = [Column((title, *(cell(row[at]) for row in rows))) for at, title in enumerate(header)]
    room = terminal() if width is None else width
    return "\n\n".join("\n".join(lines(part, room, total)) for part in parts(columns, room))


def wrapped(text: str) -> str:
    """The text with its longer lines broken at spaces, to fit the terminal

    The rest of a line is set in by two spaces more than its beginning.
    """
    room, found = terminal(), []
    for whole in text.split("\n"):
        inset = " " * (len(whole) - len(whole.lstrip()) + 2)
        found += wrap(
            whole, room, subsequent_indent=inset, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(found)


@dataclass(frozen=True)
class Column:
    """A title and the cells under it."""

    texts: tuple[str, ...]

    @cached_property
    def right(self) -> bool:
        """Whether it is right aligned"""
        return numeric(self.texts[1:])

    @cached_property
    def most(self) -> int:
        """The width that it would like"""
        return max(map(len, self.texts))

    @cached_property
    def least(self) -> int:
        """The width that it needs: a number stays in one line, and so does a word, up to WORD"""
        whole = [[text] if NUMBER.fullmatch(text) else text.split() for text in self.texts]
        return max((min(len(w), WORD) for words in whole for w in words), default=0)

    def lines(self, at: int, width: int) -> list[str]:
        """The lines of one cell; the title is cell 0"""
        text = self.texts[at]
        return wrap(text, width, break_on_hyphens=False) if len(text) > width else [text]


def parts(columns: Sequence[Column], room: float) -> Iterator[list[Column]]:
    """The columns in groups that can be made to fit, each behind the first column"""
    part = list(columns[:1])
    for column in columns[1:]:
        if len(part) > 1 and line(c.least for c in (*part, column)) > room:
            yield part
            part = part[:1]
        part.append(column)
    yield part


def line(widths: Iterable[int]) -> int:
    """Characters of a line of cells"""
    return sum(width + len(GAP) for width in widths) - len(GAP)


def fitted(columns: Sequence[Column], room: float) -> list[int]:
    """The width of each column: one character less at a time, where that costs fewest lines"""
    widths = [c.most for c in columns]
    while line(widths) > room:
        less = [[w - (k == at) for k, w in enumerate(widths)] for at in range(len(widths))]
        loose = [at for at, c in enumerate(columns) if widths[at] > c.least]
        if not loose:
            break
        widths = less[min(loose, key=lambda at: (height(columns, less[at]), -widths[at]))]
    return widths


def height(columns: Sequence[Column], widths: Sequence[int]) -> int:
    """About how many lines the rows take"""
    rows = zip(
        *([-(-len(t) // w) for t in c.texts] for c, w in zip(columns, widths, strict=True)),
        strict=True,
    )
    return sum(map(max, rows))


def lines(columns: Sequence[Column], room: float, total: bool) -> Iterator[str]:
    """The lines of one part of a table"""
    widths = fitted(columns, room)
    rows = len(columns[0].texts) if columns else 0
    for at in range(rows):
        if total and at == rows - 1 > 0:
            yield GAP.join("-" * width for width in widths)
        cells = [c.lines(at, width) for c, width in zip(columns, widths, strict=True)]
        for texts in zip_longest(*cells, fillvalue=""):
            yield GAP.join(
                text.rjust(width) if c.right else text.ljust(width)
                for c, text, width in zip(columns, texts, widths, strict=True)
            ).rstrip()
        if at == 0:
            yield GAP.join("-" * width for width in widths)
