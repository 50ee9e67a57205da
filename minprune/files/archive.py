"""Zip archives of arrays that other programs wrote: .npz of NumPy, .pt of PyTorch.

Sizes are compared with those of the file before memory is taken.
"""

from typing import Any, BinaryIO

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files import pytorch
from minprune.files.container import DEFLATED, HEADER, STORED
from minprune.files.numbers import numbers_in, read_numbers

TABLE = 2**20  # bytes of the table of entries
INFLATED = 2**26  # bytes that compressed entries may take, or twice those of the file
AGAIN = "fetch it again"


def read(f: BinaryIO, size: int, table: int) -> Arrays:
    """All arrays of an open archive of that size; raises FileError for anything wrong"""
    import zipfile

    if table > min(TABLE, size):
        raise FileError(
            f"its table of entries must take at most {min(TABLE, size)} bytes, not {table}; {AGAIN}"
        )
    with zipfile.ZipFile(f) as archive:
        entries = {e.filename: e for e in archive.infolist()}
        if len(entries) < len(archive.infolist()):
            raise FileError(f"its entries must have different names; {AGAIN}")
        _check_sizes(entries, size)
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) == 1:
            return pytorch.read(archive, entries, pickles[0], size)
        if HEADER in entries:
            raise FileError("it must hold arrays alone, not a saved model; read it by mp.load")
        other = [name for name in entries if not name.endswith(".npy")]
        if other or not entries:
            raise FileError(
                f"it must be a file of PyTorch or an .npz of NumPy, not an archive of "
                f"{other[0] if other else 'nothing'}; write the arrays by np.savez"
            )
        return {name[:-4]: _npy(name[:-4], archive, e) for name, e in entries.items()}


def _check_sizes(entries: dict[str, Any], size: int) -> None:
    """Raises FileError unless the entries fit in the file, and what is compressed in memory"""
    if sum(e.compress_size for e in entries.values()) > size:
        raise FileError(f"its entries must fit in its {size} bytes; {AGAIN}")
    for name, e in entries.items():
        stored = e.compress_type == STORED and e.file_size == e.compress_size
        if not (stored or e.compress_type == DEFLATED):
            raise FileError(f"its {name} must be stored or deflated; write it again")
    claimed = sum(e.file_size for e in entries.values() if e.compress_type == DEFLATED)
    if claimed > (most := max(2 * size, INFLATED)):
        raise FileError(
            f"its compressed entries must take at most {most} bytes, not {claimed}; write it "
            f"without compression"
        )


def _npy(name: str, archive: Any, entry: Any) -> Array:
    """One array in NumPy's own format, C-contiguous"""
    form = np.lib.format
    with archive.open(entry) as f:
        version = form.read_magic(f)
        heads = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
        if version not in heads:
            raise FileError(f"{name}: its version must be 1.0 or 2.0, not {version}; save it again")
        shape, fortran, dtype = heads[version](f)
        if dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype.names:
            raise FileError(
                f"{name}: must hold numbers, not {dtype}; leave it out, since objects are pickles"
            )
        n, left = numbers_in(name, shape), entry.file_size - f.tell()
        if n * dtype.itemsize != left:
            raise FileError(
                f"{name}: must take {n * dtype.itemsize} bytes for its shape {shape}, not {left}; "
                f"{AGAIN}"
            )
        order = ">" if dtype == dtype.newbyteorder(">") else "<"
        a = read_numbers(name, f, dtype.newbyteorder("=").name, n, order)
    a = a.reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(a) if shape else a
