"""Scores and the data: the order of samples, parts merged by their counts, sizes of batches."""

from collections.abc import Callable

import numpy as np
import pytest
from curving import near
from hypothesis import given
from hypothesis import strategies as st
from randomnets import batch, filled
from scored import ALL, GATHERED, Options, Scored, by, few, kinds, scored
from structures import NETS

import minprune as mp
from minprune.core import Arrays, Split

ORDERLY: list[Scored] = [x for x in ALL if x != ("taylor", {})]
MERGED: list[Scored] = [("fisher", {}), ("oracle", {}), *GATHERED]
TOGETHER: list[Scored] = [
    ("snip", {}), ("grasp", {}), ("taylor", {"order": 2}),
    ("taylor", {"order": 2, "hessian": "row"}), ("taylor_activation", {"order": 2}),
    ("oracle", {"square": True}),
]  # fmt: skip


def merges(fn: Callable[[Split], Arrays], data: Split, cut: int) -> bool:
    """The scores of two parts, merged by their counts, are those of the whole."""
    x, y = data
    parts = [(x[:cut], y[:cut]), (x[cut:], y[cut:])]
    one, two = (fn(part) for part in parts)
    share = cut / len(x)
    return near({n: share * one[n] + (1 - share) * two[n] for n in one}, fn(data))


@pytest.mark.parametrize(("name", "options"), ORDERLY, ids=str)
@few
@given(net=st.sampled_from(["batchnorm", "shared", "residual"]), seed=st.integers(0, 99))
def test_the_order_of_samples_makes_no_difference(
    name: str, options: Options, net: str, seed: int
) -> None:
    model = filled(NETS[net], seed)
    x, y = batch(model, 5, seed)
    order = np.random.default_rng(seed).permutation(5)
    for unit in kinds(name):
        first, second = (scored(name, model, d, unit, **options)
                         for d in ((x, y), (x[order], y[order])))  # fmt: skip
        assert near(first, second)
        small = scored(name, model, (x, y), unit, batch_size=2, **options)
        assert near(small, first)


@pytest.mark.parametrize(("name", "options"), MERGED, ids=str)
@few
@given(net=st.sampled_from(["batchnorm", "shared", "residual"]), cut=st.integers(1, 4))
def test_means_over_samples_merge_by_count(name: str, options: Options, net: str, cut: int) -> None:
    model = filled(NETS[net], cut)
    fn = by(name, **options)
    for unit in kinds(name):
        assert merges(lambda d, u=unit: fn(model, d, u), batch(model, 5), cut)


@pytest.mark.parametrize(("name", "options"), [*TOGETHER, ("taylor", {})], ids=str)
def test_what_takes_all_samples_at_once_depends_on_the_split(name: str, options: Options) -> None:
    model = filled(NETS["shared"], 1)
    fn = by(name, **options)
    for unit in kinds(name):
        assert not merges(lambda d, u=unit: fn(model, d, u), batch(model, 5), 2)


def test_taylor_of_order_1_depends_on_the_size_of_batches() -> None:
    model = filled(NETS["shared"], 1)
    data = batch(model, 5)
    for unit in (False, True):
        few, all_at_once = (mp.score(model, data, "taylor", unit=unit, batch_size=b)
                            for b in (2, 5))  # fmt: skip
        assert not near(few, all_at_once)
