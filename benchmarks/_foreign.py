"""Files of weights as other programs write them, and what damages them or makes them malicious.

The .pt files are put together here as torch.save does it, so that PyTorch need not be there.
"""

import io
import json
import pickle
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from benchmarks import _damage, _hostile
from benchmarks._damage import SIZES, Trap, entries_of, npy, packed, pick
from minprune.files import safetensors

Generator = np.random.Generator
STORAGE = {
    "float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage",
    "int64": "LongStorage", "uint8": "ByteStorage", "bool": "BoolStorage",
}  # fmt: skip


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def number(k: int) -> bytes:
    if 0 <= k < 256:
        return b"K" + bytes([k])
    body = k.to_bytes(k.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(body)]) + body


def sizes(of: Any) -> bytes:
    return b"(" + b"".join(map(number, of)) + b"t"


def tensor(storage: str, key: str, n: int, offset: int, shape: Any, strides: Any) -> bytes:
    """The program that makes one tensor"""
    place = b"(" + text("storage") + b"ctorch\n" + storage.encode() + b"\n" + text(key)
    place += text("cpu") + number(n) + b"tQ"
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    start = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return start + place + number(offset) + sizes(shape) + sizes(strides) + hooks + b"tR"


def tensor_of(key: str, a: np.ndarray[Any, Any]) -> bytes:
    strides = [s // a.itemsize for s in a.strides]
    return tensor(STORAGE[a.dtype.name], key, a.size, 0, a.shape, strides)


def program(named: Mapping[str, bytes]) -> bytes:
    """The program that makes a dict of these tensors"""
    items = b"".join(text(name) + made for name, made in named.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def pt(arrays: Mapping[str, np.ndarray[Any, Any]], order: str = "little") -> bytes:
    """What torch.save writes of a state_dict; a transposed array has the strides of one"""
    arrays = {name: a if a.flags.forc else a.copy() for name, a in arrays.items()}
    rows = {str(k): a for k, a in enumerate(arrays.values())}
    named = {n: tensor_of(k, a) for (n, a), k in zip(arrays.items(), rows, strict=True)}
    entries = {"archive/data.pkl": program(named), "archive/byteorder": order.encode()}
    for key, a in rows.items():
        flat = a.ravel(order="K").astype(a.dtype.newbyteorder("<" if order == "little" else ">"))
        entries[f"archive/data/{key}"] = flat.tobytes()
    return packed(entries | {"archive/version": b"3\n"})


@cache
def state() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {
        "layer1.0.conv1.weight": rng.standard_normal((3, 2, 3, 3)).astype(np.float32),
        "layer1.0.bn1.num_batches_tracked": np.array(7),
        "fc.weight_mask": rng.random((4, 6)) < 0.5,
        "fc.weight_orig": rng.standard_normal((6, 4)).T, "half": np.ones((2, 2), np.float16),
    }  # fmt: skip


@cache
def originals() -> tuple[bytes, ...]:
    out = io.BytesIO()
    arrays: Any = state()
    np.savez(out, **arrays)
    small = io.BytesIO()
    np.savez_compressed(small, **arrays)
    return (
        pt(state()), pt(state(), "big"), safetensors.content(state()),
        out.getvalue(), small.getvalue(),
    )  # fmt: skip


# --- hostile


def planted(content: bytes, rng: Generator) -> bytes:
    """A pickle that would run something, alone, in front, or as a value"""
    trap = pickle.dumps(Trap(), int(rng.integers(5)))
    entries = entries_of(content)
    key = next((k for k in entries if k.endswith("data.pkl")), "x/data.pkl")
    old = entries.get(key, program({}))
    body = trap[2:-1] if trap[:1] == b"\x80" else trap[:-1]
    value = old[:-2] + text("trap") + body + b"u."
    call = b"c" + pick(
        rng, (b"os\nsystem\n", b"builtins\neval\n", b"nt\nsystem\n", b"torch\nload\n")
    )
    call += b"(" + text("raise SystemExit(1)") + b"tR."
    built = old[:-1] + b"}" + text("__setstate__") + body + b"sb."
    inst = b"(" + text("raise SystemExit(1)") + b"ibuiltins\nexec\n."
    found = pick(rng, (trap, trap[:-1] + b"0" + old, value, call, built, inst))
    return pick(rng, (found, packed(entries | {key: found})))  # type: ignore[no-any-return]


def rewritten(content: bytes, rng: Generator) -> bytes:
    """Bytes of data.pkl, of a header of .npy or of safetensors, changed under right checksums"""
    if content[8:9] == b"{":
        n = int.from_bytes(content[:8], "little")
        head = pick(rng, (_damage.garbled, _damage.flipped))(content[8 : 8 + n], rng)
        return len(head).to_bytes(8, "little") + head + content[8 + n :]  # type: ignore[no-any-return]
    entries = entries_of(content)
    key = pick(rng, [k for k in entries if k.endswith((".pkl", ".npy"))])
    return packed(entries | {key: pick(rng, (_damage.garbled, _damage.flipped))(entries[key], rng)})


def huge(content: bytes, rng: Generator) -> bytes:
    """Shapes, strides, offsets or sizes that no memory holds"""
    big = [int(rng.choice([0, 1, 2, 2**31, 2**40, 2**62])) for _ in range(4)]
    if content[8:9] == b"{":
        n = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + n])
        row, field = (
            pick(rng, list(header.values())[1:]),
            pick(rng, ("shape", "data_offsets", "dtype")),
        )
        row[field] = pick(rng, (*SIZES, big, big[:2], "F8_E4M3", "BF16"))
        head = json.dumps(header).encode()
        size = pick(rng, (len(head), 2**60, len(head) + 1))
        return size.to_bytes(8, "little") + head + content[8 + n :]  # type: ignore[no-any-return]
    entries = entries_of(content)
    if "archive/data.pkl" in entries:
        made = tensor(
            "FloatStorage", "0", pick(rng, (54, *big)), pick(rng, (0, *big)), big[:2], big[2:]
        )
        return packed(entries | {"archive/data.pkl": program({"fc.weight": made})})
    key = pick(rng, entries)
    shape = str(tuple(big)).encode()
    old = str(np.load(io.BytesIO(entries[key])).shape).encode()
    return packed(entries | {key: entries[key].replace(old, shape, 1)}, pick(rng, (0, 8)))


def swarm(content: bytes, rng: Generator) -> bytes:
    """Pickles of very many or very deep small things, or with sizes that no memory holds"""
    n = int(10 ** rng.uniform(2, 6))
    doubled = b"".join(
        b"}("
        + b"".join(text(str(j)) + b"h" + bytes([k]) for j in range(9))
        + b"uq"
        + bytes([k + 1])
        for k in range(20)
    )
    body = pick(
        rng,
        (
            b"}" * n, b"(" * n, b"]" * n, b")" * n + b"\x85" * n, b"}r\xff\xff\xff\x7f",
            b"}j\xff\xff\xff\xff", b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8,
            b"\x8a\xff" + b"\xff" * 255, b"\x8b\xff\xff\xff\x7f", b"\x95" + b"\xff" * 8,
            b"}q\0" + (text("k" * 200) + b"h\0s") * 3, b"}q\0" + doubled, b"", b".",
            b"}" + text("a" * n) + b"}s", b"0" * 9, b"2" * 99,
            b"".join(b"}" + text("a") for _ in range(50)) + b"}" + b"s" * 50,
            b"(" + b"K\1" * n + b"tq\0" + b"h\0\x85" * n,
        ),
    )  # fmt: skip
    return packed({"a/data.pkl": b"\x80\x02" + body + b"."}, pick(rng, (0, 8)))


def json_bomb(content: bytes, rng: Generator) -> bytes:
    """A header of safetensors of any JSON"""
    piece = pick(rng, _hostile.DEEP).encode()
    n = int(10 ** rng.uniform(1, 5))
    many = b"{" + b",".join(
        b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % k for k in range(n)
    )
    two = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],'
    two += b'"data_offsets":[0,1]}}'
    head = pick(rng, (b'{"x":' + piece + b"}", many + b"}", two, two.replace(b'"b"', b'"a"')))
    return len(head).to_bytes(8, "little") + head + b"\0"  # type: ignore[no-any-return]


def objects(content: bytes, rng: Generator) -> bytes:
    """An .npz of pickled objects, of text, or of records"""
    array: Any = pick(
        rng, (np.array([Trap()] * 3, dtype=object), np.array(["a"]), np.zeros(2, "i4,f4"),
              np.zeros(2, "M8[s]"), np.zeros(2, "V3"), np.zeros(3, ">f2"))
    )  # fmt: skip
    return packed({"a.npy": npy(np.ones(2)), "b.npy": npy(array)})


ZIPPED: list[Callable[[bytes, Generator], bytes]] = [
    _damage.zip_fields, _damage.swapped, _damage.other_entries, _hostile.lying, _hostile.crowded,
    lambda content, rng: _hostile.bomb(content, pick(rng, sorted(entries_of(content)))),
]  # fmt: skip
ANY: list[Callable[[bytes, Generator], bytes]] = [
    _damage.cut, _damage.flipped, _damage.garbled, rewritten, huge,
]  # fmt: skip
OWN: list[Callable[[bytes, Generator], bytes]] = [planted, swarm, json_bomb, objects]
SLOW = ZIPPED[3:]


def damaged(k: int, seed: int = 0) -> tuple[str, bytes]:
    """The k-th damaged file: (what was done to it, its bytes), from [seed, k] alone"""
    rng = np.random.default_rng([seed, k])
    content = originals()[k % len(originals())]
    zipped = content[:2] == b"PK"
    if rng.random() < 0.05 and zipped:
        ways = SLOW
    else:
        ways = [*ANY, *ANY, *OWN, *(ZIPPED[:3] if zipped else [])]
        ways = [w for w in ways if zipped or w is not planted]
    way = pick(rng, ways)
    return getattr(way, "__name__", "bomb").replace("<lambda>", "bomb"), way(content, rng)
