"""The format safetensors: 8 bytes n, n bytes of JSON, and the arrays one after another.

    {"conv1.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}, ...}

Little-endian, C-contiguous, without gaps. Source: the format's own description, github.com/
huggingface/safetensors.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files.container import ROOM, room_of
from minprune.files.numbers import numbers_in, read_numbers, size_of

KINDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
NAMES = {kind: name for name, kind in KINDS.items()}
ABOUT = "__metadata__"
AGAIN = "write the file again"


def content(arrays: Mapping[str, Array]) -> bytes:
    """The bytes of a file with these arrays, the widest numbers first, then by name

    Raises FileError for an array that the format cannot hold.
    """
    for name, a in arrays.items():
        if a.dtype.name not in NAMES:
            raise FileError(
                f"{name}: its dtype must be one that safetensors has, not {a.dtype}; leave it out"
            )
        if name == ABOUT:
            raise FileError(
                f"{name}: the name must be left to the format; call the array otherwise"
            )
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, Any] = {ABOUT: {"format": "pt"}}
    at, parts = 0, []
    for name in names:
        a = arrays[name]
        parts.append(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())
        header[name] = {
            "dtype": NAMES[a.dtype.name], "shape": list(a.shape),
            "data_offsets": [at, at + len(parts[-1])],
        }  # fmt: skip
        at += len(parts[-1])
    import json

    text = json.dumps(header, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)  # the arrays begin at a multiple of 8 bytes
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read(f: BinaryIO, size: int) -> Arrays:
    """All arrays of an open file of that size; raises FileError for anything wrong"""
    import json

    n = int.from_bytes(f.read(8), "little")
    if n > size - 8:
        raise FileError(f"its header must fit in its {size} bytes, not take {n}; fetch it again")
    text = f.read(n)
    if (room := room_of(text)) > ROOM:
        raise FileError(
            f"its header must take at most {ROOM} bytes to read, not {room}; split the file"
        )
    header = json.loads(str(text, "utf-8"), object_pairs_hook=_once)
    if not isinstance(header, dict):
        raise FileError(f"its header must be a dict, not {type(header).__name__}; {AGAIN}")
    header.pop(ABOUT, None)
    rows = sorted(_row(name, entry) for name, entry in header.items())
    at = 0
    for start, end, name, *_ in rows:
        if start != at:
            raise FileError(f"{name}: must begin at byte {at}, not {start}; {AGAIN}")
        at = end
    if at != size - 8 - n:
        raise FileError(
            f"its arrays must take the {size - 8 - n} bytes behind its header, not {at}; fetch it "
            f"again"
        )
    found = {
        name: read_numbers(name, f, kind, (end - start) // size_of(kind)).reshape(shape)
        for start, end, name, kind, shape in rows
    }
    return {name: found[name] for name in header}


def _row(name: str, entry: Any) -> tuple[int, int, str, str, list[int]]:
    """(first byte, the byte behind the last one, name, type, shape), which fit together"""
    code, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if code not in KINDS:
        raise FileError(
            f"{name}: its dtype must be one of {', '.join(KINDS)}, not {code}; convert it first"
        )
    needed = numbers_in(name, shape) * size_of(KINDS[code])
    if any(type(v) is not int or v < 0 for v in (start, end)) or needed != end - start:
        raise FileError(
            f"{name}: must take {needed} bytes for its shape {shape}, not those from {start} to "
            f"{end}; {AGAIN}"
        )
    return start, end, name, KINDS[code], shape


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise FileError(f"its names must differ from one another; {AGAIN}")
    return found
