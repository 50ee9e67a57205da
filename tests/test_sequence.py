"""Stages in turn: one model, and its masks, through all; what is no stage is refused."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from procedures import DATA, HOW, net, sequence
from watching import same

import minprune as mp
from minprune.errors import ArgumentError
from minprune.methods import AtInit, Fit, Gradual, Iterative

TRAIN = {k: v for k, v in HOW.items() if k != "progress"}


def test_the_stages_are_the_calls_one_after_the_other() -> None:
    half = partial(mp.schedule.cubic, final=0.75, span=3)
    found = sequence()
    first = mp.methods.at_init(net(), DATA, sparsity=0.5, criterion="snip", epochs=1, **HOW)
    second, _ = mp.fit(first.model, DATA, epochs=2, method=Gradual(half), **HOW)
    third = mp.methods.iterative(
        second, DATA, sparsity=0.8, epochs=2, retrain="weight_rewind", rewind_to=2, **HOW
    )
    assert same(found.model, mp.compact(third.model))
    assert [row["stage"] for row in found.rounds] == [1, 1, 2, 3, 3, 4]
    assert [row["round"] for row in found.rounds] == [0, 1, 2, 3, 4, 5]
    assert list(found.history) == [
        "stage 1: train", "stage 2: train", "stage 3: train", "stage 3: retrain 1",
    ]  # fmt: skip
    for before, after in zip(found.masks[1:], found.masks[2:5], strict=False):
        for name, mask in before.items():
            assert not (after[name] & ~mask).any()  # what is gone stays gone


def test_a_stages_own_settings_come_first() -> None:
    still = {"optimizer": mp.SGD(0.0)}
    found = sequence(stages=[Fit(epochs=2, train=still)])
    assert same(found.model, net())
    moved = sequence(stages=[Fit(epochs=2)], optimizer=mp.SGD(0.1))
    plain, _ = mp.fit(net(), DATA, epochs=2, **HOW | {"optimizer": mp.SGD(0.1)})
    assert same(moved.model, plain)


def halved(model: mp.Model) -> mp.Model:
    return mp.Model(model.net, {k: w / 2 for k, w in model.params.items()}, model.buffers)


def test_a_function_of_a_model_is_a_stage() -> None:
    found = sequence(stages=[halved, halved])
    assert all(np.array_equal(w / 4, found.model.params[k]) for k, w in net().params.items())
    assert list(found.seconds) == ["stage 1: halved", "stage 2: halved"]


def nothing(model: mp.Model) -> None:
    """Returns no model."""


INSTEAD = "pass mp.methods.Iterative(sparsity=0.9, epochs=5), with its brackets, for example"
MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"stages": ["at_init"]},
     "sequence: a stage must be a plan, a method or a function of a model, not str; " + INSTEAD),
    ({"stages": [Iterative]},
     "sequence: a stage must be a plan, a method or a function of a model, not the class "
     "Iterative; " + INSTEAD),
    ({"stages": [mp.methods.L1(0.1)], "epochs": 0},
     "sequence: epochs must be given for the stage L1, which acts during training; pass epochs=10, "
     "for example"),
    ({"stages": [Iterative(sparsity=0.5, epochs=1, retrain="lr_rewind", rewind_to=3)]},
     "iterative: the update to return to must be before the last one, 3, not 3; pass a smaller "
     "rewind_to, or more epochs"),
    ({"stages": [nothing]}, "sequence: nothing must give a Model, not NoneType; return one"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "text"), MESSAGES, ids=[m[1][10:50] for m in MESSAGES])
def test_messages(how: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minprune.train.plan.fit", None)
    with pytest.raises(ArgumentError) as caught:
        sequence(**how)
    assert caught.value.args == (text,)


def test_no_stages_are_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.methods.sequence(net(), DATA, [])
    assert caught.value.args == (
        "sequence: stages must not be empty; pass [mp.methods.AtInit(...), mp.compact]",
    )


def test_stages_can_be_nested() -> None:
    """A sequence is a plan too."""
    inner = [AtInit(sparsity=0.3, criterion="magnitude", epochs=1, train=TRAIN)]
    found = sequence(stages=[mp.methods.Stages(stages=inner), mp.compact])
    flat = sequence(stages=[*inner, mp.compact])
    assert same(found.model, flat.model)
