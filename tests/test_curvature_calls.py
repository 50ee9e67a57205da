"""Calls of curvature/: nothing changed, same bits, float32, parts of the data."""

from collections.abc import Iterator
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
from minprune.curvature.gates import gate_hess, gate_product, gate_squares
from minprune.curvature.removal import removal, unit_removal
from minprune.nets.model import Model

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
}
IN_FLOAT64 = ("hessian", "ggn", "ggn_rows", "gate_squares", "gate_hess", "gate_product",
              "removal", "unit_removal")  # fmt: skip


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
    state = repr(np.random.get_state())  # noqa: NPY002
    first, second = call(model, data), call(model, data)
    bits = all(first[n].tobytes() == second[n].tobytes() for n in first)
    held = all(a[k].tobytes() == b[k].tobytes()
               for a, b in zip(given, before, strict=True) for k in b)  # fmt: skip
    return bits and held and repr(np.random.get_state()) == state  # noqa: NPY002


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


PLACES = {
    "minprune.curvature.record": ("CHUNK", "ROOM"),
    "minprune.curvature.diagonals": ("ROOM",),
    "minprune.curvature.removal": ("CHUNK",),
}


@pytest.mark.parametrize(("chunk", "room"), [(2, 2**27), (256, 2**13), (3, 1)])
@pytest.mark.parametrize("name", [n for n in CALLS if n != "hessian"])  # columns of hvp
def test_parts_of_the_data_make_no_difference(
    name: str, chunk: int, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    model, data = bent(n=7)
    want = CALLS[name](model, data)
    for place, constants in PLACES.items():
        for constant in constants:
            monkeypatch.setattr(
                sys.modules[place], constant, chunk if constant == "CHUNK" else room
            )
    assert near(CALLS[name](model, data), want)


def forgets_the_weights_of_parts(model: Model, data: Split) -> Any:
    """The mean of means of two and five samples."""
    parts = [exact(model, (data[0][part], data[1][part])) for part in (slice(2), slice(2, None))]
    return {n: (parts[0][n] + parts[1][n]) / 2 for n in parts[0]}


def test_the_law_of_parts_rejects_the_mean_of_means() -> None:
    model, data = bent(n=7)
    assert not near(forgets_the_weights_of_parts(model, data), exact(model, data))


def test_layers_that_nobody_reads_have_no_curvature() -> None:
    model = filled(NETS["unread"], 0)
    data = batch(model, 4)
    for name in ("hvp", "ggn_product", "sample_grads", "squared_grads", "exact", "gauss_newton",
                 "becker_lecun", "hutchinson"):  # fmt: skip
        assert not CALLS[name](model, data)["side.weight"].any(), name
    alone = {"side.weight": np.ones((3, 4))}
    for product in (hvp, ggn_product):
        assert not product(model, data, alone)["side.weight"].any()
