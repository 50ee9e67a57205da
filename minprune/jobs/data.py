"""What --data names: the embedded digits, or a folder in the format of MNIST."""

from dataclasses import replace
from pathlib import Path

from minprune import data
from minprune.core import Dataset

VAL = 1 / 12  # of a folder's training images, for validation: 5,000 of the 60,000 of MNIST


def load_data(name: str) -> Dataset:
    """The embedded digits, or a folder of IDX files; the Dataset's name is the folder's."""
    if name == "digits":
        return data.digits()
    return replace(data.idx(name, val=VAL), name=Path(name).resolve().name)
