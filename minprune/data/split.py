"""How samples are divided: one epoch into batches, a data set into training, validation, test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from minprune.arguments import count, instance, is_count, is_number
from minprune.core import Array, Dataset, Seed, Split, check_targets, stream
from minprune.errors import ArgumentError, ShapeError


def split(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    val: int | float = 0.1,
    test: int | float = 0.2,
    seed: Seed = 0,
    name: str = "data",
) -> Dataset:
    """Divide samples into training, validation and test, each with the class shares of the whole

    Validation and test have floor or ceil of their share of each class, where targets are floats,
    of each range of them; training has what is left. The samples of a part keep their order.

    Parameters
    ----------
    x : array
        The inputs, (n, ...).
    y : array
        The targets: (n,) of classes, as integers or text, or floats (n,) or (n, outputs).
    val, test : int or float
        How many of the samples (an integer), or what share of all of them (a float). With val=0
        the validation part is the training part itself, with test=0 the test part is the
        validation part.
    seed : int or numpy.random.Generator
        Of the draws.
    name : str
        The name of the Dataset.

    Returns
    -------
    Dataset
        The three parts.

    Raises
    ------
    ArgumentError
        For parts that leave no sample for training.
    ShapeError
        Unless there is one target to each input.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> x, y = np.ones((30, 2)), np.repeat(["no", "yes"], 15)
    >>> data = mp.data.split(x, y, val=0.2, test=4)
    >>> [np.bincount(y).tolist() for _, y in (data.train, data.val, data.test)], data.classes
    ([[10, 10], [3, 3], [2, 2]], ('no', 'yes'))
    """
    try:
        x, y = np.asarray(x), np.asarray(y)
    except ValueError:
        x = y = np.zeros(())  # samples of different lengths
    if not x.ndim or not y.ndim or len(x) != len(y):
        raise ShapeError(
            f"split: x and y must be arrays with one row for each sample, not of shapes {x.shape} "
            f"and {y.shape}; pass one target to each input"
        )
    pairs = {"train": (x, y)}
    whole = completed(pairs, "split", lambda *pair: pair, val=val, test=test, seed=seed)
    return Dataset(*whole, name=name)


def batches(
    n: int, size: int, rng: np.random.Generator | None, shuffle: bool = True
) -> Iterator[npt.NDArray[np.intp]]:
    """order[0:size], order[size:2 size], ...      order: a permutation of 0 .. n - 1

    Each index comes exactly once; the last batch is short where `size` does not divide `n`.

    Parameters
    ----------
    n : int
        The number of samples.
    size : int
        The number of samples in a batch.
    rng : numpy.random.Generator or None
        The order is drawn from it at the call; may be None without `shuffle`.
    shuffle : bool
        Whether the order is random; otherwise it is 0 .. n - 1.

    Returns
    -------
    iterator of integer arrays
        The indices of each batch.

    Raises
    ------
    ArgumentError
        For a count that is too small, and for shuffling without a generator.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> [batch.tolist() for batch in mp.data.batches(5, 2, None, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    count("batches", "n", n, 0)
    count("batches", "size", size)
    order = np.arange(n)
    if shuffle:
        generator = "np.random.default_rng(0), or shuffle=False"
        order = instance("batches", "rng", rng, np.random.Generator, generator).permutation(n)
    return (order[i : i + size] for i in range(0, n, size))


def rows_of_parts(
    y: Array, owner: str, *, val: int | float, test: int | float, seed: Seed
) -> tuple[Array, Array, Array]:
    """The rows of training, validation and test: test is drawn first, validation of the others"""
    n = len(y)
    if not n:
        raise ArgumentError(f"{owner}: must have at least one sample, not 0; pass x and y of some")
    tests = held_out(owner, "test", test, n)
    vals = held_out(owner, "val", val, n, tests)
    chosen = np.zeros(n, bool)
    if tests:
        chosen = stratified(y, tests, stream(seed, f"{owner}.test"))
    left = np.flatnonzero(~chosen)
    held = stratified(y[left], vals, stream(seed, f"{owner}.val"))
    return left[~held], left[held], np.flatnonzero(chosen)


def parts_of(
    take: Callable[[Array], Split], rows: tuple[Array, Array, Array]
) -> tuple[Split, Split, Split]:
    """take(rows) of each part; without rows validation is training, and test is validation"""
    train = take(rows[0])
    val = take(rows[1]) if len(rows[1]) else train
    return train, val, take(rows[2]) if len(rows[2]) else val


def completed(
    pairs: Mapping[str, Split], owner: str, take: Callable[[Array, Array], Split], *,
    val: int | float, test: int | float, seed: Seed,
) -> tuple[Split, Split, Split]:  # fmt: skip
    """The three parts of what a file or folder holds: those that it has, the others from training

    pairs: (x, y) of "train", and of "val" and "test" if they are there; take(x, y) finishes a pair.
    """
    for part, (_, y) in pairs.items():  # here, as rows are those of the caller
        check_targets(part if len(pairs) > 1 else owner, y, len(y))
    x, y = pairs["train"]
    drawn = {"val": val, "test": test} | {part: 0 for part in pairs if part != "train"}
    rows = rows_of_parts(y, owner, seed=seed, **drawn)
    train, held, last = parts_of(lambda at: take(x[at], y[at]), rows)
    if "val" in pairs:
        held = take(*pairs["val"])
        last = last if len(rows[2]) else held
    return train, held, take(*pairs["test"]) if "test" in pairs else last


def stratified(labels: Array, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """drawn[order[j]] = floor((j + 1) count / n) > floor(j count / n)      drawn: (n,)

    labels: (n,) or (n, outputs). `order` sorts by class (by the last output, then the one before
    it, ...) and is random within a class. A run of c samples gives floor or ceil of c * count / n,
    so each class is within one sample of its share, and `count` is exact.
    Source: systematic sampling, Madow & Madow (1944).
    """
    n = len(labels)
    shuffled = rng.permutation(n)
    mixed = labels[shuffled]
    order = shuffled[np.lexsort(mixed.T) if labels.ndim > 1 else np.argsort(mixed, kind="stable")]
    drawn = np.zeros(n, bool)
    drawn[order] = np.diff(np.arange(n + 1) * count // max(n, 1)) > 0
    return drawn


def held_out(owner: str, what: str, given: int | float, n: int, taken: int = 0) -> int:
    """given if it is an integer else max(1, round(given * n)), 0 for 0      unit: samples

    At least one sample stays for training, besides those that another part has taken. Raises
    ArgumentError.
    """
    found = n
    if is_count(given, 0):
        found = int(given)
    elif is_number(given, 0) and given < 1:
        found = max(int(given > 0), round(float(given) * n))
    if found + taken >= n:
        others = f", of which {taken} are for test" * (taken > 0)
        raise ArgumentError(
            f"{owner}: {what} must be from 0 to {n - taken - 1} of the {n} samples{others}, as an "
            f"integer or as a share below 1, not {given!r}; leave at least one sample for training"
        )
    return found
