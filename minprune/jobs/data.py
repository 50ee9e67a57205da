"""What --data names: the embedded digits, IDX files, images by class, an .npz file or a table."""

import re
from pathlib import Path

from minprune import data
from minprune.arguments import meant
from minprune.core import Dataset
from minprune.errors import ArgumentError, DataError

VAL = 1 / 12  # of training samples, for validation: 5,000 of the 60,000 of MNIST
TEST = 1 / 5  # of all samples, for test, where the data have no test part


PYTHON = re.compile(r"\b[a-z_]+=|\bmp\.")  # an argument or a function, in a remedy


def load_data(name: str) -> Dataset:
    """The embedded digits, or what a path is: IDX files, images by class, .npz, else a table

    FILE.csv:COLUMN is a table whose labels are in that column, not in "class".
    Raises DataError; a remedy that is an argument in Python is said to be one.
    """
    try:
        return _load(name)
    except (ArgumentError, DataError) as e:
        said, _, remedy = str(e).rpartition("; ")
        if not PYTHON.search(remedy):
            raise
        raise DataError(
            f"{said}; change the file, or, in Python, {remedy}, and save x and y as an .npz file "
            f"for --data"
        ) from None


def _load(name: str) -> Dataset:
    from zipfile import is_zipfile

    path = Path(name)
    if name == "digits":
        return data.digits()
    if path.is_dir() and any(path.glob("t*-images?idx*")):
        return data.idx(path, val=VAL)
    if path.is_dir():
        return data.images(path, val=VAL, test=TEST)
    if is_zipfile(path):
        return data.npz(path, val=VAL, test=TEST)
    if path.exists():
        return data.csv(path, standardise=True, val=VAL, test=TEST)
    file, _, label = name.rpartition(":")
    if label and Path(file).is_file():  # the column of the labels
        return data.csv(file, label=label, standardise=True, val=VAL, test=TEST)
    known = (
        "pass --data a .csv or .npz file, a folder with one of images for each class, or one with "
        "the four files of MNIST"
    )
    raise DataError(f"{name}: no such file or folder; {meant(name, ['digits'], known)}")
