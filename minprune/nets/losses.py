"""L = mean over samples of l(f, y): each loss with its targets, its curvature and what is right.

A loss is one row of LOSSES; nothing else knows them by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array

Loss = Literal["cross_entropy", "binary_cross_entropy", "mse"]
Factors = tuple[list[Array], Array]  # see `LossRule.factors`
Answers = tuple[Array, Array]


@dataclass(frozen=True)
class LossRule:
    """What a loss is

    Attributes
    ----------
    of : (out (outputs, n), targets) -> the mean loss, a scalar
    targets : (targets, outputs) -> the targets in the form that `of` takes, or a reason in words
    factors : out -> (seeds s, weights c) with B_p = sum_k c[k, p] s[k][:, p] s[k][:, p]^T, B_p the
        Hessian of a sample's loss in the net's outputs
    answers : (outputs (n, outputs), targets) -> (answers, right ones): classes (n,), or yes and no
        for each output (n, outputs); None for numbers, which are not right or wrong
    columns : whether targets are a column for each output, and not classes
    softmax : whether the softmax of the outputs are probabilities
    numbers : whether outputs and targets are numbers, whose distance is the loss
    """

    of: Callable[[Value, Array], Value]
    targets: Callable[[Array, int], Array | str]
    factors: Callable[[Array], Factors]
    answers: Callable[[Array, Array], Answers | None]
    columns: bool = True
    softmax: bool = False
    numbers: bool = False


def _first(wrong: Array) -> int:
    """The first row in which something is wrong"""
    return int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())


def _classes(y: Array, outputs: int) -> Array | str:
    if y.ndim != 1 or y.dtype.kind not in "iu":
        return (
            f"must be integer classes (n,), not {y.dtype} of shape {y.shape}; "
            f"pass classes, or build the net with loss='mse'"
        )
    wrong = (y < 0) | (y >= outputs)
    if wrong.any():
        row = _first(wrong)
        return (
            f"must be classes from 0 to {outputs - 1}, not {y[row]} in row {row}; "
            f"correct it, or build a net with more outputs"
        )
    return y


def _columns(y: Array, outputs: int) -> Array | str:
    """(n, outputs) of finite numbers; (n,) is one column"""
    if y.ndim == 1 and outputs == 1:
        y = y[:, None]
    if y.ndim != 2 or y.shape[1] != outputs or y.dtype.kind not in "biuf":
        return (
            f"must be numbers (n, {outputs}), not {y.dtype} of shape {y.shape}; "
            f"pass one column for each output, or build the net with loss='cross_entropy'"
        )
    wrong = ~np.isfinite(y)
    if wrong.any():
        row = _first(wrong)
        return (
            f"must be finite, not {y[row][wrong[row]][0]} in row {row}; correct it, or leave it out"
        )
    return y


def _yes_or_no(y: Array, outputs: int) -> Array | str:
    found = _columns(y, outputs)
    if isinstance(found, str):
        return found
    wrong = (found != 0) & (found != 1)
    if wrong.any():
        row = _first(wrong)
        return f"must be 0 or 1, not {found[row][wrong[row]][0]} in row {row}; correct it"
    return found


def _basis(out: Array) -> list[Array]:
    """e_k of each output k, for all samples: (outputs, n) each"""
    return [np.eye(len(out), dtype=out.dtype)[:, [k]] + np.zeros_like(out) for k in range(len(out))]


def _softmax_factors(out: Array) -> Factors:
    """e_k - q, q_k: diag(q) - q q^T = sum_k q_k (e_k - q)(e_k - q)^T, q the softmax"""
    q = ag.softmax(out)
    return [e - q for e in _basis(out)], q


def _sigmoid_factors(out: Array) -> Factors:
    """e_k, p_k (1 - p_k), p the sigmoid"""
    p = ag.act(out, kind="sigmoid")
    return _basis(out), p * (1 - p)


def _largest(out: Array, y: Array) -> Answers:
    return out.argmax(axis=1), y


def _above(out: Array, y: Array, bound: float) -> Answers:
    """Yes where the output is above the bound; of a single output, as classes 0 and 1"""
    yes, truth = out > bound, y > 0.5
    return (yes[:, 0].astype(int), truth[:, 0].astype(int)) if y.shape[1] == 1 else (yes, truth)


def _above_half(out: Array, y: Array) -> Answers | None:
    """None unless all targets are 0 or 1; where each row has a single 1, the largest output"""
    if not ((y == 0) | (y == 1)).all():
        return None
    if y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
        return _largest(out, y.argmax(axis=1))
    return _above(out, y, 0.5)


LOSSES: dict[str, LossRule] = {
    "cross_entropy": LossRule(
        lambda out, y: ag.cross_entropy(out, labels=y),
        _classes, _softmax_factors, _largest, columns=False, softmax=True,
    ),
    "binary_cross_entropy": LossRule(
        lambda out, y: ag.binary_cross_entropy(out, y=y.T.astype(ag.value(out).dtype)),
        _yes_or_no, _sigmoid_factors, lambda out, y: _above(out, y, 0.0),
    ),
    "mse": LossRule(
        lambda out, y: ag.mse(out, y=y.T.astype(ag.value(out).dtype)),
        _columns, lambda out: (_basis(out), np.full_like(out, 2)), _above_half,
        numbers=True,
    ),
}  # fmt: skip
