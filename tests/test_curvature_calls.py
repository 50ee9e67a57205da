"""Calls of curvature/: nothing changed, same bits, float32, parts of the data, memory."""

import tracemalloc
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from curving import Fn, near
from randomnets import batch, filled
from structures import NETS

import minprune as mp
from minprune.core import Array, Split
from minprune.curvature import (
    becker_lecun,
    exact,
    gauss_newton,
    ggn,
    ggn_product,
    ggn_rows,
    hessian,
    hutchinson,
    hvp,
    sample_grads,
    squared_grads,
)
from minprune.curvature.diagonals import second
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.layerwise import layer_hessian
from minprune.curvature.removal import removal, unit_removal
from minprune.nets.model import Model
from minprune.verify.trees import global_state

SINGLE = float(np.finfo(np.float32).eps)


def ones(model: Model) -> Any:
    return {name: np.ones(w.shape) for name, w in model.params.items()}


def grouped(fn: Fn) -> Fn:
    return lambda m, d: fn(m, d, {g.name: g for g in mp.ties(m) if g.free})


def some(fn: Fn) -> Fn:
    return lambda m, d: fn(m, d, {m.net.weights[0]: np.arange(3)})


CALLS: dict[str, Fn] = {
    "hvp": lambda m, d: hvp(m, d, ones(m)),
    "ggn_product": lambda m, d: ggn_product(m, d, ones(m)),
    "hessian": lambda m, d: {0: hessian(m, d)},
    "ggn": lambda m, d: {0: ggn(m, d, params="all")},
    "ggn_rows": lambda m, d: {0: sorted_rows(ggn_rows(m, d, list(m.net.weights)))},
    "sample_grads": sample_grads,
    "squared_grads": squared_grads,
    "exact": exact,
    "gauss_newton": gauss_newton,
    "becker_lecun": becker_lecun,
    "hutchinson": lambda m, d: hutchinson(m, d, samples=3)[0],
    "gate_squares": grouped(gate_squares),
    "gate_hess": grouped(gate_hess),
    "gate_product": grouped(gate_product),
    "removal": some(removal),
    "unit_removal": grouped(unit_removal),
    "layer_hessian": lambda m, d: {0: layer_hessian(m, d[0], "b")},
}
IN_FLOAT64 = ("hessian", "ggn", "ggn_rows", "gate_squares", "gate_hess", "gate_product",
              "removal", "unit_removal", "layer_hessian")  # fmt: skip


def sorted_rows(blocks: Iterator[Array]) -> Array:
    """Blocks come chunk by chunk, so the order of the rows depends on the chunks."""
    rows = np.concatenate(list(blocks))
    return rows[np.lexsort(np.round(rows.T, 6))]


def bent(dtype: Any = np.float64, n: int = 5) -> tuple[Model, Split]:
    """Convolutions, BatchNorm, tanh and a residual sum, some weights masked."""
    net = mp.build((2, 3, 3), [
        ("a", mp.Conv2d(2, 3, 1)), ("t", mp.Tanh()), ("b", mp.Conv2d(3, 3, 3, padding=1)),
        ("bn", mp.BatchNorm(3)), ("sum", mp.Add(), ("bn", "t")), ("r", mp.ReLU()),
        ("p", mp.AvgPool(3)), ("f", mp.Flatten()), ("fc", mp.Dense(3, 2)),
    ])  # fmt: skip
    model = mp.with_masks(
        filled(net, 4, dtype), {"fc.weight": np.array([[1, 0, 1], [1, 1, 1]]) > 0}
    )
    return model, batch(model, n)


def leaves_all_alone(call: Fn) -> bool:
    """Twice the same bits; parameters, buffers, masks, data and random state as they were."""
    model, data = bent()
    given = (model.params, model.buffers, model.masks, dict(enumerate(data)))
    before = [{k: a.copy() for k, a in arrays.items()} for arrays in given]
    state = global_state()
    first, second = call(model, data), call(model, data)
    bits = all(first[n].tobytes() == second[n].tobytes() for n in first)
    held = all(a[k].tobytes() == b[k].tobytes()
               for a, b in zip(given, before, strict=True) for k in b)  # fmt: skip
    return bits and held and global_state() == state


@pytest.mark.parametrize("name", CALLS)
def test_a_call_changes_nothing_and_repeats_its_bits(name: str) -> None:
    assert leaves_all_alone(CALLS[name])


def test_the_law_of_purity_rejects() -> None:
    def moves(model: Model, data: Split) -> Any:
        model.buffers["bn.running_mean"] *= 0.9
        return exact(model, data)

    def draws(model: Model, data: Split) -> Any:
        return hutchinson(model, data, samples=2, seed=int(np.random.randint(9)))[0]  # noqa: NPY002

    assert not leaves_all_alone(moves)
    assert not leaves_all_alone(draws)


@pytest.mark.parametrize("name", CALLS)
def test_float32_agrees_to_its_accuracy(name: str) -> None:
    """And comes back in the net's dtype, or in float64 where the docstring says so."""
    wide, data = bent()
    # the same numbers in both: those that float32 holds
    narrow = Model(wide.net, *({n: a.astype(np.float32) for n, a in arrays.items()}
                               for arrays in (wide.params, wide.buffers)))  # fmt: skip
    wide = Model(wide.net, *({n: a.astype(np.float64) for n, a in arrays.items()}
                             for arrays in (narrow.params, narrow.buffers)))  # fmt: skip
    data = data[0].astype(np.float32), data[1]
    got, want = CALLS[name](narrow, data), CALLS[name](wide, data)
    # 2^7 roundings of the largest: a pass has below 2^6 in a row; `near` allows 2^14 of eps
    assert near(got, want, SINGLE / 2**7)
    kinds = {a.dtype for a in got.values()}
    assert kinds == {np.dtype(np.float64 if name in IN_FLOAT64 else np.float32)}


RECORD, REMOVAL, INPUTS = (
    import_module(f"minprune.curvature.{name}") for name in ("record", "removal", "layerwise")
)
IN_PARTS = [name for name in CALLS if name != "hessian"]  # which is columns of hvp


@pytest.mark.parametrize(("chunk", "room"), [(2, 2**27), (256, 2**13), (3, 1)])
@pytest.mark.parametrize("name", IN_PARTS)
def test_parts_of_the_data_make_no_difference(
    name: str, chunk: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = bent(n=7)
    want = CALLS[name](model, data)
    for module in (RECORD, REMOVAL, INPUTS):
        monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(RECORD, "ROOM", room)
    assert near(CALLS[name](model, data), want)


def forgets_the_weights_of_parts(model: Model, data: Split) -> Any:
    """The mean of means of two and five samples."""
    parts = [exact(model, (data[0][part], data[1][part])) for part in (slice(2), slice(2, None))]
    return {n: (parts[0][n] + parts[1][n]) / 2 for n in parts[0]}


def test_the_law_of_parts_rejects_the_mean_of_means() -> None:
    model, data = bent(n=7)
    assert not near(forgets_the_weights_of_parts(model, data), exact(model, data))


def peak(call: Fn, n: int) -> int:
    """The most bytes that a call on n samples holds beside its arguments."""
    model, data = bent(n=n)
    call(model, data)  # what is made once and kept, such as compiled loops
    tracemalloc.start()
    try:
        call(model, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def is_flat(call: Fn) -> bool:
    """Four times the samples take at most a quarter more: what grows is below 1/12 of the peak"""
    return peak(call, 512) <= 1.25 * peak(call, 128)


GROW = ("sample_grads", "ggn_rows")  # they give an array that has a row for each sample


@pytest.mark.parametrize("name", IN_PARTS)
def test_memory_does_not_grow_with_the_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (RECORD, REMOVAL, INPUTS):
        monkeypatch.setattr(module, "CHUNK", 64)
    assert is_flat(CALLS[name]) == (name not in GROW)


def test_the_law_of_memory_rejects_what_takes_all_samples_at_once() -> None:
    for call in (CALLS["squared_grads"], CALLS["exact"], CALLS["layer_hessian"]):
        assert not is_flat(call)  # 128 samples are one chunk, and half of one of the 512


@pytest.mark.parametrize("room", [2**14, 2**16, 2**18])
def test_gradients_that_are_held_together_fit_in_the_room(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for the few units of a curved layer far behind a wide one; at least one at a time"""
    net = mp.build((3,), [
        ("wide", mp.Dense(3, 60)), ("t", mp.Tanh()), ("few", mp.Dense(60, 5)), ("u", mp.Tanh()),
        ("fc", mp.Dense(5, 2)),
    ])  # fmt: skip
    model, held = filled(net, 0), []
    sample = 8 * (3 + 60 + 60 + 5 + 5 + 2)
    monkeypatch.setattr(RECORD, "ROOM", room)

    def square(total: Any, seen: Any, end: Any, seeds: Any, weights: Array) -> None:
        assert len(seeds) == len(weights)
        held.append((len(seeds), seen.out.shape[1]))

    second({}, model, batch(model, 30), square, {})
    assert all(k * n * sample <= room for k, n in held)
    assert max(k * n * sample for k, n in held) > room / 2  # and not one by one for no reason


def test_layers_that_nobody_reads_have_no_curvature() -> None:
    model = filled(NETS["unread"], 0)
    data = batch(model, 4)
    for name in ("hvp", "ggn_product", "sample_grads", "squared_grads", "exact", "gauss_newton",
                 "becker_lecun", "hutchinson"):  # fmt: skip
        assert not CALLS[name](model, data)["side.weight"].any(), name
    alone = {"side.weight": np.ones((3, 4))}
    for product in (hvp, ggn_product):
        assert not product(model, data, alone)["side.weight"].any()
