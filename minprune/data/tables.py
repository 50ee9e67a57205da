"""Tables in CSV files: one header line, one sample per line, one column of labels.

Made for the MONK's problems (Thrun et al. 1991, The MONK's problems: a performance comparison),
whose columns are class, a1, ..., a6; one-hot, a1 to a6 give 3 + 3 + 2 + 3 + 4 + 2 = 17 inputs.
"""

import os
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from minprune.core import Array, Dataset, Seed, Split, stream
from minprune.data.checks import float_type, path_of
from minprune.data.stratify import held_out, stratified
from minprune.errors import ArgumentError, DataError

PathLike = str | os.PathLike[str]
Table = dict[str, list[str]]


def csv(
    train_path: PathLike,
    test_path: PathLike | None = None,
    *,
    label: str = "class",
    one_hot: bool = True,
    val: int | float = 0,
    values: Mapping[str, Sequence[object]] | None = None,
    outputs: Literal["classes", "column"] = "classes",
    seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = [cell == level for each level of each column]      x: (n, features), y: (n,) or (n, 1)

    Levels are those of both files together, sorted, as numbers where all are numbers; `values`
    gives those of a column by hand. With one_hot=False each cell is one number.
    outputs="classes": y: (n,) int64, the place of the label among its sorted levels;
    outputs="column": y: (n, 1) floats, the label itself, for a net with one output and mse.
    Cells and levels are compared as text, after removing the spaces around them; inside a cell
    a run of spaces or line ends counts as one space.
    `val` is a count (an integer) or a share (a float) of the training file, drawn by label with
    `seed`; with 0 the validation part is the training part itself. Without `test_path` the test
    part is the validation part.
    Raises DataError for a file that is absent or not such a table, and ArgumentError.
    """
    kind = float_type(dtype)
    if outputs not in ("classes", "column"):
        raise ArgumentError(
            f"outputs is {outputs!r}, expected 'classes' or 'column'; "
            f"use 'column' for a net with one output and the mse loss"
        )
    paths = [path_of("train_path", train_path)]
    paths += [] if test_path is None else [path_of("test_path", test_path)]
    tables = [_read(p, label) for p in paths]
    if set(tables[-1]) != set(tables[0]):
        raise DataError(
            f"{paths[-1]}: columns {', '.join(tables[-1])}, expected those of {paths[0].name}, "
            f"{', '.join(tables[0])}; give two files of one table"
        )
    levels = _levels(tables, values or {}, paths[0])
    inputs = [c for c in tables[0] if c != label]

    def encode(table: Table, path: Path) -> Split:
        def hot(c: str) -> Array:
            return _indicators(table[c], levels[c], path, c).astype(kind)

        def number(c: str) -> Array:
            return _numbers(table[c], path, c).astype(kind)

        x = np.concatenate([hot(c) if one_hot else number(c) for c in inputs], axis=1)
        return x, number(label) if outputs == "column" else hot(label).argmax(axis=1)

    parts = [encode(t, p) for t, p in zip(tables, paths, strict=True)]
    x, y = parts[0]
    count = held_out(val, len(y))
    drawn = stratified(y.reshape(len(y)), count, stream(seed, "csv.val"))
    train = x[~drawn], y[~drawn]
    held = (x[drawn], y[drawn]) if count else train
    return Dataset(train, held, parts[1] if len(parts) == 2 else held, name=paths[0].stem)


def _read(path: Path, label: str) -> Table:
    """column -> its cells, from top to bottom"""
    import csv as reader

    try:
        with path.open(newline="", encoding="utf-8-sig") as f:
            lines = [[_plain(c) for c in line] for line in reader.reader(f) if line]
    except (OSError, UnicodeDecodeError, reader.Error) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise DataError(
            f"{path}: cannot be read as a table ({reason}), expected CSV in UTF-8; check the path"
        ) from e
    header = lines[0] if lines else []
    if label not in header or len(header) < 2 or len(set(header)) < len(header):
        raise DataError(
            f"{path}: header {', '.join(header) or 'absent'}, expected different names with "
            f"{label} among them and one input at least; name the label's column with label="
        )
    if len(lines) == 1:
        raise DataError(f"{path}: no rows, expected one sample per line; fetch the file again")
    for i, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise DataError(
                f"{path}: row {i} has {len(line)} cells, the header has {len(header)}; "
                f"give each row one cell per column"
            )
    return {name: [line[j] for line in lines[1:]] for j, name in enumerate(header)}


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def _levels(
    tables: list[Table], values: Mapping[str, Sequence[object]], path: Path
) -> dict[str, list[str]]:
    """column -> its levels in order, those of `values` as given"""
    unknown = sorted(set(values) - set(tables[0]))
    if unknown:
        raise ArgumentError(
            f"values has {', '.join(unknown)}, expected columns of {path}; they are "
            f"{', '.join(tables[0])}"
        )
    found = {}
    for column in tables[0]:
        cells = {c for t in tables for c in t[column]}
        numeric = all(_number(c) is not None for c in cells)
        order = sorted(cells, key=lambda c: (float(c), c)) if numeric else sorted(cells)
        given = dict.fromkeys(_plain(str(v)) for v in values.get(column, ()))
        found[column] = list(given) or order
    return found


def _number(cell: str) -> float | None:
    try:
        return float(cell) if isfinite(float(cell)) else None
    except ValueError:
        return None


def _indicators(cells: list[str], levels: list[str], path: Path, column: str) -> Array:
    """(n, levels), True where the cell is the level"""
    for i, cell in enumerate(cells, 1):
        if cell not in levels:
            raise DataError(
                f"{path}: row {i} has {cell!r} in column {column}, expected one of "
                f"{', '.join(levels)}; add it to values"
            )
    hits: Array = np.array(cells)[:, None] == np.array(levels)
    return hits


def _numbers(cells: list[str], path: Path, column: str) -> Array:
    """(n, 1), the cell as a number"""
    for i, cell in enumerate(cells, 1):
        if _number(cell) is None:
            raise DataError(
                f"{path}: row {i} has {cell!r} in column {column}, expected a finite number; "
                f"use one_hot=True for inputs that are words, outputs='classes' for such labels"
            )
    return np.array(cells, dtype=np.float64)[:, None]
