"""One .npz, written whole or not at all; header.json, and the arrays of each dtype in a row.

    header.json   {"format", "version", ..., "arrays": {dtype: {name: shape}}, "sha256"}
    float32.npy   all float32 arrays, flat, one after another in the order of "arrays"
    uint8.npy     all uint8 arrays: in models the masks, by numpy.packbits; and so on

`numpy.load` opens it anywhere. Entries of up to SMALL bytes are deflated in models; larger ones
are stored, and so are states, which are written often. sha256 is over the header without it, then
over each entry's name, a zero and its bytes before deflation, so that it does not depend on the
compression. Same values, same bytes (for one zlib).
"""

import os
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from minprune.core import Arrays
from minprune.errors import FileError
from minprune.files.atomic import write_atomic

HEADER = "header.json"
STORED, DEFLATED = 0, 8  # ways to compress, as archives number them
SMALL = 2**20  # bytes of the largest entry that may be deflated: reading takes little room
ROOM = 40 * 2**20  # bytes that a header may take as Python's values: see `room_of`


Place = str | os.PathLike[str] | BinaryIO  # where a file is written or read


@dataclass(frozen=True)
class Kind:
    """A kind of file: "minprune model" in its header, what writes it, how to replace a bad one."""

    what: str
    version: int
    writer: str
    remedy: str
    most: int  # bytes of header.json
    dtypes: tuple[str, ...]
    deflated: bool  # entries of up to SMALL bytes; larger ones never are
    older: tuple[int, ...] = ()  # versions that are read too

    @property
    def format(self) -> str:
        return f"minprune {self.what}"

    def bad(self, text: str) -> FileError:
        return FileError(f"{text}; {self.remedy}")

    def foreign(self, text: str) -> FileError:
        return FileError(f"{text}; pass a file that {self.writer} wrote")


def write(kind: Kind, path: Place, about: dict[str, Any], arrays: Arrays) -> None:
    """Write `about` to header.json and the arrays; raises FileError if that is not possible

    A path is written whole or not at all; a file object gets all bytes from where it stands.
    """
    import json

    rows: dict[str, Arrays] = {}
    for name, a in arrays.items():
        rows.setdefault(a.dtype.name, {})[name] = a
    index = {dtype: {k: list(a.shape) for k, a in row.items()} for dtype, row in rows.items()}
    header = {"format": kind.format, "version": kind.version} | about | {"arrays": index}
    header = json.loads(json.dumps(header, default=lambda v: v.item()))
    bodies = {f"{dtype}.npy": _body(np.dtype(dtype), row) for dtype, row in rows.items()}
    digest = digest_of(header)
    for key, body in bodies.items():
        digest.update(key.encode() + b"\0")
        digest.update(body)
    text = _json(header | {"sha256": digest.hexdigest()})
    if len(text) > kind.most:
        raise FileError(
            f"{named(path)}: its header must have at most {kind.most} bytes, not {len(text)}; "
            f"store numbers in arrays, in few of them"
        )
    if room_of(text) > ROOM:
        raise FileError(
            f"{named(path)}: its header must hold fewer values, which would take {room_of(text)} "
            f"bytes to read, more than {ROOM}; store numbers in arrays, in few of them"
        )
    packed = zipped({HEADER: text} | bodies, SMALL if kind.deflated else -1)
    if isinstance(path, str | os.PathLike):
        write_atomic(path, packed)
    else:
        _into_stream(path, packed)


def zipped(entries: dict[str, bytes], most: int) -> memoryview:
    """The archive of these entries, those of at most so many bytes deflated"""
    import zipfile

    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for key, body in entries.items():
            entry = zipfile.ZipInfo(key)  # its date is fixed: same values, same bytes
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # on any system
            archive.writestr(entry, body, DEFLATED if len(body) <= most else STORED, 9)
    return out.getbuffer()


def _into_stream(stream: BinaryIO, content: memoryview) -> None:
    """Write all of the content to a file object that is open for bytes"""
    try:
        while content:
            taken = stream.write(content)  # a raw stream may take a part
            content = content[len(content) if taken is None else taken :]
    except TypeError:
        raise FileError(f"{named(stream)}: must be open for bytes; open it with 'wb'") from None
    except (OSError, ValueError) as e:  # ValueError: it is closed, or open to be read
        raise FileError(f"{named(stream)}: cannot be written ({e}); open it with 'wb'") from None


def named(given: object) -> str:
    """A path, or what a file object is called, for messages"""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    return str(getattr(given, "name", type(given).__name__))


def head_of(dtype: np.dtype[Any], n: int) -> bytes:
    """The header of n numbers in version 1.0 of the .npy format

    NumPy's own function pads it differently from version to version.
    """
    descr = dtype.newbyteorder("<").str
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({n},), }}"
    return b"\x93NUMPY\x01\x00\x76\x00" + text.ljust(117).encode() + b"\n"  # 128 bytes


def digest_of(header: dict[str, Any]) -> Any:
    """The sha256 of a header without its checksum; entries are added to it later."""
    import hashlib

    return hashlib.sha256(_json(header))


def room_of(text: bytes) -> int:
    """At most how many bytes JSON takes as Python's values: small ones take 20 times their text"""
    values, keys, holders = text.count(b","), text.count(b":"), text.count(b"[") + text.count(b"{")
    wide = 4 if b"\\u" in text else 1  # bytes of a character, once there is one beyond ASCII
    return 64 * values + 100 * keys + 240 * holders + wide * len(text)


def _body(dtype: np.dtype[Any], row: Arrays) -> bytes:
    little = [np.ascontiguousarray(a, dtype.newbyteorder("<")).reshape(-1) for a in row.values()]
    parts: list[Any] = [a.view(np.uint8) for a in little]
    return b"".join([head_of(dtype, sum(a.size for a in little)), *parts])


def _json(header: dict[str, Any]) -> bytes:
    import json

    return json.dumps(header, separators=(",", ":")).encode()
