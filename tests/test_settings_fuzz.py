"""Every setting of every method of `minprune run`, of a wrong type: a plan, or one sentence."""

import re
from dataclasses import replace
from typing import Any

import pytest
from procedures import DATA, NET
from test_run_method import BUDGET, NETS, OWN

import minprune as mp
from minprune.errors import ArgumentError, DataError, MinpruneError
from minprune.jobs import procedures
from minprune.jobs.procedures import PROCEDURES, asked
from minprune.methods.plans import OF_FIT

MODEL = mp.initialise(NET, seed=0)
ODD = (None, True, -1, 7, 0.5, float("nan"), "", "x", [], ["x"], [[1]], {"x": 1}, {"fc1": "x"})
KNOWN = re.compile(r"an argument must be (.+?), not 'none such'")


def old(name: str) -> mp.Dataset:
    if name != "old":
        raise DataError(f"{name}: no such file or folder; pass --data digits")
    return DATA


def given(name: str, own: dict[str, Any]) -> Any:
    budget = replace(BUDGET, unit=not PROCEDURES[name].weights)
    return asked(name, budget, NETS.get(name, MODEL), DATA, OWN.get(name, {}) | own)


def settings(name: str) -> list[str]:
    """Those that the message for another one lists."""
    try:
        given(name, {"none such": 1})
    except ArgumentError as e:
        found = KNOWN.search(str(e))
        return re.split(r", | or ", found[1]) if found else []
    raise AssertionError(f"{name} takes any setting")


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedures, "load_data", old)


def outcome(name: str, own: dict[str, Any]) -> str:
    """ "" for a plan and for one sentence; else what is wrong."""
    try:
        given(name, own)
    except MinpruneError as e:
        return "" if "; " in str(e) and "\n" not in str(e) else f"{name}, {own}: says {e}"
    except Exception as e:
        return f"{name}, {own}: raises {type(e).__name__}: {e}"
    return ""


def test_odd_values_are_a_plan_or_one_sentence() -> None:
    seen: set[tuple[type, str]] = set()
    wrong = []
    for name in PROCEDURES:
        plan = given(name, {})
        plan = getattr(plan, "then", plan)  # of transfer, which trains for the old task first
        method = plan.train.get("method")
        for key in settings(name):  # once for each plan, and for each method
            owner = type(plan if hasattr(plan, key) or key in OF_FIT else method)
            if (owner, key) not in seen:
                seen.add((owner, key))
                wrong += [said for v in ODD if (said := outcome(name, {key: v}))]
    assert wrong == []
    assert {mp.methods.Iterative, mp.methods.SET, mp.methods.Transfer} <= {o for o, _ in seen}


@pytest.mark.parametrize("key", ["model", "data", "name", "budget", "among", "own", "self"])
def test_names_of_ours_are_no_settings(key: str) -> None:
    assert [said for name in PROCEDURES if (said := outcome(name, {key: 1}))] == []
    with pytest.raises(ArgumentError, match=f"not '{key}'"):
        given("finetune", {key: 1})


MESSAGES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("finetune", {"drop_last": 7},
     "fit: drop_last must be False or True, not 7; choose one of them"),
    ("finetune", {"patience": "x"},
     "fit: patience must be an integer of at least 1, not 'x'; pass patience=1, for example"),
    ("finetune", {"freeze": "fc9"},
     "fit: freeze: 'fc9' must be a layer that has parameters, a parameter, or a pattern of either, "
     "of this net; choose among fc1.weight, fc1.bias, fc2.weight, fc2.bias, "
     "fc3.weight, fc3.bias"),
    ("finetune", {"rate": "cosine"},
     "fit: rate(0, 6) must be a number, the factor of the learning rate, not an error ('str' "
     "object is not callable); pass mp.rates.cosine(), with its brackets, or a function of "
     "(t, total)"),
    ("lottery_ticket", {"look": "3x"},
     "lottery_ticket: look must be an integer of at least 1, not '3x'; pass look=1, for example"),
    ("gradual", {"minimum": 0.5},
     "Gradual: minimum must be an integer of at least 0, not 0.5; pass minimum=1, for example"),
    ("scratch_against_joint", {"scheme": "xavier"},
     "scratch_against_joint: scheme must be he, glorot or lecun, not 'xavier'; choose one of "
     "them"),
    ("at_init", {"options": {"bins": 3}},
     "synflow: got an unexpected keyword argument 'bins'; its options are none"),
    ("transfer", {"controls": 3},
     'transfer: controls must be a list, not 3; pass ["dense"], or [] for none'),
)  # fmt: skip


@pytest.mark.parametrize(("name", "own", "text"), MESSAGES, ids=[str(m[1]) for m in MESSAGES])
def test_messages(name: str, own: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        given(name, own)
    assert caught.value.args == (text,)
