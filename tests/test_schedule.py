"""Every schedule: worked values, laws on random ramps, messages.

The wrong variants of the laws are in test_verify_schedule.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from inspect import signature

import pytest
from hypothesis import Phase, example, find, given, settings
from hypothesis import strategies as st

from minprune.errors import ArgumentError
from minprune.schedule import SCHEDULES, constant, cubic, exponential, iterative, linear, one_shot
from minprune.verify.plain.rules import RAMPS, Ramp
from minprune.verify.training.schedule import EPS, LAWS, Values, meets


@dataclass(frozen=True)
class Row:
    """`values` by step; `places` are the decimal places printed by the source, None if exact."""

    schedule: str
    arguments: dict[str, float]
    values: dict[int, float]
    source: str
    places: int | None = None


ROWS = (
    Row("one_shot", {"final": 0.9, "at": 3}, {0: 0.0, 2: 0.0, 3: 0.9, 9: 0.9}, "by hand"),
    Row("constant", {"final": 0.7}, {0: 0.7, 1: 0.7, 10**9: 0.7}, "by hand"),
    Row("linear", {"final": 1.0, "span": 4}, {0: 0, 1: 0.25, 2: 0.5, 3: 0.75, 4: 1}, "by hand"),
    Row(  # updates at 10, 13, 16, 19 and 20, where the span ends
        "linear",
        {"final": 0.75, "initial": 0.25, "start": 10, "span": 10, "every": 3},
        {9: 0.25, 10: 0.25, 12: 0.25, 13: 0.4, 15: 0.4, 16: 0.55, 19: 0.7, 20: 0.75, 21: 0.75},
        "by hand",
    ),
    Row(  # keep = (1/16)^(k/4): halved four times
        "exponential",
        {"final": 0.9375, "span": 4},
        {0: 0, 1: 0.5, 2: 0.75, 3: 0.875, 4: 0.9375},
        "by hand",
    ),
    Row(
        "cubic",
        {"initial": 0.2, "final": 0.8, "start": 100, "span": 10},
        {99: 0.2, 100: 0.2, 102: 0.4928, 105: 0.725, 110: 0.8, 111: 0.8},
        "TF-MOT pruning_schedule_test.py",
    ),
    Row(  # jaxpruner evaluates at its step + 1: its step 9 is our step 10
        "cubic",
        {"final": 0.5, "start": 0, "span": 20},
        {9 + 1: 0.4375},
        "jaxpruner sparsity_schedules_test.py",
    ),
    Row(  # from 0 to 5, here divided by 5; its inverse cubic is no schedule of ours
        "cubic",
        {"final": 1.0, "span": 2},
        {1: 4.375 / 5},
        "SparseML tests/sparseml/utils/test_helpers.py",
    ),
    Row(  # distiller says epochs 0..10, frequency 2; its last update is at 8, so our span is 8
        "cubic",
        {"initial": 0.05, "final": 0.5, "span": 10 - 2, "every": 2},
        {0: 0.05, 1: 0.05, 2: 0.3102, 3: 0.3102, 4: 0.4437, 6: 0.493, 8: 0.5, 9: 0.5},
        "distiller automated_gradual_pruner.py",
        places=4,
    ),
    Row("iterative", {"fraction": 0.5}, {0: 0, 1: 0.5, 2: 0.75, 3: 0.875}, "by hand"),
    Row(  # open_lth states the density 0.8^k, ours is 1 less that
        "iterative",
        {"fraction": 0.2},
        {0: 0, 1: 1 - 0.8, 2: 1 - 0.64, 3: 1 - 0.512, 4: 1 - 0.4096},
        "open_lth lottery/test/test_runner.py",
    ),
    Row("iterative", {"fraction": 1.0}, {0: 0, 1: 1, 2: 1}, "by hand"),
)


def test_every_schedule_has_a_row() -> None:
    assert {row.schedule for row in ROWS} == set(SCHEDULES)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.schedule}: {r.source}")
def test_worked_values(row: Row) -> None:
    # 8 roundings of numbers of at most 1; half a unit of the last place that the source prints
    bound = 8 * EPS + (0 if row.places is None else 0.5 * 10**-row.places)
    for step, want in row.values.items():
        got = SCHEDULES[row.schedule](step, **row.arguments)
        assert type(got) is float
        assert abs(got - want) <= bound, step


shares = st.floats(0, 0.999) | st.sampled_from([0.0, 0.5, 0.9])
ramps = st.builds(
    lambda pair, start, span, every: Ramp(min(pair), max(pair), start, span, every),
    st.tuples(shares, shares),
    st.integers(0, 9),
    st.integers(1, 24),
    st.integers(1, 7),
)


def broken(law: str, schedule: Callable[..., float], ramp: Ramp) -> str | None:
    values = [schedule(t, **vars(ramp)) for t in ramp.steps]
    if law in RAMPS:
        return meets(law, values, EPS, ramp)
    return LAWS[law](Values(values, 0.0, lambda t: schedule(t, **vars(ramp))), ramp)


@pytest.mark.parametrize("name", RAMPS)
@given(ramp=ramps)
@example(ramp=Ramp(0.2, 0.9, 0, 1, 1))  # the ends of linear and cubic would be rounded
@example(ramp=Ramp(0.1, 0.2, 0, 1, 1))  # and those of exponential: here the last,
@example(ramp=Ramp(0.3, 0.4, 0, 1, 1))  # here the first
def test_ramps_keep_the_laws(name: str, ramp: Ramp) -> None:
    for law in (*LAWS, name):
        assert broken(law, SCHEDULES[name], ramp) is None, law
    ends = {ramp.start: ramp.initial, ramp.end: ramp.final}
    assert {t: SCHEDULES[name](t, **vars(ramp)) for t in ends} == ends  # to the last bit


@given(final=st.floats(0, 1), at=st.integers(0, 50), step=st.integers(0, 100))
def test_one_shot_jumps_once_and_constant_never(final: float, at: int, step: int) -> None:
    assert one_shot(step, final=final, at=at) == (final if step >= at else 0)
    assert one_shot(step, final=final) == constant(step, final=final) == final


def keeps_the_power(schedule: Callable[..., float], case: tuple[int, float]) -> bool:
    rounds, p = case
    # 1 - p is rounded once and then multiplied `rounds` times; two more roundings around it
    bound = (rounds + 3) * EPS
    with localcontext(prec=50):
        return (
            all(
                abs(Decimal(schedule(k, fraction=p)) - (1 - (1 - Decimal(p)) ** k)) <= bound
                for k in range(1, rounds + 1)
            )
            and schedule(0, fraction=p) == 0.0
        )


rounds_and_fraction = st.tuples(st.integers(0, 30), st.floats(0, 1))


@given(case=rounds_and_fraction)
def test_iterative_keeps_the_power(case: tuple[int, float]) -> None:
    assert keeps_the_power(iterative, case)
    values = [iterative(k, fraction=case[1]) for k in range(case[0] + 1)]
    assert values == sorted(values)
    assert 0 <= values[0] <= values[-1] <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda k, fraction: min(k * fraction, 1.0),  # a share of the original count each round
        lambda k, fraction: (1 - fraction) ** k,  # density
        lambda k, fraction: 1 - (1 - fraction) ** (k + 1),  # round 0 prunes already
    ],
)
def test_iterative_law_rejects(wrong: Callable[..., float]) -> None:
    find(
        rounds_and_fraction,
        lambda case: not keeps_the_power(wrong, case),
        settings=settings(derandomize=True, database=None, phases=[Phase.generate]),
    )


MESSAGES = (
    (
        lambda: constant(-1, final=0.5),
        "constant: step must be an integer of at least 0, not -1; pass step=1, for example",
    ),
    (
        lambda: one_shot(0, final=0.5, at=1.5),
        "one_shot: at must be an integer of at least 0, not 1.5; pass at=1, for example",
    ),
    (
        lambda: linear(0, final=0.5, span=0),
        "linear: span must be an integer of at least 1, not 0; pass span=1, for example",
    ),
    (
        lambda: linear(0, final=0.5, span=2, every=True),
        "linear: every must be an integer of at least 1, not True; pass every=1, for example",
    ),
    (
        lambda: cubic(0, final=0.5, span=2, start=-3),
        "cubic: start must be an integer of at least 0, not -3; pass start=1, for example",
    ),
    (
        lambda: iterative(-1, fraction=0.2),
        "iterative: round must be an integer of at least 0, not -1; pass round=1, for example",
    ),
    (
        lambda: iterative(1, fraction=20),
        "iterative: fraction must be a number from 0 to 1, not 20; pass fraction=0.5, for example",
    ),
    (
        lambda: constant(0, final=float("nan")),
        "constant: final must be a number from 0 to 1, not nan; pass final=0.5, for example",
    ),
    (
        lambda: cubic(0, final=0.5, initial="0", span=2),
        "cubic: initial must be a number from 0 to 1, not '0'; pass initial=0.5, for example",
    ),
    (
        lambda: cubic(0, final=0.5, initial=0.8, span=2),
        "cubic: initial must be at most final, 0.5, not 0.8, since sparsity only rises; "
        "exchange them or lower initial",
    ),
    (
        lambda: exponential(0, final=1.0, span=2),
        "exponential: final must be below 1, not 1.0, since the schedule never reaches an "
        "empty net; use linear or cubic",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], float], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


REQUIRED = {"step": 0, "round": 0, "final": 0.5, "span": 2, "fraction": 0.5}
ARGUMENTS = [(name, given) for name, f in SCHEDULES.items() for given in signature(f).parameters]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_every_argument_is_checked_by_its_name(name: str, argument: str) -> None:
    schedule = SCHEDULES[name]
    rest = {key: REQUIRED[key] for key in signature(schedule).parameters if key in REQUIRED}
    with pytest.raises(ArgumentError) as caught:
        schedule(**rest | {argument: -1})
    assert re.fullmatch(
        rf"{name}: {argument} must be (an integer of at least [01]|a number from 0 to 1), not -1; "
        rf"pass {argument}=(1|0.5), for example",
        str(caught.value),
    )
