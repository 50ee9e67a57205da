"""The curve of learned scores by their threshold: each point is a net, its rivals are as sparse."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import small_data, small_net

import minprune as mp
from minprune.core import Arrays
from minprune.errors import ArgumentError
from minprune.jobs.learned import traced
from minprune.report.threshold_figure import traced as figure

MODEL = small_net()
DATA = small_data(40).train
MAGNITUDE = mp.score(MODEL, None, "magnitude")
Curve = Callable[..., Any]


def coarse(seed: int) -> Arrays:
    """Scores of three values, of two layers."""
    rng = np.random.default_rng(seed)
    return {
        k: rng.integers(0, 3, MODEL.params[k].shape) / 2 for k in ("fc1.weight", "conv2.weight")
    }


def each_point_is_what_prune_gives(curve: Curve, scores: Arrays, thresholds: list[float]) -> bool:
    """Entries below t go, but for the best one of a layer; the rivals lose as many."""
    found = curve(MODEL, scores, DATA, thresholds=thresholds, seed=3)
    n = sum(s.size for s in scores.values())
    for k, t in enumerate(sorted(thresholds)):
        masks = {name: s >= t for name, s in scores.items()}
        for name, mask in masks.items():
            if not mask.any():
                mask.ravel()[int(np.argmax(scores[name]))] = True
        pruned = mp.with_masks(MODEL, masks)
        gone = sum(int((~m).sum()) for m in masks.values())
        rivals = {
            kind: mp.prune(MODEL, {k: s for k, s in mp.score(MODEL, None, kind, seed=3).items()
                                   if k in scores}, sparsity=gone / n)
            for kind in ("magnitude", "random")
        }  # fmt: skip
        for name, one in {"the scores": pruned, **rivals}.items():
            want = mp.evaluate(one, DATA)
            if (found.losses[name][k], found.accuracies[name][k]) != (want.loss, want.accuracy):
                return False
        if round(found.sparsities[k] * n) != gone:
            return False
    whole = mp.evaluate(MODEL, DATA)
    return (found.loss, found.accuracy) == (whole.loss, whole.accuracy)


@given(
    seed=st.integers(0, 99),
    thresholds=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 0.75, 1.0, 2.0]), min_size=1, max_size=2),
)
def test_points(seed: int, thresholds: list[float]) -> None:
    assert each_point_is_what_prune_gives(mp.threshold_curve, coarse(seed), thresholds)


def test_a_curve_that_prunes_at_the_threshold_too_is_seen() -> None:
    def wrong(model: Any, scores: Any, data: Any, thresholds: Any, seed: int) -> Any:
        more = [float(np.nextafter(t, 9)) for t in thresholds]
        return mp.threshold_curve(model, scores, data, thresholds=more, seed=seed)

    assert not each_point_is_what_prune_gives(wrong, coarse(1), [0.5])


def test_the_default_thresholds_leave_less_and_less() -> None:
    found = mp.threshold_curve(MODEL, MAGNITUDE, DATA, points=8)
    left = [1 - s for s in found.sparsities]
    assert left[0] == 1
    assert len(left) == 8
    assert sorted(left, reverse=True) == left
    assert left[-1] <= 5 / 183  # one weight a layer stays, and the best of all
    assert found.losses["the scores"] == found.losses["magnitude"]
    assert found.accuracies["the scores"][0] == found.accuracies["random"][0] == found.accuracy
    text = str(found)
    assert text.startswith("accuracy in % without what scores below a threshold; unpruned ")
    equal = mp.threshold_curve(MODEL, {"fc1.weight": np.ones((5, 12))}, DATA, against={})
    assert equal.thresholds == (1.0,)
    assert list(equal.losses) == ["the scores"]


def test_units_are_counted_as_units() -> None:
    scores = mp.score(MODEL, None, "norm", unit=True, p=1)
    found = mp.threshold_curve(MODEL, scores, DATA, points=4)
    groups = [g.size for g in mp.ties(MODEL) if g.free]
    assert found.unit
    assert all(round(s * sum(groups), 6).is_integer() for s in found.sparsities)
    assert found.losses.keys() == {"the scores", "magnitude", "random"}


def test_numbers_have_losses_alone() -> None:
    net = mp.build((3,), [("fc1", mp.Dense(3, 4)), ("fc2", mp.Dense(4, 1))], "mse")
    model = mp.initialise(net, seed=0)
    data = np.ones((5, 3), np.float32), np.linspace(0.1, 0.9, 5)
    found = mp.threshold_curve(model, mp.score(model, None, "magnitude"), data, points=3)
    assert found.accuracies == {}
    assert str(found).startswith("loss without")


def test_it_is_drawn_by_itself_and_on_the_page() -> None:
    pytest.importorskip("matplotlib", reason='no matplotlib: pip install "minprune[report]"')
    found = mp.threshold_curve(MODEL, MAGNITUDE, DATA, points=5)
    ax = found.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "unpruned", "the scores", "magnitude", "random",
    ]  # fmt: skip
    assert ax.get_xlim()[0] == 100 > ax.get_xlim()[1]
    assert found.plot(of="loss").get_ylabel() == "loss"
    method = mp.methods.SparseVariationalDropout()
    how: dict[str, Any] = {"epochs": 1, "batch_size": 4, "progress": False}
    result = mp.methods.sparse_variational_dropout(MODEL, small_data(), **how)
    plan = mp.methods.Fit(epochs=1, train={"method": method})
    entry = traced(plan, result, small_data())
    assert entry["samples"] == 2
    assert "accuracy against what a threshold leaves" in figure(entry)
    assert traced(mp.methods.Fit(epochs=1), result, small_data()) == {}
    assert figure({}) == ""


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: mp.threshold_curve(MODEL, {}, DATA),
     "threshold_curve: scores must not be empty; pass the scores that method.unpruned gives"),
    (lambda: mp.threshold_curve(MODEL, MAGNITUDE, DATA, thresholds=["1"]),  # type: ignore[list-item]
     "threshold_curve: thresholds must be numbers, not '1'; pass [0.5, 1.0], for example"),
    (lambda: mp.threshold_curve(MODEL, MAGNITUDE, DATA, thresholds=[]),
     "threshold_curve: thresholds must not be empty; pass [0.5, 1.0], for example"),
    (lambda: mp.threshold_curve(MODEL, MAGNITUDE, DATA, points=0),
     "threshold_curve: points must be an integer of at least 1, not 0; pass points=1, for example"),
    (lambda: mp.threshold_curve(MODEL, coarse(0), DATA, against={"mine": MAGNITUDE}),
     "threshold_curve: against['mine'] must score fc1.weight, conv2.weight, not conv1.weight, "
     "conv2.weight, fc1.weight, fc2.weight; score the same arrays"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
