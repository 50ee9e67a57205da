"""A Model refuses arrays that do not belong to its net, in one sentence."""

from collections.abc import Callable

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, ShapeError

NET = mp.build((2,), [("fc1", mp.Dense(2, 3))])
GOOD = {"fc1.weight": np.ones((3, 2)), "fc1.bias": np.zeros(3)}
REFUSED: dict[str, tuple[Callable[[], object], type[ArgumentError], str]] = {
    "absent": (
        lambda: mp.Model(NET, {"fc1.weight": GOOD["fc1.weight"]}),
        ShapeError,
        "fc1.bias: absent; params must have exactly the net's names",
    ),
    "foreign": (
        lambda: mp.Model(NET, GOOD | {"fc2.bias": np.zeros(3)}),
        ShapeError,
        "fc2.bias: not of this net; params must have exactly the net's names",
    ),
    "foreign statistics": (
        lambda: mp.Model(NET, GOOD, {"bn1.running_mean": np.zeros(2)}),
        ShapeError,
        "bn1.running_mean: not of this net; buffers must have exactly the net's names",
    ),
    "shape": (
        lambda: mp.Model(NET, GOOD | {"fc1.bias": np.zeros(2)}),
        ShapeError,
        "fc1.bias: the array must be (3,), as in the net, not (2,); reshape it, or build "
        "another net",
    ),
    "two dtypes": (
        lambda: mp.Model(NET, GOOD | {"fc1.bias": np.zeros(3, np.float32)}),
        ArgumentError,
        "fc1.bias: the arrays of a model must be all float32 or all float64, not float32; "
        "convert it with astype",
    ),
    "integers": (
        lambda: mp.Model(NET, {k: a.astype(int) for k, a in GOOD.items()}),
        ArgumentError,
        "fc1.weight: the arrays of a model must be all float32 or all float64, not int64; "
        "convert it with astype",
    ),
    "mask of nothing": (
        lambda: mp.Model(NET, GOOD, {}, {"fc9.weight": np.ones((3, 2), bool)}),
        ArgumentError,
        "fc9.weight: no such parameter; there are fc1.weight, fc1.bias",
    ),
    "mask of numbers": (
        lambda: mp.Model(NET, GOOD, {}, {"fc1.weight": np.ones((3, 2))}),
        ArgumentError,
        "fc1.weight: the mask must be bool, not float64; use mask != 0",
    ),
    "mask of another shape": (
        lambda: mp.Model(NET, GOOD, {}, {"fc1.weight": np.ones((2, 3), bool)}),
        ShapeError,
        "fc1.weight: the mask must have the weight's shape (3, 2), not (2, 3); "
        "score and mask the same parameters you apply the mask to",
    ),
}


def test_the_arrays_of_the_net_are_taken() -> None:
    masks = {"fc1.weight": np.ones((3, 2), bool)}
    assert mp.Model(NET, GOOD, {}, masks)(np.ones((1, 2))).tolist() == [[2, 2, 2]]


def test_the_order_of_the_arrays_given_is_of_no_account() -> None:
    """Equal scores and random ones go by net order, and so does what is tied."""
    model = mp.zoo.mlp(((4,), 3), (5, 4), dtype=np.float64)
    turned = mp.Model(model.net, dict(reversed(model.params.items())))
    assert list(turned.params) == list(model.params)
    assert str(mp.ties(turned)) == str(mp.ties(model))
    for x in (model, turned):
        scores = {"fc1.weight": np.ones(5), "fc2.weight": np.ones(4)}
        masks = mp.prune(x, scores, sparsity=2 / 9).masks
        assert masks["fc2.weight"].any(axis=1).tolist() == [True, True, False, False]
    one, other = (mp.score(x, None, "random", unit=True, seed=0) for x in (model, turned))
    assert all(np.array_equal(one[n], s) for n, s in other.items())


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, kind, text = REFUSED[name]
    with pytest.raises(kind) as caught:
        make()
    assert caught.value.args == (text,)
