"""mp.score on a net against definitions on that net in plain NumPy: the same numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from test_verify_criterion import OURS

import minprune as mp
from minprune.verify.criterion.bounds import clause, steady
from minprune.verify.criterion.subject import BATCH, Subject, reference, total, twin_of
from minprune.verify.ours.networks import of_mlp
from minprune.verify.plain.evidence import two_classes
from minprune.verify.plain.hessian import DAMP, gauss_newton
from minprune.verify.plain.net import Mlp, mlps, plain_net
from minprune.verify.plain.twin import known

# Both round each of some hundred numbers; what cancels stands beside terms of order 10.
NEAR = 2.0**-36
INVERTED = 2.0**-26  # damped by 1e-4 of its mean, H has a condition below 2^20


# But for `random`, and for scales of which the plain nets have no inverse.
OWN = ("random", "scale")  # no definition of what is drawn; plain nets have no normalisation
CASES = [row for row in OURS if row[0] not in OWN and row[2].get("scale") != "layer"]


def apart(name: str, unit: bool, options: dict[str, Any], net: Mlp, like: str) -> str | None:
    """A clause where mp.score(name) is not the definition of `like`."""
    row = twin_of(like, options, unit)
    asked = Subject(name, mp.score, row.needs, view=row.unit if unit else None, marked=True,
                    twin=row, options=options)  # fmt: skip
    want = reference(asked)
    if row.unsure(want.of(net), **known(row.unsure, options)):
        return None
    model, data = of_mlp(net)
    how = {"damp": DAMP} if name == "obs" else {}
    found = mp.score(model, data, name, unit=unit, batch_size=BATCH, **how, **options)
    expected = total(want, net)
    near = INVERTED if name in ("obs", "lda_joint") else NEAR
    bound = {n: np.full(a.shape, near * np.abs(a).max() + 1e-14) for n, a in expected.items()}
    wrong = clause(found, expected, bound, "by the definition")
    return wrong if wrong and steady(want, net) else None


CLASSES = ("lda", "lda_joint")
of_classes = mlps(losses=("cross_entropy",), samples=(2, 4))


def seen(name: str, unit: bool, net: Mlp) -> bool:
    """Whether mp.score takes the net: two classes, a Hessian that is not 0."""
    if name in CLASSES:
        return two_classes(net)
    names = list(net.params) if unit else net.weights
    layers = [[n] for n in names] if name == "obs" else []
    return all(gauss_newton(net, n).any() for n in layers)


@pytest.mark.parametrize(("name", "unit", "options"), CASES, ids=str)
def test_mp_score_is_the_definition(name: str, unit: bool, options: dict[str, Any]) -> None:
    @settings(max_examples=10)
    @given(net=of_classes if name in CLASSES else mlps())
    def meets(net: Mlp) -> None:
        assume(seen(name, unit, net))
        assert apart(name, unit, options, net, name) is None

    meets()


@pytest.mark.parametrize("unit", [False, True])
def test_mp_score_is_not_another_definition(unit: bool) -> None:
    net = plain_net((2, 3, 2), samples=4)
    for name, like in (("fisher", "taylor"), ("taylor", "snip"), ("grasp", "taylor row")):
        assert apart(name, unit, {}, net, like)
