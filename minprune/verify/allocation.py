"""How sparse each layer gets: whatever the rule, the total is the one that was asked for."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from hypothesis import strategies as st

from minprune.errors import ArgumentError
from minprune.verify.calling import callable_as
from minprune.verify.verdict import Broken, Verdicts, find_each

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
Asked = tuple[Shapes, float]
ROUND = 8 * 2.0**-52  # of a formula of numbers of at most 1
side = st.integers(1, 9)
shapes = st.lists(
    st.tuples(side, side) | st.tuples(side, side, st.integers(1, 3), st.integers(1, 3)),
    min_size=1,
    max_size=4,
).map(lambda found: {f"layer{k}.weight": shape for k, shape in enumerate(found, 1)})
asked = st.tuples(shapes, st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.8, 0.9, 0.95, 1.0]))

# density of a layer, in proportion to
LIKE: dict[str, Callable[[Shape], Fraction]] = {
    "uniform": lambda shape: Fraction(1),
    "er": lambda shape: Fraction(sum(shape[:2]), math.prod(shape[:2])),
    "erk": lambda shape: Fraction(sum(shape), math.prod(shape)),
}


def check_allocation(
    fn: Callable[..., Mapping[str, float]],
    *,
    like: str | None = None,
    examples: int = 200,
    seed: int = 0,
) -> Verdicts:
    """The laws of `fn({name: shape}, sparsity) -> {name: sparsity of that layer}`

    shapes: (o, i) or (o, i, y, x). The total is exact to rounding the count of each layer to an
    integer: at most half an entry each (so rules that round and rules that do not are both judged).
    like: the rule to equal to less than one entry of each layer: uniform, er (Erdos-Renyi, Mocanu
    et al. 2018) or erk (with the kernel, Evci et al. 2020); None: none of them. Raises
    ArgumentError for another.
    """
    if like is not None and like not in LIKE:
        raise ArgumentError(
            f"like is {like!r}, expected None or one of {', '.join(LIKE)}; choose one of them"
        )
    callable_as(fn, "shapes", "sparsity")

    def names(example: Asked) -> str | None:
        got = set(fn(*example))
        return None if got == set(example[0]) else f"there are shares for {', '.join(got)}"

    def inside(example: Asked) -> str | None:
        got = {n: float(s) for n, s in fn(*example).items()}
        return None if all(-ROUND <= s <= 1 + ROUND for s in got.values()) else f"they are {got}"

    def total(example: Asked) -> str | None:
        sizes, sparsity = {n: math.prod(s) for n, s in example[0].items()}, example[1]
        got = sum(float(s) * sizes[n] for n, s in fn(*example).items())
        n = sum(sizes.values())
        if abs(got - sparsity * n) <= 0.5 * len(sizes) * (1 + 1e-9):
            return None
        return f"{got:.4g} of {n} entries go, a share of {got / n:.4g}, expected {sparsity}"

    def repeats(example: Asked) -> str | None:
        a, b = dict(fn(*example)), dict(fn(*example))
        return None if a == b else f"{a} and then {b}"

    def rule(example: Asked) -> str | None:
        got, want = fn(*example), defined(str(like), *example)
        for n, shape in example[0].items():
            if not abs(float(got[n]) - want[n]) * math.prod(shape) < 1 + 1e-9:
                return f"{n} gets {float(got[n]):.6g}, expected {want[n]:.6g}"
        return None

    laws: dict[str, tuple[str, Broken]] = {
        "names": ("each layer gets a share, and nothing else does", names),
        "in [0, 1]": ("each share is one from 0 to 1", inside),
        "exact total": ("the shares make up the sparsity of the whole", total),
        "deterministic": ("the same call gives the same shares", repeats),
    }
    if like is not None:
        laws[f"like {like}"] = (f"each share is that of {like}, to less than one entry", rule)
    return Verdicts(find_each(laws, asked, examples=examples, seed=seed))


def defined(like: str, shapes: Shapes, sparsity: float) -> dict[str, float]:
    """1 - d_l, d_l = min(1, e r_l), with e such that the densities make up that of the whole

    r_l: see LIKE. What the cap at 1 takes away is spread over the other layers: the densest is
    capped, and e computed again, until no layer is above 1. In fractions.
    """
    size = {n: math.prod(shape) for n, shape in shapes.items()}
    ratio = {n: LIKE[like](shape) for n, shape in shapes.items()}
    live = (1 - Fraction(sparsity)) * sum(size.values())
    found: dict[str, Fraction] = {}
    for n in sorted(shapes, key=lambda n: -ratio[n]):  # of what is left this is the densest
        rest = [k for k in shapes if k not in found]
        e = live / sum(size[k] * ratio[k] for k in rest)
        found[n] = min(Fraction(1), e * ratio[n])
        live -= size[n] * found[n]
    return {n: float(1 - d) for n, d in found.items()}
