"""Arguments for every sparse kernel: odd shapes, empty rows, all or nothing live, no columns.

The indices are made here, by loops, not by the formats that tests compare with them.
"""

from typing import Any

import numpy as np

SIDES = (1, 2, 3, 4, 5, 8)
GROUPS = ((1, 2), (2, 4), (1, 4), (2, 3), (4, 4), (3, 5), (2, 17))


def csr(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """columns, row_start of the places of a mask, row by row"""
    columns, starts = [], [0]
    for row in mask:
        columns += [c for c, live in enumerate(row) if live]
        starts.append(len(columns))
    return np.array(columns, np.uint32), np.array(starts, np.uint32)


def turned(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """positions, rows, column_start of the transpose"""
    order = np.cumsum(mask.reshape(-1)).reshape(mask.shape) - 1
    rows, starts = csr(mask.T)
    return order.T[mask.T].astype(np.uint32), rows, starts


def a_mask(m: Any, *shape: int) -> np.ndarray:
    """Live at random; sometimes all, nothing, or no row but the last."""
    mask = m.rng.random(shape) < (0.0, 0.2, 0.5, 1.0)[m.pick(0, 3)]
    if m.pick(0, 4) == 0 and len(mask):
        mask[:-1] = False
    return np.asarray(mask)


def area(blocks: np.ndarray, size: int, shape: tuple[int, int]) -> int:
    """How many entries the live blocks hold"""
    full = np.kron(blocks, np.ones((size, size), bool))
    return int(full[: shape[0], : shape[1]].sum())


def packed(m: Any, rows: int, keep: int, group: int, n: int) -> tuple[np.ndarray, int]:
    """Random positions, packed by hand, and how many values a row has"""
    bits = {True: 1}.get(group <= 2, 2 if group <= 4 else 4 if group <= 16 else 8)
    out, count = [], 0
    for _ in range(rows):
        places: list[int] = []
        for first in range(0, n, group):
            there = min(group, n - first)
            places += sorted(m.rng.permutation(there)[:keep].tolist())
        count = len(places)
        total = sum(place << bits * s for s, place in enumerate(places))
        out.append(list(total.to_bytes(-(-count * bits // 8), "little")))
    if not rows:
        count = n // group * keep + min(keep, n % group)
    wide = -(-count * bits // 8)
    return np.array(out, np.uint8).reshape(rows, wide), count


def case(name: str, m: Any, batch: int | None = None) -> tuple[Any, ...]:
    """All arguments of the door's function `name`; batch: how many samples, in place of a few."""
    family, _, kind = name.partition("_")
    if "conv2d" in name:
        return conv(kind, m, batch)
    rows, n, p = m.pick(0, 9), m.pick(0, 20), m.pick(0, 9) if batch is None else batch
    if batch is None and m.pick(0, 4) == 0:
        p = (16, 33, 64, 70, 129)[m.pick(0, 4)]
    x, g = m.floats(n, p), m.floats(rows, p)
    bias = m.maybe(m.floats(rows)), m.kind()
    if family == "csr":
        mask = a_mask(m, rows, n)
        values = m.floats(int(mask.sum()))
        return {
            "matmul": (values, *csr(mask), x, *bias),
            "matvec": (values, *csr(mask), m.floats(n)),
            "transpose": (*csr(mask), n),
            "matmul_t": (values, *turned(mask), g),
            "sampled": (*csr(mask), g, x),
        }[kind]
    if family == "block":
        size = SIDES[m.pick(0, 5)]
        blocks = a_mask(m, -(-rows // size), -(-n // size))
        values = m.floats(area(blocks, size, (rows, n)))
        return {
            "matmul": (values, *csr(blocks), size, (rows, n), x, *bias),
            "matmul_t": (values, *turned(blocks), size, (rows, n), g),
            "sampled": (*csr(blocks), size, values.size, g, x),
        }[kind]
    raise KeyError(name)


def conv(kind: str, m: Any, batch: int | None = None) -> tuple[Any, ...]:
    x, w, g, at = m.conv()
    *where, dilation = at.values()
    if batch is not None:
        x, g = m.floats(*x.shape[:3], batch), m.floats(*g.shape[:3], batch)
    mask = a_mask(m, len(w), w[0].size)
    values, kernel = m.floats(int(mask.sum())), w.shape[2:]
    bias = m.maybe(m.floats(len(w)))
    return {
        "conv2d": (values, *csr(mask), kernel, x, bias, *where, m.kind(), dilation),
        "conv2d_grad_input": (values, *csr(mask), kernel, g, x.shape, *where, dilation),
        "conv2d_grad_weight": (*csr(mask), kernel, g, x, *where, dilation),
    }[kind]
