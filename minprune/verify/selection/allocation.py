"""The sparsity of each layer: whatever the rule, the total is the one that was asked for."""

import math
from collections.abc import Callable, Mapping

from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.verify.law import Law, Laws, callable_as, judged
from minprune.verify.plain.rules import ALLOCATIONS, Shapes, allocated
from minprune.verify.trees import repeats
from minprune.verify.verdict import Verdicts

LAWS = Laws()

Allocate = Callable[..., Mapping[str, float]]
Asked = tuple[Shapes, float]
ROUND = 8 * 2.0**-52  # of a formula of numbers of at most 1
side = st.integers(1, 9)
shapes = st.lists(
    st.tuples(side, side) | st.tuples(side, side, st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=4,
).map(lambda found: {f"layer{k}.weight": shape for k, shape in enumerate(found, 1)})
# the layers of a net that is used, from a few to millions of entries
MANY: Shapes = {
    "conv1.weight": (64, 3, 7, 7), "conv2.weight": (128, 64, 3, 3),
    "conv3.weight": (256, 128, 3, 3), "conv4.weight": (512, 256, 3, 3),
    "depth.weight": (512, 1, 5, 5), "fc1.weight": (4096, 512), "fc2.weight": (1000, 4096),
    "fc3.weight": (10, 1000), "fc4.weight": (1, 10),
}  # fmt: skip
LARGE = [(MANY, share) for share in (0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 1 / 3)]
asked = st.tuples(shapes, st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.8, 0.9, 0.95, 1.0]))


@LAWS("names", asked)
def names(fn: Allocate, example: Asked) -> str | None:
    """each layer gets a share, and nothing else does"""
    got = set(fn(*example))
    return None if got == set(example[0]) else f"there are shares for {', '.join(got)}"


@LAWS("in [0, 1]", asked)
def inside(fn: Allocate, example: Asked) -> str | None:
    """each share is one from 0 to 1"""
    got = {n: float(s) for n, s in fn(*example).items()}
    return None if all(-ROUND <= s <= 1 + ROUND for s in got.values()) else f"they are {got}"


@LAWS("exact total", asked)
def total(fn: Allocate, example: Asked) -> str | None:
    """the shares make up the sparsity of the whole"""
    sizes, sparsity = {n: math.prod(s) for n, s in example[0].items()}, example[1]
    got = sum(float(s) * sizes[n] for n, s in fn(*example).items())
    n = sum(sizes.values())
    if abs(got - sparsity * n) <= 0.5 * len(sizes) * (1 + 1e-9):
        return None
    return f"{got:.4g} of {n} entries go, a share of {got / n:.4g}, expected {sparsity}"


@LAWS("deterministic", asked)
def deterministic(fn: Allocate, example: Asked) -> str | None:
    """the same call gives the same shares"""
    return repeats(lambda: dict(fn(*example)))


def rule(like: str) -> Law:
    def broken(fn: Allocate, example: Asked) -> str | None:
        got, want = fn(*example), allocated(like, *example)
        for n, shape in example[0].items():
            if not abs(float(got[n]) - want[n]) * math.prod(shape) < 1 + 1e-9:
                return f"{n} gets {float(got[n]):.6g}, expected {want[n]:.6g}"
        return None

    return Law(f"each share is that of {like}, to less than one entry", broken, asked)


def check_allocation(
    fn: Allocate, *, like: str | None = None, examples: int = 200, seed: int = 0
) -> Verdicts:
    """Check `fn({name: shape}, sparsity) -> {name: sparsity of that layer}`.

    Parameters
    ----------
    fn : callable
        Shapes are (o, i) or (o, i, y, x). The total must be exact up to rounding the count of each
        layer to an integer: at most half an entry each (so that rules that round and rules that
        do not are both judged).
    like : {"uniform", "er", "erk"}, optional
        The rule to equal to less than one entry of each layer: Erdos-Renyi (Mocanu et al. 2018),
        with the kernel (Evci et al. 2020). None: none of them.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like`, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def even(shapes, sparsity):
    ...     return dict.fromkeys(shapes, sparsity)
    >>> mp.verify.check_allocation(even, like="uniform").ok
    True
    """
    choice("check_allocation", "like", like, (None, *ALLOCATIONS))
    callable_as(fn, "shapes", "sparsity")
    table = LAWS | ({f"like {like}": rule(like)} if like is not None else {})
    return Verdicts(judged(table, fn, also=LARGE, examples=examples, seed=seed))
