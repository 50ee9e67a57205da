"""How sparse each layer gets: whatever the rule, the total is the one that was asked for."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from minprune.verify.verdict import Verdicts, find_each

Shapes = dict[str, tuple[int, ...]]
Asked = tuple[Shapes, float]
side = st.integers(1, 9)
shapes = st.lists(
    st.tuples(side, side) | st.tuples(side, side, st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=4,
).map(lambda found: {f"layer{k}.weight": shape for k, shape in enumerate(found, 1)})
asked = st.tuples(shapes, st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.8, 0.9, 0.95, 1.0]))


def size(shape: tuple[int, ...]) -> int:
    """The entries of an array of that shape."""
    count = 1
    for n in shape:
        count *= n
    return count


def check_allocation(
    fn: Callable[..., Mapping[str, float]], *, examples: int = 200, seed: int = 0
) -> Verdicts:
    """The laws of `fn({name: shape}, sparsity) -> {name: sparsity of that layer}`

    The total is exact to rounding the count of each layer to an integer: at most half an entry each
    (so rules that round and rules that do not are both judged).
    """

    def names(example: Asked) -> str | None:
        got = set(fn(*example))
        return None if got == set(example[0]) else f"there are shares for {', '.join(got)}"

    def inside(example: Asked) -> str | None:
        got = {n: float(s) for n, s in fn(*example).items()}
        return None if all(0 <= s <= 1 for s in got.values()) else f"they are {got}"

    def total(example: Asked) -> str | None:
        sizes, sparsity = {n: size(s) for n, s in example[0].items()}, example[1]
        got = sum(float(s) * sizes[n] for n, s in fn(*example).items())
        n = sum(sizes.values())
        if abs(got - sparsity * n) <= 0.5 * len(sizes) * (1 + 1e-9):
            return None
        return f"{got:.4g} of {n} entries go, a share of {got / n:.4g}, expected {sparsity}"

    def repeats(example: Asked) -> str | None:
        a, b = dict(fn(*example)), dict(fn(*example))
        return None if a == b else f"{a} and then {b}"

    laws: dict[str, tuple[str, Callable[[Any], str | None]]] = {
        "names": ("each layer gets a share, and nothing else does", names),
        "in [0, 1]": ("each share is one from 0 to 1", inside),
        "exact total": ("the shares make up the sparsity of the whole", total),
        "deterministic": ("the same call gives the same shares", repeats),
    }
    return Verdicts(find_each(laws, asked, examples=examples, seed=seed))
