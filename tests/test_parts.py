"""A training in two parts is the training in one, to the bit."""

from typing import Any

import numpy as np
import pytest
from checkpointing import CASES, HOW, equal
from watching import half_masked, small_data, small_net

import minprune as mp
from minprune.train import state
from minprune.train.loop import fit_part

STOPS = (0, 2, 3, 4, 9)  # of 9 updates in 3 epochs


def joined(a: mp.History, b: mp.History) -> mp.History:
    steps = {k: a.steps[k] + b.steps[k] for k in a.steps}
    epochs = {k: a.epochs[k] + b.epochs[k] for k in a.epochs}
    return mp.History(steps, epochs, b.extra)


@pytest.mark.parametrize("until", STOPS)
@pytest.mark.parametrize("case", [c for c in CASES if c not in ("generator", "patience")])
def test_two_parts_are_one_training(case: str, until: int) -> None:
    how: dict[str, Any] = HOW | CASES[case]
    net = small_net(how.pop("dropout", 0.0), how.pop("dtype", np.float64))
    net = half_masked(net) if case == "penalty" else net
    data = small_data(dtype=net.dtype.type)
    whole = mp.fit(net, data, **how)
    first = fit_part(net, data, until=until, **how)
    assert len(first.history.steps["step"]) == until
    kept = state.unpack(*state.pack(first.point, "test"))  # as a file holds it
    for _ in range(2):  # a point can be used again
        second = fit_part(net, data, begin=kept, **how)
        assert equal((second.model, joined(first.history, second.history)), whole)
