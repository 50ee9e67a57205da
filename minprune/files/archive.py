"""Zip archives of arrays that other programs wrote: .pt of PyTorch, .npz of NumPy.

Sizes are compared with those of the file before memory is taken.
"""

import math
from typing import Any, BinaryIO

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files.container import DEFLATED, HEADER, STORED
from minprune.files.numbers import read_numbers, size_of
from minprune.files.pickled import SAVE, Dict, Machine, Tensor

TABLE = 2**20  # bytes of the table of entries
INFLATED = 2**26  # bytes that compressed entries may take, or twice those of the file
NAMES = 2**24  # characters of all names
DEEP = 8  # dicts in one another
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
        if sum(e.compress_size for e in entries.values()) > size:
            raise FileError(f"its entries must fit in its {size} bytes; {AGAIN}")
        for name, e in entries.items():
            stored = e.compress_type == STORED and e.file_size == e.compress_size
            if e.flag_bits & 1 or not (stored or e.compress_type == DEFLATED):
                raise FileError(f"its {name} must be stored or deflated; write it again")
        packed = [e for e in entries.values() if e.compress_type == DEFLATED]
        most, claimed = max(2 * size, INFLATED), sum(e.file_size for e in packed)
        if claimed > most:
            raise FileError(
                f"its compressed entries must take at most {most} bytes, not {claimed}; write it "
                f"without compression"
            )
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) == 1:
            return Torch(archive, entries, pickles[0], size).arrays()
        if HEADER in entries:
            raise FileError("it must hold arrays alone, not a saved model; read it by mp.load")
        other = [name for name in entries if not name.endswith(".npy")]
        if other or not entries:
            raise FileError(
                f"it must be a file of PyTorch or an .npz of NumPy, not an archive of "
                f"{other[0] if other else 'nothing'}; write the arrays by np.savez"
            )
        return {name[:-4]: _npy(name[:-4], archive, e) for name, e in entries.items()}


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
        n, left = math.prod(shape), entry.file_size - f.tell()
        if any(side < 0 for side in shape) or n * dtype.itemsize != left:
            raise FileError(
                f"{name}: must take {n * dtype.itemsize} bytes for its shape {shape}, not {left}; "
                f"{AGAIN}"
            )
        order = ">" if dtype.newbyteorder("=") != dtype else "<"
        a = read_numbers(name, f, dtype.newbyteorder("=").name, n, order)
        f.read(1)  # at its end the archive compares the checksum
    a = a.reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(a) if shape else a


class Torch:
    """An archive of `torch.save`: data.pkl describes tensors, whose numbers are in data/KEY."""

    def __init__(self, archive: Any, entries: dict[str, Any], pickle: str, size: int) -> None:
        self.archive, self.entries, self.size = archive, entries, size
        self.top = pickle.removesuffix("data.pkl")
        for extra in ("constants.pkl", "code/"):
            if any(name.startswith(self.top + extra) for name in entries):
                raise FileError(f"it must hold tensors alone, not a TorchScript program; {SAVE}")
        word = self.text("byteorder") or "little"
        if word not in ("little", "big"):
            raise FileError(f"its byteorder must be little or big, not {word!r}; {AGAIN}")
        self.order = ">" if word == "big" else "<"
        self.rows: dict[str, tuple[str, Array]] = {}
        self.copied = 0
        with archive.open(entries[pickle]) as f:
            self.tree = Machine(f.read()).result

    def text(self, name: str) -> str:
        entry = self.entries.get(self.top + name)
        return str(self.archive.read(entry)[:20], "ascii") if entry else ""

    def arrays(self) -> Arrays:
        found: dict[str, Tensor] = {}
        left = NAMES
        todo: list[tuple[str, Any, int]] = [("", self.tree, 0)]
        while todo:
            name, value, depth = todo.pop()
            left -= len(name) + 1
            if left < 0 or depth > DEEP:
                raise FileError(f"its dicts must be few and not nested deeply; {SAVE}")
            if isinstance(value, Tensor):
                if not name or name in found:
                    raise FileError(f"its tensors must each have a name of its own; {SAVE}")
                found[name] = value
            elif type(value) in (dict, Dict):
                if not all(type(key) is str and key for key in value):
                    raise FileError(f"{name or 'it'}: its keys must be texts; {SAVE}")
                dot = f"{name}." if name else ""
                todo += [(dot + key, v, depth + 1) for key, v in reversed(value.items())]
            else:
                raise FileError(
                    f"{name or 'it'}: must be a tensor or a dict of tensors, not "
                    f"{type(value).__name__}; {SAVE}"
                )
        return {name: self.array(name, tensor) for name, tensor in found.items()}

    def array(self, name: str, tensor: Tensor) -> Array:
        """The numbers of a tensor, a view of its storage where they lie there in order"""
        row = self.row(name, tensor)
        shape, strides = tensor.shape, tensor.strides
        if 0 in shape:
            return np.empty(shape, row.dtype)
        last = sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
        if tensor.offset + last >= row.size:
            raise FileError(
                f"{name}: must lie within the {row.size} numbers of its storage, not reach to "
                f"{tensor.offset + last}; {AGAIN}"
            )
        inner = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
        plain = all(
            side == 1 or step == of for side, step, of in zip(shape, strides, inner, strict=True)
        )
        if plain:
            return row[tensor.offset : tensor.offset + math.prod(shape)].reshape(shape)
        self.copied += math.prod(shape) * row.itemsize
        if self.copied > self.size:
            raise FileError(
                f"{name}: the tensors must fit in its {self.size} bytes, and this one repeats "
                f"numbers to a shape of {shape}; save tensor.clone()"
            )
        by = tuple(step * row.itemsize for step in strides)
        return np.lib.stride_tricks.as_strided(row[tensor.offset :], shape, by).copy()

    def row(self, name: str, tensor: Tensor) -> Array:
        """The storage of a tensor, read once"""
        kind, (_, key, n) = tensor.kind, tensor.storage
        if key in self.rows:
            known, row = self.rows[key]
            if known != kind:
                raise FileError(
                    f"{name}: its storage must be of one type, not {known} and {kind}; save "
                    f"tensor.clone()"
                )
            return row
        entry = self.entries.get(f"{self.top}data/{key}")
        if entry is None:
            raise FileError(f"{name}: its numbers must be in data/{key}, which is absent; {AGAIN}")
        needed = n * size_of(kind if tensor.storage.kind else "uint8")
        if entry.file_size != needed or needed % size_of(kind):
            raise FileError(
                f"{name}: its storage must take {needed} bytes, not {entry.file_size}; {AGAIN}"
            )
        with self.archive.open(entry) as f:
            row = read_numbers(name, f, kind, needed // size_of(kind), self.order)
            f.read(1)
        self.rows[key] = kind, row
        return row
