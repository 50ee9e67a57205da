"""Arrays in nested values (dicts, lists, tuples, dataclasses): changed, listed and compared."""

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from minprune.core import Array

READ = "get_state"  # of NumPy's global generator, which is read and never drawn from


def fields(value: Any) -> list[tuple[str, Any]]:
    """(name, value) of each field of a dataclass."""
    return [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]


def mapped(value: Any, how: Callable[[Array], Array]) -> Any:
    """The value with how(array) for each array in it."""
    if isinstance(value, np.ndarray):
        return how(value)
    if isinstance(value, Mapping):
        return {k: mapped(v, how) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(mapped(v, how) for v in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{k: mapped(v, how) for k, v in fields(value)})
    return value


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Array]]:
    """("grads['fc1.weight']", array) of each array and number in a value."""
    parts: Any = None
    if isinstance(value, Mapping):
        parts = [(f"{name}[{k!r}]" if name else str(k), v) for k, v in value.items()]
    elif isinstance(value, tuple | list):
        parts = [(f"{name}[{k}]", v) for k, v in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(f"{name}.{k}".strip("."), v) for k, v in fields(value)]
    if parts is not None:
        for what, part in parts:
            yield from leaves(part, what)
    elif value is not None and not isinstance(value, str | np.random.Generator):
        a = np.asarray(value)
        if a.dtype.kind in "biufc":
            yield name, a


def moved(before: Any, after: Any) -> str | None:
    """None where both hold the same bits, or the first place where they differ."""
    was, now = dict(leaves(before)), dict(leaves(after))
    if list(was) != list(now):
        return f"there was {', '.join(was) or 'nothing'}, then {', '.join(now) or 'nothing'}"
    for what, a in was.items():
        b = now[what]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{what} was {a.shape}, {a.dtype} and is {b.shape}, {b.dtype}".strip()
        if a.tobytes() != b.tobytes():
            k = np.unravel_index(int((a != b).argmax()), a.shape)
            index = f"[{', '.join(map(str, k))}]" if k else ""
            return f"{what}{index} was {a[k].item()!r} and is {b[k].item()!r}".strip()
    return None


def repeats(run: Callable[[], Any]) -> str | None:
    """None where a second run gives the same bits as the first."""
    return moved(run(), run())


def untouched(run: Callable[..., Any], *given: Any) -> str | None:
    """None where run(*given) changes neither its arguments nor the global random state."""
    before, state = mapped(given, np.copy), global_state()
    run(*given)
    pair = (before, given) if len(given) > 1 else (before[0], given[0])
    return moved(*pair) or (
        None if global_state() == state else "the global random state has moved"
    )


def global_state() -> str:
    """That of NumPy's global generator, and of the standard library's and torch's if loaded."""
    name, key, *more = vars(np.random)[READ]()
    parts = [name, hash(key.tobytes()), *more]
    if "random" in sys.modules:
        parts.append(hash(sys.modules["random"].getstate()))
    if hasattr(sys.modules.get("torch"), "get_rng_state"):
        parts.append(hash(sys.modules["torch"].get_rng_state().numpy().tobytes()))
    return " ".join(map(str, parts))


def read_only(a: Array) -> Array:
    """The same array; it may not be written to."""
    a = a.copy()
    a.flags.writeable = False
    return a


def with_gaps(a: Array) -> Array:
    """The same array; every other place in memory."""
    return np.asarray(np.repeat(a[..., None], 2, -1)[..., 0])


# the same array, otherwise in memory
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": np.asfortranarray,
    "with gaps": with_gaps,
    "in Fortran order, with gaps": lambda a: np.asfortranarray(np.repeat(a, 2, -1))[..., ::2],
    "read-only": read_only,
}


def fingerprint(value: Any) -> str:
    """A hash of arrays, numbers and dicts of them: equal for equal bits, dtypes and shapes."""
    digest = hashlib.sha256()
    for name, a in leaves(value):
        digest.update(f"{name} {a.dtype} {a.shape}".encode())
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()
