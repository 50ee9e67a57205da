"""sparsify(m) is the function of the masked m, with its gradients; densify gives m back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import computing
from randomnets import batch, filled
from sparsely import NEAR, Formats, apart, bits, gradients, live, masked, masked_models
from structures import ZOO

import minprune as mp
from minprune.errors import ArgumentError
from minprune.nets.model import Model
from minprune.sparse import CSR, SparseConv, Speeds, matrix
from minprune.sparse.speeds import names

Pair = tuple[Model, Formats]


def is_the_masked_model(sparse: Model, dense: Model, train: bool, n: int = 5) -> bool:
    """Outputs and gradients: of live weights, biases, normalisation and the input."""
    x, y = batch(dense, n)
    out, grads = gradients(sparse, x, y, train)
    want, slopes = gradients(dense, x, y, train)
    images = slopes.pop("input")
    close = apart(grads.pop("input"), images) <= NEAR and apart(out, want) <= NEAR
    return close and apart(grads, live(dense, slopes, sparse)) <= NEAR


@given(pair=masked_models, train=st.booleans())
def test_sparsify_keeps_outputs_and_gradients(pair: Pair, train: bool) -> None:
    dense, formats = pair
    sparse = mp.sparsify(dense, formats)
    assert len(sparse.net.stored) == len(formats)
    assert is_the_masked_model(sparse, dense, train)


@pytest.mark.parametrize("name", ZOO)
def test_every_net_of_the_zoo(name: str) -> None:
    dense, formats = masked(ZOO[name]().net, 1)
    sparse = mp.sparsify(dense, formats)
    assert sparse.net.every_weight == dense.net.weights
    assert not sparse.net.weights
    for train in (False, True):
        assert is_the_masked_model(sparse, dense, train, 3)


@pytest.mark.parametrize("how", ["numba", "numpy"])
def test_numpy_kernels_too(how: str) -> None:
    """Depthwise, grouped, strides, padding and every format, in one net."""
    layers: list[Any] = [
        ("depth", mp.Conv2d(4, 8, (3, 2), stride=(2, 1), padding=(1, 0), groups=4)),
        ("bn", mp.BatchNorm(8)), ("relu", mp.ReLU()), ("pairs", mp.Conv2d(8, 4, 2, groups=2)),
        ("flat", mp.Flatten()), ("fc1", mp.Dense(32, 9)), ("tanh", mp.Tanh()),
        ("fc2", mp.Dense(9, 6, bias=False)), ("relu2", mp.ReLU()), ("fc3", mp.Dense(6, 3)),
    ]  # fmt: skip
    for seed in range(4):
        dense, formats = masked(mp.build((4, 5, 6), layers), seed)
        with computing(how):
            sparse = mp.sparsify(dense, formats)
            assert is_the_masked_model(sparse, dense, train=True)
            for n in (1, 5):
                assert apart(sparse(batch(dense, n)[0]), dense(batch(dense, n)[0])) <= NEAR


@pytest.mark.parametrize("n", [0, 1, 2, 17, 64, 257, 1024])
def test_every_number_of_samples(n: int) -> None:
    """257: a whole chunk, and one sample by the product with a vector."""
    for name in ("mlp", "cnn_small"):
        dense, formats = masked(ZOO[name]().net, n)
        x = batch(dense, n)[0]
        found = mp.sparsify(dense, formats)(x)
        assert found.shape == (n, 3)
        assert apart(found, dense(x)) <= NEAR


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(pair=masked_models)
@settings(max_examples=settings.default.max_examples // 2)
def test_densify_gives_the_model_back_to_the_bit(dtype: type, pair: Pair) -> None:
    dense, formats = pair
    arrays = ({k: a.astype(dtype) for k, a in d.items()} for d in (dense.params, dense.buffers))
    dense = Model(dense.net, *arrays, dense.masks)
    before = bits(dense.params | dense.masks)
    sparse = mp.sparsify(dense, formats)
    back = mp.densify(sparse)
    assert back.net == dense.net
    for kind in ("params", "buffers", "masks"):
        assert bits(getattr(back, kind)) == bits(getattr(dense, kind)), kind
    assert bits(dense.params | dense.masks) == before
    again = mp.sparsify(back, formats)
    assert again.net == sparse.net
    assert bits(again.params | again.buffers) == bits(sparse.params | sparse.buffers)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["everything masked", "nothing masked"])
@pytest.mark.parametrize("form", ["csr", "4x4", "8x8", "auto"])
def test_all_or_nothing(share: float, form: str) -> None:
    model = filled(ZOO["mlp"]().net, 0)
    masks = {k: np.full(model.params[k].shape, bool(share)) for k in model.net.weights}
    dense = mp.with_masks(model, masks)
    sparse = mp.sparsify(dense, form, measured=FLAT)
    x = batch(dense, 3)[0]
    assert apart(sparse(x), dense(x)) <= NEAR
    back = mp.densify(sparse)
    assert bits(back.params | back.masks) == bits(dense.params | dense.masks)


FLAT = Speeds("none", dict.fromkeys(names(), 1.0))  # the fewest multiply-adds win, then dense


def test_layers_without_a_mask_stay_as_they_are() -> None:
    dense, _ = masked(ZOO["cnn_small"]().net, 0)
    last = dense.net.weights[-1]
    dense = replace(dense, masks={last: dense.masks[last]})
    sparse = mp.sparsify(dense, "csr")
    assert list(sparse.net.stored) == [last]
    assert sparse.net.weights == dense.net.weights[:-1]
    for same in ("csr", "auto", {last: "csr"}, {last: "auto"}):
        assert mp.sparsify(sparse, same).net == sparse.net  # sparse ones too
    bare = filled(dense.net, 0)
    assert mp.sparsify(bare, "csr").net == bare.net
    named = mp.sparsify(bare, {last: "csr"})  # unless the dict names them
    assert named.params[last].size == bare.params[last].size


def test_what_is_masked_counts_as_zero() -> None:
    dense, formats = masked(ZOO["mlp"]().net, 2)
    dirty = replace(dense, params=dense.params | {"fc1.weight": dense.params["fc1.weight"] + 1})
    clean = mp.with_masks(dirty, {})
    back = mp.densify(mp.sparsify(dirty, formats))
    assert bits(dirty.params) != bits(clean.params)
    assert bits(back.params) == bits(clean.params)


@pytest.mark.parametrize(("pattern", "form", "target", "text"), [
    ("2:4", "2:4", {}, "NofM: group 0 of row 0 must have exactly 2 of its 4 entries live, not "
     "1; prune with pattern='2:4' before anything else is pruned, or use CSR"),
    ((2, 2), "2x2", {"sparsity": 0.75}, "BlockCSR: a block must be live as a whole or not "
     "at all, but block (0, 0) has 2 of 4 entries live; "
     "prune with pattern=(2, 2) before anything else is pruned, or use CSR"),
], ids=["2:4", "2x2"])  # fmt: skip
def test_a_pattern_fits_before_other_pruning_and_not_after(
    pattern: Any, form: str, target: dict[str, float], text: str
) -> None:
    model = filled(mp.build((4,), [("fc1", mp.Dense(4, 4))]), 0)
    scores = {"fc1.weight": np.arange(16.0)[::-1].reshape(4, 4)}
    pruned = mp.with_masks(model, {"fc1.weight": np.eye(4) > 0})
    with pytest.raises(ArgumentError) as caught:
        mp.sparsify(mp.prune(pruned, scores, pattern=pattern, **target), form)
    assert caught.value.args == (f"fc1: {text}",)
    first = mp.prune(model, scores, pattern=pattern, **target)
    assert list(mp.sparsify(first, form).net.stored) == ["fc1.weight"]


def test_a_pattern_of_the_dense_layers_of_a_net_with_convolutions() -> None:
    """As the refusal of one format for all says."""
    model = ZOO["cnn_small"]()
    pruned = mp.prune(model, mp.score(model, None, "magnitude"), pattern="2:4")
    with pytest.raises(ArgumentError, match=r"^conv1: .* \{layer: '2:4'\}$"):
        mp.sparsify(pruned, "2:4")
    dense = [n.name for n in pruned.net.nodes if isinstance(n.layer, mp.Dense)]
    sparse = mp.sparsify(pruned, dict.fromkeys(dense, "2:4"))
    assert [name.removesuffix(".weight") for name in sparse.net.stored] == dense


def test_the_weight_as_a_format_value() -> None:
    dense, _ = masked(ZOO["mlp"]().net, 0)
    found = matrix(mp.sparsify(dense, {"fc1": "csr"}), "fc1")
    assert isinstance(found, CSR)
    assert found.to_dense().tolist() == dense.params["fc1.weight"].tolist()


# --- what the laws must reject

Wrong = Callable[[Model, Formats], Model]


def changed(model: Model, name: str, fn: Callable[[np.ndarray], np.ndarray]) -> Model:
    """The sparse model with one array changed."""
    kind = "params" if name in model.params else "buffers"
    arrays = getattr(model, kind)
    return replace(model, **{kind: arrays | {name: fn(arrays[name])}})


def strides_turned(model: Model, formats: Formats) -> Model:
    nodes = []
    for node in mp.sparsify(model, formats).net.nodes:
        layer = node.layer
        if isinstance(layer, SparseConv):
            layer = replace(layer, stride=layer.stride[::-1])  # type: ignore[index]
        nodes.append(node._replace(layer=layer))
    sparse = mp.sparsify(model, formats)
    return replace(sparse, net=replace(sparse.net, nodes=tuple(nodes)))


WRONG: dict[str, Wrong] = {
    "values in another order": lambda m, f: changed(
        mp.sparsify(m, f), "fc.weight", lambda w: w[::-1].copy()
    ),
    "a column beside its place": lambda m, f: changed(
        mp.sparsify(m, f | {"fc": "csr"}), "fc.columns", lambda c: (c + 1) % (c.max() + 2)
    ),
    "strides turned round": strides_turned,
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_law_rejects(slip: str) -> None:
    net = mp.build((4, 6, 6), [
        ("conv", mp.Conv2d(4, 4, 3, stride=(1, 2), padding=(1, 1), groups=2)),
        ("mean", mp.GlobalAvgPool()), ("fc", mp.Dense(4, 3)),
    ])  # fmt: skip
    model = filled(net, 0)
    masks = {"conv.weight": np.arange(72).reshape(4, 2, 3, 3) % 3 > 0}
    masks["fc.weight"] = np.array([[True, False, True, False]] * 3)
    dense, formats = mp.with_masks(model, masks), {"conv": "csr", "fc": "csr"}
    assert is_the_masked_model(mp.sparsify(dense, formats), dense, train=True)
    assert not is_the_masked_model(WRONG[slip](dense, formats), dense, train=True)
