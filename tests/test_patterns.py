"""Block and N:M masks: published masks, laws with the slips they must reject."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from selection import SEARCH, same
from tiling import Blocks, Few, blocks, cells, few
from tiling_laws import BLOCK_LAWS, NM_LAWS
from tiling_slips import BLOCK_WRONG, NM_WRONG

import minprune as mp
from minprune.core import Array, Arrays
from minprune.masking.choose import choose
from minprune.masking.patterns import Pattern, tiles, untiled


def n_of_m(scores: Array, live: Array, n: int, m: int) -> Array:
    return choose({"w": scores}, {"w": live}, pattern=f"{n}:{m}", minimum=0)["w"]


def by_blocks(scores: Arrays, masks: Arrays, *, reduce: str, **target: Any) -> Arrays:
    return choose(scores, masks, block_reduce=reduce, **target)


JAXPRUNER = np.array([
    [[.69, .37, .96, .81], [.79, .55, .88, .53], [.66, .88, .40, .83], [.13, .80, .91, .96]],
    [[.34, .17, .07, .74], [.13, .13, .83, .76], [.13, .92, .25, .75], [.37, .42, .65, .46]],
])  # fmt: skip
WIDE = np.concatenate(
    [
        [[.69, .37, .96, .81, .79, .55, .88, .53], [.66, .88, .40, .83, .13, .80, .91, .96]],
        [[.34, .17, .07, .74, .13, .13, .83, .76], [.13, .92, .25, .75, .37, .42, .65, .46]],
    ]
)  # fmt: skip
W = {"fc1.weight": np.arange(1.0, 7).reshape(2, 3), "fc2.weight": np.ones((2, 2))}
BY_TWO = np.array([[0.1, 0.1, 0.2, 0.2]] * 2 + [[0.3, 0.3, 0.4, 0.4]] * 2)
DIAGONAL = BY_TWO * np.tile(np.eye(2), (2, 2))
ONE_TO_TEN = [[1.71, -0.27, -0.3, -0.61, -0.19], [-0.4, 1.12, 0.46, -1.12, 0.17]]
# fmt: off
WORKED: tuple[tuple[str, Any, dict[str, Any], Any], ...] = (
    # source, scores, pattern and target, kept; N:M there often says how many are zeroed
    ("jaxpruner mask_calculator_test.py, 2:4", JAXPRUNER.reshape(8, 4), {"pattern": "2:4"},
     [[0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1],
      [1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1]]),
    ("jaxpruner, 2:4 along axis 1, which is a convolution's", JAXPRUNER[..., None],
     {"pattern": "2:4"},
     np.array([[[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 1]],
               [[1, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 0]]])[..., None]),
    ("jaxpruner, 2:4 of equals: there the higher index, against its own other rule",
     np.ones((1, 8)), {"pattern": "2:4"}, [[1, 1, 0, 0, 1, 1, 0, 0]]),
    ("jaxpruner, blocks, AVG", WIDE, {"pattern": (2, 3), "sparsity": 0.2},
     [[1] * 8, [1] * 8, [0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1]]),
    ("jaxpruner, blocks, MAX", WIDE, {"pattern": (2, 3), "sparsity": 0.2, "block_reduce": "max"},
     [[1] * 8, [1] * 8, [1, 1, 1, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0, 1, 1]]),
    ("jaxpruner, 1 x 3, AVG", WIDE[:1], {"pattern": (1, 3), "sparsity": 0.2},
     [[0, 0, 0, 1, 1, 1, 1, 1]]),
    ("jaxpruner, 1 x 3, MAX", WIDE[:1],
     {"pattern": (1, 3), "sparsity": 0.2, "block_reduce": "max"}, [[1, 1, 1, 0, 0, 0, 1, 1]]),
    ("jaxpruner, 2 x 2 over a last axis of 2, as a matrix", WIDE,
     {"pattern": (2, 4), "sparsity": 0.2}, [[1] * 8] * 2 + [[0, 0, 0, 0, 1, 1, 1, 1]] * 2),
    ("jaxpruner, the same, MAX", WIDE,
     {"pattern": (2, 4), "sparsity": 0.2, "block_reduce": "max"},
     [[1] * 8] * 2 + [[1, 1, 1, 1, 0, 0, 0, 0]] * 2),
    ("TF-MOT pruning_impl_test.py, AVG", BY_TWO, {"pattern": (2, 2), "sparsity": 0.5},
     [[0] * 4] * 2 + [[1] * 4] * 2),
    ("TF-MOT, MAX", DIAGONAL, {"pattern": (2, 2), "sparsity": 0.5, "block_reduce": "max"},
     [[0] * 4] * 2 + [[1] * 4] * 2),
    ("TF-MOT pruning_utils_test.py, 2 of 4 zero, a tail of 3",
     np.abs([[-.49, -.66, .42], [.31, .63, -1.63]]), {"pattern": "2:4"}, [[1, 1, 0], [0, 1, 1]]),
    ("TF-MOT, 3 of 5 zero", np.abs(ONE_TO_TEN), {"pattern": "2:5"},
     [[1, 0, 0, 1, 0], [0, 1, 0, 1, 0]]),
    ("TF-MOT, 2 of 4", [[1, 2, 3, 4]], {"pattern": "2:4"}, [[0, 0, 1, 1]]),
    ("TF-MOT, 3 of 6", [[1, 2, 3, 4, 5, 6]], {"pattern": "3:6"}, [[0, 0, 0, 1, 1, 1]]),
    ("TF-MOT, 1 of 2", [[1, 2], [3, 4]], {"pattern": "1:2"}, [[0, 1], [0, 1]]),
    ("by hand: 3, 3 / 2, 4 / 1, 1 and the edge 9 / 0 / 0",
     [[3, 3, 9], [2, 4, 0], [1, 1, 0]], {"pattern": (1, 2), "sparsity": 0.5},
     [[1, 1, 1], [1, 1, 0], [0, 0, 0]]),
    ("by hand: means 1, 1.25 of a cut block", [[1, 1, 1, 1.25, 1.25]] * 2,
     {"pattern": (2, 3), "sparsity": 0.5}, [[0, 0, 0, 1, 1]] * 2),
    ("by hand: sums 6, 5 of the same", [[1, 1, 1, 1.25, 1.25]] * 2,
     {"pattern": (2, 3), "sparsity": 0.5, "block_reduce": "sum"}, [[1, 1, 1, 0, 0]] * 2),
    ("by hand: what scores below 2", [[1, 2, 2, 2], [3, 3, 1, 3]],
     {"pattern": (1, 2), "threshold": 2}, [[0, 0, 1, 1], [1, 1, 1, 1]]),
    ("by hand: a block wider than the weight", [[1, 2], [3, 4]],
     {"pattern": (1, 10**9), "sparsity": 0.5}, [[0, 0], [1, 1]]),
    ("by hand: more inputs than there are", [[1, 2], [4, 3]], {"pattern": "1:999999999"},
     [[0, 1], [1, 0]]),
)
# fmt: on


@pytest.mark.parametrize(("source", "scores", "how", "kept"), WORKED, ids=[w[0] for w in WORKED])
def test_worked_masks(source: str, scores: Any, how: dict[str, Any], kept: Any) -> None:
    for dtype in (np.float64, np.float32):
        mask = choose({"w": np.array(scores, dtype)}, {}, **how)["w"]
        assert mask.dtype == bool
        assert np.array_equal(mask, kept)


@pytest.mark.parametrize("law", NM_LAWS)
@given(case=few())
def test_n_of_m_keeps_the_laws(law: str, case: Few) -> None:
    assert NM_LAWS[law](n_of_m, case)


@pytest.mark.parametrize("law", BLOCK_LAWS)
@given(case=blocks())
def test_blocks_keep_the_laws(law: str, case: Blocks) -> None:
    assert BLOCK_LAWS[law](by_blocks, case)


@pytest.mark.parametrize("name", NM_WRONG)
def test_each_law_of_n_of_m_rejects_its_slips(name: str) -> None:
    law, select = NM_WRONG[name]
    find(few(), lambda case: not NM_LAWS[law](select, case), settings=SEARCH)


@pytest.mark.parametrize("name", BLOCK_WRONG)
def test_each_law_of_blocks_rejects_its_slips(name: str) -> None:
    law, select = BLOCK_WRONG[name]
    find(blocks(), lambda case: not BLOCK_LAWS[law](select, case), settings=SEARCH)


def test_each_law_has_a_slip() -> None:
    assert {law for law, _ in NM_WRONG.values()} == set(NM_LAWS)
    assert {law for law, _ in BLOCK_WRONG.values()} == set(BLOCK_LAWS)


@given(case=blocks())
def test_blocks_of_one_take_every_argument_as_single_weights_do(case: Blocks) -> None:
    for how in ({"threshold": 0.3}, {"threshold": {"b": 0.5}}, {"threshold": 0.5, "minimum": 2},
                {"sparsity": 1, "minimum": 0, "scope": "layer"},
                {"sparsity": {"b.weight": 1}, "minimum": 0},
                {"threshold": 0.4, "normalize": "l2"}):  # fmt: skip
        plain = choose(case.scores, case.masks, **how)
        ones = choose(case.scores, case.masks, pattern=(1, 1), block_reduce=case.reduce, **how)
        assert same(plain, ones)


@pytest.mark.parametrize("value", [0.1, 0.7, 1e-320, 1e308, -1.7e308])
def test_blocks_of_equal_scores_are_a_tie_whatever_their_sizes(value: float) -> None:
    """3 * 0.1 / 3 is above 0.1 when computed; a cut block must gain nothing by that."""
    mask = choose({"w": np.full((7, 10), value)}, {}, sparsity=0.5, pattern=(3, 4))["w"]
    want = np.ones((7, 10), bool)
    want[3:, 4:] = want[6:] = False  # of 3 x 3 blocks the 4 last go
    want[3:6, 4:8] = True
    assert np.array_equal(mask, want)


def test_means_and_sums_of_single_floats_are_taken_in_double() -> None:
    """In single precision 2**24 + 1 + 1 + 1 is 2**24."""
    s = np.array([[2**24, 1, 1, 1], [2**22 + 0.5] * 4], np.float32)
    for reduce in ("mean", "sum"):
        how: dict[str, Any] = {"pattern": (1, 4), "block_reduce": reduce, "sparsity": 0.5}
        assert choose({"w": s}, {}, **how)["w"].tolist() == [[True] * 4, [False] * 4]


def cuts_as_defined(cut: Callable[..., Array], case: Blocks) -> bool:
    """Each tile holds its entries in order, -1 beyond the edge, and `untiled` takes it back."""
    form = Pattern(*case.pattern)
    for s in case.scores.values():
        a = np.arange(s.size).reshape(s.shape)
        cut_up = cut(a, form, -1)
        for at, cell in cells(s.shape, *case.pattern).items():
            if [int(v) for v in cut_up[at] if v >= 0] != [a[k] for k in cell]:
                return False
        if not np.array_equal(untiled(cut_up, s.shape, form), a):
            return False
    return True


@given(case=blocks())
def test_tiles_are_cut_as_defined(case: Blocks) -> None:
    assert cuts_as_defined(tiles, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, form, fill: np.sort(tiles(a, form, fill))[..., ::-1],
        lambda a, form, fill: np.roll(tiles(a, form, fill), 1, axis=0),
    ],
    ids=["another order", "other places"],
)
def test_the_law_of_tiles_rejects(wrong: Callable[..., Array]) -> None:
    find(blocks(), lambda case: not cuts_as_defined(wrong, case), settings=SEARCH)


def test_the_minimum_of_a_layer_is_no_more_than_what_lives() -> None:
    masks = {"fc1.weight": W["fc1.weight"] > 4}
    assert same(
        choose(W, masks, pattern="3:3", minimum=6), masks | {"fc2.weight": W["fc2.weight"] > 0}
    )


def test_a_net_with_a_pattern() -> None:
    """Dense and convolution together; biases stay, masked weights are 0.0 and stay so."""
    model = mp.zoo.lenet_5(((1, 28, 28), 10), seed=0)
    scores = mp.score(model, None, "magnitude")
    fine = mp.prune(model, scores, pattern="2:4", protect="conv1")
    assert "conv1.weight" not in fine.masks
    for name, mask in fine.masks.items():
        assert (fine.params[name][~mask] == 0).all()
        for cell in range(0, mask.shape[1], 4):
            tile = mask[:, cell : cell + 4]
            assert (tile.sum(1) == min(2, tile.shape[1])).all()
    coarse = mp.prune(model, scores, sparsity=0.75, pattern=(4, 4), scope="layer")
    for name, mask in coarse.masks.items():
        first = mask[::4, ::4]
        assert np.array_equal(mask, first.repeat(4, 0).repeat(4, 1)[: len(mask), : mask.shape[1]])
        assert (~first).sum() == round(0.75 * first.size)
        assert np.array_equal(coarse.params[name] != 0, mask & (model.params[name] != 0))
    assert coarse.params["fc1.bias"] is model.params["fc1.bias"]
    both = mp.prune(fine, mp.score(fine, None, "magnitude"), sparsity=0.5, pattern=(2, 2))
    assert all(not (both.masks[n] & ~m).any() for n, m in fine.masks.items())
