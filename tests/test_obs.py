"""Optimal Brain Surgeon as a method: exact where the loss is a quadratic; arguments, stops.

Long because the law of the quadratic stands beside the wrong parts that it must reject.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from surgery import best, deep, linear, rise, seeds

import minprune as mp
from minprune.core import Array, Dataset, Split
from minprune.curvature.inverse import Inverse, inverse_from_rows
from minprune.errors import ArgumentError, ShapeError, UnreachableError
from minprune.measures.quality import evaluate
from minprune.methods.obs import Surgery, obs
from minprune.nets.model import Model


def whole_hessian(data: Split) -> Array:
    """H over (weights, biases) of `linear`: (2/P) sum of (x, 1) (x, 1)^T for each output."""
    x = data[0]
    tall = np.column_stack([x, np.ones(len(x))])
    one = 2 / len(x) * tall.T @ tall
    h = np.zeros((10, 10))
    for o in range(2):
        at = np.array([*range(4 * o, 4 * o + 4), 8 + o])
        h[np.ix_(at, at)] = one
    return h


def flat(model: Model) -> Array:
    return np.concatenate([p.ravel() for p in model.params.values()])


DAMP = 1e-6


def damping(h: Array, w: Array) -> float:
    """What damping may add: H <= H + alpha I <= (1 + damp cond(H)) H, so all rises grow by less

    Four times: the score, the minimum that it leads to, the next one's start, and rounding, which
    is cond(H) u / damp here, far below.
    """
    return 4 * DAMP * float(np.linalg.cond(h)) * rise(h, w)


Method = Callable[..., Surgery]


def foretells_the_loss(method: Method, seed: int) -> bool:
    """The scores, damping taken off, are the true rises of the refitted loss, at every removal"""
    model, data = linear(seed)
    start = evaluate(model, data).loss
    h = whole_hessian(data)
    found = method(model, data, params="all", sparsity=0.7, damp=DAMP)
    total = 0.0
    gone: list[int] = []
    for r in found.rounds:
        gone += [int(r.index[0]) + (0 if r.name == "fc.weight" else 8)]
        total += r.score
    after = flat(found.model)
    want = best(h, flat(model), np.array(gone))
    near = damping(h, flat(model))
    return (
        len(gone) == 7
        and bool((after[gone] == 0).all())
        and abs(evaluate(found.model, data).loss - start - rise(h, want - flat(model))) <= near
        and abs(total - rise(h, want - flat(model))) <= near
    )


@pytest.mark.parametrize("refresh", [1, 3, 100])
@given(seed=seeds)
@settings(max_examples=10)
def test_the_method_foretells_the_loss_of_a_quadratic(refresh: int, seed: int) -> None:
    assert foretells_the_loss(lambda *a, **k: obs(*a, refresh=refresh, progress=False, **k), seed)


@given(seed=seeds)
@settings(max_examples=10)
def test_each_removal_is_the_least_of_the_true_rises(seed: int) -> None:
    model, data = linear(seed)
    found = obs(model, data, params="all", sparsity=0.5, damp=DAMP, progress=False)
    h, w = whole_hessian(data), flat(model)
    near = damping(h, w)
    gone: list[int] = []
    for r in found.rounds:
        rises = {
            j: rise(h, best(h, w, np.array([*gone, j])) - w) for j in range(10) if j not in gone
        }
        q = int(r.index[0]) + (0 if r.name == "fc.weight" else 8)
        assert rises[q] <= min(rises.values()) + near
        gone.append(q)


def stale(inverse: Array, q: int) -> Array:
    """H^-1 not downdated."""
    return inverse.copy()


def not_moved(w: Array, inverse: Array, q: int) -> tuple[Array, float]:
    """The others stay where they are."""
    after, score = w.copy(), 0.5 * float(w[q] ** 2 / inverse[q, q])
    after[q] = 0.0
    return after, score


def of_a_batch(rows: Iterable[Array], count: int, damp: float) -> Inverse:
    """H divided by half of the samples."""
    return inverse_from_rows(rows, count // 2, damp)


def magnitude(rows: Iterable[Array], count: int, damp: float) -> Inverse:
    """The identity in place of an inverse."""
    right = inverse_from_rows(rows, count, damp)
    return Inverse(np.eye(len(right.inverse)), right.alpha)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("downdate", stale), ("remove", not_moved),
        ("inverse_from_rows", of_a_batch), ("inverse_from_rows", magnitude),
    ],
)  # fmt: skip
def test_a_wrong_part_is_rejected(part: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def method(*args: Any, **how: Any) -> Surgery:
        return obs(*args, refresh=100, progress=False, **how)

    monkeypatch.setattr(import_module("minprune.methods.obs"), part, wrong)
    assert not all(foretells_the_loss(method, seed) for seed in range(5))


def test_masks_are_set_and_what_is_removed_stays_zero() -> None:
    model, data = deep()
    first = obs(model, data, sparsity=0.3, refresh=5, progress=False)
    second = obs(first.model, data, sparsity=0.6, refresh=5, progress=False)
    total = sum(model.params[n].size for n in model.net.weights)
    for found, share in ((first, 0.3), (second, 0.6)):
        dead = {n: ~found.model.masks[n] for n in model.net.weights}
        assert sum(int(m.sum()) for m in dead.values()) == round(share * total)
        assert not any(found.model.params[n][m].any() for n, m in dead.items())
        assert set(found.model.masks) == set(model.net.weights)
    assert first.removed + second.removed == round(0.6 * total)
    for name in model.net.weights:
        assert not (second.model.masks[name] & ~first.model.masks[name]).any()
    assert np.array_equal(second.model.params["fc1.bias"], model.params["fc1.bias"])
    assert len(first.alpha) == first.removed
    assert all(a > 0 for a in first.alpha)
    assert first.collapsed == []


def test_the_stops() -> None:
    model, data = deep()
    by_score = obs(model, data, score=1e-4, progress=False)
    assert by_score.removed > 0
    assert max(r.score for r in by_score.rounds) <= 1e-4
    fewer = obs(model, data, score=1e-4, sparsity=0.05, progress=False)
    assert fewer.removed == round(0.05 * (30 + 24 + 12)) < by_score.removed
    now = evaluate(model, data).accuracy
    kept = obs(model, data, accuracy=now, refresh=3, progress=False)
    assert evaluate(kept.model, data).accuracy >= now
    assert obs(model, data, accuracy=1.0, sparsity=0.5, progress=False).removed == 0
    assert obs(model, data, sparsity=0.0, progress=False).removed == 0


def test_same_arguments_same_bits_and_nothing_changed() -> None:
    for scale in ("whole", "layer", "rows"):
        model, data = deep(dtype=np.float32)
        before = {k: v.tobytes() for k, v in model.params.items()}
        a, b = (
            obs(model, data, scale=scale, sparsity=0.4, refresh=4, progress=False)  # type: ignore[arg-type]
            for _ in range(2)
        )
        for name, p in a.model.params.items():
            assert p.dtype == np.float32
            assert p.tobytes() == b.model.params[name].tobytes()
        assert {k: v.tobytes() for k, v in model.params.items()} == before
        assert model.masks == {}


def test_only_the_named_weights_move() -> None:
    model, data = deep()
    for scale in ("whole", "layer", "rows"):
        found = obs(model, data, names=["fc2"], scale=scale, sparsity=0.5, progress=False)  # type: ignore[arg-type]
        assert int((~found.model.masks["fc2.weight"]).sum()) == 12
        for name, p in model.params.items():
            assert np.array_equal(p, found.model.params[name]) == (name != "fc2.weight")


def test_surgery_beats_zeroing_the_same_weights() -> None:
    model, data = linear(3)
    start = evaluate(model, data).loss
    for scale in ("whole", "layer"):
        found = obs(model, data, scale=scale, sparsity=0.5, progress=False)  # type: ignore[arg-type]
        zeroed = mp.with_masks(model, found.model.masks)
        assert start <= evaluate(found.model, data).loss < evaluate(zeroed, data).loss


def test_where_nothing_passes_any_more_it_ends() -> None:
    model, data = deep()
    dead = mp.with_masks(model, {"fc2.weight": np.zeros((4, 6), bool)})
    found = obs(dead, data, names=["fc1"], score=1.0, progress=False)
    assert found.removed == 0
    assert found.collapsed == ["fc2.weight"]


def test_among_equals_the_higher_place_goes_first() -> None:
    """Inputs that see one weight each, all alike: H is a multiple of I, and every score the same

    In a sweep each step of a row is lifted above the one before, so the rows take turns.
    """
    x, y = np.repeat(np.eye(4), 2, axis=0), np.ones((8, 2))
    model = linear(0)[0]
    model = replace(model, params={"fc.weight": np.ones((2, 4)), "fc.bias": np.zeros(2)})
    whole = obs(model, (x, y), sparsity=0.5)
    assert [int(r.index[0]) for r in whole.rounds] == [7, 6, 5, 4]
    layer = obs(model, (x, y), scale="layer", sparsity=0.375)
    assert layer.rounds[0].index.tolist() == [3, 6, 7]


DATA = deep()
MASKED = mp.with_masks(DATA[0], {"fc1.weight": np.arange(30).reshape(6, 5) >= 10})
DEAD = mp.with_masks(DATA[0], {"fc2.weight": np.zeros((4, 6), bool)})
MESSAGES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no stop": (
        lambda: obs(*DATA),
        ArgumentError,
        "obs: one of sparsity, score and accuracy must say where to stop, and none is given; pass "
        "sparsity=0.5, for example",
    ),
    "scale": (
        lambda: obs(*DATA, scale="blocks", sparsity=0.5),  # type: ignore[arg-type]
        ArgumentError,
        "obs: scale must be 'whole', 'layer' or 'rows', not 'blocks'; choose one of them",
    ),
    "params": (
        lambda: obs(*DATA, params="biases", sparsity=0.5),  # type: ignore[arg-type]
        ArgumentError,
        "parameters: params must be 'weights' or 'all', not 'biases'; choose one of them",
    ),
    "no model": (
        lambda: obs("deep", DATA[1], sparsity=0.5),  # type: ignore[arg-type]
        ArgumentError,
        "obs: model must be a Model, not str; pass one that mp.zoo, mp.initialise or mp.load made",
    ),
    "a dataset": (
        lambda: obs(DATA[0], Dataset(DATA[1], DATA[1], DATA[1]), scale="layer", sparsity=0.5),  # type: ignore[arg-type]
        ArgumentError,
        "obs: data must be a pair (x, y) of at least one sample, not a Dataset; pass data.train, "
        "for example",
    ),
    "no names": (
        lambda: obs(*DATA, names=[], sparsity=0.5),
        ArgumentError,
        "obs: names must not be empty; name weights, or leave it out",
    ),
    "damp": (
        lambda: obs(*DATA, damp=0.1, sparsity=0.5),
        ArgumentError,
        "inverse: damp must be from 1e-8 to 1e-4, not 0.1; pass damp=1e-6, for example",
    ),
    "percent": (
        lambda: obs(*DATA, accuracy=98),
        ArgumentError,
        "obs: accuracy must be a number from 0 to 1, not 98; pass accuracy=0.5, for example",
    ),
    "score": (
        lambda: obs(*DATA, score=np.nan),
        ArgumentError,
        "obs: score must be a finite number of at least 0, not nan; pass score=1, for example",
    ),
    "too large": (
        lambda: obs(
            mp.zoo.lenet_300_100(((784,), 10)), (np.ones((9, 784)), np.ones(9, int)), sparsity=0.5
        ),
        ArgumentError,
        "an inverse over 266,200 entries would take 566,899,520,000 bytes, more than the limit of "
        "2,147,483,648; use scale='layer', or names= of fewer",
    ),
    "refresh": (
        lambda: obs(*DATA, refresh=0, sparsity=0.5),
        ArgumentError,
        "obs: refresh must be an integer of at least 1, not 0; pass refresh=1, for example",
    ),
    "name": (
        lambda: obs(*DATA, names=["fc9"], sparsity=0.5),
        ArgumentError,
        "'fc9' must be a scored parameter, or a layer of one; "
        "choose among fc1.weight, fc2.weight, fc3.weight",
    ),
    "below the present": (
        lambda: obs(MASKED, DATA[1], names=["fc1"], sparsity=0.1),
        ArgumentError,
        "obs: sparsity=0.1 is below the present 0.3333333333333333 of the entries, and pruned "
        "weights are not restored; pass at least the present sparsity",
    ),
    "data": (
        lambda: obs(DATA[0], (DATA[1][0][:, :3], DATA[1][1]), sparsity=0.5, progress=False),
        ShapeError,
        "the input must be (n, 5), not (40, 3); pass a batch of samples of the net's input_shape",
    ),
    "nothing passes": (
        lambda: obs(DEAD, DATA[1], names=["fc1"], sparsity=0.5, progress=False),
        UnreachableError,
        "obs: sparsity must be at most 0.0, not 0.5: the output depends on none of the 30 of 30 "
        "entries left, and H = 0 has no inverse; pass less",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_refusal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any row is made, but where the samples are what is wrong"""
    if name not in ("data", "nothing passes"):
        monkeypatch.delattr(import_module("minprune.methods.obs"), "ggn_rows")
    provoke, error, text = MESSAGES[name]
    with pytest.raises(error) as caught:
        provoke()
    assert caught.value.args == (text,)
