"""Every sentence about patterns, compared whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minprune.errors import (
    ArgumentError,
    MinpruneError,
    NonFiniteError,
    ShapeError,
    UnreachableError,
)
from minprune.masking.choose import choose

W = {"fc1.weight": np.arange(1.0, 7).reshape(2, 3), "fc2.weight": np.ones((2, 2))}
HUGE = {"w": np.array([[1.5e308, 1e308], [1, 1]])}
PAIR = (
    "prune: pattern must be 'N:M' with 1 <= N <= M, or a pair (rows, columns) of integers of at "
    "least 1, not {!r}; pass pattern='2:4' or pattern=(4, 4), for example"
)
BAD: tuple[Any, ...] = ("4:2", "0:4", "2/4", "2:4:8", "", "-1:4", "2:" + "9" * 10, 4, (4,), (4, 0),
                        (4, 4, 4), (2.0, 2), (True, 2), {"fc1": "2:4"})  # fmt: skip
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    *((lambda p=p: choose(W, {}, pattern=p), ArgumentError,
       PAIR.format(p)) for p in BAD),
    (lambda: choose(W, {}, pattern="2:4", sparsity=0.5), ArgumentError,
     "prune: sparsity must not be given with the pattern 2:4, which fixes how many weights "
     "stay; leave sparsity out"),
    (lambda: choose(W, {}, pattern="2:4", threshold=0.5), ArgumentError,
     "prune: threshold must not be given with the pattern 2:4, which fixes how many weights "
     "stay; leave threshold out"),
    (lambda: choose(W, {}, pattern=(4, 4)), ArgumentError,
     "prune: one of sparsity and threshold must be given, not none; pass sparsity=0.9 alone, "
     "for example"),
    (lambda: choose(W | {"fc1.bias": np.ones(2)}, {}, pattern="2:4"), ShapeError,
     "fc1.bias: for a pattern, scores must have the shape (outputs, inputs, ...), not (2,); "
     "score weights alone, entry by entry"),
    (lambda: choose(W, {}, pattern=(2, 2), sparsity=0.5, block_reduce="l2"), ArgumentError,
     "prune: block_reduce must be 'mean', 'sum' or 'max', not 'l2'; choose one of them"),
    (lambda: choose(HUGE, {}, pattern=(1, 2), sparsity=0.5), NonFiniteError,
     "w: 1 of 2 entries of the scores of blocks are not finite, but must be numbers; divide the "
     "scores by a constant first, so that sums fit in float64"),
    (lambda: choose({"w": np.full((2, 2), 3e38, np.float32)}, {}, pattern=(2, 2), sparsity=0.5,
                    block_reduce="sum"), NonFiniteError,
     "w: 1 of 1 entries of the scores of blocks are not finite, but must be numbers; divide the "
     "scores by a constant first, so that sums fit in float32"),
    (lambda: choose({"w": np.array([[1.7e308, 1.7e308, -1.7e308, -1.7e308] * 4])}, {},
                    pattern=(1, 16), sparsity=0, block_reduce="sum"), NonFiniteError,
     "w: 1 of 1 entries of the scores of blocks are not finite, but must be numbers; divide the "
     "scores by a constant first, so that sums fit in float64"),
    (lambda: choose(W, {}, pattern="1:3", minimum=3), UnreachableError,
     "prune: 1:3 leaves 2 of 6 weights of fc1.weight, fewer than minimum=3; lower minimum, or"
     " protect fc1.weight"),
    (lambda: choose(W, {}, pattern=(1, 2), sparsity=1), UnreachableError,
     "prune: sparsity=1 leaves 0 of 6 blocks of the net, fewer than minimum=1 for each layer;"
     " the largest reachable is 0.6666666666666666"),
    (lambda: choose(W, {"fc1.weight": W["fc1.weight"] > 2}, pattern=(1, 2), sparsity=0),
     ArgumentError,
     "prune: sparsity=0 is below the present 0.16666666666666666 of the net, and pruned "
     "blocks are not restored; pass at least the present sparsity"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES)
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
