"""fit: when it stops, and what it says when it cannot go on."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from watching import one_sample, one_weight, small_data, small_net

import minprune as mp
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.model import Model


@dataclass(frozen=True)
class Scripted(mp.Method):
    """Sets the one weight to what the script says for each epoch; extra and state count along."""

    script: tuple[float, ...]
    finished: list[Any] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, {"epoch": np.zeros(1)}, 0

    def after(self, view: mp.View) -> mp.Change:
        w, t = np.array([[self.script[view.ctx.step - 1]]]), view.ctx.step
        return mp.Change(params={"fc.weight": w}, extra={"epoch": np.array([t])}, state=t)

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        self.finished.append((float(extra["epoch"][0]), ctx.state))
        return model


@pytest.mark.parametrize(
    ("patience", "epochs", "best"),
    [(None, 6, 6), (1, 3, 2), (2, 4, 2), (3, 6, 6), (9, 6, 6)],
)
def test_early_stopping_returns_the_best_epoch(
    patience: int | None, epochs: int, best: int
) -> None:
    method = Scripted((3.0, 1.0, 2.0, -1.0, 0.5, 0.25))
    if patience == 3:
        method = Scripted((3.0, 1.0, 2.0, -1.0, 1.5, 0.25))  # 0.25 comes after three without
        epochs, best = 5, 2
    trained, history = mp.fit(
        one_weight(), one_sample(), epochs=6, method=method, patience=patience, progress=False
    )
    assert history.epochs["val_loss"] == [w * w for w in method.script[:epochs]]
    assert trained.params["fc.weight"][0, 0] == method.script[best - 1]
    seen = [*range(1, epochs + 1), best]  # each is validated; the weights are of the last's epoch
    assert method.finished == [(k, k) for k in seen]


@dataclass(frozen=True)
class Moved(Scripted):
    """Ends with another weight than the one that is trained, and masks it."""

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        params = {k: w - 3 for k, w in model.params.items()}
        return Model(model.net, params, {}, {k: np.zeros((1, 1), bool) for k in params})


def test_epochs_are_judged_by_the_model_that_training_would_end_with() -> None:
    """The weights of the epochs are 1, 3, 2, which end as -2, 0, -1: the second is the best."""
    method = Moved((1.0, 3.0, 2.0))
    trained, history = mp.fit(
        one_weight(), one_sample(), epochs=3, method=method, patience=3, progress=False
    )
    assert history.epochs["val_loss"] == [4.0, 0.0, 1.0]
    assert history.epochs["sparsity"] == [1.0] * 3
    assert history.steps["sparsity"] == [0.0] * 3
    assert trained.params["fc.weight"][0, 0] == 0.0


@dataclass(frozen=True)
class Unsettled(Scripted):
    """Leads to another kind of net, from the third update on."""

    def settled(self, step: int, total: int) -> bool:
        assert total == 6
        return step >= 3


def test_the_best_epoch_is_one_of_a_settled_method() -> None:
    script = (0.25, 0.5, 3.0, 2.0, 2.5, 2.25)
    for kind, epochs, best in ((Scripted, 3, 0.25), (Unsettled, 6, 2.0)):
        trained, history = mp.fit(
            one_weight(), one_sample(), epochs=6, method=kind(script), patience=2, progress=False
        )
        assert len(history.epochs["epoch"]) == epochs
        assert trained.params["fc.weight"][0, 0] == best


def two_weights() -> Model:
    net = mp.build((1,), [("fc1", mp.Dense(1, 1)), ("fc2", mp.Dense(1, 1))], "mse")
    return Model(net, {k: np.full(shape, 1e200) for k, shape in net.params.items()})


def with_nan() -> mp.Dataset:
    data = small_data()
    data.train[0][3] = np.nan
    return data


NUMBER = r"-?(\d+(\.\d+)?(e[+-]\d+)?|inf|nan)"
LOSS = rf"the loss must be finite, not {NUMBER}: "
END = rf", at learning rate {NUMBER}; lower the learning rate or check the data"
BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "a layer": (
        lambda: (two_weights(), one_sample(), mp.Adam()),
        rf"step 1: {LOSS}layer fc2 gave 1 of 1 values that are not finite{END}",
    ),
    "the input": (
        lambda: (small_net(), with_nan(), mp.Adam()),
        rf"step \d+: {LOSS}the input has 20 of 80 values that are not finite{END}",
    ),
    "the loss": (
        lambda: (one_weight(1e200), one_sample(), mp.SGD(0.1)),
        rf"step 1: {LOSS}all layers gave finite values, the loss overflowed{END}",
    ),
    "a parameter": (
        lambda: (one_weight(1e150), one_sample(), mp.SGD(1e200)),
        rf"step 1: 1 of 1 entries of fc.weight are not finite, but must be numbers; lower the "
        rf"learning rate, {NUMBER}, or check the data",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_finite_is_named(name: str) -> None:
    make, pattern = BROKEN[name]
    model, data, optimizer = make()
    with pytest.raises(NonFiniteError) as caught:
        mp.fit(model, data, epochs=1, batch_size=4, optimizer=optimizer, progress=False)
    assert re.fullmatch(pattern, caught.value.args[0]), caught.value.args
    assert len(caught.value.args) == 1


def parts(x: Array, y: Array, val: bool = True) -> mp.Dataset:
    return mp.Dataset((x, y), (x, y) if val else (x[:0], y[:0]), (x, y))


ONE, ZERO = np.ones((3, 1)), np.zeros((3, 1))


def whole(what: str, given: object, least: int) -> str:
    return (
        f"fit: {what} must be an integer of at least {least}, not {given!r}; pass {what}=1, for "
        f"example"
    )


MESSAGES = (
    ({"epochs": -1}, ArgumentError, whole("epochs", -1, 0)),
    ({"epochs": True}, ArgumentError, whole("epochs", True, 0)),
    ({"batch_size": 0}, ArgumentError, whole("batch_size", 0, 1)),
    ({"patience": 0.5}, ArgumentError, whole("patience", 0.5, 1)),
    (
        {"patience": 2, "data": parts(ONE, ZERO, val=False)}, ArgumentError,
        "fit: data.val must hold samples where patience is 2, not none; pass a pair (x, y)",
    ),
    (
        {"rate": 0.5}, ArgumentError,
        "fit: rate(0, 1) must be a number, the factor of the learning rate, not an error ('float' "
        "object is not callable); pass mp.rates.cosine(), with its brackets, or a function of "
        "(t, total)",
    ),
    (
        {"rate": lambda t, total: None}, ArgumentError,
        "fit: rate(0, 1) must be a number, the factor of the learning rate, not None; pass "
        "mp.rates.cosine(), with its brackets, or a function of (t, total)",
    ),
    (
        {"optimizer": 0}, ArgumentError,
        "fit: optimizer must be an Optimizer, not int; pass mp.SGD(0.1)",
    ),
    (
        {"data": parts(ONE[:0], ZERO[:0])}, ArgumentError,
        "fit: data.train must hold samples, not none; pass a pair (x, y)",
    ),
    (
        {"data": parts(np.ones((3, 2)), ZERO)}, ShapeError,
        "the input must be (n, 1), not (3, 2); pass a batch of samples of the net's input_shape",
    ),
    (
        {"data": parts(ONE, np.zeros((len(ONE), 2)))}, ShapeError,
        "fit: data.train: the targets of mse must be numbers (n, 1), not float64 of shape (3, 2); "
        "pass one column for each output, or build the net with loss='cross_entropy'",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("how", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(how: dict[str, Any], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.fit(one_weight(), **({"data": one_sample(), "epochs": 1, "progress": False} | how))
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_targets_of_cross_entropy_are_classes() -> None:
    with pytest.raises(ShapeError) as caught:
        mp.fit(small_net(), parts(np.ones((2, 1, 4, 5)), np.ones(2)), epochs=1, progress=False)
    assert caught.value.args == (
        "fit: data.train: the targets of cross_entropy must be integer classes (n,), not float64 "
        "of shape (2,); pass classes, or build the net with loss='mse'",
    )


def test_without_validation_data_its_figures_are_nan_and_training_goes_on() -> None:
    _, history = mp.fit(one_weight(), parts(ONE, ZERO, val=False), epochs=2, progress=False)
    assert np.isnan(history.epochs["val_loss"]).all()
    assert np.isnan(history.epochs["val_accuracy"]).all()
