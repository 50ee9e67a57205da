"""Malicious files: headers of any content, and archives that claim more than they hold.

`damaged(content, rng)` draws one way of these and of _damage.py.
"""

import copy
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import _damage
from benchmarks._damage import (
    HEADER,
    PATHS,
    SIZES,
    Entries,
    entries_of,
    maybe_signed,
    packed,
    pick,
    signed,
)
from minprune.files.container import head_of

Generator = np.random.Generator
BOMB = 2**27  # bytes that a few compressed kilobytes claim to be, or are
SHARED, NESTED = 2**18, 20  # bytes that so many entries all claim to hold
DEEP = ("[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900, "9" * 5_000, "-1e999", "", "\0")
NAMES: list[Any] = [
    *PATHS, "a.b", "", ".", "a\nb", "a\0b", "x" * 5_000, "\u202e", "\ud800", "\u00e9" * 300,
    "input", "fc1", 7, None, ["a"], {"a": 1},
]  # fmt: skip
TEXTS: list[Any] = ["float16", "object", "<f4", "float32\n", "O", "S9999999999", *NAMES]
VERSIONS: list[Any] = [
    1,
    4,
    10**30,
    -1,
    0,
    1.0,
    float("nan"),
    float("inf"),
    True,
    None,
    "2",
    [2],
    {},
]


def with_header(content: bytes, rng: Generator, change: Callable[[Any], Any]) -> bytes:
    """The file after `change` of its header."""
    entries = entries_of(content)
    header = json.loads(entries[HEADER])
    change(header)
    entries[HEADER] = json.dumps(header).encode()
    return packed(maybe_signed(entries, rng))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a structure of JSON."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    inner = [value[key] for key in keys if isinstance(value[key], dict | list)]
    return [(value, key) for key in keys] + [place for one in inner for place in places(one)]


def other_value(content: bytes, rng: Generator) -> bytes:
    """Anything in the header becomes something else, such as another part of it, or is absent."""

    def change(header: Any) -> None:
        found = places(header)
        where, key = pick(rng, found)
        other, at = pick(rng, found)
        if rng.random() < 0.2:
            del where[key]
        else:
            where[key] = copy.deepcopy(pick(rng, (other[at], pick(rng, [*SIZES, *TEXTS]))))

    return with_header(content, rng, change)


def other_sizes(content: bytes, rng: Generator) -> bytes:
    """Absurd, negative or fractional sizes of layers and inputs."""

    def change(header: Any) -> None:
        net = header["net"]
        found = [(net, "input_shape"), *places(net["input_shape"])]
        found += [place for layer in net["layers"] for place in places(layer["fields"])]
        for _ in range(int(rng.integers(1, 4))):
            where, key = pick(rng, found)
            where[key] = pick(rng, SIZES)

    return with_header(content, rng, change)


def other_words(content: bytes, rng: Generator) -> bytes:
    """Names that are paths, kinds that are none, other versions, arrays of nothing."""

    def change(header: Any) -> None:
        layer = pick(rng, header["net"]["layers"])
        index = header["arrays"]
        dtype = pick(rng, index)
        row = index[dtype]
        name = pick(rng, row)
        n = int(10 ** rng.uniform(0, 4))
        pick(
            rng,
            (
                lambda: layer.update(name=pick(rng, NAMES)),
                lambda: layer.update(kind=pick(rng, [*TEXTS, "__class__", "Layer", "_Pool"])),
                lambda: layer.update(inputs=pick(rng, [*NAMES, [pick(rng, NAMES)]])),
                lambda: layer.update(inputs=[layer["inputs"][0]] * n),
                lambda: layer["fields"].update({str(pick(rng, NAMES)): 1}),
                lambda: header.update(version=pick(rng, VERSIONS)),
                lambda: header.update(format=pick(rng, TEXTS)),
                lambda: index.update({str(pick(rng, TEXTS)): index.pop(dtype)}),
                lambda: index.update(float64={name: row[name]}),
                lambda: row.update({str(pick(rng, NAMES)): row.pop(name)}),
                lambda: row.update({name: pick(rng, SIZES)}),
                lambda: row.update({f"masks/{pick(rng, NAMES)}": [0]}),
                lambda: row.update({f"x{k}": [0] for k in range(n)}),
                lambda: index.update({dtype: dict(reversed(row.items()))}),
                lambda: header.update(sha256=pick(rng, TEXTS)),
                lambda: header["net"].update(layers=header["net"]["layers"] * n),
            ),
        )()

    return with_header(content, rng, change)


def no_header(content: bytes, rng: Generator) -> bytes:
    """Deep nesting, numbers without end, no JSON at all, or text in another encoding."""
    entries = entries_of(content)
    text = entries[HEADER]
    deep = text.replace(b'"net"', b'"x": ' + pick(rng, DEEP).encode() + b', "net"')
    other = pick(rng, ("utf-16", "utf-8-sig", "utf-32"))
    new = pick(rng, (deep, pick(rng, DEEP).encode(), rng.bytes(50), text.decode().encode(other)))
    return packed(entries | {HEADER: new})


def fat(content: bytes, rng: Generator) -> bytes:
    """A header of very many small things, each of which takes more room than its text."""
    piece = pick(rng, ([], {}, "", 0.5, [[0]], {"a": []}, {"": 0}))
    n = int(10 ** rng.uniform(3, 5.3))
    found = with_header(content, rng, lambda header: header.update(x=[piece] * n))
    return packed(entries_of(found), pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def compressed(content: bytes, rng: Generator) -> bytes:
    """All of it compressed in another way, or one entry that claims to be huge."""
    entries = entries_of(content)
    if rng.random() < 0.2:
        return packed(entries, pick(rng, (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))
    return bomb(content, pick(rng, entries))


def lying(content: bytes, rng: Generator) -> bytes:
    """A deflated entry is far more than it claims, or less, and has the checksum of its claim."""
    entries = entries_of(content)
    key = pick(rng, entries)
    size = len(entries[key])
    claim = pick(rng, (size, 0, size - 1, size + 1, 2**20, 2**20 + 1, 2**31, 2**32 - 2))
    found = bytearray(bomb(content, key) if rng.random() < 0.7 else packed(entries, 8))
    at = found.rindex(key.encode())  # in the archive's table, at its end
    bodies = entries[key], entries[key][:claim].ljust(min(claim, 2**20) + 1, b"\0")
    found[at - 30 : at - 26] = struct.pack("<L", zlib.crc32(pick(rng, bodies)))
    found[at - 22 : at - 18] = struct.pack("<L", claim)
    return bytes(found)


@cache
def bomb(content: bytes, key: str) -> bytes:
    """One entry is padded with zeros to BOMB bytes, which compress to a few kilobytes."""
    entries = entries_of(content)
    return packed(entries | {key: entries[key].ljust(BOMB, b"\0")}, zipfile.ZIP_DEFLATED)


def crowded(content: bytes, rng: Generator) -> bytes:
    """A table of very many entries, all of them at one place in the file."""
    last = content.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<L", content, last + 16)[0]
    n = int(10 ** rng.uniform(2, 5.3))
    one = np.frombuffer(row(b"000000", 0, 0, 0), np.uint8)
    table = np.tile(one, (n, 1))
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    for place in range(6):  # the names are f"{k:06x}"
        table[:, len(one) - 1 - place] = digits[np.arange(n) >> 4 * place & 15]
    rows = table.tobytes()
    return content[:start] + content[start:last] + rows + end(n, last - start + len(rows), start)


def nested(content: bytes, rng: Generator) -> bytes:
    """Each row holds, as its data, the entries of all that come after it."""
    return overlapping(int(rng.integers(2, NESTED)))


@cache
def overlapping(k: int) -> bytes:
    """k rows over one stretch of SHARED bytes: no entry is compressed, all checksums fit."""
    blob, found = bytes(SHARED), []
    for depth in reversed(range(k)):
        name = f"row{depth:02d}.npy".encode() if depth else b"uint8.npy"
        body = head_of(np.dtype(np.uint8), len(blob)) + blob
        sizes = (zlib.crc32(body), len(body), len(body))
        blob = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0, *sizes, 9, 0) + name + body
        found.insert(0, (name, body))
    layers = [{"name": "fc", "kind": "Dense", "inputs": ["input"], "fields": {}}]
    index = {"uint8": {"masks/fc.weight": [len(found[0][1]) - 128]}}
    net = {"input_shape": [1], "loss": "mse", "layers": layers}
    header = {"format": "minprune model", "version": 2, "net": net, "arrays": index}
    entries: Entries = {HEADER: json.dumps(header).encode()}
    entries |= {name.decode(): body for name, body in found}
    first = packed({HEADER: signed(entries)[HEADER]})
    start = first.rindex(b"PK\x01\x02")
    rows, at = first[start : first.rindex(b"PK\x05\x06")], start
    for name, body in found:
        rows += row(name, zlib.crc32(body), len(body), at)
        at += 30 + len(name) + 128
    return first[:start] + blob + rows + end(k + 1, len(rows), start + len(blob))


def row(name: bytes, crc: int, size: int, at: int) -> bytes:
    """An entry of an archive's table."""
    numbers = (20, 20, 0, 0, 0, 0, crc, size, size, len(name), 0, 0, 0, 0, 0, at)
    return struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *numbers) + name


def end(n: int, size: int, at: int) -> bytes:
    """The end of an archive: n entries, in a table of `size` bytes at `at`."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, n & 0xFFFF, n & 0xFFFF, size, at, 0)


SLOW = {fat, compressed, lying, crowded, nested}  # larger files: fewer of them
DAMAGES: list[Callable[[bytes, Generator], bytes]] = [
    _damage.cut, _damage.flipped, _damage.garbled, _damage.zip_fields, _damage.wrong_magic,
    _damage.swapped, _damage.other_entries, _damage.other_array, other_value, other_sizes,
    other_words, no_header, *sorted(SLOW, key=lambda damage: damage.__name__),
]  # fmt: skip
OF_NETS = {other_sizes, other_words}  # which states have not


def damaged(content: bytes, rng: Generator, net: bool = True) -> tuple[str, bytes]:
    """(the damage's name, the damaged file); net: whether it is that of a model"""
    ways = [damage for damage in DAMAGES if net or damage not in OF_NETS]
    shares = np.array([0.03 if damage in SLOW else 1.0 for damage in ways])
    damage = ways[int(rng.choice(len(ways), p=shares / shares.sum()))]
    return damage.__name__, damage(content, rng)
