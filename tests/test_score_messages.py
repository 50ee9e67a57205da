"""Every sentence of mp.score, and what it warns of."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from probing import X, Y, line, on_grads, product
from randomnets import batch, filled
from structures import NETS

import minprune as mp
from minprune.core import Arrays, Criterion, Evidence, criterion
from minprune.errors import (
    ArgumentError,
    MinpruneError,
    MinpruneWarning,
    NonFiniteError,
    ShapeError,
)
from minprune.evidence.sources import SOURCES


def spoilt(entry: float) -> mp.Model:
    return mp.Model(line().net, {"fc1.weight": np.array([[2.0, entry]])})


def gives(scores: Any) -> Criterion:
    def own(ev: Evidence) -> Any:
        return scores

    return own


def typed(weights: Arrays, p: int = 2) -> Arrays:
    return weights


def unnamed(w: Arrays, g: Arrays) -> Arrays:
    return w


def closed(weights: Arrays) -> Arrays:
    """As a builtin, it has no signature to read."""
    return weights


closed.__signature__ = "none"  # type: ignore[attr-defined]


@criterion(needs=("gate_hess",), unit="whole")
def bent(ev: Evidence) -> Arrays:
    return dict(ev.of("gate_hess"))


@criterion(needs=("hessian",))
def ahead(ev: Evidence) -> Arrays:
    return {}


def foreign(weights: Arrays, mine: Arrays) -> Arrays:
    return weights


ENTRIES = sorted(kind for kind, row in SOURCES.items() if row.entries)
G = on_grads("all", product)
CHAIN = filled(NETS["chain"], 0)
BATCH = batch(CHAIN, 3)
NAN = BATCH[0] * np.nan
SATURATED = filled(NETS["sigmoid"], 0)  # sigmoid(inf) = 1, so that all activations are finite
SATURATED.params["a.weight"][0, 0] = np.inf
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: mp.score(line(), None, "obdd"), ArgumentError,
     f"criterion must be one of {len(mp.criteria.CRITERIA)} names, or a function "
     "Evidence -> scores, not 'obdd'; did you mean obd?"),
    (lambda: mp.score(line(), None, "magnitude", params="bias"), ArgumentError,  # type: ignore[arg-type]
     "parameters: params must be 'weights' or 'all', not 'bias'; choose one of them"),
    (lambda: mp.score(line(), None, ahead), ArgumentError,
     f"ahead: needs must be of {', '.join(ENTRIES)}, not 'hessian'; "
     "declare evidence that exists, or pass needs={'hessian': function}"),
    (lambda: mp.score(line(), None, "magnitude", diagonal="exact"), ArgumentError,
     "magnitude: diagonal says how hess_diag is computed, which this criterion does not need; "
     "leave diagonal out"),
    (lambda: mp.score(line(), None, "norm", q=1), ArgumentError,
     "norm: got an unexpected keyword argument 'q'; its options are p, tol"),
    (lambda: mp.score(line(), None, "magnitude", p=1), ArgumentError,
     "magnitude: got an unexpected keyword argument 'p'; its options are none"),
    (lambda: mp.score(line(), None, typed, q=1), ArgumentError,
     "typed: got an unexpected keyword argument 'q'; its options are p"),
    (lambda: mp.score(line(), None, closed), ArgumentError,
     "closed must be a Python function, not a callable without a signature; "
     "wrap it in a function"),
    (lambda: mp.score(line(), None, unnamed), ArgumentError,
     "unnamed: its argument 'g' must be a kind of evidence (such as weights, grads) or a "
     "given option; rename it, or pass g="),
    (lambda: mp.score(line(), None, foreign), ArgumentError,
     "foreign: its argument 'mine' must be a kind of evidence (such as weights, grads) or a "
     "given option; rename it, or pass mine="),
    *((lambda needs=needs: mp.score(line(), None, foreign, needs=needs), ArgumentError,
       f"score: needs must be a dict of functions of (model, data, rng), not {needs!r}; "
       "pass needs={'mine': function}")
      for needs in (["mine"], {"mine": {}})),
    (lambda: mp.score(line(), (X, Y), "obd", diagonal="exactly"), ArgumentError,
     "diagonal: kind must be 'exact', 'gauss_newton', 'becker_lecun', 'empirical_fisher' or "
     "'hutchinson', not 'exactly'; did you mean exact?"),
    (lambda: mp.score(line(), (X, Y), "obd", samples=9), ArgumentError,
     "hess_diag: samples needs diagonal='hutchinson', not diagonal='exact'; leave samples out"),
    (lambda: mp.score(line(), (X, Y), "obd", levenberg_marquardt=True), ArgumentError,
     "hess_diag: levenberg_marquardt needs diagonal='becker_lecun', not diagonal='exact'; "
     "leave levenberg_marquardt out"),
    (lambda: mp.score(line(), None, G), ArgumentError,
     "data must be a pair (x, y) of at least one sample, not None; pass data.train, for example"),
    (lambda: mp.score(line(), (X[:0], Y[:0]), G), ArgumentError,
     "data must be a pair (x, y) of at least one sample, not empty; pass data.train, for example"),
    (lambda: mp.score(line(), (X, Y[:2]), G), ShapeError,
     "data: x has 3 rows and y has 2; pass one target for each input"),
    (lambda: mp.score(line(), (X[:, :1], Y), G), ShapeError,
     "the input must be (n, 2), not (3, 1); pass a batch of samples of the net's input_shape"),
    (lambda: mp.score(line(), (X, Y), G, batch_size=0), ArgumentError,
     "score: batch_size must be an integer of at least 1, not 0; pass batch_size=1, for example"),
    (lambda: mp.score(spoilt(np.nan), None, "magnitude"), NonFiniteError,
     "fc1.weight: 1 of 2 entries of the weight are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
    (lambda: mp.score(SATURATED, BATCH, "activation", unit=True), NonFiniteError,
     "a.weight: 1 of 12 entries of the weight are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
    (lambda: mp.score(line(), (X * np.nan, Y), G), NonFiniteError,
     "fc1.weight: 2 of 2 entries of the grad are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
    (lambda: mp.score(CHAIN, (NAN, BATCH[1]), bent, unit=True), NonFiniteError,
     "a.weight: 4 of 4 entries of the gate hess are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": np.array([[1, np.inf]])})), NonFiniteError,
     "fc1.weight: 1 of 2 entries of the score are not finite, but must be numbers; "
     "correct the criterion"),
    (lambda: mp.score(line(np.float32), None, gives({"fc1.weight": np.array([[1, 1e60]])})),
     NonFiniteError,
     "fc1.weight: 1 of 2 entries of the score in float32 are not finite, but must be numbers; "
     "make the net with dtype=np.float64, which holds larger ones"),
    (lambda: mp.score(line(), None, gives(np.ones(2))), ArgumentError,
     "own: scores must be a Mapping, not ndarray; pass one array for each weight, by name"),
    (lambda: mp.score(line(), None, gives({})), ShapeError,
     "own: returned no scores for fc1.weight; return one array for each weight it gets"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": 1, "b": 1, "a": 1})), ShapeError,
     "own: scored the unknown a; return one array for each weight it gets"),
    (lambda: mp.score(line(), None, gives({0: 1})), ShapeError,
     "own: scored the unknown 0; return one array for each weight it gets"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": np.ones(2)})), ShapeError,
     "own: the scores of fc1.weight must have the shape (1, 2), not (2,); return one score for "
     "each entry"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_obd_says_how_many_second_derivatives_are_negative() -> None:
    """f = tanh(w x), l = f^2: at w = 1, x = 1 the second derivative is negative."""
    net = mp.build((1,), [("fc", mp.Dense(1, 1, bias=False)), ("t", mp.Tanh())], "mse")
    model, data = (
        mp.Model(net, {"fc.weight": np.ones((1, 1))}),
        (np.ones((1, 1)), np.zeros((1, 1))),
    )
    rest = "1 of 1 second derivatives are negative, so the net is at no minimum; "
    with pytest.warns(MinpruneWarning, match=f"^obd: {rest}their scores are negative, clip=True"):
        low = mp.score(model, data, "obd")["fc.weight"]
    with pytest.warns(MinpruneWarning, match=f"^obd: {rest}they count as 0$"):
        clipped = mp.score(model, data, "obd", clip=True)["fc.weight"]
    assert low < 0 == clipped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mp.score(model, data, "obd", diagonal="gauss_newton")  # never negative
