"""The kit on schedules: ours pass, each wrong variant breaks its law; other projects' numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.errors import ArgumentError
from minprune.schedule import SCHEDULES, cubic, linear
from minprune.verify import check_schedule
from minprune.verify.ours.checks import PLANS, check_plan
from minprune.verify.plain.rules import SCHEDULES as LIKE
from minprune.verify.training.schedule import LAWS

RAMP: dict[str, Any] = {"initial": 0.2, "final": 0.8, "start": 4, "span": 10, "every": 3}


@pytest.mark.parametrize("name", SCHEDULES)
def test_ours_hold(name: str) -> None:
    found = check_plan(name, 0, 0)
    assert found.ok, found
    assert found[-1].law == f"like {name}"
    assert set(PLANS) == set(LIKE) == set(SCHEDULES)


def test_parameters_are_given_by_name_or_bound_before() -> None:
    assert check_schedule(cubic, **RAMP, like="cubic").ok
    assert check_schedule(lambda t: cubic(t, **RAMP), **RAMP, like="cubic").ok


EACH = RAMP | {"every": 1}


def float32(t: int) -> Any:
    p = np.float32(min(max(t - 4, 0) // 3 * 3 / 10, 1) if t < 14 else 1)
    if p in (0, 1):
        return np.float32(0.8 if p else 0.2)
    return np.float32(0.8) - np.float32(0.6) * (np.float32(1) - p) ** 3


def test_float32_is_judged_in_float32() -> None:
    assert check_schedule(float32, **RAMP, like="cubic").ok
    assert not check_schedule(lambda t: float(float32(t)), **RAMP, like="cubic").ok


def textbook(t: int, initial: float, final: float) -> float:
    """Zhu & Gupta as printed: at p = 0 it is final + (initial - final), which rounds."""
    return final + (initial - final) * (1 - min(max(t - 5, 0) / 10, 1)) ** 3


def test_a_formula_may_round_at_its_ends() -> None:
    asked: dict[str, Any] = {"initial": 0.1, "final": 0.9, "start": 5, "span": 10}
    assert textbook(0, 0.1, 0.9) < 0.1
    found = check_schedule(textbook, **asked, like="cubic")
    assert found.ok, found
    near = check_schedule(lambda t: textbook(t, 0.1, 0.9) * (1 - 1e-13), **asked)
    assert [v.law for v in near.broken] == ["inside", "start", "end"]


def test_numbers_may_be_of_several_types() -> None:
    def jump(t: int) -> Any:
        return np.float32(0.9) if t >= 3 else 0

    found = check_schedule(jump, final=0.9, start=3, like="one_shot")
    assert found.ok, found
    half = check_schedule(lambda t: np.float16(0.9), final=0.9, like="constant")
    assert half.ok, half


@pytest.mark.parametrize("value", [None, "0.5", [0.5], float("nan")])
def test_what_is_no_share_is_told_and_nothing_else_is_asked(value: Any) -> None:
    found = check_schedule(lambda t: value, final=0.9, start=3)
    assert len(found) == 1
    start = "each value is a number from 0 to 1, but step 0 has "
    assert found[0].sentence.startswith(start)


calls: list[int] = []


def counts_its_calls(t: int) -> float:
    """The step of a global counter, whatever it is asked for."""
    calls.append(t)
    return cubic(len(calls) % 17, **RAMP)


WRONG: tuple[tuple[str, str, Callable[[int], float], dict[str, Any]], ...] = (
    ("jaxpruner's step + 1", "start", lambda t: cubic(t + 1, **EACH), EACH),
    ("not clamped above", "inside",
     lambda t: 0.8 - 0.6 * (1 - max(t - 4, 0) / 10) ** 3, RAMP),
    ("a share in percent", "in [0, 1]", lambda t: 100 * cubic(t, **RAMP), RAMP),
    ("density for sparsity", "rises", lambda t: 1 - cubic(t, **RAMP), RAMP),
    ("density for sparsity", "inside", lambda t: 1 - linear(t, **RAMP | {"final": 0.9}),
     RAMP | {"final": 0.9}),
    ("falls", "rises", lambda t: 1 - linear(t, **RAMP), RAMP),
    ("not clamped below", "start", lambda t: 0.5 + 0.3 * min((t - 4) / 10, 1),
     RAMP | {"initial": 0.5}),
    ("every counts from step 0", "every", lambda t: linear(t // 3 * 3, **EACH), RAMP),
    ("a power of the sparsity", "like exponential",
     lambda t: 0.8 ** (1 - min(max(t - 4, 0) // 3 * 3 / 10, 1)), RAMP),
    ("cubic for linear", "like linear", lambda t: cubic(t, **RAMP), RAMP),
    ("every is ignored", "every", lambda t: cubic(t, **{**RAMP, "every": 1}), RAMP),
    ("starts again after 1,000 steps", "end", lambda t: linear(t % 1000, **RAMP), RAMP),
    ("the last update is missed", "end", lambda t: linear(min(t, 13), **RAMP), RAMP),
    ("square for cube", "like cubic",
     lambda t: 0.8 - 0.6 * (1 - min(max(t - 4, 0) // 3 * 3 / 10, 1)) ** 2, RAMP),
    ("depends on earlier calls", "pure", counts_its_calls, RAMP),
    ("linear for exponential", "like exponential", lambda t: linear(t, **RAMP), RAMP),
    ("exponential for linear", "like linear",
     lambda t: SCHEDULES["exponential"](t, **RAMP), RAMP),
    ("a share of the original each round", "like iterative",
     lambda t: min(0.2 * t, 1.0), {"final": 1 - 0.8**9, "span": 9}),
    ("one step late", "like one_shot", lambda t: 0.9 if t > 3 else 0.0,
     {"final": 0.9, "start": 3}),
    ("not from the first step", "like constant", lambda t: 0.9 if t else 0.0, {"final": 0.9}),
)  # fmt: skip


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row[0])
def test_slips_are_caught(row: Any) -> None:
    _, law, fn, ramp = row
    like = law.removeprefix("like ") if law.startswith("like ") else None
    found = check_schedule(fn, **ramp, like=like)
    assert law in [v.law for v in found.broken], found


def test_another_start_is_tried_where_the_function_takes_one() -> None:
    def ignored(t: int, final: float, span: int, start: int = 0) -> float:
        return final * min(t / span, 1)

    def twice(t: int, final: float, span: int, start: int = 0) -> float:
        return final * min(max(t - 2 * start, 0) / span, 1)

    for wrong in (ignored, twice):
        found = check_schedule(wrong, final=0.9, span=10)
        assert {"start", "end"} & {v.law for v in found.broken}, found
        assert found.broken[0].example.startswith("initial = 0.0\nfinal = 0.9\nstart = 7")


def test_a_number_that_is_0_but_for_digits_is_called_0() -> None:
    found = check_schedule(lambda t: 1e-3, final=0.0, initial=0.0, span=3, like="exponential")
    assert found.broken[-1].sentence.endswith("but step 0 has 0.001, expected 0.0")


def test_each_law_has_a_slip() -> None:
    every = {*LAWS, "in [0, 1]", "pure", *(f"like {name}" for name in LIKE)}
    assert {law for _, law, _, _ in WRONG} == every


def test_the_verdict_names_the_step() -> None:
    found = check_schedule(lambda t: min(linear(t, **RAMP), 0.75), **RAMP)
    assert [v.sentence for v in found.broken] == [
        "from the end on the value is final, but step 14 has 0.75, expected 0.8"
    ]


MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"final": 0.5, "like": "sine"},
     "check_schedule: like must be None, 'linear', 'exponential', 'cubic', 'one_shot', 'constant' "
     "or 'iterative', not 'sine'; choose one of them"),
    ({"final": 0.5, "initial": 0.8},
     "check_schedule: final must be at least initial=0.8, not 0.5; pass a higher one"),
    ({"final": 0.5, "like": "cubic"},
     "check_schedule: span must be an integer of at least 1, not 0; pass span=1, for example"),
    ({"final": 0.5, "start": -1},
     "check_schedule: start must be an integer of at least 0, not -1; pass start=1, for example"),
    ({"final": 0.5, "span": 10**6},
     "check_schedule: start + span + every must be below 100000, not 1000001; check a shorter one"),
    ({"final": 0.5, "span": 2.5},
     "check_schedule: span must be an integer of at least 0, not 2.5; pass span=1, for example"),
    ({"final": "half"},
     "check_schedule: final must be a number from 0 to 1, not 'half'; pass final=0.5, for example"),
)  # fmt: skip


@pytest.mark.parametrize(("wrong", "text"), MESSAGES, ids=[m[1][:40] for m in MESSAGES])
def test_messages(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        check_schedule(lambda t: 0.5, **wrong)
    assert caught.value.args == (text,)
