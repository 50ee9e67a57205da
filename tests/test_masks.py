"""mp.masks on plain dicts: those of mp.prune on a model with the same scores, or its sentence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH

import minprune as mp
from minprune.core import Arrays
from minprune.errors import ArgumentError, MinpruneError, ShapeError

LAYERS = [
    ("layer1.0.conv", mp.Conv2d(4, 2, 2)), ("flat", mp.Flatten()),
    ("1", mp.Dense(8, 4)), ("relu", mp.ReLU()), ("fc", mp.Dense(4, 3)),
]  # fmt: skip
MODEL = mp.initialise(mp.build((4, 3, 3), LAYERS))
WEIGHTS = MODEL.net.weights
Case = tuple[Arrays, Arrays, dict[str, Any]]


@st.composite
def cases(draw: Any) -> Case:
    """(scores with many ties, masks so far, arguments), some of which are refused"""
    names = draw(st.sampled_from([WEIGHTS, WEIGHTS[1:], tuple(MODEL.params)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    scores = {k: rng.integers(0, 4, MODEL.params[k].shape).astype(dtype) / 3 for k in names}
    masked = draw(st.sampled_from([(), names[:1], names]))
    present = {k: rng.random(MODEL.params[k].shape) < 0.8 for k in masked}
    target = draw(st.sampled_from(
        [0.0, 0.25, 0.5, 1 / 3, 0.9, 0.99, 1.0, 1.5, {"fc": 0.5, "1.weight": 0.25}]
    ))  # fmt: skip
    pattern = draw(st.sampled_from([None, None, (2, 3), "2:4"]))
    how: dict[str, Any] = {
        "scope": draw(st.sampled_from(["global", "layer"])),
        "minimum": draw(st.integers(0, 3)), "pattern": pattern,
        "normalize": draw(st.sampled_from([None, "l1", "max"])),
        "protect": draw(st.sampled_from([(), "1", "fc*"])),
        "block_reduce": draw(st.sampled_from(["mean", "max"])),
    }  # fmt: skip
    if pattern != "2:4" or draw(st.booleans()):
        how[draw(st.sampled_from(["sparsity", "threshold"]))] = target
    return scores, present, how


def answer(fn: Callable[[], Arrays]) -> Any:
    """The masks, or the sentence without the name of who was asked"""
    try:
        return {k: (m.shape, m.tobytes()) for k, m in fn().items()}
    except MinpruneError as e:
        return type(e), str(e).removeprefix("masks").removeprefix("prune")


def by_prune(case: Case) -> Any:
    scores, present, how = case
    model = mp.with_masks(MODEL, present)
    found = answer(lambda: dict(mp.prune(model, scores, **how).masks))
    if isinstance(found, dict):  # of what is protected the old masks remain
        kept = mp.masks(scores, present=present, **how)
        found = {k: m for k, m in found.items() if k in kept}
    return found


def by(masks: Callable[..., Arrays], case: Case) -> Any:
    scores, present, how = case
    return answer(lambda: masks(scores, present=present, **how))


@given(cases())
def test_equal_to_those_of_prune(case: Case) -> None:
    assert by(mp.masks, case) == by_prune(case)


def others_kept(scores: Arrays, **how: Any) -> Arrays:
    return mp.masks({k: s.ravel()[::-1].reshape(s.shape) for k, s in scores.items()}, **how)


WRONG: dict[str, Callable[..., Arrays]] = {
    "forgets what is masked": lambda s, present, **how: mp.masks(s, **how),
    "each layer apart": lambda s, scope, **how: mp.masks(s, scope="layer", **how),
    "the last of equals kept": lambda s, **how: {
        k: m.ravel()[::-1].reshape(m.shape) for k, m in others_kept(s, **how).items()
    },
    "layers in another order": lambda s, **how: mp.masks(dict(reversed(s.items())), **how),
    "layers may vanish": lambda s, minimum, **how: mp.masks(s, minimum=0, **how),
    "raw scores": lambda s, normalize, **how: mp.masks(s, **how),
    "single entries": lambda s, pattern, **how: mp.masks(s, **how),
    "protects nothing": lambda s, protect, **how: mp.masks(s, **how),
    "in float32": lambda s, **how: mp.masks({k: a.astype("f4") for k, a in s.items()}, **how),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_ones_differ(wrong: Callable[..., Arrays]) -> None:
    find(cases(), lambda case: by(wrong, case) != by_prune(case), settings=SEARCH)


def test_laws_of_selection() -> None:
    def select(scores: Arrays, sparsity: float, masks: Arrays, minimum: int, protect: Any) -> Any:
        new = mp.masks(scores, sparsity=sparsity, present=masks, minimum=minimum, protect=protect)
        return dict(masks) | new

    found = mp.verify.check_selector(select, examples=30)
    assert found.ok, str(found)


S = {"fc.weight": np.ones((2, 3))}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: mp.masks({}, sparsity=0.5), ArgumentError,
         "masks: scores must not be empty; pass one array for each weight"),
        (lambda: mp.masks([1.0], sparsity=0.5), ArgumentError,  # type: ignore[arg-type]
         "masks: scores must be a dict of arrays by full name, not list; pass {'fc1.weight': "
         "array, ...}"),
        (lambda: mp.masks(S), ArgumentError,
         "masks: one of sparsity and threshold must be given, not none; pass sparsity=0.9 alone, "
         "for example"),
        (lambda: mp.masks(S, sparsity=1.0), MinpruneError,
         "masks: sparsity=1.0 leaves 0 of 6 weights of the net, fewer than minimum=1 for each "
         "layer; the largest reachable is 0.8333333333333334"),
        (lambda: mp.masks(S, sparsity=0.5, present={"fc": np.ones((2, 3), bool)}), ArgumentError,
         "fc: no such parameter; there are fc.weight"),
        (lambda: mp.masks(S, sparsity=0.5, present={"fc.weight": np.ones((3, 2), bool)}),
         ShapeError,
         "fc.weight: the mask must have the weight's shape (2, 3), not (3, 2); score and mask the "
         "same parameters you apply the mask to"),
    ],
)  # fmt: skip
def test_refused(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as e:
        call()
    assert str(e.value) == text
