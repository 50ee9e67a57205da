"""What needs dense shapes says so, and what counts, prints and measures knows what is stored.

Longer than most: a row per sentence.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sparsely import masked
from structures import ZOO

import minprune as mp
from minprune import curvature, methods, structure
from minprune.core import Split
from minprune.criteria import CRITERIA
from minprune.curvature.layerwise import layer_inputs
from minprune.errors import ArgumentError, MinpruneError, ShapeError
from minprune.measures.cost import size
from minprune.nets.model import Model
from minprune.sparse import matrix


def mlp(form: str = "csr") -> Model:
    """7 -> 6 -> 5 -> 3, every second entry of every weight live; half of fc1 for 2:4"""
    model = ZOO["mlp"]()
    masks = {k: np.indices(model.params[k].shape).sum(0) % 2 > 0 for k in model.net.weights}
    return mp.sparsify(mp.with_masks(model, masks), form)


S = mlp()
K, FULL = 21, np.ones((6, 7), bool)  # entries of fc1 that are live
DATA: Split = np.random.default_rng(0).standard_normal((6, 7)), np.arange(6) % 3
ALL = mp.Dataset(DATA, DATA, DATA)
HOW: dict[str, Any] = {"epochs": 1, "progress": False}
REMEDY = " needs the dense weight, and only its live entries are stored; pass mp.densify(model), " \
         "and mp.sparsify the result"  # fmt: skip


def training(method: mp.Method) -> Callable[[], Any]:
    return lambda: mp.fit(S, ALL, method=method, **HOW)


NEED: dict[str, tuple[str, Callable[[], Any]]] = {
    "scores of one's own": (
        "what looks at single weights", lambda: mp.score(S, None, lambda e: e.weights),
    ),
    "scores of all parameters": (
        "what looks at single weights", lambda: mp.score(S, None, "magnitude", params="all"),
    ),
    "prune": ("pruning", lambda: mp.prune(S, {"fc1.weight": np.ones(K)}, sparsity=0.6)),
    "prune by scores of a dense shape": (
        "pruning", lambda: mp.prune(S, {"fc1.weight": np.ones((6, 7))}, threshold=1.0),
    ),
    "prune units": ("pruning", lambda: mp.prune(S, {"fc1.weight": np.ones(6)}, sparsity=0.5)),
    "a dense mask": ("a mask", lambda: mp.with_masks(S, {"fc1.weight": FULL})),
    "a mask of what is stored": (
        "a mask",
        lambda: mp.with_masks(S, {"fc1.bias": FULL[:, 0], "fc1.weight": FULL.ravel()[:K]}),
    ),
    "ties": ("a pass over units", lambda: mp.ties(S)),
    "compact": ("a pass over units", lambda: mp.compact(S)),
    "plan": ("a pass over units", lambda: structure.plan(S)),
    "merge": ("a pass over units", lambda: structure.merge(S, [(("fc1", 0), ("fc1", 1), 1, 0)])),
    "regressions": ("a pass over units", lambda: structure.regressions(S, DATA)),
    "hessian": ("what looks at single weights", lambda: curvature.hessian(S, DATA)),
    "ggn": ("what looks at single weights", lambda: curvature.ggn(S, DATA)),
    "sample_grads": ("what looks at single weights", lambda: curvature.sample_grads(S, DATA)),
    "squared_grads": ("what looks at single weights", lambda: curvature.squared_grads(S, DATA)),
    "removal": ("what looks at single weights", lambda: curvature.removal(S, DATA)),
    "ggn_rows": (
        "a gradient of each sample", lambda: list(curvature.ggn_rows(S, DATA, ["fc1.weight"])),
    ),
    "layer_inputs": (
        "the product of a layer's inputs", lambda: list(layer_inputs(S, DATA[0], "fc1")),
    ),
    "obs": ("Optimal Brain Surgeon", lambda: methods.obs(S, DATA, sparsity=0.7)),
    "at_init": (
        "pruning", lambda: methods.at_init(S, ALL, sparsity=0.7, epochs=1, progress=False),
    ),
    "iterative": (
        "pruning", lambda: methods.iterative(S, ALL, sparsity=0.7, epochs=1, progress=False),
    ),
    "lottery_ticket": (
        "pruning", lambda: methods.lottery_ticket(S, ALL, rounds=1, epochs=1, progress=False),
    ),
    "gradual units": (
        "pruning", training(methods.Gradual(lambda step: 0.5, "apoz", unit=True))
    ),
    "gradual": ("pruning", training(methods.Gradual(lambda step: 0.7))),
}  # fmt: skip
NEED |= {
    f"diagonal {kind}": (
        "what looks at single weights", lambda kind=kind: curvature.diagonal(S, DATA, kind),  # type: ignore[misc]
    )
    for kind in curvature.DIAGONALS
}  # fmt: skip
NEED |= {
    f"score {name}, {'units' if unit else 'weights'}": (
        "what looks at single weights",
        lambda name=name, unit=unit: mp.score(S, DATA, name, unit=unit),  # type: ignore[misc]
    )
    for name, fn in CRITERIA.items()
    for unit in (False, True)
    if (fn.spec.unit if unit else fn.spec.single)  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("name", NEED)
def test_what_needs_dense_weights_names_densify(name: str) -> None:
    what, call = NEED[name]
    with pytest.raises(ArgumentError) as caught:
        call()
    text = f"fc1.weight: {what}{REMEDY}"
    assert caught.value.args == (text,)


def test_every_curvature_function_refuses_or_is_right() -> None:
    tried = (
        {name.split()[0] for name in NEED} | {"DIAGONALS", "diagonal"} | set(curvature.DIAGONALS)
    )
    products = {"hvp", "ggn_product"}  # of vectors of the stored shape, as below
    assert set(curvature.__all__) - tried == products | {"unit_removal"}  # which takes ties


def test_products_with_curvature_are_those_of_the_live_entries() -> None:
    dense, _ = masked(ZOO["mlp"]().net, 3)
    sparse = mp.sparsify(dense, dict.fromkeys(("fc1", "fc2", "fc3"), "csr"))
    rng = np.random.default_rng(0)
    v = {k: rng.standard_normal(w.shape) for k, w in sparse.params.items()}
    wide = mp.densify(replace(sparse, params=v)).params
    for product in (curvature.hvp, curvature.ggn_product):
        want = product(dense, DATA, wide)
        masks = dense.masks
        for k, found in product(sparse, DATA, v).items():
            flat = want[k][masks[k]] if k in sparse.net.stored else want[k]
            assert np.abs(found - flat).max(initial=0) <= 1e-10


TILE = (
    "format must be 'csr', blocks of up to '64x64' such as '4x4', or N:M of up to 256 such as "
    "'2:4', not {}; choose one of them, or 'auto' or 'dense' for mp.sparsify"
)
STORED = (
    "fc1: format must be 'csr', in which its live entries are stored already, or 'auto', not {}; "
    "for another format pass mp.densify(model)"
)
NONE = "must be a dense or convolution layer of this net"
NEAR = f"'fc9' {NONE}; choose among fc1, fc2, fc3"
D = mp.densify(S)
CONV = mp.with_masks(ZOO["cnn_small"](), {"conv1.weight": np.ones((16, 1, 3, 3), bool)})
REFUSED: dict[str, tuple[Callable[[], Any], type[MinpruneError], str]] = {
    "a format that nobody has": (
        lambda: mp.sparsify(D, "sell"), ArgumentError, TILE.format("'sell'"),
    ),
    "even where nothing is masked": (
        lambda: mp.sparsify(ZOO["mlp"](), "4x8"), ArgumentError, TILE.format("'4x8'"),
    ),
    "a format that is no text": (
        lambda: mp.sparsify(D, 4), ArgumentError, TILE.format("4"),  # type: ignore[arg-type]
    ),
    "one format of several": (
        lambda: mp.sparsify(D, {"fc1": "csr", "fc2": "4:2"}), ArgumentError,
        TILE.format("'4:2'"),
    ),
    "an unknown layer": (
        lambda: mp.sparsify(D, {"fc9": "csr"}), ArgumentError, NEAR,
    ),
    "a layer that is sparse": (
        lambda: mp.sparsify(S, {"fc1": "2:4"}), ArgumentError, STORED.format("'2:4'"),
    ),
    "a net that is sparse": (
        lambda: mp.sparsify(S, "4x4"), ArgumentError, STORED.format("'4x4'"),
    ),
    "a net that is sparse, to be dense": (
        lambda: mp.sparsify(S, "dense"), ArgumentError, STORED.format("'dense'"),
    ),
    "an unknown layer of a sparse net": (
        lambda: mp.sparsify(S, {"fc9": "csr"}), ArgumentError, NEAR,
    ),
    "no layer at all": (
        lambda: mp.sparsify(mp.initialise(mp.build((2,), [("relu", mp.ReLU())])), {"fc9": "csr"}),
        ArgumentError, f"'fc9' {NONE}, and there is none",
    ),
    "a layer without a weight": (
        lambda: mp.sparsify(D, {"relu_fc1": "csr"}), ArgumentError,
        f"'relu_fc1' {NONE}; choose among fc1, fc2, fc3",
    ),
    "a bias": (
        lambda: mp.sparsify(D, {"fc1.bias": "csr"}), ArgumentError,
        f"'fc1.bias' {NONE}; choose among fc1, fc2, fc3",
    ),
    "a batch of nothing": (
        lambda: mp.sparsify(D, batch=0), ArgumentError,
        "sparsify: batch must be an integer of at least 1, not 0; pass batch=1, for "
        "example",
    ),
    "no model": (
        lambda: mp.sparsify(S.net), ArgumentError,  # type: ignore[arg-type]
        "sparsify: model must be a Model, not Net; pass one that mp.zoo, mp.initialise or "
        "mp.load made",
    ),
    "nothing to make dense": (
        lambda: mp.densify({}), ArgumentError,  # type: ignore[arg-type]
        "densify: model must be a Model, not dict; pass one that mp.zoo, mp.initialise or "
        "mp.load made",
    ),
    "speeds that are none": (
        lambda: mp.sparsify(D, measured={"csr": 1.0}), ArgumentError,  # type: ignore[arg-type]
        "sparsify: measured must hold all speeds of a machine, not {'csr': 1.0}; pass "
        "what mp.sparse.speeds() returns, or leave it out",
    ),
    "speeds that lack some": (
        lambda: mp.sparsify(D, measured=mp.sparse.Speeds("this", {"csr, batch 1": 1.0})),
        ArgumentError,
        "sparsify: measured must hold all speeds of a machine, not "
        "Speeds(machine='this', nanoseconds={'csr, batch 1': 1.0}, calls={}); pass what"
        " mp.sparse.speeds() returns, or leave it out",
    ),
    "a format that does not fit the mask": (
        lambda: mp.sparsify(D, "2:4"), ArgumentError,
        "fc1: NofM: group 1 of row 0 must have exactly 2 of its 3 entries live, not 1; "
        "prune with pattern='2:4' before anything else is pruned, or use CSR",
    ),
    "blocks that are half empty": (
        lambda: mp.sparsify(D, "2x2"), ArgumentError,
        "fc1: BlockCSR: a block must be live as a whole or not at all, but block (0, 0)"
        " has 2 of 4 entries live; prune with pattern=(2, 2) before anything else is "
        "pruned, or use CSR",
    ),
    "blocks of a convolution": (
        lambda: mp.sparsify(CONV, "4x4"), ArgumentError,
        "conv1: format must be 'csr' or 'dense' for a convolution, not '4x4'; choose "
        "one of them, or 'auto', or name each dense layer that has it, {layer: '4x4'}",
    ),
    "a matrix of a dense layer": (
        lambda: matrix(D, "fc1"), ArgumentError,
        "fc1: must be a sparse layer, not a Dense; make it one with mp.sparsify(model, "
        "{'fc1': 'csr'})",
    ),
    "too few values": (
        lambda: replace(S, params=S.params | {"fc1.weight": np.ones(K - 1)}), ShapeError,
        "fc1.weight: the array must be (21,), as in the net, not (20,); reshape it, or build "
        "another net",
    ),
    "indices of another dtype": (
        lambda: replace(S, buffers=S.buffers | {"fc1.columns": np.zeros(K, np.int64)}),
        ArgumentError,
        "fc1.columns: the array must be uint32, not int64; make sparse layers with mp.sparsify",
    ),
    "indices absent": (
        lambda: replace(S, buffers={}), ShapeError,
        "fc1.columns: absent; buffers must have exactly the net's names",
    ),
    "indices that point nowhere": (
        lambda: replace(S, buffers=S.buffers | {"fc1.columns": S.buffers["fc1.columns"] + 3}),
        ArgumentError,
        "fc1: CSR: columns[2] must be below 7, not 8; pass indices that belong to this "
        "matrix and this batch",
    ),
    "a mask": (
        lambda: replace(S, masks={"fc1.weight": np.ones(K, bool)}), ArgumentError,
        "fc1.weight: must have no mask beside its stored entries; mask "
        "mp.densify(model)",
    ),
    "a model of nothing but a net": (
        lambda: mp.initialise(S.net), ArgumentError,
        "fc1.columns: the array must be uint32, not float32; make sparse layers with "
        "mp.sparsify",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, kind, text = REFUSED[name]
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.args == (text,)


def test_what_does_not_need_dense_weights_works() -> None:
    bare = mp.with_masks(S, {"fc1.bias": np.arange(6) > 2})  # a mask of a dense parameter
    assert bare.masks.keys() == {"fc1.bias"}
    assert not bare.params["fc1.bias"][:3].any()
    scores = mp.score(D, None, "magnitude")
    assert mp.combine({"a": scores, "b": scores}).keys() == set(D.net.weights)
    dense = mp.prune(mp.densify(S), scores, sparsity=0.7)  # the way round
    assert size(mp.sparsify(dense, "csr")).sparsity == size(dense).sparsity


def test_layers_of_which_nothing_is_stored_are_collapsed() -> None:
    assert mp.collapsed(S) == []
    empty = mp.sparsify(mp.with_masks(D, {"fc2.weight": np.zeros((5, 6), bool)}), "csr")
    assert mp.collapsed(empty) == mp.collapsed(mp.densify(empty)) == ["fc2.weight"]
