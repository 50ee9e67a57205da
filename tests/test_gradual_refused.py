"""What Gradual refuses, sentence by sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_gradual_units import HOW, net, ramp
from watching import small_data

import minprune as mp
from minprune.core import Arrays, Evidence, criterion
from minprune.errors import ArgumentError
from minprune.evidence.sources import SOURCES
from minprune.methods import Gradual

PART = np.ones((4, 3)), np.zeros((4, 2))
TARGETS = mp.Dataset(PART, PART, PART)
REGRESSION = mp.initialise(
    mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("b", mp.Dense(4, 2))], "mse"),
    dtype=np.float64,
)
FLAT = mp.initialise(mp.build((3,), [("fc", mp.Dense(3, 2))], "mse"), dtype=np.float64)
HELD = ", ".join(sorted(kind for kind, row in SOURCES.items() if row.step or not row.data))


def units(criterion: str = "apoz", **options: Any) -> Gradual:
    return Gradual(ramp, criterion, unit=True, **options)


@criterion(needs=("activations", "weights"), unit="whole")
def both(ev: Evidence) -> Arrays:
    return {}


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: units("apozz"),
     f"criterion must be one of {len(mp.criteria.CRITERIA)} names, or a function "
     "Evidence -> scores, not 'apozz'; did you mean apoz?"),
    *((lambda given=given: units(decay=given),
       f"Gradual: decay must be a number above 0 and at most 1, not {given!r}; "
       f"pass decay=0.5, for example")
      for given in (0.0, 1.5, "0.9")),
    (lambda: mp.fit(REGRESSION, TARGETS, method=units("lda"), **HOW),
     "targets must be integer classes (n,) from 0, not float64 of shape (4, 2); "
     "choose a criterion that needs no classes"),
    (lambda: Gradual(0.5, unit=True),  # type: ignore[arg-type]
     "Gradual: schedule must give a share from 0 to 1 at step 0, not an error ('float' object is "
     "not callable); pass a function of the step, such as functools.partial(mp.schedule.cubic, "
     "final=0.9, span=1000)"),
    (lambda: units("magnitude", nonlinearity="before"),
     "magnitude: nonlinearity says how activations is computed, which this criterion does not "
     "need; leave nonlinearity out"),
    (lambda: units("apoz", p=1),
     "apoz: got an unexpected keyword argument 'p'; its options are tol"),
    (lambda: mp.fit(net(), small_data(), method=units(nonlinearity="behind"), **HOW),
     "Gradual: nonlinearity must be 'after' or 'before', not 'behind'; choose one of them"),
    *((lambda given=given: units(given),
       f"Gradual: criterion must need what a training step has ({HELD}), not {more}; "
       f"choose another criterion")
      for given, more in (("activation_entropy", "act_hist"), ("fisher", "squared_grads"))),
    (lambda: Gradual(ramp, "obd"),
     f"Gradual: criterion must need what a training step has ({HELD}), not hess_diag; "
     f"choose another criterion"),
    (lambda: Gradual(ramp, "apoz"), "apoz: scores units, not single weights; pass unit=True"),
    (lambda: Gradual(ramp, "lamp", unit=True),
     "lamp: scores single weights, not units; leave out unit=True"),
    (lambda: mp.fit(FLAT, TARGETS, method=units(), **HOW),
     "Gradual: the net must have units that may be removed, in a hidden layer, not none; "
     "print(mp.ties(model)) shows its groups"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
