"""Arrays in .npz files, as numpy.savez writes them; never by pickle."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from minprune.arguments import file_path, float_type
from minprune.core import PARTS, Array, Dataset, Seed, Split, channels_last, first_of
from minprune.data.split import completed
from minprune.errors import DataError

STEMS = (("x", "y"), ("images", "labels"), ("data", "target"))  # names of inputs and of targets


def npz(
    path: str | os.PathLike[str],
    *,
    val: int | float = 0.1,
    test: int | float = 0.2,
    seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = pixel / 255 of unsigned bytes, the number itself of others      y: (n,) or (n, outputs)

    The file holds the arrays x and y, or those of each part: x_train, y_train, x_test, y_test and,
    if there is a validation part, x_val and y_val. "images" and "labels", or "data" and "target",
    may stand for x and y, and the part may come first (train_images). Of unsigned bytes, which are
    pixels, (n, h, w) becomes (n, 1, h, w), and channels that come last become the second axis.
    Targets are as in mp.Dataset; integers (n, 1) become (n,).

    Parameters
    ----------
    path : path
        The file.
    val, test : int or float
        How many samples (an integer), or what share (a float), are drawn by class for validation
        and test, where the file has no such part. With val=0 the validation part is the training
        part itself, with test=0 the test part is the validation part.
    seed : int or numpy.random.Generator
        Of the draws.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, with the name of the file.

    Raises
    ------
    DataError
        For a file that is missing, damaged or without such arrays.
    ArgumentError
        For an argument, or a target, that cannot be used.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> np.savez("grey.npz", x=np.zeros((10, 8, 8), np.uint8), y=np.arange(10) % 2)
    >>> data = mp.data.npz("grey.npz")
    >>> [x.shape for x, _ in (data.train, data.val, data.test)]
    [(7, 1, 8, 8), (1, 1, 8, 8), (2, 1, 8, 8)]

    Source: the layout of the files of Keras (mnist.npz) and of MedMNIST.
    """
    kind = float_type("npz", dtype)
    file = file_path("npz", "path", path)
    names, pairs = _read(file)
    if "train" not in pairs:
        raise DataError(
            f"{file}: must hold the arrays x and y, or x_train and y_train, not "
            f"{first_of(names) or 'none'}; load them by numpy, and pass them to mp.data.split(x, y)"
        )
    for part, pair in pairs.items():
        _check(f"{file}: {part}", *pair)
    parts = completed(pairs, "npz", partial(_decoded, kind), val=val, test=test, seed=seed)
    return Dataset(*parts, name=file.stem)


def _check(where: str, x: Array, y: Array) -> None:
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x) or x.dtype.kind not in "biuf":
        raise DataError(
            f"{where} inputs must be numbers with one target each, not {x.dtype} of shape "
            f"{x.shape} with targets {y.dtype} of shape {y.shape}; save both arrays again"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        at = np.unravel_index(int(np.isfinite(x).argmin()), x.shape)
        raise DataError(
            f"{where} inputs must be finite numbers, not {x[at]} as in "
            f"x[{', '.join(map(str, at))}]; leave that sample out"
        )


def _decoded(kind: np.dtype[np.floating], x: Array, y: Array) -> Split:
    """Inputs in that type, bytes as images of floats, and integer classes as (n,) int64"""
    if y.dtype.kind in "iu":
        y = y.astype(np.int64)
        y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if x.dtype != np.uint8:
        return x.astype(kind), y
    if x.ndim == 4 and channels_last(x.shape[1:]):
        x = x.transpose(0, 3, 1, 2)
    pixels = x.astype(kind, order="C")
    pixels /= 255
    return pixels[:, None] if x.ndim == 3 else pixels, y


def _read(path: Path) -> tuple[list[str], dict[str, Split]]:
    """The names of all arrays, and the pair of each part; x and y of no part are for training"""
    from zipfile import is_zipfile

    try:
        if path.is_file() and not is_zipfile(path):
            raise ValueError("it is no zip file")
        with path.open("rb") as f, np.load(f, allow_pickle=False) as file:
            found = {part: pair for part in PARTS if (pair := _pair(file, part))}
            if "train" not in found and (pair := _pair(file, "")):
                found["train"] = pair
            return file.files, found
    except Exception as e:  # damage raises errors of many classes
        reason = e.strerror if isinstance(e, OSError) else str(e) or type(e).__name__
        raise DataError(
            f"{path}: must be an .npz file without pickled objects, and cannot be read ({reason}); "
            f"write it by numpy.savez, text as arrays of str"
        ) from e


def _pair(file: Mapping[str, Array], part: str) -> Split | None:
    """The inputs and targets of a part, under the first names that are there"""
    for stems in STEMS:
        for form in ("{0}_{1}", "{1}_{0}") if part else ("{0}",):
            x, y = (form.format(stem, part) for stem in stems)
            if x in file and y in file:
                return file[x], file[y]
    return None
