"""The kit for criteria: it passes what is right, ours and others, and lets no slip through."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planted_criteria import PLANTED
from planted_units import OF_UNITS
from planting import Planted

from minprune.core import Arrays, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.verify.criterion import check_criterion
from minprune.verify.definitions_table import DEFINITIONS
from minprune.verify.laws_criterion import GENERAL
from minprune.verify.laws_criterion_named import NAMED
from minprune.verify.plain import Mlp, times
from minprune.verify.plain_evidence import SINGLE, evidence
from minprune.verify.plain_nets import plain_net

EXAMPLES = 8
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
    for name, row in DEFINITIONS.items()
    for options in OPTIONS.get(name, ({},))
    for unit in (False, True)
    if name in CRITERIA and (unit or row.single) and not (unit and options.get("scale") == "rows")
]


@pytest.mark.parametrize(("name", "unit", "options"), OURS, ids=str)
def test_ours_passes(name: str, unit: bool, options: dict[str, Any]) -> None:
    found = check_criterion(CRITERIA[name], name, unit=unit, options=options, examples=EXAMPLES)
    assert found.ok, str(found)
    assert len(found) >= 7


def test_every_criterion_has_a_definition() -> None:
    assert set(CRITERIA) <= set(DEFINITIONS)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_passes_its_own_laws(name: str) -> None:
    row = DEFINITIONS[name]

    def itself(ev: Evidence) -> Arrays:
        finish = row.finish or (lambda scores: scores)
        return finish(row.score(ev))

    found = check_criterion(itself, name, row.needs, unit=row.unit if not row.single else False,
                            examples=EXAMPLES)  # fmt: skip
    # a definition is float64 always
    assert {v.law for v in found.broken} <= {"dtype"}, str(found)


@pytest.mark.parametrize("slip", PLANTED, ids=lambda s: f"{s.like} {s.project} {s.what} {s.law}")
def test_no_slip_passes(slip: Planted) -> None:
    (verdict,) = check_criterion(slip.fn, slip.like, unit=slip.unit, laws=(slip.law,), **slip.more)
    assert not verdict.holds
    assert verdict.example or slip.law == "chunk"
    assert slip not in OF_UNITS or "it raised" not in verdict.sentence


def test_every_law_has_a_slip_that_it_catches() -> None:
    assert {slip.law for slip in PLANTED} == {"chunk", *GENERAL, *NAMED}


def test_every_law_of_the_table_is_known() -> None:
    assert {law for row in DEFINITIONS.values() for law in row.laws} <= set(NAMED)


# ------------------------------------------------------------------ how it is called, what it says


def my_obd(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: hess_diag[name] * w**2 / 2 for name, w in weights.items()}


def unit_obd(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: s.sum(axis=1) for name, s in my_obd(weights, hess_diag).items()}


def doubled(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: hess_diag[name] * w**2 for name, w in weights.items()}


@criterion(needs=("weights", "grads"), over="sample", unit="gate")
def fisher_by_sample(ev: Evidence) -> Arrays:
    """One sample at a time: another way to the same score."""
    return {name: (w * ev.of("grads")[name]) ** 2 / 2 for name, w in ev.of("weights").items()}


def taylor_of_rows(weights: Arrays, grads: Arrays) -> Arrays:
    """The gate's derivative from outgoing weights."""
    return {name: (w * grads[name]).sum(axis=1) ** 2 for name, w in weights.items()}


def own_options(weights: Arrays, grads: Arrays, scale: float = 2.0) -> Arrays:
    return {name: (w * scale * grads[name] / scale) ** 2 for name, w in weights.items()}


@pytest.mark.parametrize(
    ("fn", "like", "more"),
    [
        (my_obd, "obd", {}),
        (my_obd, None, {}),
        (unit_obd, "obd", {"unit": True}),
        (fisher_by_sample, "fisher", {}),
        (fisher_by_sample, "fisher", {"unit": True}),
        (taylor_of_rows, "taylor", {"unit": "outgoing"}),
        (own_options, "taylor", {"options": {"scale": 4.0}}),
        (lambda ev: {n: np.abs(w) for n, w in ev.weights.items()}, "magnitude",
         {"needs": ("weights",)}),
    ],
)  # fmt: skip
def test_code_of_ones_own_passes(fn: Any, like: str | None, more: dict[str, Any]) -> None:
    found = check_criterion(fn, like, examples=EXAMPLES, **more)
    assert found.ok, str(found)


def test_a_verdict_gives_both_numbers_and_the_likely_slip() -> None:
    (verdict,) = check_criterion(doubled, "obd", laws=("exact",))
    assert verdict.sentence == (
        "doubled: at a minimum of a quadratic loss the score is the rise from zeroing the weight, "
        "but the score of w[0] is 1, and zeroing it raises this quadratic loss by 0.5: "
        "a factor 1/2 is missing"
    )
    assert verdict.example.splitlines()[0].startswith("params = {w: [1.")


def test_the_same_arguments_give_the_same_verdicts() -> None:
    one, two = (check_criterion(doubled, "obd", examples=4, seed=3) for _ in range(2))
    assert one == two


def only_units() -> Callable[..., Arrays]:
    @criterion(needs=("weights",), single=False)
    def widths(ev: Evidence) -> Arrays:
        return {}

    return widths


def no_units() -> Callable[..., Arrays]:
    @criterion(needs=("weights",), unit=None)
    def entries(ev: Evidence) -> Arrays:
        return {}

    return entries


def of_nothing(a: Any, b: Any) -> Any:
    return a, b


MESSAGES = (
    (lambda: check_criterion(my_obd, "obs2", examples=1),
     f"like is 'obs2', expected one of {', '.join(DEFINITIONS)}; "
     "leave it out for a criterion of your own"),
    (lambda: check_criterion(my_obd, unit="row"),
     "unit is 'row', expected True, False or one of incoming, incoming and bias, outgoing, gate, "
     "whole; say what the arrays of a unit hold"),
    (lambda: check_criterion(of_nothing),
     "of_nothing: takes a, b, expected evidence by name, such as weights= and grads=; name its "
     "arguments so, or say needs=(...) if it takes Evidence"),
    (lambda: check_criterion(of_nothing, needs=("weigths",)),
     "of_nothing: needs 'weigths', which verify/ has no arrays for, expected weights, masks, "
     "grads, squared_grads, hess_diag, hess_grad, hess_weight, path_grads, removal, inverse_diag, "
     "sweep_loss, labels, rng; ask for one of them"),
    (lambda: check_criterion(my_obd, "geometric_median"),
     "like is 'geometric_median', which scores units alone; say unit=True"),
    (lambda: check_criterion(only_units()),
     "widths: its mark says it cannot score single weights; say unit=True"),
    (lambda: check_criterion(no_units(), unit=True),
     "entries: its mark says it cannot score units; say unit=False"),
    (lambda: check_criterion(my_obd, laws=("exakt",)),
     f"laws has 'exakt', expected some of chunk, {', '.join(GENERAL)}; correct the name"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text[:40] for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


# ------------------------------------------------------------------ the evidence itself


def test_synflow_of_the_formula_net() -> None:
    """A published total, the same in each layer."""
    k = np.arange(12.0).reshape(4, 3), np.arange(8.0).reshape(2, 4)
    params = {"fc1.weight": 0.7 * np.sin(1 + k[0]), "fc2.weight": 0.7 * np.cos(1 + k[1])}
    net = Mlp("relu", "mse", params, np.ones((1, 3)), np.ones((1, 2)))
    for name, path in SINGLE["path_grads"](net, net.weights).items():
        assert abs((np.abs(params[name]) * path).sum() - 4.683040952299719) < 1e-14


def test_gates_are_sums_over_outgoing_weights() -> None:
    """dL/dc = sum g w, and d2L/dc2 = w H w, over a unit's outgoing weights; zeroing is zeroing."""
    net = plain_net((3, 4, 3, 2), 1, samples=5)
    gate = evidence(net, ("grads", "hess_diag", "weights", "removal"), "gate")
    rows = evidence(net, ("grads", "weights"), "outgoing")
    for name, after in zip(net.weights[:-1], net.weights[1:], strict=True):
        want = (rows.of("grads")[name] * rows.of("weights")[name]).sum(axis=1)
        assert np.allclose(gate.of("grads")[name], want, rtol=1e-13)
        assert np.array_equal(gate.of("weights")[name], np.ones(len(want)))
        for unit in range(len(want)):
            v = np.zeros_like(net.params[after])
            v[:, unit] = net.params[after][:, unit]
            hv = times(net, {after: v})[after]
            assert np.isclose((v * hv).sum(), gate.of("hess_diag")[name][unit], rtol=1e-12)
            rise = net.loss({after: net.params[after] - v}) - net.loss()
            assert np.isclose(rise, gate.of("removal")[name][unit], rtol=1e-12)
