"""The kit on training steps: right ones pass, and each wrong variant breaks its law."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.verify import check_steps
from minprune.verify.ours.checks import OPTIMIZERS, stepping

Steps = Callable[[Arrays, list[Arrays], list[Arrays]], list[Arrays]]
Rule = Callable[[Array, Array, Array, Array], Array]  # (w, g, mask, v) -> new w, v in place


def stepped(rule: Rule) -> Steps:
    """A rule of one array as a function of all steps; v remembers."""

    def fn(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
        w, seen = dict(weights), []
        v = {n: np.zeros(a.shape) for n, a in w.items()}
        for g, m in zip(grads, masks, strict=True):
            w = {n: rule(w[n], g[n], m[n], v[n]) for n in w}
            seen.append(w)
        return seen

    return fn


def moved(w: Array, g: Array, v: Array) -> Array:
    """SGD with momentum and weight decay."""
    v[...] = 0.9 * v + g + 0.01 * w
    return w - 0.1 * v


def masked_after(w: Array, g: Array, mask: Array, v: Array) -> Array:
    return moved(w, g, v) * mask


def masked_before(w: Array, g: Array, mask: Array, v: Array) -> Array:
    """open_lth: the forward pass sees masked weights, the optimizer moves them."""
    return moved(w * mask, g, v)


def masked_gradients(w: Array, g: Array, mask: Array, v: Array) -> Array:
    return moved(w * mask, g * mask, v)


def masked_by_zeros(w: Array, g: Array, mask: Array, v: Array) -> Array:
    """What is 0.0 is taken for pruned."""
    return moved(w, g * (w != 0), v) * mask


def nearly(w: Array, g: Array, mask: Array, v: Array) -> Array:
    return moved(w, g, v) * (mask + 1e-30)


def clipped(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    """The norm that clips is that of all gradients, masked ones too."""
    w, seen = dict(weights), []
    for g, m in zip(grads, masks, strict=True):
        norm = np.sqrt(sum((a**2).sum() for a in g.values()))
        w = {n: (w[n] - 0.1 * g[n] / max(1.0, norm)) * m[n] for n in w}
        seen.append(w)
    return seen


def aliased(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    """Each step is written into the same arrays."""
    w, seen = {n: a.copy() for n, a in weights.items()}, []
    for g, m in zip(grads, masks, strict=True):
        for n, a in w.items():
            a[...] = (a - 0.1 * g[n]) * m[n]
        seen.append(dict(w))
    return seen


def one_short(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    return stepped(masked_after)(weights, grads, masks)[:-1]


def in_place(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    seen = stepped(masked_after)(weights, grads, masks)
    for n, w in weights.items():
        w[...] = seen[-1][n]
    return seen


def noisy() -> Steps:
    rng = np.random.default_rng(0)
    return stepped(lambda w, g, m, v: (moved(w, g, v) + 1e-9 * rng.random(w.shape)) * m)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ours_hold(name: str) -> None:
    found = check_steps(stepping(OPTIMIZERS[name]), examples=50)
    assert found.ok, found


def test_masks_after_the_step_hold() -> None:
    assert check_steps(stepped(masked_after), examples=50).ok
    assert check_steps(stepped(lambda w, g, m, v: (w - 0.1 * g) * m), examples=50).ok


def warmed(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    """The rate rises from 0, and the first steps move nothing."""
    slow = [{n: max(t - 5, 0) / 1000 * a for n, a in g.items()} for t, g in enumerate(grads)]
    return stepped(lambda w, g, m, v: (w - 0.1 * g) * m)(weights, slow, masks)


def rounded(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    """Weights of 8 bits, on a grid of 2/127, and a copy that is exact."""
    found = stepped(lambda w, g, m, v: (w - 0.001 * g) * m)(weights, grads, masks)
    return [{n: np.round(w * 63.5) / 63.5 for n, w in seen.items()} for seen in found]


def clipped_live(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
    live = [{n: g[n] * m[n] for n in g} for g, m in zip(grads, masks, strict=True)]
    return clipped(weights, live, masks)


@pytest.mark.parametrize("right", [warmed, rounded, clipped_live])
def test_steps_that_move_little_hold(right: Steps) -> None:
    found = check_steps(right, examples=50)
    assert found.ok, found


WRONG: tuple[tuple[str, str, Any], ...] = (
    ("open_lth: pruned weights come back", "masked stay 0.0", stepped(masked_before)),
    ("momentum of what goes", "masked stay 0.0", stepped(masked_gradients)),
    ("nearly 0", "masked stay 0.0", stepped(nearly)),
    ("live zeros stay", "live ones move", stepped(masked_by_zeros)),
    ("nothing moves", "live ones move", stepped(lambda w, g, m, v: w * m)),
    ("one step short", "shape", one_short),
    ("flat", "shape", stepped(lambda w, g, m, v: (w.ravel() - 0.1 * g.ravel()) * m.ravel())),
    ("random", "same bits", noisy()),
    ("clipped by the norm of masked gradients too", "masked ignored", clipped),
    ("each step in the same arrays", "steps apart", aliased),
    ("in place", "input untouched", in_place),
)  # fmt: skip


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row[0])
def test_slips_are_caught(row: Any) -> None:
    found = check_steps(row[2], examples=50)
    assert row[1] in [v.law for v in found.broken], found
    assert {law for _, law, _ in WRONG} == {v.law for v in found}


def test_the_verdict_names_the_weight_and_the_step() -> None:
    (found,) = check_steps(stepped(masked_gradients), examples=50).broken
    start = "what is masked at a step is exactly 0.0 after it, but fc1.weight["
    assert found.sentence.startswith(start)
    assert found.sentence.endswith(" after step 2")
    assert found.example.splitlines()[0].startswith("weights of fc1.weight = [")
    assert found.example.splitlines()[1].startswith("step 1: gradient of fc1.weight = [")


def test_a_single_step_is_told_what_is_asked() -> None:
    def step(weights: Arrays, grads: Arrays) -> Arrays:
        return weights

    with pytest.raises(ArgumentError) as caught:
        check_steps(step)  # type: ignore[arg-type]
    assert caught.value.args == (
        "step(weights, grads) is called as step(weights, grads, masks): too many positional "
        "arguments; wrap it in a function that takes these",
    )
