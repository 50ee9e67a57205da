"""Fixed larger examples: what shows on many units, samples, positions and entries alone."""

from functools import cache
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence
from minprune.verify.criterion.subject import Subject, reference
from minprune.verify.plain.net import Maps, Mlp, plain_net

# kinds of evidence that may be any numbers, with no net behind them; and those that are positive
FREE = {
    "weights", "grads", "squared_grads", "hess_diag", "path_grads", "removal", "inverse_diag",
    "hess_grad", "hess_weight", "gate_grads", "gate_hess", "act_hist",
}  # fmt: skip
FIRST_ORDER = {"weights", "grads", "squared_grads", "path_grads", "activations", "act_grads"}
POSITIVE = {"squared_grads", "path_grads", "inverse_diag"}
TOLERANCE = 0.5  # what some numbers are equal to, if the options name no other
EDGE = 4.0  # the largest of them, so that 0 lies where two bins of a histogram meet


@cache
def fixed_nets(samples: int) -> tuple[Mlp, ...]:
    """Nets of several units a layer, none dead, and one whose weights are multiples of 1/2."""
    found = [
        plain_net((5, 6, 4, 3), 1, act="relu", loss_kind="cross_entropy", samples=12),
        plain_net((3, 5, 5, 3), 2, act="sigmoid", samples=12, bias=False),
        plain_net((4, 5, 4), 3, act="tanh", loss_kind="cross_entropy", samples=samples),
    ]
    ties = plain_net((4, 6, 3), 5, act="relu", samples=12)
    params = {n: np.clip(np.round(2 * w) / 2, -1, 1) for n, w in ties.params.items()}
    return (*found, Mlp("relu", "mse", params, ties.x, ties.y))


@cache
def broad() -> Mlp:
    """A net of 300 hidden units."""
    return plain_net((2, 300, 2), 6, act="relu", samples=4)


def homogeneous(s: Subject) -> bool:
    """Whether incoming weights and bias stand for a gate, as they do of ReLU units alone."""
    return bool(s.twin.unit == "gate" and s.view == "incoming and bias")


def nets_of(s: Subject) -> list[Mlp]:
    """300 samples where they come as one chunk, 24 where they are scored a few at a time; 300 units
    where nothing is compared with all others
    """
    ref = reference(s)
    found = list(fixed_nets(300 if {s.chunk, ref.chunk} == {"all"} else 24))
    if homogeneous(s):
        found = [p for p in found if p.act == "relu"]
    alone = set(s.needs) | set(ref.needs) <= FIRST_ORDER and s.view is not None
    return [*found, broad()] if alone else found


def tolerance(s: Subject) -> float:
    return float(s.options.get("tol") or TOLERANCE)


def maps_of(s: Subject) -> list[Maps]:
    """Activations of many positions and of many samples; some are 0, some equal a tolerance."""
    found = []
    for n, units, places in ((12, 6, 40), (300 if s.chunk == "all" else 24, 5, 2)):
        rng = np.random.default_rng(units)
        a, g = rng.standard_normal((2, n, units, places))
        a[rng.random(a.shape) < 0.2] = 0
        a[rng.random(a.shape) < 0.1] = tolerance(s)
        a[rng.random(a.shape) < 0.1] = -tolerance(s)
        params = {
            "fc1.weight": np.ones((units, 1)),
            "fc2.weight": rng.integers(-3, 4, (3, units)) / 2,
        }
        y = np.arange(n) % 7 % 4  # four classes, of different sizes
        a += 0.3 * (y[:, None, None] == np.arange(units)[:, None]) * (a > 1)
        found.append(Maps(params, a, g, np.eye(4)[y]))
    return found


def free(s: Subject) -> bool:
    """Whether the score is a formula of numbers that may be any."""
    ref = reference(s)
    same = set(s.needs) == set(ref.needs) and s.view == ref.view and s.finish == ref.finish
    return same and set(s.needs) <= FREE


def any_numbers(s: Subject) -> list[Evidence]:
    """Evidence of a convolution and of more than 1,000 entries, 300 units, and rows of 600."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (5, 4, 3, 3), "fc1.weight": (36, 30)}
    if s.view is not None:
        shapes = {"fc1.weight": (300, 4), "fc2.weight": (3, 600)}
    if s.view in ("gate", "whole"):
        shapes = {n: shape[:1] for n, shape in shapes.items()}
    made: list[Evidence] = []
    for how in ("plain", "wide", "positive"):
        rng = np.random.default_rng(len(how))
        filled: dict[str, Any] = {}
        for kind in s.needs:
            filled[kind] = {n: numbers(kind, shape, rng, how, tolerance(s))
                            for n, shape in shapes.items()}  # fmt: skip
            if kind == "weights" and s.view in ("gate", "whole"):
                filled[kind] = {n: np.ones(shape) for n, shape in shapes.items()}
        made.append(Evidence(unit=s.view is not None, **filled))
    return made


def numbers(
    kind: str, shape: tuple[int, ...], rng: np.random.Generator, how: str, tol: float
) -> Array:
    """Numbers of order 1, equal ones, zeros and +-tol among them; "wide": from 1e-5 to 1e3 too;
    "positive": all at least 1
    """
    if kind == "act_hist":
        return np.floor(10.0 ** rng.uniform(0, 3, (*shape[:1], 10)))
    a = rng.standard_normal(shape)
    on_grid = rng.random(shape) < 0.3
    a[on_grid] = np.round(8 * a[on_grid]) / 8
    a[rng.random(shape) < 0.1] = tol
    a[rng.random(shape) < 0.1] = -tol
    a[..., : shape[-1] // 2][rng.random(a[..., : shape[-1] // 2].shape) < 0.2] = 0
    if len(shape) > 1:
        a[0][rng.random(a[0].shape) < 0.6] = 0  # a row with more of one number than 255
    a = np.clip(a, -EDGE, EDGE)
    a.flat[0], a.flat[1] = EDGE, -EDGE
    if how == "positive":
        a = np.abs(a) + 1
        a.flat[0] += 0.3  # so that no multiple of 1/8 lies where two bins meet
        return a
    if how == "wide":
        a *= 10.0 ** rng.integers(-5, 4, shape)
    return np.abs(a) + 0.25 if kind in POSITIVE else a


def sizes(s: Subject, ev: Evidence) -> Arrays:
    """How far off a score may be: the definition's sum of sizes, times the roundings of a row."""
    ref = reference(s)
    longest = max(a.size for a in getattr(ev, s.needs[0]).values())
    share = (64 + 8 * longest) * 2.0**-53
    size = ref.twin.size(ev, s.options)
    return {n: share * a + s.twin.floor for n, a in size.items()}
