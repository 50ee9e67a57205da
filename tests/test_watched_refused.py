"""What watched refuses, sentence by sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_watched import HOW, net, ramp
from watching import small_data

import minprune as mp
from minprune.errors import ArgumentError
from minprune.methods import Watched, watched

PART = np.ones((4, 3)), np.zeros((4, 2))
TARGETS = mp.Dataset(PART, PART, PART)
REGRESSION = mp.initialise(
    mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("b", mp.Dense(4, 2))], "mse"),
    dtype=np.float64,
)
FLAT = mp.initialise(mp.build((3,), [("fc", mp.Dense(3, 2))]))
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: watched(net(), ramp, "apozz"),
     "Watched: criterion is 'apozz', expected one of "
     f"{', '.join(sorted(mp.criteria.CRITERIA))}; choose one of them"),
    *((lambda given=given: watched(net(), ramp, decay=given),
       f"Watched: decay is {given!r}, expected a number above 0, at most 1; "
       f"0.9 forgets nine tenths in 22 updates") for given in (0.0, 1.5, "0.9")),
    (lambda: mp.fit(REGRESSION, TARGETS, method=watched(REGRESSION, ramp, "lda"), **HOW),
     "targets are float64 of shape (4, 2), expected integer classes (n,) from 0, which class "
     "moments are of; choose a criterion without classes"),
    (lambda: watched(net(), 0.5),  # type: ignore[arg-type]
     "Watched: schedule(0) is an error ('float' object is not callable), expected a share from 0 "
     "to 1; give a function of the step, such as functools.partial(mp.schedule.cubic, final=0.9, "
     "span=1000)"),
    (lambda: watched(net(), ramp, "apoz", nonlinearity="before"),
     "apoz: got an unexpected keyword argument 'nonlinearity'; of options it takes tol"),
    (lambda: watched(net(), ramp, "activation_entropy"),
     "Watched: activation_entropy needs act_hist, and training shows act_gram, act_mean, "
     "activations, class_counts, class_means, within; choose a criterion on those, or on weights"),
    (lambda: watched(net(), ramp, "fisher"),
     "Watched: fisher needs squared_grads, and training shows act_gram, act_mean, "
     "activations, class_counts, class_means, within; choose a criterion on those, or on weights"),
    (lambda: watched(ramp, net()),  # type: ignore[arg-type]
     "watched: model must be a Model, not function; pass one that mp.zoo, mp.initialise or "
     "mp.load made"),
    (lambda: watched(FLAT, ramp),
     "no units of this net may be removed, expected at least one hidden layer; "
     "print(mp.ties(model)) shows the groups"),
    (lambda: mp.fit(net(), small_data(), method=Watched(ramp, "apoz", ("r",)), **HOW),
     "Watched: s puts out units of this net and is not watched, expected layers r, s; "
     "make it with mp.methods.watched(model, ...)"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
