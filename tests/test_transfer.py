"""Pruned while it moves to another task: the head, what scores, the controls, what is refused."""

from typing import Any

import numpy as np
import pytest
from procedures import DATA, HOW, NEW, UPDATES, net, transfer
from watching import same

import minprune as mp
from minprune.errors import ArgumentError, ShapeError
from minprune.methods.transfer import with_head
from minprune.train.loop import fit_part


def test_only_the_head_is_new() -> None:
    model = mp.prune(net(), mp.score(net(), None, "magnitude", unit=True), sparsity=0.5)
    new = with_head(model, 2, 0, "he")
    assert new.net.params["fc3.weight"] == (2, 5)
    for name, w in model.params.items():
        if not name.startswith("fc3"):
            assert np.array_equal(new.params[name], w)
            assert np.array_equal(new.masks[name], model.masks[name])
    gone = ~model.masks["fc3.weight"].any(axis=0)
    assert 0 < gone.sum() < 5
    assert not new.params["fc3.weight"][:, gone].any()
    assert new.params["fc3.weight"][:, ~gone].all()
    other = with_head(model, 2, 1, "he")
    assert not np.array_equal(other.params["fc3.weight"], new.params["fc3.weight"])


def test_the_new_task_scores() -> None:
    found = transfer(before=1)
    first = fit_part(with_head(net(), 2, 0, "he"), NEW, epochs=2, until=UPDATES, **HOW)
    scores = mp.score(first.model, NEW.train, "taylor", unit=True)
    pruned = mp.prune(first.model, scores, sparsity=0.5)
    tuned = fit_part(pruned, NEW, epochs=2, begin=first.point, **HOW)
    assert same(found.model, tuned.model)
    assert found.rounds[1]["unit_sparsity"] == 1 - 5 / 11


def test_controls_have_equal_budgets() -> None:
    found = transfer(before=1)
    rows = {row["control"]: row for row in found.report["controls"]}
    assert list(rows) == ["dense", "old_task", "scratch"]
    spent = sum(row["updates"] for row in found.rounds)
    assert all(row["updates"] == spent for row in rows.values())
    own, dense = (
        [step for name in names for step in found.history[name].steps["lr"]]
        for names in (("train with the new head", "fine-tune"), ("dense",))
    )
    assert own == dense == [0.1] * 4 + [0.05] * 2  # one schedule, over all epochs
    assert rows["dense"]["unit_sparsity"] == 0
    assert rows["scratch"]["live"] == found.rounds[1]["live"]
    assert rows["old_task"]["unit_sparsity"] == found.rounds[1]["unit_sparsity"]
    scores = mp.score(net(), DATA.train, "taylor", unit=True)
    old = with_head(mp.prune(net(), scores, sparsity=0.5), 2, 0, "he")
    want, _ = mp.fit(old, NEW, epochs=2, **HOW)
    assert same(found.models["old_task"], want)


def test_single_weights_of_the_head_stay() -> None:
    found = transfer(unit=False, criterion="magnitude")
    assert found.rounds[1]["live"]["fc3.weight"] == 10
    live = found.rounds[1]["live"]
    assert live["fc1.weight"] + live["fc2.weight"] == 75


NULLS: dict[str, dict[str, Any]] = {
    "before": {"before": 1}, "not before": {"before": 0}, "all before": {"before": 2},
    "Adam": {"optimizer": mp.Adam(0.01), "rate": mp.rates.cosine()},
    "patience": {"before": 4, "epochs": 9, "patience": 2, "optimizer": mp.SGD(1.0)},
}  # fmt: skip


@pytest.mark.parametrize("name", NULLS)
def test_a_sparsity_of_0_is_training_with_a_new_head(name: str) -> None:
    """The null setting, to the bit, however the epochs are divided; so the schedule is one."""
    how = NULLS[name]
    found = transfer(sparsity=0.0, **how)
    plain = {"epochs": 2, **HOW, **{k: v for k, v in how.items() if k != "before"}}
    want, _ = mp.fit(with_head(net(), 2, 0, "he"), NEW, **plain)
    assert same(found.model, want)
    assert same(found.models["dense"], want)


def test_two_trainings_would_be_another_one() -> None:
    """So the law above sees a schedule and an optimizer that begin anew after the head's phase."""
    start = with_head(net(), 2, 0, "he")
    half, _ = mp.fit(start, NEW, epochs=1, **HOW)
    assert not same(mp.fit(half, NEW, epochs=1, **HOW)[0], mp.fit(start, NEW, epochs=2, **HOW)[0])


def test_patience_forgets_the_net_before_pruning() -> None:
    """Else the best epoch could be one in which nothing was pruned."""
    how = {"before": 4, "epochs": 9, "patience": 2, "optimizer": mp.SGD(1.0)}
    found = transfer(**how)
    assert found.rounds[1]["unit_sparsity"] == 1 - 5 / 11
    assert mp.evaluate(found.model, NEW.val).loss == min(
        found.history["fine-tune"].epochs["val_loss"]
    )


def branched() -> mp.Model:
    return mp.initialise(mp.build((1, 4, 5), [
        ("flat", mp.Flatten()), ("a", mp.Dense(20, 2)), ("b", mp.Dense(20, 2), "flat"),
        ("sum", mp.Add(), ("a", "b")),
    ]))  # fmt: skip


def wide() -> mp.Dataset:
    x, y = np.zeros((4, 7)), np.arange(4) % 2
    return mp.Dataset((x, y), (x, y), (x, y))


MESSAGES: tuple[tuple[Any, type[Exception], str], ...] = (
    (lambda: transfer(before=3), ArgumentError,
     "transfer: before must be at most epochs, 2, not 3; it is the part of them that comes before "
     "pruning"),
    (lambda: transfer(old=None, controls=["old_task"]), ArgumentError,
     "transfer: the control 'old_task' needs old=, the data of the old task; pass them, or leave "
     "the control out"),
    (lambda: transfer(controls=["sratch"]), ArgumentError,
     "transfer: a control must be dense, old_task or scratch, not 'sratch'; did you mean scratch?"),
    (lambda: mp.methods.transfer(branched(), NEW, sparsity=0.5, epochs=1), ArgumentError,
     "transfer: the net must end in one Dense layer, its head, not in a, b; pass a net that does"),
    (lambda: mp.methods.transfer(net(), wide(), sparsity=0.5, epochs=1), ShapeError,
     "transfer: the new data must have inputs of (1, 4, 5), as the net has, not (7,); make them of "
     "one shape first"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][10:50] for m in MESSAGES])
def test_messages(provoke: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
