"""Stored = live: counts, sizes, tables and pages of sparse models are those of the masked ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from sparsely import Formats, masked, masked_models
from structures import ZOO

import minprune as mp
from minprune.jobs.info import info
from minprune.measures.cost import size
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.sparse import BlockCSR, matrix

Pair = tuple[Model, Formats]


def by_hand(model: Model) -> int:
    """Bytes of values, indices and what is dense, from the formats."""
    layers = [name.rpartition(".")[0] for name in model.net.stored]
    dense = sum(w.nbytes for k, w in model.params.items() if k not in model.net.stored)
    return dense + sum(matrix(model, layer).bytes for layer in layers)


def is_counted_as_stored(sparse: Model, dense: Model) -> bool:
    """Every count of the sparse model is that of the masked one."""
    names = ("parameters", "live", "sparsity", "macs", "live_macs", "bytes", "sparse_bytes")
    same = all(getattr(size(sparse), k) == getattr(size(dense), k) for k in names)
    rows = counts(sparse.net, sparse.masks) == counts(dense.net, dense.masks)
    return same and rows and size(sparse).stored == by_hand(sparse)


@given(pair=masked_models)
def test_counts_are_those_of_the_masked_model(pair: Pair) -> None:
    dense, formats = pair
    assert is_counted_as_stored(mp.sparsify(dense, formats), dense)


def test_a_live_zero_counts_as_live() -> None:
    dense, formats = masked(ZOO["mlp"]().net, 3)
    sparse = mp.sparsify(dense, formats)
    zeros = {k: np.zeros_like(w) for k, w in sparse.params.items()}
    assert size(replace(sparse, params=zeros)) == size(sparse)
    assert size(sparse).live == sum(w.size for w in sparse.params.values())


def test_bytes_by_hand() -> None:
    model = ZOO["mlp"]()  # 7 -> 6 -> 5 -> 3
    masks = {"fc1.weight": np.zeros((6, 7), bool), "fc2.weight": np.zeros((5, 6), bool)}
    masks["fc1.weight"][:4, 4:] = True  # a block of 4 x 3
    masks["fc2.weight"][0, :4] = True
    sparse = mp.sparsify(mp.with_masks(model, masks), {"fc1": "4x4", "fc2": "csr"})
    assert isinstance(matrix(sparse, "fc1"), BlockCSR)
    blocks = 8 * 12 + 4 * 1 + 4 * 3
    csr = 8 * 4 + 4 * 4 + 4 * 6
    assert size(sparse).stored == blocks + csr + 8 * (3 * 5) + 8 * (6 + 5 + 3)
    assert size(sparse).live_macs == 12 + 4 + 15
    assert size(sparse).macs == 42 + 30 + 15


def test_summary_shows_what_is_stored() -> None:
    dense, formats = masked(ZOO["cnn_small"]().net, 0)
    lines = str(mp.sparsify(dense, formats)).splitlines()
    kinds = ("SparseConv", "SparseDense", "Conv2d", "Dense")
    want = [line.split() for line in str(dense).splitlines()]
    found = [line.split() for line in lines]
    assert len(found) == len(want)
    for a, b in zip(found, want, strict=True):
        form = formats.get(a[0]) if a else None  # stands behind the kind
        plain = [w.replace("Sparse", "").replace("Conv2d", "Conv") for w in a if w != form]
        assert [w for w in plain if w[0] != "-"] == [
            w.replace("Conv2d", "Conv") for w in b if w[0] != "-"
        ]
        assert form is None or a[2] == form
    assert {line[1] for line in found if len(line) > 1} & set(kinds) == set(kinds[:2])


@pytest.mark.parametrize("time", [False, True])
def test_measure(time: bool) -> None:
    dense, formats = masked(ZOO["mlp"]().net, 1)
    sparse = mp.sparsify(dense, formats)
    data = np.random.default_rng(0).standard_normal((20, 7)), np.arange(20) % 3
    found, want = mp.measure(sparse, data, time=time), mp.measure(dense, data, time=False)
    assert found.quality is not None
    assert want.quality is not None
    assert found.quality.accuracy == want.quality.accuracy
    assert f"{size(sparse).stored:,}" in str(found)
    assert [t.batch for t in found.latency] == [1, 64] * time


def test_info_of_a_sparse_file(tmp_path: Path) -> None:
    """The table of weights has them all, in their dense shapes; only the bytes stored differ."""
    dense, formats = masked(ZOO["mlp"]().net, 1)
    paths = tmp_path / "sparse", tmp_path / "dense"
    mp.save(mp.sparsify(dense, formats), paths[0])
    mp.save(dense, paths[1])
    found = (info(p).rpartition("\nbytes in memory") for p in paths)
    sparse, masks = (text.split("\n\n")[-2:] for text, *_ in found)
    assert sparse == masks
    assert "fc3.weight" in sparse[0]


def counted_dense(sparse: Model, dense: Model) -> bool:
    """The slip: the stored vector's length as the shape."""
    return all(c.total == sparse.params[c.name].size for c in counts(dense.net, dense.masks))


def test_the_shape_is_the_dense_one() -> None:
    dense, formats = masked(ZOO["mlp"]().net, 3)
    assert not counted_dense(mp.sparsify(dense, formats), dense)
    other, _ = masked(ZOO["mlp"]().net, 4)
    assert not is_counted_as_stored(mp.sparsify(dense, formats), other)
