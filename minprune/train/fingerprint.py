"""The arguments of a run as JSON: equal where the run gives the same bits."""

import os
from collections.abc import Mapping
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
    return next(filter(None, map(os.environ.get, BLAS)), f"all {os.cpu_count()}")


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

    Of a function: its name, code, closure and bound arguments, but not the globals that it reads;
    of an object: its type and attributes, or its repr where it has none; of what is nested deeper
    than DEEPEST: its type alone.
    """
    inner = partial(fingerprint, depth=depth + 1)
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return value.item() if isinstance(value, np.generic) else value
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
    if isinstance(value, MethodType):
        return {"function": inner(value.__func__), "self": inner(value.__self__)}
    if isinstance(value, FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return {
            "name": _name(value), "closes over": inner(held),
            "defaults": inner(value.__defaults__), "keywords": inner(value.__kwdefaults__),
            "code": digest(repr(_code(value.__code__))),
        }  # fmt: skip
    if hasattr(value, "__qualname__"):
        return _name(value)
    found = {"type": _name(type(value))}
    if is_dataclass(value):
        return found | {f.name: inner(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "__dict__"):
        return found | inner(value.__dict__)
    return found | ({} if " at 0x" in repr(value) else {"repr": repr(value)})


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


def _code(code: CodeType) -> list[Any]:
    """What a function does, wherever it is defined: its instructions, names and constants."""
    consts = [_code(c) if isinstance(c, CodeType) else fingerprint(c) for c in code.co_consts]
    return [code.co_code.hex(), code.co_names, consts]


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
