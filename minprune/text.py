"""Plain-text tables: numbers to the right, text to the left, columns as wide as their cells."""

import re
from collections.abc import Sequence
from numbers import Integral, Real

from minprune.errors import ArgumentError

# A number, with or without spread and unit: -3, 1,024, 97.2 %, 1.5x, 0.12 (0.01) ms
NUMBER = re.compile(r"[-+<>~]?\d[\d,.]*(e[-+]?\d+)?( \([\d.]+(e[-+]?\d+)?\))?( ?[%A-Za-z/]{1,5})?")
EMPTY = "-"


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
    """Whether all cells of a column are numbers or empty."""
    filled = [text for text in column if text not in ("", EMPTY, "nan", "inf", "-inf")]
    return bool(filled) and all(NUMBER.fullmatch(text) for text in filled)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], total: bool = False) -> str:
    """One line for the header, a rule, one line for each row; no newline at the end

    header: (columns,)    rows: (rows, columns)    total: whether a rule separates the last row
    A column is right aligned if all its cells are numbers. Raises ArgumentError for a row
    of another length than the header.

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
    columns = [[cell(row[at]) for row in rows] for at in range(len(header))]
    aligned = []
    for title, column in zip(header, columns, strict=True):
        width = max(map(len, [title, *column]))
        pad = str.rjust if numeric(column) else str.ljust
        lines = [pad(title, width), "-" * width, *(pad(text, width) for text in column)]
        if total:
            lines.insert(-1, "-" * width)
        aligned.append(lines)
    return "\n".join("  ".join(line).rstrip() for line in zip(*aligned, strict=True))
