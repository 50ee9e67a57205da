"""Every criterion: rows worked by hand, and each row runs every law."""

import inspect
from typing import Any

import numpy as np
import pytest
from criterion_laws import WRONG, Row, takes_the_edges
from criterion_rows import ROWS, W
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import EVIDENCE_KINDS, Evidence
from minprune.criteria import CRITERIA

IDS = [f"{r.name}{' unit' if r.unit else ''} {r.options} {r.source}" for r in ROWS]
each_row = pytest.mark.parametrize("row", ROWS, ids=IDS)


def test_every_criterion_has_an_example_in_its_spec() -> None:
    assert all(fn.spec.examples for fn in CRITERIA.values())


def test_every_criterion_has_rows_of_all_that_it_scores() -> None:
    for name, fn in CRITERIA.items():
        mark = fn.spec
        scored = [False] * mark.single + [True] * (mark.unit is not None)
        assert {row.unit for row in ROWS if row.name == name} == set(scored)


def test_every_option_that_is_a_choice_has_a_row() -> None:
    for name, fn in CRITERIA.items():
        options = inspect.signature(fn).parameters.keys() - {"ev"}
        assert {key for r in ROWS if r.name == name for key in r.options} == options


def test_names_sources_and_needs_are_declared() -> None:
    for name, fn in CRITERIA.items():
        assert fn.__name__ == name
        assert fn.spec.cite


@each_row
def test_a_row_has_the_evidence_that_is_declared_and_no_more(row: Row) -> None:
    needs, over = row.fn.spec.asked(row.options, row.unit)
    assert row.evidence.keys() | ({"rng"} & set(needs)) == set(needs)
    assert set(needs) <= EVIDENCE_KINDS.keys()
    assert over in ("all", "batch", "sample")


@each_row
def test_worked_rows(row: Row) -> None:
    got = row.fn(row.filled(), **row.options)
    assert list(got) == ["w"]
    assert got["w"].shape == np.shape(row.want)
    assert np.abs(got["w"] - np.array(row.want, float)).max() <= row.within


@each_row
def test_every_row_takes_the_edges(row: Row) -> None:
    assert takes_the_edges(row.fn, row)


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_the_edges_rejects(name: str) -> None:
    assert not takes_the_edges(WRONG[name], Row("magnitude", "any", np.zeros((2, 2)), W))


@pytest.mark.parametrize("name", ["apoz", "activation", "taylor_activation"])
def test_of_no_sample_the_score_is_0(name: str) -> None:
    nothing = {"w": np.zeros((0, 3, 2))}
    ev = Evidence(activations=nothing, act_grads=nothing, unit=True)
    assert CRITERIA[name](ev)["w"].tolist() == [0, 0, 0]


def test_lamp_ranks_the_lower_of_equal_weights_higher() -> None:
    w = np.array([[2.0, -2], [2, 0]])
    got = CRITERIA["lamp"](Evidence(weights={"w": w}))["w"]
    assert got.tolist() == [[1, 1 / 2], [1 / 3, 0]]


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


@pytest.mark.parametrize("row", [r for r in ROWS if r.unit and "weights" in r.evidence], ids=str)
def test_a_unit_may_have_axes_of_its_own(row: Row) -> None:
    """(units, i, y, x), as a convolution has it, is (units, entries)."""
    arrays = row.taken(range(len(row.want)))
    for kind in ("weights", "hess_diag", "hess_grad", "path_grads", "outgoing"):
        if kind in arrays and arrays[kind].ndim == 2:
            arrays[kind] = arrays[kind][:, :, None, None]
    got, want = (row.fn(ev, **row.options)["w"] for ev in (row.of(arrays), row.filled()))
    assert got.shape == want.shape
    assert got.tobytes() == want.tobytes()


@each_row
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_have_the_dtype_of_the_evidence(dtype: type, row: Row) -> None:
    arrays = {kind: a.astype(dtype) for kind, a in row.taken(range(len(row.want))).items()}
    assert row.fn(row.of(arrays), **row.options)["w"].dtype == dtype


@each_row
def test_scores_are_not_the_evidence_itself(row: Row) -> None:
    ev = row.filled()
    s = row.fn(ev, **row.options)["w"]
    arrays = [getattr(ev, kind) for kind in row.evidence]
    assert not any(np.shares_memory(s, a["w"]) for a in arrays if isinstance(a, dict))
