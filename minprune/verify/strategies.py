"""Hypothesis generators that all checks share: ties are the rule, shapes are odd, sizes small."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.verify.selection import Case

VALUES = (-1.0, 0.0, 0.5, 1.0)  # exact in float32, so that ties stay ties
SHAPES = ((1,), (3,), (2, 2), (2, 3), (2, 1, 1, 2))
MOST = 6  # entries of one of them
NAMES = ("b.weight", "a.weight", "c.weight")  # net order is not the order of the alphabet

inner = st.floats(0, 1, exclude_min=True, exclude_max=True) | st.sampled_from([0.25, 0.5, 0.75])
sparsities = st.floats(0, 1) | st.sampled_from([0, 0.25, 0.5, 0.75, 1])


def points(shapes: Any = None, low: float = -2.0, high: float = 2.0) -> Any:
    """float64 arrays of odd shape and numbers of order 1, of both signs."""
    shapes = hnp.array_shapes(max_dims=3, max_side=4) if shapes is None else shapes
    return hnp.arrays(np.float64, shapes, elements=st.floats(low, high, width=32))


def drawn(source: Any) -> Any:
    """A strategy: `source` itself, or the answers of a function of a numpy Generator."""
    if isinstance(source, st.SearchStrategy):
        return source
    if not callable(source):
        raise ArgumentError(
            f"examples come from a {type(source).__name__}, expected a hypothesis strategy or a "
            f"function of a numpy Generator; give lambda rng: ..."
        )
    make: Callable[[np.random.Generator], Any] = source
    return st.integers(0, 2**32 - 1).map(lambda seed: make(np.random.default_rng(seed)))


@st.composite
def cases(
    draw: Any,
    layers: int = 3,
    empty: bool = True,
    masks: bool = True,
    minimum: bool = True,
    protect: bool = True,
    share: Any = sparsities,
    ties: bool = True,
    signed: bool = True,
) -> Case:
    """Scores with many ties and targets that can be reached; see Case.

    layers: at most how many. empty: also a layer without entries. masks, minimum, protect: whether
    something is masked already, a layer keeps a minimum, a layer is left alone. ties, signed:
    whether scores may be equal, and negative.
    """
    names = NAMES[: draw(st.sampled_from(range(1, layers + 1)))]
    shapes = SHAPES + ((0, 2),) * empty
    scores: dict[str, Array] = {}
    live: dict[str, Array] = {}
    ranks = draw(st.permutations(range(MOST * layers))) if not ties else []
    for name in names:
        shape = draw(st.sampled_from(shapes))
        n = int(np.prod(shape))
        if ties:
            values = draw(st.lists(st.sampled_from(VALUES), min_size=n, max_size=n))
        else:
            values = [ranks.pop() / 2 + VALUES[0] for _ in range(n)]
        scores[name] = np.array(values, np.float64).reshape(shape) - (0 if signed else VALUES[0])
        bits = [True] * n
        if masks:
            bits = draw(st.lists(st.sampled_from([True, True, False]), min_size=n, max_size=n))
        live[name] = np.array(bits, bool).reshape(shape)
    left = (names[-1],) if protect and len(names) > 1 and draw(st.booleans()) else ()
    least = draw(st.integers(0, 2)) if minimum else 0
    free = [n for n in names if n not in left]
    size = sum(scores[n].size for n in free)
    dead = sum(int((~live[n]).sum()) for n in free)
    most = size - sum(min(least, int(live[n].sum())) for n in free)
    pair = [min(max(draw(share), dead / size), most / size) if size else 0 for _ in range(2)]
    return Case(scores, live, max(pair), min(pair), least, left)
