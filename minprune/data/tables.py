"""Tables in CSV files: one header line, one sample per line, one column of labels.

Longer than most files: half of it is the docstring of `csv`.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minprune.arguments import choice, file_path, float_type, instance
from minprune.core import Array, Dataset, Seed, first_of, is_number_text, ordered
from minprune.data.cells import Column, plain, read
from minprune.data.split import parts_of, rows_of_parts
from minprune.errors import ArgumentError, DataError, MinpruneWarning

PathLike = str | os.PathLike[str]
Table = dict[str, Column]
MANY, SOME = 100, 20  # levels: more than MANY, or more than SOME and half the rows, are too many


def csv(
    train_path: PathLike,
    test_path: PathLike | None = None,
    *,
    label: str = "class",
    one_hot: bool | Literal["all"] | Sequence[str] = True,
    skip: Sequence[str] = (),
    values: Mapping[str, Sequence[object]] | None = None,
    outputs: Literal["classes", "column"] = "classes",
    standardise: bool = False,
    decimal: Literal[".", ","] = ".",
    val: int | float = 0,
    test: int | float = 0,
    seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = the number in a cell, or [cell == level for each level] of text      x: (n, features)

    A column of numbers is one input; of a column of text each level is an input, 0 or 1. The cells
    are separated by commas, semicolons, tabs or bars, as the header shows. Text is compared
    without the spaces around it; a run of spaces or line ends inside counts as one space. Messages
    count rows from 1, below the header.

    Parameters
    ----------
    train_path, test_path : path
        One header line, then one sample per line. Without `test_path` the test part is drawn from
        the training file, as `test` says.
    label : str
        The column of labels.
    one_hot : bool, "all" or sequence of str
        Which columns have an input for each level: True, those of text; False, none, so text is
        refused; "all", those of numbers too, as for the MONK's problems (a1 to a6 give
        3 + 3 + 2 + 3 + 4 + 2 = 17 inputs); or those of text and the columns that are named, which
        may have any number of levels.
    skip : sequence of str
        Columns to leave out.
    values : dict, optional
        The levels of columns by hand, {column: levels}; else those of both files, sorted, as
        numbers if all are numbers.
    outputs : {"classes", "column"}
        y: (n,) int64, the index of the label among its sorted levels, which data.classes has; or
        (n, 1) floats, the label itself, for a net with one output.
    standardise : bool
        Whether a column of numbers is shifted and scaled to mean 0 and standard deviation 1 over
        the training part.
    decimal : {".", ","}
        What stands before the decimals of a number.
    val, test : int or float
        How many samples (an integer), or what share (a float), of the training file are drawn by
        label for validation and test. With val=0 the validation part is the training part itself;
        with test=0 and without `test_path` the test part is the validation part.
    seed : int or numpy.random.Generator
        Of the draws.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, with the name of the training file.

    Raises
    ------
    DataError
        For a file that is missing or not such a table: an empty cell, text among numbers, a column
        of too many levels (an identifier, a date) are named.
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> with open("colours.csv", "w") as f:
    ...     _ = f.write("class,colour,size\\nyes,red,1.5\\nno,blue,2\\nyes,green,3\\n")
    >>> data = mp.data.csv("colours.csv")
    >>> data.train[0].tolist()  # blue, green, red; size
    [[0.0, 0.0, 1.0, 1.5], [1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 3.0]]
    >>> data.train[1].tolist(), data.classes
    ([1, 0, 1], ('no', 'yes'))

    Source: of the MONK's problems, Thrun et al. (1991), The MONK's problems: a performance
    comparison of different learning algorithms.
    """
    kind = float_type("csv", dtype)
    choice("csv", "outputs", outputs, ("classes", "column"))
    choice("csv", "decimal", decimal, (".", ","))
    paths = [file_path("csv", "train_path", train_path)]
    paths += [] if test_path is None else [file_path("csv", "test_path", test_path)]
    if test and test_path is not None:
        raise ArgumentError(
            f"csv: test must be 0 where there is a test_path, not {test!r}; leave out one of them"
        )
    instance("csv", "label", label, str, "label='class'")
    given = {} if values is None else values
    if not isinstance(given, Mapping) or not all(isinstance(v, Sequence) for v in given.values()):
        raise ArgumentError(
            f"csv: values must be a dict of the levels of columns, not {values!r}; "
            f"pass values={{'a': ['1', '2', '3']}}, for example"
        )
    every = isinstance(one_hot, str) and one_hot == "all"
    named = () if every or isinstance(one_hot, bool) else _names("one_hot", one_hot)
    lists = {"values": tuple(given), "one_hot": named, "skip": _names("skip", skip)}

    def as_text(column: str) -> bool:
        if column == label:
            return outputs == "classes"
        return every or column in named or column in given

    tables = [read(p, label, lists, as_text, decimal) for p in paths]
    train, last = tables[0], tables[-1]
    if set(last) != set(train):
        raise DataError(
            f"{paths[-1]}: must have the columns of {paths[0].name}, {first_of(list(train))}, not "
            f"{first_of(list(last))}; pass two files of one table"
        )
    levels = {}
    for name in train:
        columns = [t[name] for t in tables]
        levels[name] = _levels(columns, given.get(name, ()), name in named, name == label)
        if levels[name] and (outputs == "column" if name == label else one_hot is False):
            raise DataError(
                f"{columns[0].where} must hold finite numbers, not "
                f"{next(iter(train[name].levels))!r} as in row 1; use one_hot=True for inputs that "
                f"are text, outputs='classes' for such labels"
            )
    y, *y_test = (_targets(t[label], levels[label], kind) for t in tables)
    rows = rows_of_parts(y, "csv", val=val, test=test, seed=seed)
    if test_path is None and not len(rows[1]) and not len(rows[2]):
        warnings.warn(
            f"csv: {paths[0].name}: validation and test are the training part, so that accuracies "
            f"are of samples that were trained on; pass val=0.1, test=0.2, for example",
            MinpruneWarning, stacklevel=2,
        )  # fmt: skip
    scales = {c: _scale(train[c].cells[rows[0]]) for c in train if standardise and not levels[c]}
    classes = levels.pop(label)
    x, *x_test = (_inputs(t, levels, scales, kind) for t in tables)
    parts = parts_of(lambda at: (x[at], y[at]), rows)
    if x_test:
        parts = parts[0], parts[1], (x_test[0], y_test[0])
    return Dataset(*parts, name=paths[0].stem, classes=classes)


def _names(what: str, given: Any) -> tuple[str, ...]:
    """Names of columns, or of one"""
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"csv: {what} must be names of columns, not {given!r}; pass {what}=('a',), for example"
        )
    return tuple(names)


def _levels(
    columns: Sequence[Column], given: Sequence[object], named: bool, label: bool
) -> tuple[str, ...]:
    """The levels of a column in order, those of `given` as given; () for numbers

    columns: that of each file. Raises DataError for too many, unless the column is named.
    """
    first, last = columns[0], columns[-1]
    if first.numeric != last.numeric:
        found, other = ("numbers", "text")[:: 1 if first.numeric else -1]
        raise DataError(
            f"{last.where} must hold {found}, as in the training file, not {other}; "
            f"pass two files of one table, or one_hot=({last.name!r},)"
        )
    if first.numeric:
        return ()
    by_hand = tuple(dict.fromkeys(plain(str(v)) for v in given))
    levels = by_hand or ordered(level for c in columns for level in c.levels)
    rows = sum(c.rows for c in columns)
    most = min(MANY, max(SOME, rows // 2))
    if not (by_hand or named) and len(levels) > most:
        what, then = "levels", f"leave it out by skip=({first.name!r},), or have them all by"
        if label:
            what, then = "classes", "pass outputs='column' for a number to predict, or"
        elif all(map(is_number_text, levels)):
            then = "pass one_hot=True, so that numbers stay numbers, or"
        raise DataError(
            f"{first.where} must hold at most {most} {what}, not {len(levels):,} in {rows:,} rows; "
            f"{then} one_hot=({first.name!r},)"
        )
    return levels


def _targets(column: Column, levels: Sequence[str], kind: np.dtype[np.floating]) -> Array:
    """(n,) int64 of classes, or (n, 1) floats"""
    if levels:
        return _indices(column, levels).astype(np.int64)
    return _floats(column, column.cells, kind)[:, None]


def _inputs(
    table: Table, levels: Mapping[str, Sequence[str]], scales: Mapping[str, tuple[float, float]],
    kind: np.dtype[np.floating],
) -> Array:  # fmt: skip
    """(n, features): the columns that `levels` has, in its order"""
    n = next(iter(table.values())).rows
    x = np.zeros((n, sum(len(of) or 1 for of in levels.values())), kind)
    at = 0
    for name, of in levels.items():
        if of:
            x[np.arange(n), at + _indices(table[name], of)] = 1
        else:
            mean, deviation = scales.get(name, (0.0, 1.0))
            x[:, at] = _floats(table[name], (table[name].cells - mean) / deviation, kind)
        at += len(of) or 1
    return x


def _scale(numbers: Array) -> tuple[float, float]:
    """(mean, standard deviation); (number, 1) where all are one number, whatever rounding does"""
    if numbers.min() == numbers.max():
        return float(numbers[0]), 1.0
    return float(numbers.mean()), float(numbers.std())


def _floats(column: Column, numbers: Array, kind: np.dtype[np.floating]) -> Array:
    """The numbers in that type; raises DataError where one is too large for it."""
    with np.errstate(over="ignore"):
        found = numbers.astype(kind)
    if not np.isfinite(found).all():
        row = int(np.isfinite(found).argmin())
        raise DataError(
            f"{column.where} must hold numbers within the range of {kind}, not {numbers[row]:g} as "
            f"in row {row + 1}; pass standardise=True or dtype=np.float64"
        )
    return found


def _indices(column: Column, levels: Sequence[str]) -> Array:
    """(n,) the place of each cell's level in `levels`"""
    at = {level: k for k, level in enumerate(levels)}
    for level, code in column.levels.items():
        if level not in at:
            row = int((column.cells == code).argmax()) + 1
            raise DataError(
                f"{column.where} must hold one of {first_of(levels)}, not {level!r} as in row "
                f"{row}; add it to values"
            )
    return np.array([at[level] for level in column.levels])[column.cells]
