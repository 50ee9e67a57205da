"""What is refused of activations and their moments."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_moments import case

import minprune as mp
from minprune.core import Split
from minprune.errors import ArgumentError, NonFiniteError
from minprune.nets.model import Model


def nan_in(model: Model, data: Split) -> Split:
    x = data[0].copy()
    x.flat[0] = np.nan
    return x, data[1]


CHAIN, DATA = case("chain", 0)
MESSAGES: tuple[tuple[Callable[[], Any], type[Exception], str], ...] = (
    (lambda: mp.score(CHAIN, DATA, "apoz", unit=True, nonlinearity="in"), ArgumentError,
     "score: nonlinearity must be 'after' or 'before', not 'in'; choose one of them"),
    (lambda: mp.score(CHAIN, DATA, "magnitude", unit=True, nonlinearity="before"), ArgumentError,
     "magnitude: nonlinearity says how activations is computed, which this criterion does not "
     "need; leave nonlinearity out"),
    (lambda: mp.score(CHAIN, DATA, "activation_entropy", unit=True, bins=0), ArgumentError,
     "activation_entropy: bins must be an integer of at least 1, not 0; pass bins=1, for example"),
    (lambda: mp.score(CHAIN, (DATA[0], DATA[1] * 1.0), "lda", unit=True), ArgumentError,
     "data: the targets of cross_entropy must be integer classes (n,), not float64 of shape (23,); "
     "pass classes, or build the net with loss='mse'"),
    (lambda: mp.score(mp.zoo.mlp(((4,), 2), (3,), loss="mse"), (np.ones((5, 4)), np.ones((5, 2))),
                      "lda", unit=True), ArgumentError,
     "targets must be integer classes (n,) from 0, not float64 of shape (5, 2); "
     "choose a criterion that needs no classes"),
    (lambda: mp.score(CHAIN, (DATA[0], DATA[1] - 1), "lda", unit=True), ArgumentError,
     "data: the targets of cross_entropy must be classes from 0 to 4, not -1 in row 0; correct it, "
     "or build a net with more outputs"),
    (lambda: mp.score(CHAIN, (DATA[0], DATA[1] * 0), "lda_joint", unit=True), ArgumentError,
     "lda_joint: the samples must be of at least two classes, not of one; "
     "pass data with more classes"),
    (lambda: mp.score(CHAIN, nan_in(CHAIN, DATA), "activation_entropy", unit=True), NonFiniteError,
     "a.weight: 40 of 40 entries of the act hist are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
    (lambda: mp.score(CHAIN, nan_in(CHAIN, DATA), "similarity", unit=True), NonFiniteError,
     "a.weight: 16 of 16 entries of the act gram are not finite, but must be numbers; "
     "train with a lower learning rate, or correct the data"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
