"""Ways to damage a saved model's bytes and entries: (content, generator) -> other content.

Those that change the arrays compute the checksum again half of the time, as an attacker would.
"""

import io
import json
import pickle
import warnings
import zipfile
from typing import Any

import numpy as np

from minprune.files.container import HEADER, digest_of

Entries = dict[str, bytes]
SIZES: list[Any] = [
    0, -1, 2**31, 2**63, 10**30, 10**4000, 1.5, 1e308, float("nan"), True, None, "7", [], [1],
    [2**40, 2**40], [0, -1], {}, {"a": 1},
]  # fmt: skip
PATHS = ("../../etc/passwd", "/etc/passwd", "C:\\x", "a/b", "..")


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


def signed(entries: Entries) -> Entries:
    """The same, with a checksum that fits."""
    header = json.loads(entries[HEADER])
    header.pop("sha256", None)
    digest = digest_of(header)
    for key, body in entries.items():
        if key != HEADER:
            digest.update(key.encode("utf-8", "replace") + b"\0" + body)
    return entries | {HEADER: json.dumps(header | {"sha256": digest.hexdigest()}).encode()}


def maybe_signed(entries: Entries, rng: np.random.Generator) -> Entries:
    """The same, half of the time with a checksum that fits."""
    return entries if rng.random() < 0.5 else signed(entries)


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
    entries = {k: v.replace(b"\x93NUMPY", b"\x93NUMPZ") for k, v in entries_of(content).items()}
    ends = b"PK\x05\x06" + b"\0" * 18, b"PK\x05\x06" + b"\xff" * 18
    return pick(rng, (packed(entries), packed(signed(entries)), b"", *ends))  # type: ignore[no-any-return]


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
    path = pick(rng, PATHS)
    return pick(
        rng,
        (
            lambda: packed(rest),
            lambda: packed([*entries.items(), (name, entries[name])]),
            lambda: packed([*entries.items(), (name, entries[pick(rng, entries)])]),
            lambda: packed({**rest, path: entries[name]}),
            lambda: packed({**entries, path: b"x"}),
            lambda: packed({**entries, f"{path}.npy": npy(np.zeros(3, np.float32))}),
            lambda: packed({**entries, "float64.npy": npy(np.zeros(3))}),
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
    return packed(maybe_signed(entries | {key: new}, rng))
