"""Data as a Dataset of (x, y) pairs: digits, files, synthetic tasks; and batches of indices."""

from minprune.data.arrays import npz
from minprune.data.digits import digits
from minprune.data.idx import idx
from minprune.data.images import images
from minprune.data.makers import blobs, spirals, teacher, xor
from minprune.data.split import batches, split
from minprune.data.tables import csv

__all__ = [
    "batches", "blobs", "csv", "digits", "idx", "images", "npz", "spirals", "split", "teacher",
    "xor",
]  # fmt: skip
