"""Masked units are as if they were gone: live ones keep the order of the compacted net."""

from typing import Any

import numpy as np
import pytest
from randomnets import batch, filled
from scored import by, free

import minprune as mp
from minprune.core import Arrays, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.masking.units import live_units
from minprune.nets.model import Model
from minprune.nets.net import Net

NETS: dict[str, Net] = {
    "chain": mp.build((6,), [
        ("a", mp.Dense(6, 9)), ("t", mp.Tanh()), ("b", mp.Dense(9, 8)), ("r", mp.ReLU()),
        ("fc", mp.Dense(8, 3)),
    ]),
    "images": mp.build((2, 6, 6), [
        ("conv", mp.Conv2d(2, 6, 3)), ("n", mp.BatchNorm(6)), ("r", mp.ReLU()),
        ("pool", mp.MaxPool(2)), ("conv2", mp.Conv2d(6, 7, 2)), ("s", mp.Tanh()),
        ("flat", mp.Flatten()), ("fc", mp.Dense(7, 3)),
    ]),
    "tied": mp.build((5,), [
        ("a", mp.Dense(5, 8)), ("r", mp.ReLU()), ("b", mp.Dense(8, 8)),
        ("sum", mp.Add(), ("r", "b")),
        ("fc", mp.Dense(8, 3)),
    ]),
}  # fmt: skip
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "obs": [{"scale": scale} for scale in ("whole", "layer", "blocks")],
    "weight_entropy": [{"bins": 4}], "taylor": [{}, {"order": 2}],
    "correlation": [{}, {"source": "weights"}],
}  # fmt: skip
UNITS = [
    pytest.param(name, how, id=f"{name} {how or ''}")
    for name, fn in CRITERIA.items() if fn.spec.unit is not None and name != "random"
    for how in OPTIONS.get(name, [{}])
]  # fmt: skip


def one_order(a: Any, b: Any) -> bool:
    """No two entries stand one way round in a and the other way round in b, but for rounding."""
    apart = [np.subtract.outer(s, s) / (np.abs(s).max(initial=0) or 1) for s in (a, b)]
    return not ((apart[0] > 1e-9) & (apart[1] < -1e-9)).any()


def as_if_gone(fn: Any, model: Model, seed: int) -> bool:
    """The live units of each weight have the order that they have in the compacted net."""
    drawn = mp.score(model, None, "random", unit=True, seed=seed)
    masked = mp.prune(model, drawn, sparsity=0.4, minimum=3)
    small, data = mp.compact(masked), batch(model, 12)
    all_of, left = fn(masked, data, True), fn(small, data, True)
    assert len(left) == len(all_of)
    for g in free(model):
        live = live_units(g, masked.masks)
        for m in g.producers:
            kept = all_of[m.param][m.index[live, 0]]
            assert len(kept) == len(left[m.param])
            if not one_order(kept, left[m.param]):
                return False
    return True


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(("name", "how"), UNITS)
def test_live_units_have_the_order_of_the_compacted_net(net: str, name: str, how: Any) -> None:
    for seed in range(3):
        assert as_if_gone(by(name, **how), filled(NETS[net], seed), seed)


def counting(name: str, **options: Any) -> Any:
    """That criterion, which does not know what is masked."""

    @criterion(needs=("weights", "outgoing"))
    def blind(ev: Evidence) -> Arrays:
        blinded = Evidence(weights=ev.weights, outgoing=ev.outgoing, unit=True)
        return CRITERIA[name](blinded, **options)

    return lambda model, data, unit: mp.score(model, data, blind, unit=unit)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("geometric_median", {}), ("weight_entropy", {"bins": 4}),
        ("correlation", {"source": "weights"}),
    ],
)  # fmt: skip
def test_the_law_rejects_criteria_that_count_masked_units(name: str, how: Any) -> None:
    wrong = counting(name, **how)
    cases = [(net, seed) for net in NETS for seed in range(6)]
    assert not all(as_if_gone(wrong, filled(NETS[net], seed), seed) for net, seed in cases)


def test_masked_weights_are_left_out_by_hand() -> None:
    """Of the line 0, 5, 10, -10 without the last; of 1 and 2 with 0 masked: one in each bin."""
    masks = {"w": np.array([[True, True]] * 3 + [[False, False]])}
    line = {"w": np.array([[0.0, 0], [3, 4], [6, 8], [-6, -8]])}
    found = mp.criteria.geometric_median(Evidence(weights=line, masks=masks, unit=True))
    assert found["w"].tolist() == [15, 10, 15, 0]
    masks = {"w": np.array([[False, True, False, True], [True, True, False, False], [False] * 4])}
    some = {"w": np.array([[0.0, 1, 0, 2], [1, 1, 0, 0], [0, 0, 0, 0]])}
    ev = Evidence(weights=some, masks=masks, unit=True)
    assert mp.criteria.weight_entropy(ev, bins=2)["w"].tolist() == [-np.log(2), 0, 0]


def test_means_over_chunks_are_not_rounded() -> None:
    """Chunks of one sample give what one chunk gives, to the last bit of the net's dtype."""
    model = filled(NETS["chain"], 0)
    low = Model(model.net, {n: w.astype(np.float32) for n, w in model.params.items()})
    data = batch(low, 50)
    for name in ("activation", "apoz", "taylor_activation"):
        one, each = (mp.score(low, data, name, unit=True, batch_size=n) for n in (50, 1))
        for n, s in one.items():
            assert np.abs(each[n].astype(float) - s).max() <= np.spacing(np.abs(s).max()), name
