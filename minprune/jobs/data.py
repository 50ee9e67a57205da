"""What --data names: the embedded digits, IDX files, images by class, an .npz file or a table."""

from pathlib import Path

from minprune import data
from minprune.core import Dataset
from minprune.errors import DataError

VAL = 1 / 12  # of training samples, for validation: 5,000 of the 60,000 of MNIST
TEST = 1 / 5  # of all samples, for test, where the data have no test part


def load_data(name: str) -> Dataset:
    """The embedded digits, or what a path is: IDX files, images by class, .npz, else a table."""
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
    raise DataError(
        f"{name}: no such file or folder; pass --data a .csv or .npz file, a folder with one of "
        f"images for each class, or one with the four files of MNIST"
    )
