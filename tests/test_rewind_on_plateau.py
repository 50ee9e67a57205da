"""Back to the best epoch when validation stagnates, told against `fit` by hand."""

from typing import Any

import numpy as np
import pytest
from procedures import DATA, HOW, UPDATES, net, rewind_on_plateau
from watching import same

import minprune as mp
from minprune.errors import ArgumentError
from minprune.train.loop import fit_part

FIT = {**HOW, "optimizer": mp.SGD(1.0, momentum=0.9)}


def test_without_returns_it_is_fit_with_patience() -> None:
    found = rewind_on_plateau(times=0)
    plain, history = mp.fit(net(), DATA, epochs=12, patience=1, **FIT)
    assert same(found.model, plain)
    assert found.history["train"].steps == history.steps
    assert found.report["returns"] == []


def shifted(begin: int, total: int) -> Any:
    return lambda t, _: HOW["rate"](min(begin + t, total - 1), total)


@pytest.mark.parametrize("back", ["weights", "rate"])
def test_the_first_return_by_hand(back: str) -> None:
    found = rewind_on_plateau(back=back, times=1, factor=0.5)
    first = fit_part(net(), DATA, epochs=12, patience=1, **FIT)
    losses = first.history.epochs["val_loss"]
    best, spent = 1 + int(np.argmin(losses)), len(losses)
    turn = found.report["returns"][0]
    assert (turn["after_epoch"], turn["to_epoch"], turn["factor"]) == (spent, best, 0.5)
    tree = first.point["training"]
    last = mp.Model(net().net, tree["params"], tree["buffers"])
    start = first.model if back == "weights" else last
    how = {**HOW, "optimizer": mp.SGD(0.5, momentum=0.9), "rate": shifted(3 * best, 36)}
    _, whole = mp.fit(start, DATA, epochs=12 - spent, seed=1, **how)  # without patience
    after = whole.epochs["val_loss"]
    seen = stops(after, min(losses))
    assert found.history["return 1"].epochs["val_loss"] == after[:seen]
    assert found.history["return 1"].steps["loss"] == whole.steps["loss"][: UPDATES * seen]
    assert turn["better"] == (min(after[:seen]) < min(losses))
    assert mp.evaluate(found.model, DATA.val).loss == min(losses + after[:seen])


def stops(losses: list[float], best: float = np.inf, patience: int = 1) -> int:
    """How many epochs are trained, where `best` is the least loss before them."""
    waited = 0
    for k, loss in enumerate(losses):
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == patience:
            return k + 1
    return len(losses)


@pytest.mark.parametrize("back", ["weights", "rate"])
def test_patience_counts_from_the_best_of_all_epochs(back: str) -> None:
    """A return whose every epoch is worse than the best one stops after `patience` epochs."""
    found = rewind_on_plateau(back=back, times=3, factor=1.0, patience=2, epochs=20)
    best, own = np.inf, []
    for history in found.history.values():
        losses = history.epochs["val_loss"]
        assert len(losses) == stops(losses, best, 2)
        own.append(len(losses) == stops([*losses, np.inf], patience=2))
        best = min(best, *losses)
    assert not all(own)  # counting from the best of each phase is another law
    assert mp.evaluate(found.model, DATA.val).loss == best


def test_epochs_before_a_method_is_settled_are_not_the_best() -> None:
    """As with patience in `fit`: the dense net does not count, however good."""

    class Late(mp.Method):
        def settled(self, step: int, total: int) -> bool:
            return step > 4 * UPDATES

    found = rewind_on_plateau(method=Late(), optimizer=mp.SGD(2.0), times=1, patience=2)
    losses = found.history["train"].epochs["val_loss"]
    best = 4 + int(np.argmin(losses[4:]))
    assert min(losses[:4]) < losses[best]
    assert found.report["returns"][0]["to_epoch"] == best + 1


def test_the_model_is_the_best_of_all_epochs() -> None:
    found = rewind_on_plateau(times=4, factor=1.0)
    losses = [v for h in found.history.values() for v in h.epochs["val_loss"]]
    assert mp.evaluate(found.model, DATA.val).loss == min(losses)
    assert len(losses) <= 12
    assert [turn["return"] for turn in found.report["returns"]] == [
        k for k in range(1, len(found.rounds))
    ]


def test_masks_are_held_through_returns() -> None:
    model = mp.prune(net(), mp.score(net(), None, "magnitude"), sparsity=0.5)
    found = mp.methods.rewind_on_plateau(model, DATA, epochs=8, patience=1, **FIT)
    for name, mask in model.masks.items():
        assert np.array_equal(found.model.masks[name], mask)
        assert not found.model.params[name][~mask].any()


MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"back": "lr"},
     "rewind_on_plateau: back must be 'weights' or 'rate', not 'lr'; choose one of them"),
    ({"factor": 0.0},
     "rewind_on_plateau: factor must be a finite number above 0, not 0.0; pass factor=1, for "
     "example"),
    ({"patience": 0},
     "rewind_on_plateau: patience must be an integer of at least 1, not 0; pass patience=1, for "
     "example"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "text"), MESSAGES, ids=[m[1][19:50] for m in MESSAGES])
def test_messages(how: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        rewind_on_plateau(**how)
    assert caught.value.args == (text,)
