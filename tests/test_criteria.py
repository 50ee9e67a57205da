"""Every criterion: rows worked by hand, and each row runs every law."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from criterion_laws import LAWS, WRONG, Row
from criterion_rows import ROWS, W
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import KINDS, Array, Arrays, Criterion, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError

IDS = [f"{r.name}{' unit' if r.unit else ''} {r.options} {r.source}" for r in ROWS]
each_row = pytest.mark.parametrize("row", ROWS, ids=IDS)


def test_every_criterion_has_a_row() -> None:
    assert {row.name for row in ROWS} == set(CRITERIA)


def test_every_criterion_has_rows_of_all_that_it_scores() -> None:
    for name, fn in CRITERIA.items():
        mark = fn.mark  # type: ignore[attr-defined]
        scored = [False] * mark.single + [True] * (mark.unit is not None)
        assert {row.unit for row in ROWS if row.name == name} == set(scored)


def test_every_option_that_is_a_choice_has_a_row() -> None:
    for name, fn in CRITERIA.items():
        options = inspect.signature(fn).parameters.keys() - {"ev"}
        assert {key for r in ROWS if r.name == name for key in r.options} == options


def test_names_sources_and_needs_are_declared() -> None:
    for name, fn in CRITERIA.items():
        assert fn.__name__ == name
        assert fn.mark.cite  # type: ignore[attr-defined]


@each_row
def test_a_row_has_the_evidence_that_is_declared_and_no_more(row: Row) -> None:
    needs, over = row.fn.mark.asked(row.options, row.unit)  # type: ignore[attr-defined]
    assert row.evidence.keys() | ({"rng"} & set(needs)) == set(needs)
    assert set(needs) <= KINDS.keys()
    assert over in ("all", "batch", "sample")


@each_row
def test_worked_rows(row: Row) -> None:
    got = row.fn(row.filled(), **row.options)
    assert list(got) == ["w"]
    assert got["w"].shape == np.shape(row.want)
    assert np.abs(got["w"] - np.array(row.want, float)).max() <= row.within


@each_row
@pytest.mark.parametrize("law", LAWS)
def test_every_row_keeps_every_law(row: Row, law: str) -> None:
    assert LAWS[law](row.fn, row)


@pytest.mark.parametrize("name", WRONG)
def test_each_law_rejects_its_wrong_variants(name: str) -> None:
    law, fn = WRONG[name]
    assert not LAWS[law](fn, Row("magnitude", "any", np.zeros((2, 2)), W))


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, _ in WRONG.values()} == set(LAWS)


MAGNITUDES = [r for r in ROWS if r.name in ("magnitude", "norm") and not r.unit]
floats = st.floats(-4, 4, width=32)


@given(values=st.lists(floats, min_size=1, max_size=6), order=st.randoms(use_true_random=False))
def test_single_weight_scores_follow_their_weights(values: list[float], order: Any) -> None:
    places = list(range(len(values)))
    order.shuffle(places)
    w = np.array(values)
    for row in MAGNITUDES:
        s = row.fn(Evidence(weights={"w": w}), **row.options)["w"]
        moved = row.fn(Evidence(weights={"w": w[places]}), **row.options)["w"]
        assert np.array_equal(moved, s[places])


def test_a_factor_changes_magnitude_and_norms_but_not_p_0() -> None:
    ev, twice = ({"w": np.array([3.0, -1, 0]) * a} for a in (1, 2))
    for row in (r for r in MAGNITUDES if "tol" not in r.options):
        same = np.array_equal(
            *(row.fn(Evidence(weights=w), **row.options)["w"] for w in (ev, twice))
        )
        assert same == (row.options.get("p") == 0)


def is_uniform(fn: Criterion) -> bool:
    """In [0, 1), all tensors independent; mean and correlation within 6 standard errors."""
    n = 4096
    ev = Evidence(weights={"a": np.ones(n), "b": np.ones(n)}, rng=np.random.default_rng(0))
    a, b = fn(ev).values()
    pair = np.mean((a - 0.5) * (b - 0.5))  # variance (1/12)^2 / n if they are independent
    inside = a.min() >= 0 and a.max() < 1
    centred = abs(a.mean() - 0.5) <= 6 / np.sqrt(12 * n)
    spread = abs(np.mean((a - 0.5) ** 2) - 1 / 12) <= 6 * np.sqrt(1 / 180 / n)
    return bool(inside and centred and spread and abs(pair) <= 6 / 12 / np.sqrt(n))


def test_random_is_uniform() -> None:
    assert is_uniform(CRITERIA["random"])


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: np.random.default_rng(3).random(n),  # every tensor the same numbers
        lambda rng, n: rng.standard_normal(n),
        lambda rng, n: rng.random(n) ** 2,
        lambda rng, n: 0.25 + rng.random(n) / 2,
    ],
)
def test_the_law_of_random_rejects(draw: Callable[..., Array]) -> None:
    @criterion(needs=("weights", "rng"))
    def wrong(ev: Evidence) -> Arrays:
        return {name: draw(ev.rng, w.size) for name, w in ev.of("weights").items()}

    assert not is_uniform(wrong)


def call(name: str, unit: bool = True, **options: Any) -> Callable[[], Any]:
    return lambda: CRITERIA[name](Evidence(weights={}, unit=unit), **options)


MESSAGES = (
    (lambda: CRITERIA["magnitude"](Evidence()),
     "evidence has no weights, which this criterion needs; "
     "give Evidence(weights=...), or use mp.score, which fills it"),
    (call("random"),
     "evidence has no rng, which this criterion needs; "
     "give Evidence(rng=...), or use mp.score, which fills it"),
    (call("norm", p=3),
     "norm: p is 3, expected 0, 1, 2 or inf; choose one of them"),
    (call("norm", p=True),
     "norm: p is True, expected 0, 1, 2 or inf; choose one of them"),
    (call("norm", p=0, tol=-1),
     "norm: tol is -1, expected a finite number of at least 0; "
     "p = 0 counts the weights with |w| > tol"),
    (call("norm", p=0, tol=np.nan),
     "norm: tol is nan, expected a finite number of at least 0; "
     "p = 0 counts the weights with |w| > tol"),
    (call("geometric_median", unit=False),
     "geometric_median: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("weight_entropy", unit=False),
     "weight_entropy: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("weight_entropy", bins=0),
     "weight_entropy: bins is 0, expected an integer of at least 1; give bins=10, for example"),
    (call("weight_entropy", bins=2.5),
     "weight_entropy: bins is 2.5, expected an integer of at least 1; give bins=10, for example"),
    (call("weight_entropy", prune="most"),
     "weight_entropy: prune is 'most', expected 'high' or 'low'; choose one of them"),
    (call("apoz", unit=False),
     "apoz: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("apoz", tol=-1),
     "apoz: tol is -1, expected a finite number of at least 0; "
     "an activation counts as silent where |a| <= tol"),
    (call("apoz", tol=np.inf),
     "apoz: tol is inf, expected a finite number of at least 0; "
     "an activation counts as silent where |a| <= tol"),
    (call("activation", kind="max"),
     "activation: kind is 'max', expected 'mean' or 'rms'; choose one of them"),
    (call("activation_entropy", prune="most"),
     "activation_entropy: prune is 'most', expected 'low' or 'high'; choose one of them"),
    (lambda: CRITERIA["activation_entropy"](Evidence(act_hist={"w": np.ones((2, 3))}, unit=True)),
     "activation_entropy: bins is 10, and act_hist of w has 3; say how many it has"),
    (call("similarity", unit=False),
     "similarity: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("correlation", source="gradients"),
     "correlation: source is 'gradients', expected 'activations' or 'weights'; "
     "choose one of them"),
    (lambda: CRITERIA["correlation"].mark.asked({"source": 1}, True),
     "correlation: source is 1, expected 'activations' or 'weights'; choose one of them"),
    (call("cosine", bias="no"),
     "cosine: bias is 'no', expected False or True; choose one of them"),
    (lambda: CRITERIA["lda"](Evidence(class_counts=np.array([0.0, 3]), class_means={}, within={},
                                      unit=True)),
     "lda: all samples are of one class, expected at least two classes; "
     "give data with more of them"),
    (lambda: CRITERIA["lda_joint"](Evidence(class_counts=np.array([3]), class_means={}, within={},
                                            unit=True)),
     "lda_joint: all samples are of one class, expected at least two classes; "
     "give data with more of them"),
    (call("taylor", order=3),
     "taylor: order is 3, expected 1 or 2; choose one of them"),
    (lambda: CRITERIA["taylor"].mark.asked({"order": 0}),
     "taylor: order is 0, expected 1 or 2; choose one of them"),
    (call("taylor", order=2, hessian="full"),
     "taylor: hessian is 'full', expected 'diag' or 'row'; choose one of them"),
    (call("taylor_activation", order=0),
     "taylor_activation: order is 0, expected 1 or 2; choose one of them"),
    (call("taylor_activation", unit=False),
     "taylor_activation: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("obd", clip="yes"),
     "obd: clip is 'yes', expected False or True; choose one of them"),
    (call("obs", scale="net"),
     "obs with unit=True: scale is 'net', expected 'whole', 'layer' or 'blocks'; "
     "choose one of them"),
    (call("oracle", square=2),
     "oracle: square is 2, expected False or True; choose one of them"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text[:60] for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
