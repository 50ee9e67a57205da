"""Data as a Dataset of (x, y) pairs: digits, files, synthetic tasks; and batches of indices."""

from minprune.data.digits import digits
from minprune.data.idx import idx
from minprune.data.makers import blobs, spirals, teacher, xor
from minprune.data.split import batches
from minprune.data.tables import csv

__all__ = ["batches", "blobs", "csv", "digits", "idx", "spirals", "teacher", "xor"]
