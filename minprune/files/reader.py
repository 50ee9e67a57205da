"""Reads what container.py wrote, and trusts nothing in it.

Sizes, shapes and dtypes are compared with what the archive and the header claim before anything is
made room for. What is deflated is small, and read no further than it claims: no small file asks for
much memory, and none for much more than its own size.
"""

import math
import os
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError, MinpruneError
from minprune.files.container import DEFLATED, HEADER, SMALL, STORED, Kind, digest_of, head_of

T = TypeVar("T")
PIECE = 2**20  # bytes that are read at a time
TABLE = 2**16  # bytes of the archive's table of entries, which zipfile reads as a whole
LONGEST = 300  # characters of a sentence; names from a file may be of any length


def read(kind: Kind, path: str | os.PathLike[str], build: "Callable[[Reader], T]") -> T:
    """What `build` makes of the file at `path`; raises FileError, in one sentence, for bad files"""
    import struct
    import zipfile
    import zlib

    try:
        with open(path, "rb") as f:
            size = _checked_size(f, kind)
            with zipfile.ZipFile(f) as archive:
                return build(Reader(kind, archive, size))
    except FileNotFoundError:
        raise FileError(f"{path}: no such file; give the path of a saved {kind.what}") from None
    except FileError as e:
        raise FileError(f"{path}: {line(e)}") from None
    except (
        MinpruneError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError
    ) as e:  # fmt: skip
        text = f"not a sound {kind.format} ({line(e)}); {kind.remedy}"
        raise FileError(f"{path}: {text}") from None
    except (
        OSError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, MemoryError
    ) as e:  # fmt: skip
        raise FileError(f"{path}: not a readable .npz ({line(e)}); {kind.remedy}") from None


class Reader:
    """An open file: its header, the shapes of its arrays by name, and then all the arrays

    Raises FileError for what is wrong.
    """

    def __init__(self, kind: Kind, archive: Any, size: int) -> None:
        import json

        entries = archive.infolist()
        self.kind, self.archive = kind, archive
        self.unread = {e.filename: e for e in entries}
        body, claimed = self._open(HEADER)
        text = body.read(claimed + 1)
        if len(text) != claimed:
            raise FileError(f"{HEADER} does not hold the {claimed} bytes it claims; {kind.remedy}")
        header = json.loads(text)
        if not isinstance(header, dict) or header.get("format") != kind.format:
            raise FileError(f"it is no {kind.format}; give a file that {kind.writer} wrote")
        version = header["version"]
        if type(version) is not int or version < 1:
            raise FileError(
                f"its format version is {version!r}, expected an integer of at least 1; "
                f"{kind.remedy}"
            )
        if version != kind.version:
            other = "a newer" if version > kind.version else "an older"
            raise FileError(
                f"it has format version {version}, and this minprune reads {kind.version}; "
                f"use {other} minprune"
            )
        if len(self.unread) + 1 < len(entries):  # header.json has been read
            raise FileError(f"two of its entries have one name; {kind.remedy}")
        if sum(e.compress_size for e in entries) > size:  # entries that lie over one another
            raise FileError(f"its entries claim more than its {size} bytes; {kind.remedy}")
        self.claimed = header.pop("sha256")
        self.header: dict[str, Any] = header
        self.digest = digest_of(header)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for row in header["arrays"].values():
            for name, shape in row.items():
                if any(type(side) is not int or side < 0 for side in shape):
                    raise FileError(f"{name} has the shape {shape}, expected sizes; {kind.remedy}")
                if name in self.shapes:
                    raise FileError(f"two of its arrays are called {name}; {kind.remedy}")
                self.shapes[name] = tuple(shape)

    def arrays(self) -> Arrays:
        """All arrays by name, which may be written; all was read, and has the right checksum."""
        found: Arrays = {}
        for dtype, row in self.header["arrays"].items():
            if dtype not in self.kind.dtypes:
                raise FileError(
                    f"it has arrays of {dtype}, expected {', '.join(self.kind.dtypes)}; "
                    f"{self.kind.remedy}"
                )
            found |= self._row(np.dtype(dtype), list(row))
        if self.unread:
            raise FileError(
                f"{min(self.unread)!r} does not belong in it; give a file that "
                f"{self.kind.writer} wrote"
            )
        if self.digest.hexdigest() != self.claimed:
            raise FileError(
                f"its checksum does not match what it holds; it is damaged: {self.kind.remedy}"
            )
        return found

    def _row(self, dtype: np.dtype[Any], names: list[str]) -> Arrays:
        """The arrays of one dtype; room is made for them once the entry's size is what they need"""
        key, remedy = f"{dtype.name}.npy", self.kind.remedy
        n = sum(math.prod(self.shapes[name]) for name in names)
        body, claimed = self._open(key)
        head = head_of(dtype, n)
        if claimed != len(head) + n * dtype.itemsize:
            raise FileError(
                f"{key} takes {claimed} bytes, expected {len(head) + n * dtype.itemsize} "
                f"for {n} entries; {remedy}"
            )
        if body.read(len(head)) != head:
            raise FileError(f"{key} is no plain row of {n} entries of {dtype}; {remedy}")
        self.digest.update(key.encode() + b"\0" + head)
        found = {name: self._filled(body, self.shapes[name], dtype) for name in names}
        if body.read(1):
            raise FileError(f"{key} holds more than the {claimed} bytes that it claims; {remedy}")
        return found

    def _filled(self, body: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        a: Array = np.empty(shape, dtype.newbyteorder("<"))
        room = a.reshape(-1).view(np.uint8)
        for at in range(0, room.size, PIECE):
            part = room[at : at + PIECE]
            piece = body.read(part.size)
            if len(piece) < part.size:
                raise FileError(f"{dtype}.npy holds less than it claims; {self.kind.remedy}")
            part[:] = np.frombuffer(piece, np.uint8)
            self.digest.update(piece)
        return a.astype(dtype, copy=False)

    def _open(self, key: str) -> tuple[Any, int]:
        """(a stream of one entry, the bytes that it claims): few bytes if it is deflated."""
        entry = self.unread.pop(key, None)
        if entry is None:
            raise FileError(f"{key} is not in it; give a file that {self.kind.writer} wrote")
        if entry.flag_bits & 1:
            raise FileError(f"{key} is encrypted; give a file that {self.kind.writer} wrote")
        if entry.compress_type not in (STORED, DEFLATED):
            raise FileError(
                f"{key} is compressed in way {entry.compress_type}, expected {STORED} (stored) or "
                f"{DEFLATED} (deflated); {self.kind.remedy}"
            )
        claimed: int = entry.file_size
        most = SMALL if entry.compress_type == DEFLATED else entry.compress_size
        if key == HEADER:
            most = min(most, self.kind.most)
        if claimed > most:
            raise FileError(
                f"{key} claims {claimed} bytes, expected at most {most}; {self.kind.remedy}"
            )
        entry.file_size += 1  # zipfile stops there: what holds more than it claims is seen
        return self.archive.open(entry), claimed


def _checked_size(f: BinaryIO, kind: Kind) -> int:
    """The size of an archive whose end is at the file's end, and whose table of entries is small

    Zipfile makes room for the whole table, about ten times its bytes, before it can be asked.
    """
    import zipfile

    size = f.seek(0, os.SEEK_END)
    f.seek(max(size - 98, 0))
    end = f.read(98).rjust(98, b"\0")
    if end[-22:-18] != b"PK\x05\x06":
        raise zipfile.BadZipFile("File is not a zip file")
    table = int.from_bytes(end[-10:-6], "little")
    if end[-42:-38] == b"PK\x06\x07":  # a second end, for archives beyond 4 GB
        table = max(table, int.from_bytes(end[-58:-50], "little"))
    if table > min(TABLE, size):
        raise FileError(
            f"its table of entries takes {table} bytes, expected at most {min(TABLE, size)}; "
            f"{kind.remedy}"
        )
    return size


def line(e: BaseException) -> str:
    """What it says, in one line that is not too long."""
    text = " ".join(str(e).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
