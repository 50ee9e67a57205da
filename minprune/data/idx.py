"""Folders in the format of MNIST: four IDX files, gzipped or not.

An IDX file is two zero bytes, a type code, the number of axes, one big-endian uint32 per axis, and
the values in C order. Source: LeCun, Cortes & Burges, The MNIST database (the page of the files).
"""

import os
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from minprune.core import Array, Dataset, Seed, Split, stream
from minprune.data.checks import float_type, path_of
from minprune.data.stratify import held_out, stratified
from minprune.errors import DataError

UBYTE = 0x08
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
    `val` samples (an integer), or that share of the training file (a float), are drawn by class
    for validation, with `seed`; with 0 the validation part is the training part itself.
    Raises DataError for a file that is absent, cut or not IDX, and ArgumentError.
    """
    kind = float_type(dtype)
    root = path_of("folder", folder)
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder, expected one with the four IDX files of MNIST; "
            f"give the folder that holds train-images-idx3-ubyte.gz"
        )
    images, labels = _pair(root, "train")
    test_images, test_labels = _pair(root, "t10k")
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{root}: test images are {test_images.shape[1:]}, training images are "
            f"{images.shape[1:]}; put the files of one data set in the folder"
        )
    count = held_out(val, len(labels))
    drawn = stratified(labels, count, stream(seed, "idx.val"))
    train = _part(images[~drawn], labels[~drawn], kind)
    held = _part(images[drawn], labels[drawn], kind) if count else train
    return Dataset(train, held, _part(test_images, test_labels, kind), name=root.resolve().name)


def _part(images: Array, labels: Array, kind: np.dtype[np.floating]) -> Split:
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
            f"{label_path}: {len(labels)} labels, but {image_path.name} has {len(images)} images; "
            f"take both files from one data set"
        )
    return images, labels


def _find(root: Path, stem: str, axes: tuple[int, ...]) -> Path:
    for a in axes:
        for name in (f"{stem}-idx{a}-ubyte", f"{stem}.idx{a}-ubyte"):
            for path in (root / name, root / f"{name}.gz"):
                if path.is_file():
                    return path
    raise DataError(
        f"{root}: no {stem} file, expected {stem}-idx{axes[0]}-ubyte or the same with .gz; "
        f"copy it into the folder"
    )


def _read(path: Path, axes: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The array of one IDX file of unsigned bytes; never reads more than its header announces."""
    import gzip
    import zlib

    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as f:
            return _parse(
                cast(IO[bytes], f), path, axes, path.stat().st_size * (GZIP_RATIO if packed else 1)
            )
    except (EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise DataError(
            f"{path}: cut or damaged, expected a whole gzip file; fetch the file again"
        ) from e
    except OSError as e:
        raise DataError(
            f"{path}: cannot be read ({e.strerror}), expected an IDX file; check its permissions"
        ) from e


def _parse(f: IO[bytes], path: Path, axes: tuple[int, ...], most: int) -> npt.NDArray[np.uint8]:
    magic = f.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(
            f"{path}: starts with {magic.hex(' ') or 'nothing'}, expected 00 00 as in every "
            f"IDX file; give the original file, or its .gz with that ending"
        )
    if magic[2] != UBYTE or magic[3] not in axes:
        raise DataError(
            f"{path}: type 0x{magic[2]:02x} with {magic[3]} axes, expected type 0x08 (unsigned "
            f"byte) with {' or '.join(map(str, axes))}; check that the file has its own name"
        )
    header = f.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DataError(
            f"{path}: ends inside its header, expected {4 * magic[3]} bytes of axes after the "
            f"first 4; fetch the file again"
        )
    shape = tuple(int(s) for s in np.frombuffer(header, ">u4"))
    size = prod(shape)
    if size == 0:
        raise DataError(f"{path}: shape {shape}, expected no axis of 0; fetch the file again")
    body = f.read(size + 1) if size <= most else b""
    if len(body) != size:
        raise DataError(
            f"{path}: {'more' if len(body) > size else 'fewer'} bytes than the {size} that its "
            f"header announces with shape {shape}; fetch the file again"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)
