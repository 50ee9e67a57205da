"""A zip archive of `torch.save`: data.pkl describes tensors, whose numbers are in data/KEY."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError
from minprune.files.numbers import read_numbers, size_of
from minprune.files.pickled import MOST, SAVE, Machine, Tensor

NAMES = 2**24  # characters of all names
DEEP = 8  # dicts in one another
AGAIN = "fetch it again"


def read(archive: Any, entries: Mapping[str, Any], pickle: str, size: int) -> Arrays:
    """All tensors by name      entries: whose sizes were checked; size: bytes of the file"""
    top = pickle.removesuffix("data.pkl")
    if any(name.startswith((top + "constants.pkl", top + "code/")) for name in entries):
        raise FileError(f"it must hold tensors alone, not a TorchScript program; {SAVE}")
    word = "little"
    if (entry := entries.get(f"{top}byteorder")) is not None:
        with archive.open(entry) as f:
            word = str(f.read(20), "ascii")
    if word not in ("little", "big"):
        raise FileError(f"its byteorder must be little or big, not {word!r}; {AGAIN}")
    entry = entries[pickle]
    with archive.open(entry) as f:  # without a size it would inflate all that is there
        tensors = _named(Machine(f.read(min(entry.file_size, MOST + 1))).result)
    rows: dict[str, list[str]] = {}
    for name, tensor in tensors.items():
        rows.setdefault(tensor.storage.key, []).append(name)
    found: Arrays = {}
    left = size
    for key, names in rows.items():  # so that one row at a time lies beside the copies
        row = _row(archive, entries, f"{top}data/{key}", names, tensors, word)
        for name in names:
            found[name] = a = _array(name, tensors[name], row, left)
            left -= 0 if a.base is not None else a.size * size_of(tensors[name].kind)
    return {name: found[name] for name in tensors}


def _named(tree: Any) -> dict[str, Tensor]:
    """{"a.b": tensor} of {"a": {"b": tensor}}"""
    found: dict[str, Tensor] = {}
    left = NAMES
    for name, tensor in _leaves(tree, (), set()):
        left -= len(name)
        if not name:
            raise FileError(f"it must be a dict of tensors, not one alone; {SAVE}")
        if left < 0 or name in found:
            raise FileError(f"its tensors must each have a short name of its own; {SAVE}")
        found[name] = tensor
    return found


def _leaves(tree: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Tensor):
        yield ".".join(path), tree
        return
    if type(tree) is not dict:
        raise FileError(
            f"{'.'.join(path) or 'it'}: must be a tensor or a dict of tensors, not "
            f"{type(tree).__name__}; {SAVE}"
        )
    if len(path) == DEEP or id(tree) in seen:
        raise FileError(f"its dicts must be in one place each, and not nested deeply; {SAVE}")
    seen.add(id(tree))
    for key, value in tree.items():
        yield from _leaves(value, (*path, key), seen)


def _row(
    archive: Any, entries: Mapping[str, Any], key: str, names: list[str],
    tensors: Mapping[str, Tensor], word: str,
) -> Array:  # fmt: skip
    """(n,) the storage that these tensors share"""
    first = tensors[names[0]]
    for name in names:
        if (tensors[name].kind, tensors[name].storage) != (first.kind, first.storage):
            raise FileError(
                f"{name}: its storage must be of one type, not {first.kind} and "
                f"{tensors[name].kind}; save tensor.clone()"
            )
    entry = entries.get(key)
    if entry is None:
        raise FileError(f"{names[0]}: its numbers must be in {key}, which is absent; {AGAIN}")
    one = size_of(first.kind)
    needed = first.storage.n * (one if first.storage.kind else 1)
    if entry.file_size != needed or needed % one:
        raise FileError(
            f"{names[0]}: its storage must take {needed} bytes, not {entry.file_size}; {AGAIN}"
        )
    with archive.open(entry) as f:
        return read_numbers(names[0], f, first.kind, needed // one, ">" if word == "big" else "<")


def _array(name: str, tensor: Tensor, row: Array, left: int) -> Array:
    """The numbers of a tensor, a view of its storage where they lie there in order

    left: the bytes that a copy may take.
    """
    shape, strides = tensor.shape, tensor.strides
    if 0 in shape:
        return np.empty(shape, row.dtype)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if last >= row.size:
        raise FileError(
            f"{name}: must lie within the {row.size} numbers of its storage, not reach to {last}; "
            f"{AGAIN}"
        )
    plain = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    n = math.prod(shape)
    if all(a == b or side == 1 for a, b, side in zip(strides, plain, shape, strict=True)):
        return row[tensor.offset : tensor.offset + n].reshape(shape)
    if n * size_of(tensor.kind) > left:
        raise FileError(
            f"{name}: the tensors must fit in the bytes of the file, and this one repeats numbers "
            f"to a shape of {shape}; save tensor.clone()"
        )
    by = tuple(step * row.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(row[tensor.offset :], shape, by).copy()
