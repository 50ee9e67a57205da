"""Every sentence of curvature/, but for those of inverses and removal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from curving import made
from probing import X, Y, line

import minprune as mp
from minprune import autograd as ag
from minprune.curvature import (
    becker_lecun,
    diagonal,
    exact,
    gauss_newton,
    ggn,
    ggn_product,
    ggn_rows,
    hessian,
    hutchinson,
    hvp,
    sample_grads,
    squared_grads,
)
from minprune.errors import ArgumentError, MinpruneError, ShapeError
from minprune.nets.layer import Layer

NET, DATA = made((2,), mp.Dense(2, 3), mp.Tanh(), mp.Dense(3, 2))
NO_SAMPLES = (
    "data must be a pair (x, y) of at least one sample, not empty; pass data.train, for example"
)
PARAMS = "parameters: params must be 'weights' or 'all', not 'bias'; choose one of them"
NO_MODEL = (
    "curvature: model must be a Model, not Net; pass one that mp.zoo, mp.initialise or mp.load made"
)
ROWS = "data: x has 3 rows and y has 2; pass one target for each input"
ONES = {"fc1.weight": np.ones((1, 2))}


class Square(Layer):
    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return xs[0] * xs[0]


class Exponential(Layer):
    """A layer of one's own."""

    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return ag.exp(xs[0])


Message = tuple[Callable[[], Any], type[MinpruneError], str]
OF_EACH: tuple[Message, ...] = tuple(
    message
    for fn in (exact, gauss_newton, becker_lecun, squared_grads, sample_grads, hutchinson,
               hessian, ggn)
    for message in (
        (lambda fn=fn: fn(line(), (X[:0], Y[:0])), ArgumentError, NO_SAMPLES),
        (lambda fn=fn: fn(line(), (X, Y[:2])), ShapeError, ROWS),
        (lambda fn=fn: fn(line(), (X, Y), params="bias"), ArgumentError, PARAMS),
        (lambda fn=fn: fn(line().net, (X, Y)), ArgumentError, NO_MODEL),
    )
)  # fmt: skip
OF_PRODUCTS: tuple[Message, ...] = tuple(
    message
    for fn in (hvp, ggn_product)
    for message in (
        (lambda fn=fn: fn(line(), (X[:0], Y[:0]), ONES), ArgumentError, NO_SAMPLES),
        (lambda fn=fn: fn(line(), (X, Y[:2]), ONES), ShapeError, ROWS),
        (lambda fn=fn: fn(NET, DATA, {"l9.weight": np.ones(2)}), ArgumentError,
         "l9.weight: no such parameter; there are l1.weight, l1.bias, l3.weight, l3.bias"),
        (lambda fn=fn: fn(NET, DATA, {"l1.weight": np.ones((2, 3))}), ShapeError,
         "l1.weight: v must have the shape (3, 2), not (2, 3); pass an array like "
         "model.params['l1.weight']"),
        (lambda fn=fn: fn(NET.net, DATA, ONES), ArgumentError, NO_MODEL),
        (lambda fn=fn: fn(NET, DATA, np.ones(2)), ArgumentError,
         "curvature: v must be a Mapping, not ndarray; pass {'fc1.weight': array, ...}"),
        (lambda fn=fn: fn(NET, DATA, {}), ArgumentError,
         "curvature: v must not be empty; pass {'fc1.weight': array, ...}"),
    )
)  # fmt: skip
REMEDY = "use a smaller net, or raise limit="
MESSAGES: tuple[Message, ...] = (
    *OF_EACH,
    *OF_PRODUCTS,
    (lambda: hessian(NET, DATA, limit=1151), ArgumentError,
     f"the Hessian would take 1,152 bytes, more than the limit of 1,151; {REMEDY}"),
    (lambda: hessian(NET, DATA, params="all", limit=0), ArgumentError,
     f"the Hessian would take 2,312 bytes, more than the limit of 0; {REMEDY}"),
    (lambda: ggn(NET, DATA, limit=1151), ArgumentError,
     f"the GGN would take 1,152 bytes, more than the limit of 1,151; {REMEDY}"),
    (lambda: sample_grads(NET, DATA, limit=479), ArgumentError,
     "sample_grads would take 480 bytes, more than the limit of 479; use fewer samples, or raise "
     "limit="),
    (lambda: exact(NET, DATA, limit=-1), ArgumentError,
     "exact: limit must be an integer of at least 0, not -1; pass limit=1, for example"),
    (lambda: hutchinson(NET, DATA, samples=1), ArgumentError,
     "hutchinson: samples must be an integer of at least 2, not 1; pass samples=2, for example"),
    (lambda: hutchinson(NET, DATA, samples=True), ArgumentError,
     "hutchinson: samples must be an integer of at least 2, not True; pass samples=2, for "
     "example"),
    (lambda: hutchinson(NET, DATA, samples=64.0), ArgumentError,  # type: ignore[arg-type]
     "hutchinson: samples must be an integer of at least 2, not 64.0; pass samples=2, for "
     "example"),
    (lambda: hutchinson(NET, DATA, seed=-1), ArgumentError,
     "seed must be an integer of at least 0 or a numpy Generator, not -1; "
     "pass seed=0, for example"),
    (lambda: diagonal(NET, DATA, "dense"), ArgumentError,
     "diagonal: kind must be 'exact', 'gauss_newton', 'becker_lecun', 'empirical_fisher' or "
     "'hutchinson', not 'dense'; choose one of them"),
    (lambda: exact(NET, None), ArgumentError,  # type: ignore[arg-type]
     "data must be a pair (x, y) of at least one sample, not None; pass data.train, for example"),
    (lambda: exact(NET, (DATA[0], None)), ShapeError,  # type: ignore[arg-type]
     "data: x has 5 rows and y has none; pass one target for each input"),
    (lambda: exact(NET, (1.0, DATA[1])), ShapeError,  # type: ignore[arg-type]
     "the input must be (n, 2), not (); pass a batch of samples of the net's input_shape"),
    (lambda: list(ggn_rows(NET.net, DATA, [])), ArgumentError, NO_MODEL),  # type: ignore[arg-type]
    (lambda: list(ggn_rows(NET, DATA, ["l9.weight"])), ArgumentError,
     "l9.weight: no such parameter; there are l1.weight, l1.bias, l3.weight, l3.bias"),
    (lambda: becker_lecun(*made((2,), mp.Dense(2, 2), Exponential())), ArgumentError,
     "becker_lecun: the op exp must have a rule for squared coefficients, not none; use the "
     "diagonal 'exact', 'gauss_newton' or 'hutchinson'"),
    (lambda: becker_lecun(*made((2,), mp.Dense(2, 2), Square())), ArgumentError,
     "becker_lecun: the op mul must have one factor at most that depends on parameters before it, "
     "not two; use the diagonal 'exact' or 'gauss_newton'"),
    (lambda: exact(NET, (DATA[0][:, :1], DATA[1])), ShapeError,
     "the input must be (n, 2), not (5, 1); pass a batch of samples of the net's input_shape"),
    (lambda: exact(NET, (DATA[0], DATA[1] * 1.0)), ShapeError,
     "data: the targets of cross_entropy must be integer classes (n,), not float64 of shape (5,); "
     "pass classes, or build the net with loss='mse'"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:30] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_the_limits_let_through_what_just_fits() -> None:
    assert hessian(NET, DATA, limit=1152).shape == ggn(NET, DATA, limit=1152).shape == (12, 12)
    assert sample_grads(NET, DATA, limit=480)["l1.weight"].nbytes == 240


@pytest.mark.parametrize("layer", [mp.ReLU(), mp.BatchNorm(2)])
def test_nets_without_weights_have_empty_diagonals_and_matrices(layer: Any) -> None:
    """Nothing at all is trained, or nothing that "weights" means."""
    model, data = made((2,), layer)
    for fn in (exact, gauss_newton, becker_lecun, squared_grads, sample_grads):
        assert fn(model, data) == {}
    assert hessian(model, data).shape == ggn(model, data).shape == (0, 0)
