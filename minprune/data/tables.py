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

from minprune.arguments import choice, file_path, float_type
from minprune.core import Array, Dataset, Seed, Split, stream
from minprune.data.split import held_out, stratified
from minprune.errors import DataError

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

    Cells and levels are compared as text, without the spaces around them; inside a cell a run of
    spaces or line ends counts as one space.

    Parameters
    ----------
    train_path, test_path : path
        One header line, then one sample per line. Without `test_path` the test part is the
        validation part.
    label : str
        The column of labels.
    one_hot : bool
        Whether each level of a column is an input, 0 or 1; otherwise each cell is one number.
    val : int or float
        How many samples (an integer), or what share (a float), of the training file are drawn by
        label for validation; with 0 the validation part is the training part itself.
    values : dict, optional
        The levels of columns by hand, {column: levels}; else those of both files, sorted, as
        numbers if all are numbers.
    outputs : {"classes", "column"}
        y: (n,) int64, the index of the label among its sorted levels; or (n, 1) floats, the label
        itself, for a net with one output and the mse loss.
    seed : int or numpy.random.Generator
        Of the draw for validation.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, with the name of the training file.

    Raises
    ------
    DataError
        For a file that is missing or not such a table.
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> with open("colours.csv", "w") as f:
    ...     _ = f.write("class,colour\\nyes,red\\nno,blue\\nyes,green\\n")
    >>> x, y = mp.data.csv("colours.csv").train
    >>> x.tolist(), y.tolist()  # blue, green, red; no, yes
    ([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [1, 0, 1])
    """
    kind = float_type("csv", dtype)
    choice("csv", "outputs", outputs, ("classes", "column"))
    paths = [file_path("csv", "train_path", train_path)]
    paths += [] if test_path is None else [file_path("csv", "test_path", test_path)]
    tables = [_read(p, label) for p in paths]
    if set(tables[-1]) != set(tables[0]):
        raise DataError(
            f"{paths[-1]}: must have the columns of {paths[0].name}, {', '.join(tables[0])}, not "
            f"{', '.join(tables[-1])}; pass two files of one table"
        )
    levels = _levels(tables, values or {})
    inputs = [c for c in tables[0] if c != label]

    def encode(table: Table, path: Path) -> Split:
        def column(c: str, hot: bool) -> Array:
            found = _indicators(table, levels, path, c) if hot else _numbers(table, path, c)
            return found.astype(kind)

        x = np.concatenate([column(c, one_hot) for c in inputs], axis=1)
        return x, column(label, False) if outputs == "column" else column(label, True).argmax(1)

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
            f"{path}: must be a CSV file in UTF-8, and cannot be read ({reason}); check the path"
        ) from e
    header = lines[0] if lines else []
    if label not in header or len(header) < 2 or len(set(header)) < len(header):
        raise DataError(
            f"{path}: the header must hold different names, {label} and at least one input, not "
            f"{', '.join(header) or 'nothing'}; name the column of labels by label="
        )
    if len(lines) == 1:
        raise DataError(f"{path}: must hold at least one row, and has none; download it again")
    for i, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise DataError(
                f"{path}: row {i} must have {len(header)} cells, as the header, not {len(line)}; "
                f"give each row one cell per column"
            )
    return {name: [line[j] for line in lines[1:]] for j, name in enumerate(header)}


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def _levels(tables: list[Table], values: Mapping[str, Sequence[object]]) -> Table:
    """column -> its levels in order, those of `values` as given"""
    for name in values:
        choice("csv", "a column in values", name, list(tables[0]))
    found = {}
    for column in tables[0]:
        cells = {c for t in tables for c in t[column]}
        numeric = all(map(_is_number, cells))
        order = sorted(cells, key=lambda c: (float(c) if numeric else 0, c))
        given = dict.fromkeys(_plain(str(v)) for v in values.get(column, ()))
        found[column] = list(given) or order
    return found


def _is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell))
    except ValueError:
        return False


def _indicators(table: Table, levels: Table, path: Path, column: str) -> Array:
    """(n, levels), True where the cell is the level"""
    for i, cell in enumerate(table[column], 1):
        if cell not in levels[column]:
            raise DataError(
                f"{path}: column {column} must hold one of {', '.join(levels[column])}, not "
                f"{cell!r} as in row {i}; add it to values"
            )
    hits: Array = np.array(table[column])[:, None] == np.array(levels[column])
    return hits


def _numbers(table: Table, path: Path, column: str) -> Array:
    """(n, 1), the cell as a number"""
    for i, cell in enumerate(table[column], 1):
        if not _is_number(cell):
            raise DataError(
                f"{path}: column {column} must hold finite numbers, not {cell!r} as in row {i}; "
                f"use one_hot=True for inputs that are words, outputs='classes' for such labels"
            )
    return np.array(table[column], dtype=np.float64)[:, None]
