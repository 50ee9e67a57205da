"""A layer of one's own says whether it is linear; what needs to know refuses one that does not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from randomnets import batch, filled

import minprune as mp
from minprune.autograd import Value
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Layer, Params


@dataclass(frozen=True)
class Square(Layer):
    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return xs[0] * xs[0]


@dataclass(frozen=True)
class Bent(Square):
    bends = True


@dataclass(frozen=True)
class Halved(Layer):
    bends = False

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return xs[0] * 0.5


def model_with(layer: Layer) -> mp.Model:
    net = mp.build((3,), [("a", mp.Dense(3, 4)), ("own", layer), ("fc", mp.Dense(4, 2))])
    model = filled(net, 0)
    w, b = model.params["a.weight"], model.params["a.bias"]
    w[1], b[1] = 2 * w[0], 2 * b[0] + 1
    return model


UNKNOWN = (
    "Square does not say whether it is linear; set bends = True in the class, or False if it is"
)
NO_RULE = "Halved does not say whether merged units pass through it; define its method refuses"
NO_PATH = "Bent is not linear, and SynFlow needs a linear pass; define its method path"


@pytest.mark.parametrize(
    "work",
    [
        lambda m: mp.score(m, batch(m, 9), "activation", unit=True),
        lambda m: mp.score(m, None, "synflow"),
        lambda m: mp.structure.regressions(m, batch(m, 9)),
    ],
)
def test_what_is_not_said_is_refused(work: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        work(model_with(Square()))
    assert caught.value.args == (UNKNOWN,)


def test_synflow_needs_the_path_of_a_layer_that_is_not_linear() -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.score(model_with(Bent()), None, "synflow")
    assert caught.value.args == (NO_PATH,)


def test_merging_needs_a_layer_to_say_what_passes_through() -> None:
    """2 a + 1 through a halving: its next layer reads a + 1/2, and not a + 1."""
    model, pair = model_with(Halved()), (("a", 1), ("a", 0), 2.0, 1.0)
    with pytest.raises(ArgumentError) as caught:
        mp.structure.merge(model, [pair])
    assert caught.value.args[0].endswith(NO_RULE)
    with pytest.raises(ArgumentError, match="must have units that dense layers"):
        mp.structure.regressions(model, batch(model, 9), sparsity=0.25)


def test_what_is_bent_is_read_behind_the_bend() -> None:
    model = model_with(Bent())
    x, _ = data = batch(model, 40)
    with pytest.raises(ArgumentError, match="must have units that dense layers"):
        mp.structure.regressions(model, data, sparsity=0.25)  # Bent has no rule either
    units = mp.score(model, data, "activation", unit=True)["a.weight"]
    made = x @ model.params["a.weight"].T + model.params["a.bias"]
    assert np.allclose(units, (made**2).mean(axis=0))
