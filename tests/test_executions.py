"""Live multiply-adds are those that are executed: loops that compute each layer, and count.

Sparse models: by the contracts of the kernels that they call.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from kernel_contract import CONTRACT
from randomnets import batch, models
from selection import SEARCH
from sparsely import Formats, gradients, masked_models
from structures import structured, thinned

import minprune as mp
from minprune.core import Array, Arrays
from minprune.kernels import door
from minprune.measures.cost import size
from minprune.nets.counts import counts
from minprune.nets.model import Model, batch_last, run

Case = tuple[Model, int]
Count = Callable[[Model, int], dict[str, int]]


def dense(w: Array, live: Array, x: Array) -> tuple[Array, int]:
    """(W x, multiplications): x (i,)"""
    y, n = np.zeros(len(w)), 0
    for o, i in np.argwhere(live):
        y[o] += w[o, i] * x[i]
        n += 1
    return y, n


def convolution(layer: mp.Conv2d, w: Array, live: Array, x: Array) -> tuple[Array, int]:
    """(w * x, multiplications): x (i, h, w); zeros that are padded are multiplied too."""
    (down, right), (dy, dx) = layer.stride, layer.dilation  # type: ignore[misc]
    pads = [(p, p) for p in layer.padding if layer.padding != "same"]  # type: ignore[union-attr]
    if not pads:
        gaps = [(k - 1) * d for k, d in zip(w.shape[2:], (dy, dx), strict=True)]
        pads = [(gap // 2, gap - gap // 2) for gap in gaps]
    x = np.pad(x, [(0, 0), *pads])
    extent = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], (dy, dx), strict=True)]
    sides = [(s - k) // d + 1 for s, k, d in zip(x.shape[1:], extent, (down, right), strict=True)]
    y, n = np.zeros((len(w), *sides)), 0
    each = len(w) // layer.groups
    for (o, i, v, u), r, c in product(np.argwhere(live), range(sides[0]), range(sides[1])):
        entry = x[o // each * w.shape[1] + i, r * down + v * dy, c * right + u * dx]
        y[o, r, c] += w[o, i, v, u] * entry
        n += 1
    return y, n


def executed(model: Model, samples: int) -> dict[str, int]:
    """Multiplications a sample in each layer, by computing it; its outputs must be the net's."""
    rng = np.random.default_rng(0)
    x = batch_last(rng.standard_normal((samples, *model.net.input_shape)), model.dtype)
    seen: Arrays = {"input": x}
    run(model.net, model.params | model.buffers, x, watch=lambda n, out: seen.update({n: out}))
    found: dict[str, int] = {}
    for node in model.net.nodes:
        if not isinstance(node.layer, mp.Dense | mp.Conv2d):
            continue
        name = f"{node.name}.weight"
        w = model.params[name]
        live = model.masks.get(name, np.ones(w.shape, bool))
        bias = model.params.get(f"{node.name}.bias", np.zeros(len(w)))
        found[name] = 0
        for k in range(samples):
            one = seen[node.inputs[0]][..., k]
            if isinstance(node.layer, mp.Dense):
                y, n = dense(w, live, one)
            else:
                y, n = convolution(node.layer, w, live, one)
            shift = bias.reshape(-1, *(1,) * (y.ndim - 1))
            assert np.allclose(y + shift, seen[node.name][..., k], rtol=1e-9, atol=1e-9)
            found[name] += n
        found[name] //= samples
    return found


def ours(model: Model, samples: int) -> dict[str, int]:
    return {c.name: c.live_macs for c in counts(model.net, model.masks) if c.positions}


def counts_executions(fn: Count, c: Case) -> bool:
    return fn(*c) == executed(*c)


cases = st.tuples(
    st.builds(
        lambda model, share, seed: thinned(model, share, seed, minimum=0, unit=False),
        structured() | models(most=6), st.floats(0, 1), st.integers(0, 99),
    ),
    st.integers(1, 2),
)  # fmt: skip


@given(case=cases)
def test_live_multiply_adds_are_those_executed(case: Case) -> None:
    assert counts_executions(ours, case)
    assert size(case[0]).live_macs == sum(executed(*case).values())


@given(model=structured(), share=st.floats(0, 1))
def test_compaction_executes_what_was_live_or_less(model: Model, share: float) -> None:
    pruned = thinned(model, share)
    assert size(mp.compact(pruned)).macs <= size(pruned).live_macs


WORDS = ("mat", "conv2d", "affine", "sampled")
PRODUCTS = {name for name in CONTRACT if any(word in name for word in WORDS)}


def called(work: Callable[[], Any]) -> int:
    """Multiply-adds of all products and convolutions in `work`, by the contracts of the kernels"""
    total = 0

    def counting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:  # those of the kernel, and its result
            nonlocal total
            total += CONTRACT[name].madds(*args[:-1])
            return real(*args)

        return call

    work()  # so that the door has found what it needs
    with pytest.MonkeyPatch.context() as patch:
        for name in door.found.keys() & PRODUCTS:
            patch.setitem(door.found, name, counting(name, door.found[name]))
        work()
    return total


@given(pair=masked_models, samples=st.integers(2, 3))
def test_sparse_models_execute_what_is_live(pair: tuple[Model, Formats], samples: int) -> None:
    """Training too: once for the outputs, once for the inputs' gradient, once for the weights'."""
    dense, formats = pair
    layers = {n.rpartition(".")[0] for n in dense.net.weights if n not in dense.masks}
    every = formats | dict.fromkeys(sorted(layers), "csr")
    sparse, live = mp.sparsify(dense, every), size(dense).live_macs * samples
    x, y = batch(dense, samples)
    assert called(lambda: sparse(x)) == live
    assert called(lambda: gradients(sparse, x, y, train=True)) == 3 * live
    assert called(lambda: dense(x)) == size(dense).macs * samples  # masks alone save nothing


def with_batch(model: Model, samples: int) -> dict[str, int]:
    return {n: k * samples for n, k in ours(model, samples).items()}


def without_padding(model: Model, samples: int) -> dict[str, int]:
    """As if the window stayed inside the image."""
    found = ours(model, samples)
    for node in model.net.nodes:
        if isinstance(node.layer, mp.Conv2d):
            pads, strides = node.layer.window["padding"][:2], node.layer.stride
            out = model.net.shapes[node.name][1:]
            less = [side - -(-2 * p // s) for side, p, s in zip(out, pads, strides, strict=True)]  # type: ignore[arg-type]
            name = f"{node.name}.weight"
            found[name] = found[name] // (out[0] * out[1]) * max(less[0], 0) * max(less[1], 0)
    return found


def groups_ignored(model: Model, samples: int) -> dict[str, int]:
    groups = {f"{n.name}.weight": getattr(n.layer, "groups", 1) for n in model.net.nodes}
    return {n: k * groups[n] for n, k in ours(model, samples).items()}


def dense_count(model: Model, samples: int) -> dict[str, int]:
    return {c.name: c.macs for c in counts(model.net, {}) if c.positions}


@pytest.mark.parametrize("wrong", [with_batch, without_padding, groups_ignored, dense_count])
def test_the_law_of_counts_rejects(wrong: Count) -> None:
    find(cases, lambda case: not counts_executions(wrong, case), settings=SEARCH)
