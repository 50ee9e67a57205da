"""The kit for criteria: right code passes, ours and others, and wrong code does not."""

from typing import Any

import numpy as np
import pytest
from criterion_laws import Row
from criterion_rows import ROWS

from minprune.core import Arrays, Evidence
from minprune.criteria import CRITERIA
from minprune.verify.criterion.check import NAMED, check_criterion
from minprune.verify.criterion.general import GENERAL
from minprune.verify.criterion.subject import twin_of
from minprune.verify.ours.planted import Planted
from minprune.verify.ours.right_criteria import RIGHT, Right
from minprune.verify.ours.wrong_criteria import PLANTED as OF_PACKAGE
from minprune.verify.plain.twin import TWINS, known

EXAMPLES = 8


def noise(weights: Arrays) -> Arrays:
    made = np.random.default_rng()
    return {name: made.random(w.shape) for name, w in weights.items()}


def global_noise(weights: Arrays) -> Arrays:
    return {name: np.random.random(w.shape) for name, w in weights.items()}  # noqa: NPY002


PLANTED = (  # no file of the package may draw such numbers
    *OF_PACKAGE,
    Planted("", "noise of its own", noise, "same bits"),
    Planted("", "the global random state", global_noise, "purity"),
)
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "norm": ({"p": 0}, {"p": 0, "tol": 0.5}, {"p": 1}, {"p": 2}, {"p": np.inf}),
    "weight_entropy": ({}, {"prune": "low"}, {"bins": 3}),
    "taylor": ({}, {"order": 2}, {"order": 2, "hessian": "row"}),
    "taylor_activation": ({}, {"order": 2}),
    "obd": ({}, {"clip": True}),
    "apoz": ({}, {"tol": 0.5}),
    "activation": ({}, {"kind": "rms"}),
    "activation_entropy": ({}, {"prune": "high"}),
    "correlation": ({}, {"source": "weights"}),
    "cosine": ({}, {"bias": False}),
    "obs": ({}, {"scale": "layer"}, {"scale": "rows"}),
    "oracle": ({}, {"square": True}),
}
OURS = [
    (name, unit, options)
    for name, row in TWINS.items()
    for options in OPTIONS.get(name, ({},))
    for unit in (False, True)
    if name in CRITERIA and (row.unit is not None if unit else row.single)
    if not (unit and options.get("scale") == "rows")
]


@pytest.mark.parametrize(("name", "unit", "options"), OURS, ids=str)
def test_ours_passes(name: str, unit: bool, options: dict[str, Any]) -> None:
    found = check_criterion(CRITERIA[name], name, unit=unit, options=options, examples=EXAMPLES)
    assert found.ok, str(found)
    assert len(found) >= 6


def test_every_criterion_has_a_definition() -> None:
    assert set(CRITERIA) <= set(TWINS)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.name} {r.options} {r.source}")
def test_a_definition_gives_what_was_worked_by_hand(row: Row) -> None:
    itself = twin_of(row.name, row.options, row.unit)
    scores = itself.score(row.filled(), **known(itself.score, row.options))
    (got,) = (itself.finish(scores) if itself.finish else scores).values()
    want = np.array(row.want, float)
    assert got.shape == want.shape
    assert (np.abs(got - want) <= row.within + 2.0**-50 * np.abs(want)).all()


@pytest.mark.parametrize("name", TWINS)
def test_a_definition_passes_its_own_laws(name: str) -> None:
    row = twin_of(name, {})

    def itself(ev: Evidence) -> Arrays:
        finish = row.finish or (lambda scores: scores)
        return finish(row.score(ev))

    found = check_criterion(itself, name, row.needs, unit=row.unit if not row.single else False,
                            examples=EXAMPLES)  # fmt: skip
    # a definition is float64 always
    assert {v.law for v in found.broken} <= {"dtype"}, str(found)


# which write to what may not be written to, and take the largest of nothing
REFUSED = [s for s in PLANTED if s.law == "any layout" or s.what == "max of nothing"]


@pytest.mark.parametrize("slip", PLANTED, ids=lambda s: f"{s.like} {s.project} {s.what} {s.law}")
def test_no_slip_passes(slip: Planted) -> None:
    (verdict,) = check_criterion(slip.fn, slip.like, unit=slip.unit, laws=(slip.law,), **slip.more)
    assert not verdict.holds
    assert verdict.example
    assert verdict.law == slip.law
    assert "it raised" not in verdict.sentence or slip in REFUSED


def test_every_law_has_a_slip_that_it_catches() -> None:
    assert {slip.law for slip in PLANTED} == {*GENERAL, *NAMED}


def test_every_law_of_the_table_is_known() -> None:
    assert {law for name in TWINS for law in twin_of(name, {}).laws} <= set(NAMED)


@pytest.mark.parametrize("right", RIGHT, ids=lambda r: f"{r.like} {r.what}")
def test_right_code_of_others_passes(right: Right) -> None:
    found = check_criterion(right.fn, right.like, right.kinds, examples=EXAMPLES, **right.more)
    assert found.ok, str(found)
