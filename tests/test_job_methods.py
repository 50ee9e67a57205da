"""Methods by name: every one spends the same updates and reaches the same sparsity."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from procedures import DATA, NET
from watching import same, small_data

import minprune as mp
from minprune.errors import ArgumentError
from minprune.jobs.methods import METHODS, Budget, plan
from minprune.masking.units import unit_sparsity
from minprune.methods import Gradual
from minprune.methods.plans import result
from minprune.train.plan import run_plan

MODEL = mp.initialise(NET, seed=0)
HOW: dict[str, Any] = {
    "epochs": 3, "again": 1, "rounds": 1,
    "train": {"optimizer": mp.SGD(0.1), "rate": mp.rates.cosine(0.01), "batch_size": 4},
}  # fmt: skip
UPDATES = 4 * 3
OF_UNITS = {name for name, way in METHODS.items() if way.units} - {"attention_gates"}  # of images
WEIGHTS = sum(MODEL.params[name].size for name in NET.weights)


def made(name: str, **how: Any) -> Any:
    budget = Budget(**{**HOW, "sparsity": 0.5, **how})
    return result(run_plan(plan(name, budget, MODEL, DATA), DATA, None, False, {"start": MODEL}))


@pytest.mark.parametrize("name", [name for name, way in METHODS.items() if way.weights])
def test_equal_budgets_and_equal_sparsities(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = made(name)
    assert sum(row["updates"] for row in found.rounds) == UPDATES
    asked = 0.0 if name == "dense" else 0.5
    slack = 1.5 if name == "lottery_ticket" else 0.5  # tickets round each of three layers
    assert abs(found.rounds[-1]["sparsity"] - asked) * WEIGHTS <= slack + 1e-9


@pytest.mark.parametrize("name", [name for name, way in METHODS.items() if way.shared])
def test_rounds_spend_their_share(name: str) -> None:
    found = made(name, rounds=2, epochs=4)
    assert sum(row["updates"] for row in found.rounds) == 3 * 6
    assert len(found.rounds) == 3


@pytest.mark.parametrize("name", [name for name in METHODS if name in OF_UNITS])
def test_units_are_counted_as_units(name: str) -> None:
    criterion = {"criterion": "magnitude"} if METHODS[name].criteria else {}
    found = made(name, unit=True, **criterion)
    live = {k: int(m.any(1).sum()) for k, m in found.model.masks.items() if k in NET.weights}
    left = sum(live.get(name, units) for name, units in {"fc1.weight": 6, "fc2.weight": 5}.items())
    assert left == (11 if name == "dense" else 11 - round(0.5 * 11))


def acting(name: str, updates: int, again: int = 1) -> Any:
    """The method of a training of so many updates before the pruning."""
    at = np.zeros(updates, int)
    data = replace(DATA, train=(DATA.train[0][at], DATA.train[1][at]))
    budget = Budget(0.5, epochs=1, again=again, train={"batch_size": 1})
    return METHODS[name].make(budget, MODEL, data, {}).train["method"]


@pytest.mark.parametrize("span", [1, 2, 99, 200, 260, 300, 1000, 2130])
def test_a_gradual_method_prunes_at_most_100_times(span: int) -> None:
    for method, total in ((acting("gradual", span), span), (Gradual(sparsity=0.5), span * 4 // 3)):
        levels = {method.at(t, total) for t in range(total + 1)}
        assert min(50, span) < len(levels) <= 101
        assert max(levels) == 0.5


@pytest.mark.parametrize("span", [1, 2, 98, 196, 250, 300, 398, 1000])
def test_a_growing_penalty_masks_at_the_end_of_the_epochs(span: int) -> None:
    method = acting("growing_regularization", span)
    assert method.end == span
    assert 0 <= method.begin - span // 2 < method.every
    assert (method.end - method.begin) / method.every <= 100


@pytest.mark.parametrize("name", ["set", "rigl", "snfs"])
@pytest.mark.parametrize("half", [10, 50, 99, 5000])
def test_weights_move_at_least_10_times(name: str, half: int) -> None:
    method, total = acting(name, half), 2 * half
    moves = sum(t % method.every == 0 and t < method.stop * total for t in range(1, total + 1))
    assert moves >= 10
    assert method.every <= 100


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "set: takes no criterion, not 'obd'; leave it out": ("set", {"criterion": "obd"}),
    "rigl: prunes single weights only; leave out --unit": ("rigl", {"unit": True}),
    "agent: prunes whole units only; pass --unit": ("agent", {}),
    "lr_rewind: epochs after pruning must be at most those of training, 3, which it repeats, not "
    "4; pass --fine-tune 3 or less": ("lr_rewind", {"again": 4}),
    "lottery_ticket: epochs of all trainings must be a multiple of 2, since all are as long as the "
    "first, not 5; change --epochs or --fine-tune": ("lottery_ticket", {"again": 2}),
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused(said: str) -> None:
    name, how = REFUSED[said]
    with pytest.raises(ArgumentError) as e:
        made(name, **how)
    assert str(e.value) == said


def test_own_settings_replace_those_of_the_budget() -> None:
    budget = Budget(**HOW, sparsity=0.5)
    assert plan("finetune", budget, MODEL, DATA, scope="layer").scope == "layer"
    with pytest.raises(ArgumentError, match="evry"):
        plan("set", budget, MODEL, DATA, evry=3)


def test_a_teacher_from_a_file(tmp_path: Path) -> None:
    """The file of the dense net that the job trains itself gives the same bits."""
    dense, _ = mp.fit(MODEL, DATA, epochs=HOW["epochs"], progress=False, **HOW["train"])
    mp.save(dense, tmp_path / "dense.npz")
    budget = Budget(**HOW, sparsity=0.5)
    own = {"alpha": 0.5, "teacher": str(tmp_path / "dense.npz")}
    found, itself = (
        result(run_plan(plan("distil", budget, MODEL, DATA, **how), DATA, None, False,
                        {"start": MODEL})).model
        for how in (own, {"alpha": 0.5})
    )  # fmt: skip
    assert same(found, itself)
    with pytest.raises(ArgumentError) as e:
        plan("distil", budget, MODEL, DATA, teacher=3)
    assert str(e.value) == "distil: teacher must be a str, not int; pass its path"
    with pytest.raises(ArgumentError, match="Distil: alpha must be a number from 0 to 1, not 2"):
        plan("distil", budget, MODEL, DATA, alpha=2)


@pytest.mark.parametrize("name", ["finetune", "at_init"])
def test_criteria_have_the_options_of_the_jobs(name: str) -> None:
    """That suit large nets, as in comparisons of criteria"""
    found: Any = plan(name, Budget(**HOW, sparsity=0.5, criterion="obs"), MODEL, DATA)
    assert found.options["scale"] == "blocks"


def test_gates_of_filters_prune_the_share_of_all_units_or_are_refused() -> None:
    """3 filters and 5 dense units: 2 of 8 go, and half of 8 cannot."""
    layers = [("conv1", mp.Conv2d(1, 3, 3)), ("relu1", mp.ReLU()), ("flat", mp.Flatten()),
              ("fc1", mp.Dense(18, 5)), ("relu2", mp.ReLU()), ("fc2", mp.Dense(5, 3))]  # fmt: skip
    model = mp.initialise(mp.build((1, 4, 5), layers), dtype=np.float64)
    how = {**HOW, "unit": True}
    found: Any = plan("attention_gates", Budget(**how, sparsity=0.25), model, small_data())
    method = found.train["method"]
    trained, _ = mp.fit(model, small_data(), epochs=1, method=method, progress=False)
    assert unit_sparsity(trained) == 0.25
    with pytest.raises(ArgumentError) as e:
        plan("attention_gates", Budget(**how, sparsity=0.5), model, small_data())
    assert str(e.value) == (
        "attention_gates: sparsity must be at most 3/8, the filters among the units, not 0.5; ask "
        "for less, or choose another --net"
    )
    own: Any = plan(
        "attention_gates", Budget(**how, sparsity=0.5), model, small_data(), sparsity=0.5
    )
    assert own.train["method"].sparsity == 0.5
