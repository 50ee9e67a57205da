"""Scores and the data: the order of samples, parts merged by their counts, sizes of batches."""

import gc
import tracemalloc
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
                            for b in (np.int64(2), 5))  # fmt: skip
        assert not near(few, all_at_once)


LONG: list[Scored] = [
    ("taylor", {}), ("taylor", {"order": 2}), ("taylor", {"order": 2, "hessian": "row"}),
    ("taylor_activation", {}), ("taylor_activation", {"order": 2}), ("fisher", {}), ("snip", {}),
    ("grasp", {}), ("apoz", {}), ("activation_entropy", {}), ("correlation", {}), ("lda", {}),
    ("obs", {"scale": "layer"}), *GATHERED,
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), LONG, ids=str)
def test_memory_does_not_grow_with_the_data(name: str, options: Options) -> None:
    """Half a copy of the inputs would show."""
    model = mp.zoo.mlp(((64,), 3), (6, 4))
    for unit in kinds(name):
        peaks, size = [], 0
        for n in (512, 2560):
            x, y = np.zeros((n, 64), np.float32) + np.arange(n)[:, None] % 7, np.arange(n) % 3
            gc.collect()
            tracemalloc.start()
            mp.score(model, (x, y), name, unit=unit, **options)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            size = x.nbytes
        assert peaks[1] - peaks[0] < size / 2


def test_what_keeps_all_samples_is_seen_to_grow() -> None:
    @mp.criterion(needs=("activations",), chunk="all", unit="whole", single=False)
    def keeps(ev: mp.Evidence) -> Arrays:
        return {n: a.mean(axis=(0, 2)) for n, a in ev.of("activations").items()}

    x = np.ones((2560, 64), np.float32)
    tracemalloc.start()
    mp.score(mp.zoo.mlp(((64,), 3), (6, 4)), (x, np.arange(2560) % 3), keeps, unit=True)
    assert tracemalloc.get_traced_memory()[1] > x.nbytes / 2
    tracemalloc.stop()
