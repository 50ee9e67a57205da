"""State of training and of plans as one tree of plain values <-> a file: JSON, arrays by name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, FileError
from minprune.files import describe, rebuild
from minprune.files.container import Kind, Place, named, write
from minprune.files.reader import Reader, line, read
from minprune.nets.model import Model, hold_arrays
from minprune.train.history import History

Tree = Any  # None, bool, int, float, str, arrays, Model, History; lists, tuples, dicts of them
PLAIN = (type(None), bool, int, float, str)
DTYPES = ("bool", "float32", "float64", *(f"{u}int{b}" for u in ("", "u") for b in (8, 16, 32, 64)))
KIND = Kind(
    "state", 3, "mp.fit or a job", "delete it to start again", 2**24, DTYPES, deflated=False
)
NAME = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"  # no path out of anywhere


def save_tree(path: Place, tree: Tree, owner: str) -> None:
    """Write the tree to `path`; raises as `pack` does, and FileError where it cannot be written."""
    arrays, meta = pack(tree, owner)
    write(KIND, path, {"meta": meta}, arrays)


def load_tree(path: Place) -> Tree:
    """The tree that `save_tree` wrote; raises FileError for other files."""
    arrays, meta = read(KIND, path, content)
    with sound(path):
        return unpack(arrays, meta)


def content(file: Reader) -> tuple[Arrays, Any]:
    """(arrays, JSON) of an open file; raises FileError for a name that could be a path."""
    for name in file.shapes:
        if not re.fullmatch(NAME, name):
            raise KIND.bad(
                f"the name of an array must hold letters, digits and _-./ and be no path, not "
                f"{name!r}"
            )
    return file.arrays(), file.header["meta"]


@contextmanager
def sound(path: Place) -> Iterator[None]:
    """Turns whatever a wrong value in the file at `path` raises into a FileError."""
    try:
        yield
    except Exception as e:  # whatever a wrong value provokes
        raise FileError(
            f"{named(path)}: must be a checkpoint, and cannot be read ({type(e).__name__}: "
            f"{line(e)}); delete it to start again"
        ) from None


def pack(tree: Tree, owner: str) -> tuple[Arrays, Any]:
    """(arrays, meta) for `save_state`; `unpack` gives the tree back, to the bit and the type

    What JSON does not have is written as {kind: ...}. Raises ArgumentError, beginning with
    `owner`, for a value of another type and for keys that are no strings.
    """
    arrays: Arrays = {}

    def hold(a: Array, place: tuple[str, ...]) -> str:
        name = "/".join(re.sub(r"^\.+|[^A-Za-z0-9_.-]", "_", part) or "_" for part in place) or "_"
        while name in arrays:
            name += "_"
        arrays[name] = a
        return name

    def walk(value: Tree, place: tuple[str, ...]) -> Any:
        if type(value) in PLAIN:
            return value
        if isinstance(value, np.ndarray | np.generic) and value.dtype.name in DTYPES:
            held = hold(np.asarray(value), place)
            return {"array" if isinstance(value, np.ndarray) else "scalar": held}
        if type(value) in (list, tuple):
            items = [walk(v, (*place, str(k))) for k, v in enumerate(value)]
            return items if type(value) is list else {"tuple": items}
        if type(value) is dict and all(type(k) is str for k in value):
            return {"dict": {k: walk(v, (*place, k)) for k, v in value.items()}}
        if isinstance(value, History):
            tables = {k: {n: np.asarray(c) for n, c in t.items()} for k, t in vars(value).items()}
            return {"history": walk(tables, place)}
        if isinstance(value, Model):
            return {"model": walk(vars(value) | {"net": describe(value.net)}, place)}
        raise ArgumentError(
            f"{owner}: {'.'.join(place) or 'it'} is {_named(value)}, which cannot be saved; "
            f"hold None, numbers, text, arrays, or lists and dicts (with text as keys) of them"
        )

    return arrays, walk(tree, ())


def unpack(arrays: Arrays, meta: Any) -> Tree:
    """The tree that `pack` was given; raises FileError or ValueError for JSON of others."""
    if type(meta) in PLAIN:
        return meta
    if isinstance(meta, list):
        return [unpack(arrays, v) for v in meta]
    ((kind, body),) = meta.items()
    if kind in ("array", "scalar"):
        return arrays[body] if kind == "array" else arrays[body][()]
    if kind == "tuple":
        return tuple(unpack(arrays, v) for v in body)
    if kind == "dict":
        return {k: unpack(arrays, v) for k, v in body.items()}
    if kind == "history":
        found = unpack(arrays, body)
        for part in ("steps", "epochs"):
            found[part] = {name: column.tolist() for name, column in found[part].items()}
        hold_arrays("extra", found["extra"])
        return History(**found)
    if kind == "model":
        found = unpack(arrays, body)
        return Model(rebuild(found.pop("net")), **found)
    raise FileError(f"it holds a {kind!r}, which this version does not know; use a newer minprune")


def _named(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, np.ndarray | np.generic):
        return f"an array of {value.dtype}"
    if type(value) is dict:
        return "a dict whose keys are not all text"
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
