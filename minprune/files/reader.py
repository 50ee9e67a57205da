"""Reads what container.py wrote, and trusts nothing in it.

Sizes, shapes and dtypes are compared with what the archive and the header claim before memory is
allocated. Deflated entries are small, and are read no further than they claim: no small file takes
much memory, and none takes much more than its own size.
"""

import math
import os
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files.atomic import check_regular
from minprune.files.container import (
    DEFLATED,
    HEADER,
    ROOM,
    SMALL,
    STORED,
    Kind,
    Place,
    digest_of,
    head_of,
    named,
    room_of,
)  # fmt: skip

T = TypeVar("T")
PIECE = 2**20  # bytes that are read at a time
TABLE = 2**16  # bytes of the archive's table of entries, which zipfile reads as a whole
LONGEST = 300  # characters of a message; names from a file may have any length


def read(kind: Kind, path: Place, build: "Callable[[Reader], T]") -> T:
    """The result of `build` for the file at `path`; raises FileError, in one sentence"""
    import zipfile

    try:
        with opened(path) as f:
            size = _checked_size(f, kind)
            with zipfile.ZipFile(f) as archive:
                return build(Reader(kind, archive, size))
    except FileNotFoundError:
        raise FileError(
            f"{named(path)}: no such file; pass the path of a saved {kind.what}"
        ) from None
    except FileError as e:
        raise FileError(f"{named(path)}: {line(e)}") from None
    except Exception as e:  # whatever a damaged or hostile file provokes
        raise kind.bad(
            f"{named(path)}: must be a {kind.format}, and cannot be read ({line(e)})"
        ) from None


def opened(path: Place) -> BinaryIO:
    """The file, open for bytes; of a file object, what it holds from where it stands"""
    if isinstance(path, str | os.PathLike):
        check_regular(os.stat(path))  # opening a pipe would wait for its writer
        return open(path, "rb")
    content = path.read()
    if not isinstance(content, bytes):
        raise FileError("must be open for bytes; open it with 'rb'")
    return BytesIO(content)


class Reader:
    """An open file: its header, the shapes of its arrays by name, and all its arrays

    Raises FileError for anything wrong.
    """

    def __init__(self, kind: Kind, archive: Any, size: int) -> None:
        import json

        entries = archive.infolist()
        self.kind, self.archive = kind, archive
        self.unread = {e.filename: e for e in entries}
        if HEADER not in self.unread:
            raise kind.foreign(f"it must be a {kind.format}, not {_archive(list(self.unread))}")
        body, claimed = self._open(HEADER)
        text = body.read(claimed + 1)
        if len(text) != claimed:
            raise kind.bad(f"its {HEADER} must hold the {claimed} bytes it claims")
        if (room := room_of(text)) > ROOM:
            raise kind.bad(f"its {HEADER} must take at most {ROOM} bytes to read, not {room}")
        header = json.loads(str(text, "ascii"))
        del text
        found = header.get("format") if isinstance(header, dict) else None
        if found != kind.format:
            raise kind.foreign(f"it must be a {kind.format}, not {_other(found)}")
        version = header["version"]
        if type(version) is not int or version < 1:
            raise kind.bad(f"its format version must be an integer of at least 1, not {version!r}")
        if version not in (known := (*kind.older, kind.version)):
            other = "a newer" if version > kind.version else "an older"
            raise FileError(
                f"its format version must be {' or '.join(map(str, known))} for this minprune, "
                f"not {version}; use {other} minprune"
            )
        if len(self.unread) + 1 < len(entries):  # header.json has been read
            raise kind.bad("its entries must have different names")
        if sum(e.compress_size for e in entries) > size:  # overlapping entries
            raise kind.bad(f"its entries must fit in its {size} bytes")
        self.claimed = header.pop("sha256")
        self.header: dict[str, Any] = header
        self.digest = digest_of(header)
        self.shapes: dict[str, tuple[int, ...]] = {}
        for row in header["arrays"].values():
            for name, shape in row.items():
                if any(type(side) is not int or side < 0 for side in shape):
                    raise kind.bad(f"the shape of {name} must hold sizes, not {shape}")
                if name in self.shapes:
                    raise kind.bad(f"its arrays must have different names, and two are {name}")
                self.shapes[name] = tuple(shape)

    def arrays(self) -> Arrays:
        """All arrays by name, writable, once all was read and the checksum was right."""
        found: Arrays = {}
        for dtype, row in self.header["arrays"].items():
            if dtype not in self.kind.dtypes:
                raise self.kind.bad(
                    f"its arrays must be {', '.join(self.kind.dtypes)}, not {dtype}"
                )
            found |= self._row(np.dtype(dtype), list(row))
        if self.unread:
            raise self.kind.foreign(f"it must not hold {min(self.unread)!r}")
        if self.digest.hexdigest() != self.claimed:
            raise self.kind.bad("its checksum must match what it holds, and the file is damaged")
        return found

    def _row(self, dtype: np.dtype[Any], names: list[str]) -> Arrays:
        """The arrays of one dtype; memory is allocated once the size of the entry is right"""
        key, kind = f"{dtype.name}.npy", self.kind
        n = sum(math.prod(self.shapes[name]) for name in names)
        body, claimed = self._open(key)
        head = head_of(dtype, n)
        needed = len(head) + n * dtype.itemsize
        if claimed != needed:
            raise kind.bad(f"its {key} must take {needed} bytes for {n} entries, not {claimed}")
        if body.read(len(head)) != head:
            raise kind.bad(f"its {key} must be a plain row of {n} entries of {dtype}")
        self.digest.update(key.encode() + b"\0" + head)
        found = {name: self._filled(body, self.shapes[name], dtype) for name in names}
        if body.read(1):
            raise kind.bad(f"its {key} must hold the {claimed} bytes it claims, not more")
        return found

    def _filled(self, body: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        a: Array = np.empty(shape, dtype.newbyteorder("<"))
        room = a.reshape(-1).view(np.uint8)
        for at in range(0, room.size, PIECE):
            part = room[at : at + PIECE]
            piece = body.read(part.size)
            if len(piece) < part.size:
                raise self.kind.bad(f"its {dtype}.npy must hold what it claims")
            part[:] = np.frombuffer(piece, np.uint8)
            self.digest.update(piece)
        return a.astype(dtype, copy=False)

    def _open(self, key: str) -> tuple[Any, int]:
        """(a stream of one entry, the bytes that it claims), few if it is deflated"""
        entry = self.unread.pop(key, None)
        if entry is None:
            raise self.kind.foreign(f"it must hold {key}, and does not")
        if entry.flag_bits & 1:
            raise self.kind.foreign(f"its {key} must not be encrypted")
        how, claimed = entry.compress_type, entry.file_size
        if how not in (STORED, DEFLATED):
            raise self.kind.bad(f"its {key} must be stored (0) or deflated (8), not {how}")
        most = SMALL if how == DEFLATED else entry.compress_size
        if key == HEADER:
            most = min(most, self.kind.most)
        if claimed > most:
            raise self.kind.bad(f"its {key} must have at most {most} bytes, not {claimed}")
        entry.file_size += 1  # zipfile stops there, so that one that holds more is noticed
        return self.archive.open(entry), claimed


def _checked_size(f: BinaryIO, kind: Kind) -> int:
    """The size of an archive whose end is at the file's end, and whose table of entries is small"""
    size, table = end_of(f)
    if table is None:
        f.seek(0)
        raise kind.foreign(f"it must be a {kind.format}, not {found_by(f.read(16))}")
    if table > (most := min(TABLE, size)):
        raise kind.bad(f"its table of entries must take at most {most} bytes, not {table}")
    return size


def end_of(f: BinaryIO) -> tuple[int, int | None]:
    """(the bytes of a file, those of the table of entries at its end; None: it is no archive)

    Zipfile allocates about ten times the bytes of the whole table when it opens a file.
    """
    size = f.seek(0, os.SEEK_END)
    f.seek(max(size - 98, 0))
    end = f.read(98).rjust(98, b"\0")
    if end[-22:-18] != b"PK\x05\x06":
        return size, None
    table = int.from_bytes(end[-10:-6], "little")
    if end[-42:-38] == b"PK\x06\x07":  # a second end, for archives beyond 4 GB
        table = max(table, int.from_bytes(end[-58:-50], "little"))
    return size, table


ARRAYS = ", whose arrays mp.read_weights reads"
# How files of other kinds begin.
BEGINNINGS = {
    b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9": "a PyTorch file of the old kind",
    b"\x80": "a pickle", b"\x89HDF": "an HDF5 file", b"\x93NUMPY": "a single NumPy array",
    b"\x1f\x8b": "a gzip file", b"{": "JSON", b"PK\x03\x04": "an archive that was cut",
}  # fmt: skip


def found_by(start: bytes) -> str:
    """What a file that is no archive is, by its first bytes"""
    if not start:
        return "an empty file"
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if start[8:9] == b"{":
        return f"a safetensors file{ARRAYS}"
    known = (what for begin, what in BEGINNINGS.items() if start.startswith(begin))
    return next(known, "a file of another format")


def _archive(names: list[str]) -> str:
    """What an archive of other entries is"""
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return f"a PyTorch file{ARRAYS}"
    if names and all(name.endswith(".npy") for name in names):
        return f"an .npz of NumPy{ARRAYS}"
    return "a zip archive of other files"


def _other(found: object) -> str:
    """What a file is whose header names that format"""
    ours = isinstance(found, str) and found.startswith("minprune ")
    return f"a {found}" if ours else "a file of another program"


def line(e: BaseException) -> str:
    """Its message, on one line of limited length"""
    text = " ".join(str(e).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
