"""The texts of signatures.py: "w (o, i), x (i, n), b (o)?, act -> (o, n)".

A symbol is a size, `c*ky*kx` a product, `m+1` one more, `...` any further axes; `?`: may be None.
`name: kind (...)`: a kind of KINDS, "floats" unless given, or `sizes`, a tuple of integers, or
`sides`, such a tuple, or one twice as long: what is at the first sides, then what is at the last.
`integers<k`: from 0 to below the size k, and computed on as int64; None stands for all of them in
order. A name alone is an option. Floats share the dtype of the first of them, as do results that
say no other.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from minprune.arguments import is_count
from minprune.errors import ArgumentError

Sizes = dict[str, Any]  # by symbol; those of `...` together, as a tuple
# What an array must be, or it is copied: any, one that may be read-only, one that may not.
AS_IS, PACKED, WHOLE = "", "{0}.flags.c_contiguous and {0}.flags.aligned", "{0}.flags.carray"


class Kind(NamedTuple):
    """What an array must be; advice: what to do about another."""

    flags: str
    dtypes: frozenset[Any]
    words: str
    advice: str


def dtypes(*codes: str) -> frozenset[Any]:
    return frozenset(map(np.dtype, codes))


CONVERT = "convert it with np.asarray({name}, np.float32)"
FLOATS = dtypes("float32", "float64")
INTEGERS = dtypes(*(order + code for order in "<>" for code in np.typecodes["AllInteger"]))
KINDS = {
    "floats": Kind(WHOLE, FLOATS, "float32 or float64", CONVERT),
    "changed": Kind(WHOLE, FLOATS, "float32 or float64", CONVERT),  # in place
    "read": Kind(PACKED, FLOATS, "float32 or float64", CONVERT),
    "float64": Kind(WHOLE, dtypes("float64"), "float64", "convert it with {name}.astype(float)"),
    "bool": Kind(WHOLE, dtypes("bool"), "bool", "True means kept"),
    "uint8": Kind(AS_IS, dtypes("uint8"), "uint8", "take it from a format of minprune.sparse"),
    "uint16": Kind(WHOLE, dtypes("uint16"), "uint16", "pass what max_pool or words16 returned"),
    "uint32": Kind(AS_IS, dtypes("uint32"), "uint32", "take it from a format of minprune.sparse"),
    "integers": Kind(
        AS_IS, INTEGERS, "integers", "convert it with np.asarray({name}, np.int64)"
    ),
}  # fmt: skip

# How long a tuple may be that has n symbols.
TUPLES: dict[str, Callable[[int], tuple[int, ...]]] = {
    "sizes": lambda n: (n,),
    "sides": lambda n: (n, 2 * n),
}


class Argument(NamedTuple):
    """One argument; kind: of KINDS or TUPLES, or "option"; top: what follows "<"."""

    name: str
    kind: str
    top: str
    dims: tuple[str, ...]
    optional: bool


class Result(NamedTuple):
    """dtype: None for that of the floats; kept: in memory of its own, and read-only afterwards."""

    dtype: Any
    dims: tuple[str, ...]
    kept: bool


def parsed(text: str) -> tuple[list[Argument], list[Result]]:
    """The arguments and the results that a text names"""
    left, right = text.split("->")
    arguments = [
        Argument(name, kind or ("floats" if dims else "option"), top, split(dims), bool(maybe))
        for name, kind, top, dims, maybe in re.findall(
            r"(\w+)(?:: (\w+)(?:<(\w+))?)?(?: \((.*?)\)(\?)?)?", left
        )
    ]
    results = [
        Result(np.dtype(kind) if kind else None, split(dims), bool(kept))
        for kept, kind, dims in re.findall(r"(kept )?(\w*) ?\((.*?)\)", right)
    ]
    return arguments, results


def split(dims: str) -> tuple[str, ...]:
    return tuple(dims.split(", ")) if dims else ()


def written(dims: tuple[str, ...]) -> str:
    """As Python writes a tuple"""
    return f"({', '.join(dims)}{',' if len(dims) == 1 and dims != ('...',) else ''})"


def bind(dims: tuple[str, ...], shape: tuple[int, ...], sizes: Sizes) -> bool:
    """True if shape has these axes; symbols that have no size yet get that of their axis"""
    if "..." in dims:
        at, more = dims.index("..."), len(shape) - len(dims) + 1
        if more < 0:
            return False
        sizes.setdefault("...", shape[at : at + more])
        dims, shape = dims[:at] + dims[at + 1 :], shape[:at] + shape[at + more :]
    for dim, size in zip(dims, shape, strict=False):
        if dim.endswith("+1"):
            sizes.setdefault(dim[:-2], size - 1)
        elif "*" not in dim:
            sizes.setdefault(dim, size)
    return len(dims) == len(shape)


def filled(dims: tuple[str, ...], sizes: Sizes) -> tuple[int, ...]:
    """The shape, by the sizes of the symbols; KeyError where one has none"""
    shape: list[int] = []
    for dim in dims:
        if dim == "...":
            shape += sizes[dim]
        elif dim.endswith("+1"):
            shape.append(sizes[dim[:-2]] + 1)
        else:
            shape.append(prod(sizes[symbol] for symbol in dim.split("*")))
    return tuple(shape)


def check_array(kernel: str, a: Argument, given: Any, first: tuple[str, Any] | None) -> None:
    """An array of this kind; first: the name and the dtype that all floats share"""
    kind = KINDS[a.kind]
    if not isinstance(given, np.ndarray) or given.dtype not in kind.dtypes:
        found = given.dtype if isinstance(given, np.ndarray) else type(given).__name__
        raise ArgumentError(
            f"{kernel}: {a.name} must be an array of {kind.words}, not {found}; "
            f"{kind.advice.format(name=a.name)}"
        )
    if first is not None and kind.dtypes is FLOATS and given.dtype != first[1]:
        raise ArgumentError(
            f"{kernel}: {a.name} must be {first[1]} like {first[0]}, not {given.dtype}; convert it"
        )


def check_sizes(kernel: str, a: Argument, given: Any) -> None:
    """A tuple of integers, one for each symbol."""
    sound = isinstance(given, tuple) and len(given) in TUPLES[a.kind](len(a.dims))
    if not sound or not all(is_count(k, 0) for k in given):
        raise ArgumentError(
            f"{kernel}: {a.name} must be a tuple of {len(a.dims)} integers of at least 0, "
            f"not {given!r}; pass a tuple such as {(1,) * len(a.dims)}"
        )
