"""Folders in the format of MNIST: four IDX files, gzipped or not.

An IDX file is two zero bytes, a type code, the number of axes, one big-endian uint32 per axis, and
the values in C order. Source: LeCun, Cortes & Burges, The MNIST database (the page of the files).
"""

import os
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minprune.arguments import file_path, float_type
from minprune.core import Array, Dataset, Seed, Split
from minprune.data.split import completed
from minprune.errors import DataError

GZIP_RATIO = 1032  # deflate cannot expand more than this, so a header that claims more is false


def idx(
    folder: str | os.PathLike[str],
    *,
    val: int | float = 5000,
    seed: Seed = 0,
    dtype: npt.DTypeLike = np.float32,
) -> Dataset:
    """x = pixel / 255      x: (n, c, h, w) in [0, 1], c = 1 in files of three axes, y: (n,) int64

    Reads train-images, train-labels, t10k-images and t10k-labels, with the endings -idx3-ubyte or
    .idx3-ubyte (labels idx1; images of four axes, (n, c, h, w), idx4), each with or without .gz.

    Parameters
    ----------
    folder : path
        The folder that holds the four files.
    val : int or float
        How many samples (an integer), or what share (a float), of the training file are drawn by
        class for validation; with 0 the validation part is the training part itself.
    seed : int or numpy.random.Generator
        Of that draw.
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, with the name of the folder.

    Raises
    ------
    DataError
        For a file that is missing, cut or not IDX.
    ArgumentError
        For an argument that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.idx("no/such/folder")
    Traceback (most recent call last):
    ...
    minprune.errors.DataError: no/such/folder: no such folder; pass ...

    Source: LeCun, Cortes & Burges, The MNIST database (the page of the files).
    """
    kind = float_type("idx", dtype)
    root = file_path("idx", "folder", folder)
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder; pass the one that holds train-images-idx3-ubyte.gz and the "
            f"three other files of MNIST"
        )
    images, labels = _pair(root, "train")
    test_images, test_labels = _pair(root, "t10k")
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{root}: test images must have the shape of training images, {images.shape[1:]}, not "
            f"{test_images.shape[1:]}; put the files of one data set in the folder"
        )
    pairs = {"train": (images, labels), "test": (test_images, test_labels)}
    parts = completed(pairs, "idx", partial(_part, kind), val=val, test=0, seed=seed)
    return Dataset(*parts, name=root.resolve().name)


def _part(kind: np.dtype[np.floating], images: Array, labels: Array) -> Split:
    x = images.astype(kind)
    x /= 255
    return x if x.ndim == 4 else x[:, None], labels.astype(np.int64)


def _pair(root: Path, part: str) -> Split:
    """The images and the labels of one part, as bytes."""
    image_path = _find(root, f"{part}-images", (3, 4))
    label_path = _find(root, f"{part}-labels", (1,))
    images, labels = _read(image_path, (3, 4)), _read(label_path, (1,))
    if len(images) != len(labels):
        raise DataError(
            f"{label_path}: must hold {len(images)} labels, as many as {image_path.name} holds "
            f"images, not {len(labels)}; take both files from one data set"
        )
    return images, labels


def _find(root: Path, stem: str, axes: tuple[int, ...]) -> Path:
    names = [f"{stem}{dot}idx{a}-ubyte{gz}" for a in axes for dot in "-." for gz in ("", ".gz")]
    for name in names:
        if (root / name).is_file():
            return root / name
    raise DataError(
        f"{root}: must hold {stem}-idx{axes[0]}-ubyte, or the same with .gz, and does not; "
        f"copy it into the folder"
    )


def _read(path: Path, axes: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The array of one IDX file of unsigned bytes; never reads more than its header announces."""
    import gzip
    import zlib

    packed = path.suffix == ".gz"
    try:
        most = path.stat().st_size * (GZIP_RATIO if packed else 1)
        with gzip.open(path) if packed else path.open("rb") as f:
            return _parse(f, path, axes, most)
    except (EOFError, OSError, zlib.error) as e:  # strerror: not of a damaged gzip file
        why = getattr(e, "strerror", None) or "a gzip file that is cut or damaged"
        raise DataError(f"{path}: cannot be read ({why}); check the file") from e


def _parse(f: Any, path: Path, axes: tuple[int, ...], most: int) -> npt.NDArray[np.uint8]:
    magic = f.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or magic[3] not in axes:
        raise DataError(
            f"{path}: must start with 00 00 08 (unsigned bytes) and {' or '.join(map(str, axes))} "
            f"(axes), not {magic.hex(' ') or 'nothing'}; pass the original file, under its own name"
        )
    header = f.read(4 * magic[3])
    shape = tuple(map(int, np.frombuffer(header[: len(header) // 4 * 4], ">u4")))
    size = prod(shape)
    if len(shape) < magic[3] or size == 0:
        raise DataError(
            f"{path}: must give {magic[3]} sizes of at least 1 in its header, not {shape}; "
            f"download the file again"
        )
    body = f.read(size + 1) if size <= most else b""
    if len(body) != size:
        raise DataError(
            f"{path}: must hold {size} bytes after its header, which gives the shape {shape}, not "
            f"{'more' if len(body) > size else 'fewer'}; download the file again"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)
