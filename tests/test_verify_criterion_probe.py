"""mp.score on a net against definitions on the same net in plain NumPy: two roads, one number."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_verify_criterion import OURS
from test_verify_criterion_curvature import ours

import minprune as mp
from minprune.verify.criterion_bounds import clause
from minprune.verify.criterion_subject import BATCH, Subject, reference, total
from minprune.verify.definitions_table import definition
from minprune.verify.laws_criterion_named import on_an_edge
from minprune.verify.plain import Mlp
from minprune.verify.plain_nets import mlps, plain_net

# Both roads round each of some hundred numbers; what cancels stands beside terms of order 10.
NEAR = 2.0**-36


def apart(name: str, unit: bool, options: dict[str, Any], net: Mlp, like: str) -> str | None:
    """A clause where mp.score(name) is not the definition of `like`."""
    row = definition(like, options)
    asked = Subject(name, mp.score, row.needs, row=row.unit if unit else None, marked=True)
    want = reference(row, options, asked)
    if like == "weight_entropy" and on_an_edge(net, want, options.get("bins", 10)):
        return None
    model, data = ours(net)
    found = mp.score(model, data, name, unit=unit, batch_size=BATCH, **options)
    expected = total(want, net)
    bound = {n: np.full(a.shape, NEAR * np.abs(a).max() + 1e-14) for n, a in expected.items()}
    return clause(found, expected, bound, "by the definition")


@pytest.mark.parametrize(("name", "unit", "options"), OURS[2:], ids=str)  # but for `random`
def test_both_roads_meet(name: str, unit: bool, options: dict[str, Any]) -> None:
    @settings(max_examples=10)
    @given(net=mlps())
    def meets(net: Mlp) -> None:
        assert apart(name, unit, options, net, name) is None

    meets()


@pytest.mark.parametrize("unit", [False, True])
def test_the_roads_of_two_criteria_do_not(unit: bool) -> None:
    net = plain_net((2, 3, 2), samples=4)
    for name, like in (("fisher", "taylor"), ("taylor", "snip"), ("grasp", "taylor row")):
        assert apart(name, unit, {}, net, like)
