"""P(X = x) = C(a, x) C(n - a, b - x) / C(n, b): how many weights two tickets share by chance.

The hypergeometric distribution: of n weights one ticket keeps a, another b, drawn independently of
it; then X of them are in both, a b / n on average.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.nets.model import Model, is_model, masks_of

Rows = dict[str, dict[str, Any]]


def overlap(a: Model | Mapping[str, Array], b: Model | Mapping[str, Array]) -> Rows:
    """Compare two tickets layer by layer with what chance gives: E[X] = a b / n.

    Parameters
    ----------
    a, b : Model or dict of bool arrays
        Pruned models of one net, such as two seeds of `mp.methods.lottery_ticket`, or their masks.
        Masks of two rounds of one ticket are nested: their overlap is no finding.

    Returns
    -------
    dict of dicts
        {weight: {"n", "a", "b": live entries, "shared", "expected", "deviation": the standard
        deviation by chance, "p": the probability of sharing at least so many by chance}}.

    Raises
    ------
    ArgumentError
        For masks of other names or shapes.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> first, second = np.arange(10) < 5, np.arange(10) < 6
    >>> row = mp.methods.overlap({"w": first}, {"w": second})["w"]
    >>> row["shared"], row["expected"], round(row["p"], 4)
    (5, 3.0, 0.0238)
    """
    first, second = _masks(a), _masks(b)
    if {k: m.shape for k, m in first.items()} != {k: m.shape for k, m in second.items()}:
        raise ArgumentError(
            f"overlap: a and b must have masks of the same weights, not of "
            f"{', '.join(first) or 'none'} and of {', '.join(second) or 'none'}; pass two pruned "
            f"models of one net"
        )
    return {name: _row(mask, second[name]) for name, mask in first.items()}


def together(rows: Rows) -> dict[str, Any]:
    """{"shared", "expected", "deviation"} of all layers together, and "layers": the rows

    The layers are drawn independently, so that their variances add up.
    """
    return {
        "shared": sum(row["shared"] for row in rows.values()),
        "expected": sum(row["expected"] for row in rows.values()),
        "deviation": float(np.sqrt(sum(row["deviation"] ** 2 for row in rows.values()))),
        "layers": rows,
    }


def chance(n: int, a: int, b: int) -> Array:
    """P(X = x) for x = 0 ... min(a, b)      float64"""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # of factorials
    x = np.arange(min(a, b) + 1)
    left = n - a - b + x
    there = left >= 0
    top = logs[a] + logs[n - a] + logs[b] + logs[n - b] - logs[n]
    x, left = x[there], left[there]
    found = np.zeros(there.size)
    found[there] = np.exp(top - logs[x] - logs[a - x] - logs[b - x] - logs[left])
    return found


def _row(mask: Array, other: Array) -> dict[str, Any]:
    n, a, b = mask.size, int(mask.sum()), int(other.sum())
    shared = int((mask & other).sum())
    spread = a * b * (n - a) * (n - b) / (n**2 * (n - 1)) if n > 1 else 0.0
    return {
        "n": n, "a": a, "b": b, "shared": shared, "expected": a * b / n if n else 0.0,
        "deviation": float(np.sqrt(spread)),
        "p": min(1.0, float(chance(n, a, b)[shared:].sum())),
    }  # fmt: skip


def _masks(given: Model | Mapping[str, Array]) -> Arrays:
    if isinstance(given, Mapping):
        return {name: np.asarray(mask, bool) for name, mask in given.items()}
    is_model(given, "overlap")
    return masks_of(given, given.net.weights)
