"""The kit on plain nets: right ones pass; each law has planted bugs that it rejects."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planted_networks import (
    COMPACT_RIGHT,
    COMPACT_WRONG,
    COUNTER_RIGHT,
    COUNTER_WRONG,
    SPARSE_RIGHT,
    SPARSE_WRONG,
)

from minprune.errors import ArgumentError
from minprune.verify import check_counter, check_layer_compaction, check_sparse_format
from minprune.verify.networks import counter, layer_compaction, sparse_format
from minprune.verify.ours.networks import model_of
from minprune.verify.plain.layers import forward, net, reversed_units, sample_grads
from minprune.verify.verdict import Verdicts

Check = Callable[..., Verdicts]


def of_compaction(row: Any, **how: Any) -> Verdicts:
    return check_layer_compaction(row[1], **how)


def of_counter(row: Any, **how: Any) -> Verdicts:
    return check_counter(row[1], **row[2], **how)


def of_format(row: Any, **how: Any) -> Verdicts:
    encode, decode, *product = row[1]
    return check_sparse_format(encode, decode, *product, like=row[2], **how)


# check: right rows, wrong rows, its laws, and what each law rejects
KINDS: dict[Check, tuple[Any, Any, Any, dict[str, tuple[str, ...]]]] = {
    of_compaction: (COMPACT_RIGHT, COMPACT_WRONG, layer_compaction.LAWS, {
        "same function": ("constants subtracted", "flattened the wrong way", "last layer too"),
        "constants": ("NNI: constants dropped", "constants into padding", "no bias made"),
        "larger": ("small ones too", "constants before the activation"),
        "dead layer": ("normalisation not cut", "masks ignored"),
        "no dead unit stays": ("unread stay", "one pass"), "counts": ("nothing",),
        "nothing to do": ("last layer too",), "done at once": ("one pass",),
        "masks": ("masks ignored",), "float32": ("float64",), "same bits": ("jitter",),
        "input untouched": ("in place",),
    }),
    of_counter: (COUNTER_RIGHT, COUNTER_WRONG, counter.LAWS | counter.LIVING, {
        "published": ("groups ignored", "shrinkbench: padding ignored", "operations"),
        "parameters": ("statistics", "biases left out"),
        "multiply-adds": ("positions of the input", "biases multiply", "normalisation multiplies",
                          "parameters masked alone"),
        "batch size": ("Torch-Pruning: batch",), "numbers": ("zeros left out",),
        "same bits": ("adds up",), "input untouched": ("zeroes the net",),
        "live": ("masks ignored",),
    }),
    of_format: (SPARSE_RIGHT, SPARSE_WRONG, sparse_format.LAWS | sparse_format.PRODUCT
                | sparse_format.CSR, {
        "round trip": ("transposed", "float32 values", "padding overwrites"),
        "empty rows": ("empty rows go", "reduceat"), "ragged tails": ("no tail",),
        "wide": ("8-bit columns", "16-bit columns", "16-bit starts"),
        "float32": ("float64 values",), "own memory": ("views",), "same bits": ("jitter",),
        "input untouched": ("zeroes its input",),
        "product": ("float32 product", "product of rows"),
        "product of one": ("a vector for one column",), "live entries": ("zeros go",),
        "indices": ("float columns", "starts from 1", "columns fall"),
    }),
}  # fmt: skip
RIGHT = [(check, row) for check, (rows, *_) in KINDS.items() for row in rows]
WRONG = [(check, name, law) for check, (*_, told) in KINDS.items()
         for law, names in told.items() for name in names]  # fmt: skip


@pytest.mark.parametrize(("check", "row"), RIGHT, ids=lambda v: v[0] if type(v) is tuple else None)
def test_right_ones_pass(check: Check, row: Any) -> None:
    found = check(row, examples=12)
    assert found.ok, found


@pytest.mark.parametrize(("check", "name", "law"), WRONG)
def test_each_law_rejects_its_planted_bugs(check: Check, name: str, law: str) -> None:
    row = next(row for row in KINDS[check][1] if row[0] == name)
    assert [v.law for v in check(row, examples=40, laws=[law]).broken] == [law]


@pytest.mark.parametrize("check", KINDS)
def test_every_law_and_every_bug_has_a_row(check: Check) -> None:
    _, wrong, laws, told = KINDS[check]
    assert list(told) == list(laws)
    assert {row[0] for row in wrong} == {name for names in told.values() for name in names}


def test_plain_layers_compute_what_those_of_minprune_do() -> None:
    layers = net(0, (4, 3, 1, 1, 2), "batchnorm", "tanh", "maxpool", (4, 2, 0), "sigmoid",
                 "flatten", 6, "relu", 3, x=(2, 6, 6))  # fmt: skip
    x = np.random.default_rng(0).standard_normal((5, 2, 6, 6))
    np.testing.assert_allclose(forward(layers, x), model_of(layers, (2, 6, 6))(x), rtol=1e-12)
    turned = net(1, 4, "tanh", 3, "relu", 2)
    np.testing.assert_allclose(
        forward(reversed_units(turned), x[:, 0, 0, :3]), forward(turned, x[:, 0, 0, :3]), rtol=1e-12
    )


def test_complex_steps_equal_the_gradients_of_minprune() -> None:
    from minprune.curvature import sample_grads as ours

    layers = net(2, (3, 3, 1), "batchnorm", "relu", "maxpool", "flatten", 3, x=(2, 4, 4))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 2, 4, 4)), np.array([0, 1, 2, 0])
    want = ours(model_of(layers, (2, 4, 4), "cross_entropy"), (x, y))
    for name, g in sample_grads(layers, x, y).items():
        np.testing.assert_allclose(g, want[name], rtol=1e-10, atol=1e-13)


def test_another_format_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_sparse_format(lambda dense: dense, lambda parts: parts, like="4:2")
    assert caught.value.args == (
        "check_sparse_format: like must be 'csr', N:M with N <= M or ROWSxCOLUMNS, not '4:2'; pass "
        "like='2:4', for example",
    )
