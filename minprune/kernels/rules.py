"""The rules of signatures.py beyond shapes and dtypes: of options, and of values at every call.

A rule gets the name of the kernel, its arguments by name and the sizes so far, and may add sizes. A
check gets values, and returns them or what replaces them. Those of sparse indices: indices.py.
"""

from functools import partial
from typing import Any

import numpy as np

from minprune.arguments import choice, count
from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.kernels.door import Check
from minprune.kernels.shapes import Sizes

ACTS = ("none", "relu", "leaky_relu", "tanh", "sigmoid")  # what kernels apply to their results
Given = dict[str, Any]


def activation(kernel: str, given: Given, sizes: Sizes) -> None:
    """`act`, or `kind`, is the name of an activation."""
    name = "kind" if "kind" in given else "act"
    choice(kernel, name, given[name], ACTS)


def nonempty(kernel: str, given: Given, sizes: Sizes) -> None:
    """The first argument has an entry: a mean over nothing is undefined."""
    name, x = next(iter(given.items()))
    if not x.size:
        raise ShapeError(
            f"{kernel}: {name} must hold at least one entry, not be of shape {x.shape}; add samples"
        )


def windows(kernel: str, given: Given, sizes: Sizes) -> None:
    """oh, ow = (h + top + bottom - (ky - 1)*dy - 1) // sy + 1, ...: how many windows fit"""
    window, image = (sizes["ky"], sizes["kx"]), (sizes["h"], sizes["w"])
    stride, padding, apart = given["stride"], given["padding"], given.get("dilation", (1, 1))
    if not (sizes["n"] and sizes.get("c", 1)):
        raise ShapeError(
            f"{kernel}: image must have a channel and a sample, not {sizes['n']} samples; add one"
        )
    for name, pair in {"kernel": window, "stride": stride, "dilation": apart}.items():
        if min(pair) < 1:
            raise ArgumentError(
                f"{kernel}: {name} must be two integers of at least 1, not {pair}; pass (1, 1)"
            )
    for at, side in enumerate(("oh", "ow")):
        extent = (window[at] - 1) * apart[at] + 1
        sizes[side] = (image[at] + padding[at] + padding[at - 2] - extent) // stride[at] + 1
        if sizes[side] < 1:
            spread = "" if apart == (1, 1) else f" with dilation {apart}"
            raise ShapeError(
                f"{kernel}: kernel {window}{spread} is larger than the image {image} with padding "
                f"{padding}; use a smaller kernel or more padding"
            )


def overlap(kernel: str, given: Given, sizes: Sizes) -> None:
    """Every window meets the image."""
    window, padding = given["kernel"], given["padding"]
    if padding[0] >= window[0] or padding[1] >= window[1]:
        raise ArgumentError(
            f"{kernel}: padding must be below the kernel {window}, not {padding}, since a window "
            f"of padding alone has no maximum; use less padding"
        )


def countable(kernel: str, given: Given, sizes: Sizes) -> None:
    """The places of the window fit the dtype of the index."""
    places = sizes["ky"] * sizes["kx"]
    if places > 65536:
        raise ArgumentError(
            f"{kernel}: kernel must have at most 65536 places, not {places} as {given['kernel']} "
            f"has; pool twice, with smaller kernels"
        )


def grouping(kernel: str, given: Given, sizes: Sizes) -> None:
    """ig = i / groups; groups divides i and o, which are not 0      taps = ig*ky*kx"""
    groups, i, o = count(kernel, "groups", given["groups"]), sizes["i"], sizes["o"]
    each = sizes.setdefault("ig", i // groups)
    if i % groups or o % groups or i // groups != each or i < 1 or o < 1:
        raise ShapeError(
            f"{kernel}: {i} channels in, {o} out and {each} per filter do not fit {groups} "
            f"groups; w is (o, i/groups, ky, kx), and groups divides both o and i"
        )
    sizes["taps"] = each * sizes["ky"] * sizes["kx"]


def inner(kernel: str, given: Given, sizes: Sizes) -> None:
    """m, p of (m, n) @ (n, p), once a and b are transposed as asked"""
    a, b = given["a"].shape, given["b"].shape
    a, b = a[::-1] if given["ta"] else a, b[::-1] if given["tb"] else b
    if a[1] != b[0]:
        raise ShapeError(
            f"{kernel}: inner sizes must be equal, not {a} @ {b} after transposing; check ta and tb"
        )
    sizes["m"], sizes["p"] = a[0], b[1]


def every_row(kernel: str, given: Given, sizes: Sizes) -> None:
    """n = rows where no index chooses among them"""
    sizes.setdefault("n", sizes["rows"])


def whole_table(kernel: str, given: Given, sizes: Sizes) -> None:
    """A table has an entry for each word of 16 bits."""
    if sizes["q"] != 65536:
        raise ShapeError(
            f"{kernel}: table must have 65536 entries, one for each word, not {sizes['q']}; fill it"
        )


def removals(kernel: str, given: Given, sizes: Sizes) -> None:
    """count: from 0 to n; n unless given"""
    if given["count"] is not None and count(kernel, "count", given["count"], 0) > sizes["n"]:
        raise ArgumentError(
            f"{kernel}: count must be at most {sizes['n']} a row, not {given['count']}; count first"
        )
    sizes["count"] = sizes["n"] if given["count"] is None else given["count"]


@partial(Check, ("index",))
def in_window(kernel: str, sizes: Sizes, index: Array) -> Array:
    """Offsets inside the window"""
    places = sizes["ky"] * sizes["kx"]
    if index.size and places < 65536 and index.max() >= places:
        raise ArgumentError(
            f"{kernel}: index must be below {places}, the places of the kernel, "
            f"not {index.max()}; pass the kernel that made the index"
        )
    return index


@partial(Check, ("scores", "k"))
def ranks(kernel: str, sizes: Sizes, scores: Array, k: int) -> tuple[Array, int]:
    """k from 0 to the number of scores, none of which is NaN"""
    if not (type(k) is int and 0 <= k <= scores.size) and count(kernel, "k", k, 0) > scores.size:
        raise ArgumentError(
            f"{kernel}: k must be at most {scores.size}, the number of scores, not {k}; count first"
        )
    wrong = np.isnan(scores)
    if wrong.any():
        raise ArgumentError(
            f"{kernel}: scores must be numbers, not NaN as entry {int(np.argmax(wrong))}, which "
            f"has no rank; find where it came from"
        )
    return scores, int(k)


@partial(Check, ("v", "momentum"))
def momentum_state(
    kernel: str, sizes: Sizes, v: Array | None, momentum: float
) -> tuple[Array | None, float]:
    """v exactly where there is momentum"""
    if (v is None) != (momentum == 0):
        raise ArgumentError(
            f"{kernel}: v must be {'None' if momentum == 0 else 'an array'} for momentum "
            f"{momentum}; pass v exactly when momentum is not 0"
        )
    return v, momentum


@partial(Check, ("step",))
def step_number(kernel: str, sizes: Sizes, step: int) -> int:
    """Steps count from 1."""
    if step < 1:
        raise ArgumentError(f"{kernel}: step must be at least 1, not {step}; count steps from 1")
    return step


@partial(Check, ("w", "inverse"))
def finite(kernel: str, sizes: Sizes, w: Array, inverse: Array) -> tuple[Array, Array]:
    """No NaN, no infinity"""
    for name, a in (("w", w), ("inverse", inverse)):
        bad = a.size - int(np.count_nonzero(np.isfinite(a)))
        if bad:
            raise NonFiniteError(
                f"{kernel}: {name} must be finite, but {bad} of {a.size} entries are not; find why"
            )
    return w, inverse
