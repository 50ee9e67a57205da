"""mp.score: scoring changes nothing, criteria of one's own, and every sentence."""

from typing import Any

import numpy as np
import pytest
from probing import X, Y, line, on_grads, product, square

import minprune as mp
from minprune.core import Array, Arrays, Criterion, Evidence, criterion
from minprune.evidence import find
from minprune.verify.trees import global_state


def convolutional(dtype: Any) -> tuple[mp.Model, tuple[Array, Array]]:
    """A net with BatchNorm, some masks, and three images."""
    model = mp.zoo.resnet_small(((1, 6, 6), 3), width=3, seed=1, dtype=dtype)
    masks = {"fc.weight": np.arange(18).reshape(3, 6) % 3 > 0}
    x = np.random.default_rng(2).random((3, 1, 6, 6))
    return mp.with_masks(model, masks), (x, np.array([0, 2, 1]))


CRITERIA = [*mp.criteria.CRITERIA, on_grads("all", product), on_grads("sample", square)]


def takes(fn: str | Criterion, unit: bool) -> bool:
    """Those of one's own here are for single weights."""
    spec = find(fn).spec
    return spec.unit is not None and isinstance(fn, str) if unit else spec.single


def stays_as_it_was(fn: str | Criterion, dtype: Any = np.float64) -> bool:
    """Twice the same bits; arrays, data and numpy's random state are untouched."""
    model, data = convolutional(dtype)
    given = (model.params, model.buffers, model.masks, dict(enumerate(data)))
    before = [{k: a.copy() for k, a in arrays.items()} for arrays in given]
    state = global_state()
    kinds = [unit for unit in (False, True) if takes(fn, unit)]
    first, second = (
        {f"{name} {unit}": s for unit in kinds
         for name, s in mp.score(model, data, fn, seed=3, unit=unit).items()}
        for _ in range(2)
    )  # fmt: skip
    bits = all(first[n].tobytes() == second[n].tobytes() for n in first)
    held = all(np.array_equal(a[k], b[k]) for a, b in zip(given, before, strict=True) for k in a)
    return bits and held and global_state() == state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fn", CRITERIA, ids=lambda f: f if isinstance(f, str) else f.spec.chunk)
def test_scoring_changes_nothing_and_keeps_dtype_and_shapes(fn: Any, dtype: Any) -> None:
    assert stays_as_it_was(fn, dtype)
    model, data = convolutional(dtype)
    if takes(fn, unit=True):
        for name, s in mp.score(model, data, fn, unit=True).items():
            assert (s.shape, s.dtype) == (model.net.params[name][:1], np.dtype(dtype))
    if not takes(fn, unit=False):
        return
    for params, names in (("weights", model.net.weights), ("all", tuple(model.net.params))):
        scores = mp.score(model, data, fn, params=params)  # type: ignore[arg-type]
        assert tuple(scores) == names
        assert {n: s.shape for n, s in scores.items()} == {n: model.net.params[n] for n in names}
        assert {s.dtype for s in scores.values()} == {np.dtype(dtype)}


def test_the_law_of_purity_rejects_noise_and_a_global_draw() -> None:
    def noisy(ev: Evidence) -> Arrays:
        return {n: np.random.default_rng().random(w.shape) for n, w in ev.of("weights").items()}

    def drawing(ev: Evidence) -> Arrays:
        np.random.random()  # noqa: NPY002
        return dict(ev.of("weights"))

    assert not stays_as_it_was(noisy)
    assert not stays_as_it_was(drawing)


def careless(ev: Evidence) -> Arrays:
    return {n: np.abs(w, out=w) for n, w in ev.of("weights").items()}


@criterion(needs=("weights", "labels"))
def relabels(ev: Evidence) -> Arrays:
    ev.of("labels")[0] = 0
    return dict(ev.of("weights"))


def own_parameters(weights: Arrays, mine: Arrays) -> Arrays:
    return {n: np.abs(mine[n], out=mine[n]) for n in weights}


@pytest.mark.parametrize("fn", [careless, relabels, own_parameters])
def test_a_criterion_cannot_write_to_the_model_nor_to_the_data(fn: Criterion) -> None:
    with pytest.raises(ValueError, match="read-only"):
        mp.score(line(), (X.copy(), Y.copy()), fn, needs={"mine": lambda m, d, rng: m.params})


@pytest.mark.parametrize("fn", [lambda ev: ev.of("weights"), lambda weights: weights])
def test_scores_are_the_callers_to_change(fn: Criterion) -> None:
    """Also where a criterion hands on what it was given."""
    model = line()
    scores = mp.score(model, None, fn)["fc1.weight"]
    scores[:] = 0
    assert model.params["fc1.weight"].tolist() == [[2, -1]]
    swept = mp.score(model, (X, Y), "obs", scale="rows")["fc1.weight"]
    swept[:] = 0


def test_arrays_of_any_layout_score_alike() -> None:
    model, (x, y) = convolutional(np.float64)
    x.flags.writeable = False
    odd = mp.Model(
        model.net, {n: np.asfortranarray(w) for n, w in model.params.items()}, model.buffers
    )
    twice = np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2)[::2]
    want = mp.score(model, (x, y), on_grads("all", product))
    got = mp.score(odd, twice, on_grads("all", product))
    assert all(got[n].tobytes() == want[n].tobytes() for n in want)


def test_masks_are_evidence_and_seeds_choose_the_stream() -> None:
    @criterion(needs=("masks",))
    def kept(ev: Evidence) -> Arrays:
        return {n: m.astype(float) for n, m in ev.of("masks").items()}

    masked = mp.with_masks(line(), {"fc1.weight": np.array([[True, False]])})
    assert mp.score(masked, None, kept)["fc1.weight"].tolist() == [[1, 0]]
    assert mp.score(line(), None, kept)["fc1.weight"].tolist() == [[1, 1]]  # dense: all kept
    draws = [mp.score(line(), None, "random", seed=s)["fc1.weight"].tolist() for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
