"""The columns of a CSV file: numbers as numbers, text as the numbers of its levels.

The file is read in runs of rows, and what is kept of a cell is 8 bytes, or 4 of text.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from minprune.arguments import choice
from minprune.core import Array, first_of, is_number_text
from minprune.errors import DataError

SEPARATORS = ",;\t|"
RUN = 4096  # rows that are held as text at once
COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass
class Column:
    """One column, as it is read; its first row is row 1

    where: the file and the name, for messages. text: whether numbers too are taken as text.
    """

    where: str
    name: str
    text: bool
    decimal: str
    levels: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    _runs: list[Array] = field(default_factory=list)
    _codes: dict[str, int] = field(default_factory=dict)  # of cells as they stand in the file
    _number: str = ""  # the first number, and its row
    _word: str = ""  # the first cell that is none

    @property
    def numeric(self) -> bool:
        """Whether all cells are numbers, and are to be"""
        return not self.text and not self._word

    @property
    def cells(self) -> Array:
        """(n,) the numbers, or the index of each cell's level among `levels`"""
        self._runs = [np.concatenate(self._runs)]
        return self._runs[0]

    def add(self, cells: Sequence[str]) -> None:
        """Adds a run of cells; raises DataError for an empty cell, and for text among numbers."""
        numbers = None if self.text or self._word else self._as_numbers(cells)
        if numbers is None:
            known = self._codes
            codes = [
                known[c] if c in known else self._level(c, row)
                for row, c in enumerate(cells, self.rows + 1)
            ]
            numbers = np.array(codes, np.int32)
        elif not self._number:
            self._number = f"{cells[0]!r} in row 1"
        self._runs.append(numbers)
        self.rows += len(cells)

    def _as_numbers(self, cells: Sequence[str]) -> Array | None:
        pointed = cells if self.decimal == "." else [c.replace(self.decimal, ".") for c in cells]
        try:
            found = np.fromiter(map(float, pointed), np.float64, len(cells))
        except ValueError:
            return None
        return found if np.isfinite(found).all() and "_" not in "".join(cells) else None

    def _level(self, cell: str, row: int) -> int:
        """The number of a new cell's level."""
        level, found = plain(cell), f"{plain(cell)!r} in row {row}"
        if not level:
            raise DataError(
                f"{self.where} must not be empty, as it is in row {row}; fill the cell, or leave "
                f"out the row, or the column by skip=({self.name!r},)"
            )
        if not self.text:
            if is_number_text(level.replace(self.decimal, ".")):
                self._number = self._number or found
            elif self.decimal == "." and COMMA.fullmatch(level):
                raise DataError(
                    f"{self.where} must hold numbers with a decimal point, not {found}; "
                    f"pass decimal=',' if that is a decimal comma"
                )
            else:
                self._word = self._word or found
            if self._number and self._word:
                raise DataError(
                    f"{self.where} must hold numbers or text, not {self._number} and {self._word}; "
                    f"correct the cell, take all as text by one_hot=({self.name!r},), or leave out "
                    f"the column by skip=({self.name!r},)"
                )
        self._codes[cell] = self.levels.setdefault(level, len(self.levels))
        return self._codes[cell]


def plain(cell: str) -> str:
    """Without the spaces around it; a run of spaces or line ends inside becomes one space"""
    return " ".join(cell.split())


def read(
    path: Path, label: str, named: Mapping[str, Collection[str]], as_text: Callable[[str], bool],
    decimal: str,
) -> dict[str, Column]:  # fmt: skip
    """name -> its column; raises DataError, naming row and column, for what is no such table

    named: argument of `csv` -> the columns that it names; those of "skip" are left out.
    """
    import csv as reader

    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            return _read(f, path, label, named, as_text, decimal)
    except (OSError, UnicodeDecodeError, reader.Error) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise DataError(
            f"{path}: must be a CSV file in UTF-8, and cannot be read ({reason}); check the path"
        ) from e


def _read(
    f: TextIO, path: Path, label: str, named: Mapping[str, Collection[str]],
    as_text: Callable[[str], bool], decimal: str,
) -> dict[str, Column]:  # fmt: skip
    import csv as reader

    skip = named["skip"]
    first = next((line for line in f if line.strip()), "")
    heads = {sep: _header(first, sep) for sep in SEPARATORS}
    separator = max(SEPARATORS, key=lambda sep: (label in heads[sep], len(heads[sep])))
    lines = reader.reader(chain([first], f), delimiter=separator, skipinitialspace=True)
    rows = (row for row in lines if len(row) > 1 or any(map(str.strip, row)))
    header = [plain(name) for name in next(rows, [])]
    inputs = [name for name in header if name != label and name not in skip]
    if label not in header or not inputs or len(set(header)) < len(header) or "" in header:
        raise DataError(
            f"{path}: the header must hold different names, {label} and at least one input, not "
            f"{first_of([name or repr(name) for name in header]) or 'nothing'}; name every column, "
            f"and the column of labels {label}, or by label="
        )
    for what, names in named.items():
        known = [name for name in header if what != "skip" or name != label]
        for name in names:
            choice("csv", f"a column in {what}", name, known)
    columns = [Column(f"{path}: column {name}", name, as_text(name), decimal) for name in header]
    count = 0
    while run := list(islice(rows, RUN)):
        for i, row in enumerate(run, count + 1):
            if len(row) != len(header):
                raise DataError(
                    f"{path}: row {i} must have {len(header)} cells, as the header, not "
                    f"{len(row)}; give each row one cell per column"
                )
        for column, cells in zip(columns, zip(*run, strict=True), strict=True):
            if column.name not in skip:
                column.add(cells)
        count += len(run)
    if not count:
        raise DataError(f"{path}: must hold at least one row, and has none; download it again")
    return {column.name: column for column in columns if column.name not in skip}


def _header(line: str, separator: str) -> list[str]:
    import csv as reader

    return [plain(name) for row in reader.reader([line], delimiter=separator) for name in row]
