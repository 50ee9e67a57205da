"""What a run was asked for, as JSON that is equal where the bits of the run will be."""

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from minprune import kernels
from minprune.core import Array, Dataset
from minprune.files import describe
from minprune.nets.model import Model
from minprune.nets.net import Net

BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
SHA = "sha256:"
DEEPEST = 8  # functions may close over themselves


def threads() -> str:
    """How many threads BLAS uses, as the environment says: products differ between counts."""
    given = [os.environ[name] for name in BLAS if os.environ.get(name)]
    return given[0] if given else f"all {os.cpu_count()}"


def machinery() -> dict[str, str]:
    """What the bits depend on besides the arguments."""
    return {"kernels": kernels.backend(), "BLAS threads": threads()}


def digest(*parts: Array | str) -> str:
    """sha256 of texts, and of the dtypes, shapes and bytes of arrays."""
    import hashlib

    found = hashlib.sha256()
    for part in parts:
        a = np.frombuffer(part.encode(), np.uint8) if isinstance(part, str) else part
        found.update(f"{a.dtype.str}{a.shape}".encode())
        found.update(np.ascontiguousarray(a).ravel().data.cast("B") if a.size else b"")
    return SHA + found.hexdigest()


def data_print(data: Dataset, *parts: str) -> dict[str, str]:
    """A digest for each part: "train", "val", "test"."""
    return {f"{part} data": digest(*map(np.asarray, getattr(data, part))) for part in parts}


def fingerprint(value: Any, depth: int = 0) -> Any:
    """JSON of a value: by its content, never by its place in memory

    Functions count by name, code, what they close over and what is bound to them, but not by what
    globals hold; objects by their type and attributes, or their repr where they have none; what
    lies deeper than DEEPEST by its type alone.
    """
    inner = partial(fingerprint, depth=depth + 1)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > DEEPEST:
        return _name(type(value))
    if isinstance(value, np.ndarray):
        return digest(value)
    if isinstance(value, np.random.Generator):
        return inner(value.bit_generator.state)
    if isinstance(value, list | tuple):
        return [inner(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(map(inner, value), key=repr)
    if isinstance(value, Mapping):
        return {str(k): inner(v) for k, v in value.items()}
    if isinstance(value, Model):
        arrays = value.params | value.buffers | {f"mask of {k}": m for k, m in value.masks.items()}
        return {"net": digest(repr(described(value.net))), "arrays": inner(arrays)}
    if isinstance(value, partial):
        bound = {str(k): inner(v) for k, v in enumerate(value.args)}
        return {"function": inner(value.func)} | bound | inner(value.keywords)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: inner(getattr(value, f.name)) for f in fields(value)}
        return {"type": _name(type(value))} | parts
    if isinstance(value, FunctionType | MethodType):
        fn = value.__func__ if isinstance(value, MethodType) else value
        held = [c.cell_contents for c in fn.__closure__ or ()]
        bound = {"defaults": inner(fn.__defaults__), "keywords": inner(fn.__kwdefaults__)}
        found = {"name": _name(fn), "closes over": inner(held), **bound}
        if isinstance(value, MethodType):
            found["self"] = inner(value.__self__)
        return found | {"code": digest(repr(_code(fn.__code__)))}
    if hasattr(value, "__qualname__"):
        return _name(value)
    if hasattr(value, "__dict__"):
        return {"type": _name(type(value))} | inner(value.__dict__)
    text = repr(value)
    return {"type": _name(type(value))} | ({} if " at 0x" in text else {"repr": text})


def difference(theirs: Any, ours: Any, name: str = "") -> str | None:
    """ "epochs 3, and this call has 4": the first entry that differs, or None"""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in [*ours, *(k for k in theirs if k not in ours)]:
            found = difference(theirs.get(key), ours.get(key), f"{name} {key}".strip())
            if found:
                return found
        return None
    if repr(theirs) == repr(ours):  # NaN equals itself here
        return None
    if isinstance(ours, str) and ours.startswith(SHA):
        return f"another value of {name}"
    return f"{name} {_short(theirs)}, and this call has {_short(ours)}"


def described(net: Net) -> dict[str, Any]:
    """`files.describe` as plain JSON, with a repr for what JSON does not have."""
    import json

    found: dict[str, Any] = json.loads(json.dumps(describe(net), default=repr))
    return found


def rate_print(rate: Callable[[int, int], float], total: int) -> str:
    """A digest of all that the learning rate will be multiplied with."""
    return digest(np.array([rate(t, total) for t in range(total)]))


def _code(code: CodeType) -> list[Any]:
    """What a function does, wherever it is defined: its instructions, names and constants."""
    consts = [_code(c) if isinstance(c, CodeType) else fingerprint(c) for c in code.co_consts]
    return [code.co_code.hex(), code.co_names, consts]


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
