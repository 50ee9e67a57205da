"""header.json + one .npy an array, in one .npz: a checksum, no pickle, same values same bytes.

`numpy.load` reads the arrays anywhere. What is read is not trusted: sizes, shapes and dtypes are
compared with what is expected before anything is made room for.
"""

import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError, MinpruneError
from minprune.files.atomic import write_atomic

T = TypeVar("T")
NPY = b"\x93NUMPY\x01\x00"
# What NumPy writes before the data; read without evaluating anything.
HEAD = (
    rb"\{'descr': '([<>|]\w{1,9})', 'fortran_order': False, 'shape': \(([\d, ]{0,200})\), \} *\n?"
)
ROOM = 4096  # bytes that an .npy header may take beside its data
TABLE = 4 * 2**20  # bytes of the archive's table of entries, which zipfile reads as a whole
LONGEST = 300  # characters of a sentence; names from a file may be of any length


@dataclass(frozen=True)
class Kind:
    """A kind of file: "minprune model" in its header, who writes it, what to do with a bad one."""

    what: str
    version: int
    writer: str
    remedy: str
    most: int  # bytes of header.json
    indent: int | None = None  # of header.json, where people may read it

    @property
    def format(self) -> str:
        return f"minprune {self.what}"


def write(kind: Kind, path: str | os.PathLike[str], about: dict[str, Any], arrays: Arrays) -> None:
    """`about` into header.json, arrays[key] into key.npy; raises FileError where it cannot be."""
    import hashlib
    import json
    import zipfile

    bodies = {f"{key}.npy": _npy(a) for key, a in arrays.items()}
    header = {"format": kind.format, "version": kind.version} | about
    header = json.loads(json.dumps(header, default=lambda v: v.item()))
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key, body in bodies.items():
        digest.update(key.encode() + b"\0" + body)
    header["sha256"] = digest.hexdigest()
    text = json.dumps(header, indent=kind.indent).encode()
    if len(text) > kind.most:
        raise FileError(
            f"{path}: its header takes {len(text)} bytes, expected at most {kind.most}; "
            f"hold numbers in arrays"
        )
    if sum(46 + len(key) for key in bodies) > TABLE:
        raise FileError(f"{path}: {len(bodies)} arrays are too many for a file; join some of them")
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for key, body in ({"header.json": text} | bodies).items():
            entry = zipfile.ZipInfo(key)  # its date is fixed: same values, same bytes
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # on any system
            archive.writestr(entry, body)
    write_atomic(path, out.getbuffer())


def read(kind: Kind, path: str | os.PathLike[str], build: "Callable[[Reader], T]") -> T:
    """What `build` makes of the file at `path`; raises FileError, in one sentence, for bad files.

    `build` calls `Reader.check` once it has read all arrays.
    """
    import struct
    import zipfile

    try:
        with open(path, "rb") as f:
            size = _checked_size(f, kind)
            with zipfile.ZipFile(f) as archive:
                return build(Reader(kind, archive, size))
    except FileNotFoundError:
        raise FileError(f"{path}: no such file; give the path of a saved {kind.what}") from None
    except FileError as e:
        raise FileError(f"{path}: {_line(e)}") from None
    except (
        MinpruneError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError
    ) as e:  # fmt: skip
        text = f"not a sound {kind.format} ({_line(e)}); {kind.remedy}"
        raise FileError(f"{path}: {text}") from None
    except (
        OSError, zipfile.BadZipFile, struct.error, EOFError, RuntimeError, MemoryError
    ) as e:  # fmt: skip
        raise FileError(f"{path}: not a readable .npz ({_line(e)}); {kind.remedy}") from None


class Reader:
    """The header of an open file, and its arrays one by one; raises FileError for what is wrong."""

    def __init__(self, kind: Kind, archive: Any, size: int) -> None:
        import hashlib
        import json

        self.kind, self.archive = kind, archive
        self.unread = {e.filename: e for e in archive.infolist()}
        header = json.loads(self.stored("header.json", kind.most))
        if not isinstance(header, dict) or header.get("format") != kind.format:
            raise FileError(f"it is no {kind.format}; give a file that {kind.writer} wrote")
        if type(header["version"]) is not int or header["version"] < 1:
            raise FileError(
                f"its format version is {header['version']!r}, expected an integer of at least 1; "
                f"{kind.remedy}"
            )
        if header["version"] > kind.version:
            raise FileError(
                f"it has format version {header['version']}, and this minprune reads up to "
                f"{kind.version}; use a newer minprune"
            )
        entries = archive.infolist()
        if len(self.unread) + 1 < len(entries):  # header.json has been read
            raise FileError(f"two of its entries have one name; {kind.remedy}")
        if sum(e.file_size for e in entries) > size:  # entries that lie over one another
            raise FileError(f"its entries claim more than its {size} bytes; {kind.remedy}")
        self.claimed = header.pop("sha256")
        self.header: dict[str, Any] = header
        self.digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())

    def stored(self, key: str, most: int) -> bytes:
        """The bytes of one entry, which is not compressed and has `most` bytes at most."""
        entry = self.unread.pop(key, None)
        if entry is None:
            raise FileError(f"{key} is not in it; give a file that {self.kind.writer} wrote")
        if entry.compress_type or entry.file_size > most or entry.compress_size > most:
            raise FileError(f"{key} is compressed, or larger than {most} bytes; {self.kind.remedy}")
        body: bytes = self.archive.read(entry)
        return body

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The array in `name`.npy, which has that shape and dtype: a copy that may be written."""
        key, nbytes, remedy = f"{name}.npy", math.prod(shape) * dtype.itemsize, self.kind.remedy
        body = self.stored(key, nbytes + ROOM)
        self.digest.update(key.encode() + b"\0" + body)
        if body[: len(NPY)] != NPY:
            raise FileError(f"{key} is not in version 1.0 of the .npy format; {remedy}")
        start = len(NPY) + 2 + int.from_bytes(body[len(NPY) : len(NPY) + 2], "little")
        head = re.fullmatch(HEAD, body[len(NPY) + 2 : start])
        if head is None:
            raise FileError(f"{key} is no plain array in the order of C; {remedy}")
        held = np.dtype(head[1].decode())
        found = tuple(int(side) for side in head[2].split(b",") if side.strip())
        if found != shape or held != dtype:  # before anything is read or made room for
            raise FileError(f"{key} is {held} {found}, expected {dtype} {shape}; {remedy}")
        whole = start + nbytes
        if len(body) != whole:
            raise FileError(f"{key} holds {len(body)} bytes, expected {whole}; {remedy}")
        return np.frombuffer(body, dtype, offset=start).reshape(shape).copy()

    def check(self) -> None:
        """Raises FileError unless all was read, and has the checksum that the header claims."""
        if self.unread:
            raise FileError(
                f"{min(self.unread)!r} does not belong in it; give a file that "
                f"{self.kind.writer} wrote"
            )
        if self.digest.hexdigest() != self.claimed:
            raise FileError(
                f"its checksum does not match what it holds; it is damaged: {self.kind.remedy}"
            )


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


def _npy(a: Array) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, np.asarray(a, order="C"), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _line(e: BaseException) -> str:
    text = " ".join(str(e).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
