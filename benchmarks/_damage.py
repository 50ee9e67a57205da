"""Ways to spoil a saved model: each takes the file's bytes and a generator, and gives other bytes.

`damaged(content, rng)` draws one of them. Those that change the header or the arrays sign the
checksum anew half of the time, as somebody who means harm would.
"""

import hashlib
import io
import json
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

Entries = dict[str, bytes]
Damage = Callable[[bytes, np.random.Generator], bytes]
BOMB = 2**25  # bytes that a few compressed kilobytes claim to be
HEADER = "header.json"
DEEP = ('[' * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900, "9" * 5_000, "-1e999", "")
SIZES: list[Any] = [
    0, -1, 2**31, 2**63, 10**30, 10**4000, 1.5, 1e308, float("nan"), True, None, "7", [], [1],
    [2**40, 2**40], [0, -1], {}, {"a": 1},
]  # fmt: skip
NAMES: list[Any] = [
    "../../etc/passwd", "/etc/passwd", "C:\\x", "a/b", "a.b", "", ".", "a\nb", "a\0b", "x" * 5_000,
    "\u202e", "\ud800", "é" * 300, "input", "fc1", 7, None, ["a"], {"a": 1},
]  # fmt: skip
TEXTS: list[Any] = ["float16", "object", "<f4", "float32\n", "O", "S9999999999", *NAMES]
VERSIONS: list[Any] = [2, 10**30, -1, 0, 1.0, float("nan"), float("inf"), True, None, "1", [1], {}]


class Trap:
    """What unpickling it would do."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


def pick(rng: np.random.Generator, choices: Any) -> Any:
    """One of the choices, as it is (rng.choice would make an array of them)."""
    found = list(choices)
    return found[int(rng.integers(len(found)))]


def entries_of(content: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(entries: Entries | list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose own checksums fit."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", how) as archive:
        warnings.simplefilter("ignore")  # two entries of one name are meant
        for name, body in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(zipfile.ZipInfo(name), body, how)
    return out.getvalue()


def signed(entries: Entries, rng: np.random.Generator) -> Entries:
    """The same, half of the time with a checksum that fits."""
    if rng.random() < 0.5:
        return entries
    header = json.loads(entries[HEADER])
    header.pop("sha256", None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key, body in entries.items():
        if key != HEADER:
            digest.update(key.encode("utf-8", "replace") + b"\0" + body)
    return entries | {HEADER: json.dumps(header | {"sha256": digest.hexdigest()}).encode()}


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


# --- of bytes


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content)))]


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        found[int(rng.integers(len(found)))] ^= 1 << int(rng.integers(8))
    return bytes(found)


def garbled(content: bytes, rng: np.random.Generator) -> bytes:
    """A span of noise, zeros, or bytes from elsewhere in the file; or bytes put in between."""
    at, n = int(rng.integers(len(content))), int(rng.integers(1, 65))
    start = int(rng.integers(len(content)))
    new = pick(rng, (rng.bytes(n), b"\0" * n, b"\xff" * n, content[start : start + n]))
    return content[:at] + new + content[at + int(rng.integers(2)) * n :]


def zip_fields(content: bytes, rng: np.random.Generator) -> bytes:
    """A number in the archive's own tables becomes absurd."""
    tables = content.index(b"PK\x01\x02")
    at = int(rng.integers(tables, len(content) - 4))
    new = pick(rng, (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff", b"\x01", b"\xff\xff\xff\x7f"))
    return content[:at] + new + content[at + len(new) :]


def wrong_magic(content: bytes, rng: np.random.Generator) -> bytes:
    if rng.random() < 0.5:
        return rng.bytes(4) + content[4:]
    at = pick(rng, [k for k in range(len(content) - 6) if content[k : k + 6] == b"\x93NUMPY"])
    entries = content[:at] + b"\x93NUMPZ" + content[at + 6 :]
    return pick(rng, (entries, b"", b"PK\x05\x06" + b"\0" * 18, b"PK\x05\x06" + b"\xff" * 18))  # type: ignore[no-any-return]


# --- of entries


def swapped(content: bytes, rng: np.random.Generator) -> bytes:
    entries = entries_of(content)
    a, b = pick(rng, entries), pick(rng, entries)
    return packed(entries | {a: entries[b], b: entries[a]})


def other_entries(content: bytes, rng: np.random.Generator) -> bytes:
    """One is absent, twice there, called like a path, or too many."""
    entries = entries_of(content)
    name = pick(rng, entries)
    rest = {key: body for key, body in entries.items() if key != name}
    path = str(pick(rng, NAMES[:5]))
    return pick(
        rng,
        (
            lambda: packed(rest),
            lambda: packed([*entries.items(), (name, entries[name])]),
            lambda: packed([*entries.items(), (name, entries[pick(rng, entries)])]),
            lambda: packed({**rest, path: entries[name]}),
            lambda: packed({**entries, path: b"x"}),
            lambda: packed({**entries, f"params/{path}.npy": npy(np.zeros(3, np.float32))}),
        ),
    )()  # type: ignore[no-any-return]


def other_array(content: bytes, rng: np.random.Generator) -> bytes:
    """Another dtype, shape, order or version, an absurd claim, or pickled objects."""
    entries = entries_of(content)
    key = pick(rng, [k for k in entries if k != HEADER])
    body = entries[key]
    array = np.load(io.BytesIO(body))
    claim = str(pick(rng, SIZES)).replace("[", "(").replace("]", ",)")[:4000]
    text = pick(rng, (b"(" * 3000, b"lambda: 0", b"{'descr': '|O'", b"\\q" * 9, b"L" * 50))
    new = pick(
        rng,
        (
            lambda: npy(array.astype(pick(rng, ("f2", "f4", ">f4", "f8", "c16", "?", "i8", "U3")))),
            lambda: npy(np.zeros(pick(rng, ((), (0,), (1,), (2, 2), (3, 3, 3))), array.dtype)),
            lambda: npy(np.array([Trap()] * 3, dtype=object)),
            lambda: pickle.dumps(Trap()),
            lambda: npy(np.asfortranarray(array)) + b"\0" * int(rng.integers(9)),
            lambda: body[:6] + bytes([pick(rng, (0, 2, 3, 255)), 0]) + body[8:],
            lambda: body[:8] + rng.bytes(2) + body[10:],
            lambda: body.replace(str(array.shape).encode(), claim.encode()),
            lambda: body[:10] + text + body[10 + len(text) :],
            lambda: body[: int(rng.integers(len(body)))],
        ),
    )()
    return packed(signed(entries | {key: new}, rng))


def compressed(content: bytes, rng: np.random.Generator) -> bytes:
    """All of it compressed, or one entry that claims to be huge."""
    entries = entries_of(content)
    if rng.random() < 0.2:
        return packed(entries, zipfile.ZIP_DEFLATED)
    key, first = pick(rng, entries), io.BytesIO(packed(entries))
    with warnings.catch_warnings(), zipfile.ZipFile(first, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(zipfile.ZipInfo(key), b"")
    found = bytearray(first.getvalue())
    zeros = squeezed()
    at = found.rindex(b"PK\x03\x04")
    end = at + 30 + len(key)
    body = bytes(found[:end]) + zeros + bytes(found[end:])
    local, table = at, body.rindex(b"PK\x01\x02")
    body = patched(body, local + 8, "<H", 8)
    body = patched(body, local + 14, "<LLL", zlib.crc32(bytes(BOMB)), len(zeros), BOMB)
    body = patched(body, table + 10, "<H", pick(rng, (8, 0, 12, 14, 99)))
    body = patched(body, table + 16, "<LLL", zlib.crc32(bytes(BOMB)), len(zeros), BOMB)
    last = body.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<L", body, last + 16)[0]
    return patched(body, last + 16, "<L", start + len(zeros))


@cache
def squeezed() -> bytes:
    """BOMB zeros as a raw deflate stream."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeeze.compress(bytes(BOMB)) + squeeze.flush()


def patched(content: bytes, at: int, form: str, *values: int) -> bytes:
    new = struct.pack(form, *values)
    return content[:at] + new + content[at + len(new) :]


def crowded(content: bytes, rng: np.random.Generator) -> bytes:
    """An archive with a table of very many entries, all of them the same place in the file."""
    last = content.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<L", content, last + 16)[0]
    table = content[start:last]
    n = int(10 ** rng.uniform(2, 4.7))
    name = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, *[0] * 6)
    rows = b"".join(name + f"{k:06x}".encode() for k in range(n))
    count = len(entries_of(content)) + n
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, len(table) + len(rows),
        start, 0,
    )  # fmt: skip
    return content[:start] + table + rows + end
