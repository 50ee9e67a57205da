"""Proximal steps, fn(v, t) -> argmin_x |x - v|^2 / 2 + penalty(x), against a search of their own.

The minimizer is found by grids that shrink around the best point, by nothing but the penalty. A new
penalty is one row of PENALTIES, and its sizes in kinds.PROXES.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array
from minprune.verify.kinds import PROXES
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.trees import untouched
from minprune.verify.verdict import Verdicts

CHECK = "check_prox"
NEAR = 1e-5  # of a minimizer that is searched
BESIDE = 2.0**-20  # of a bound: not on it, where both may be right
LAWS = Laws()
Fn = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    """cost(x, *sizes): of rows (points, n); reach(v, *sizes): at most 0 where the minimizer is 0"""

    cost: Callable[..., Array]
    reach: Callable[..., float]
    group: bool = False


def norm(x: Array) -> Any:
    return np.sqrt((x**2).sum(-1))


def over(v: Array, t: float) -> Array:
    """What of |v| is above t"""
    return np.maximum(np.abs(v) - t, 0)


# whole groups are weighted by sqrt(n)
PENALTIES: dict[str, Row] = {
    "l1": Row(lambda x, t: t * np.abs(x).sum(-1), lambda v, t: np.abs(v).max() - t),
    "l2": Row(lambda x, t: t / 2 * (x**2).sum(-1), lambda v, t: np.abs(v).max()),
    "elastic_net": Row(
        lambda x, t1, t2: t1 * np.abs(x).sum(-1) + t2 / 2 * (x**2).sum(-1),
        lambda v, t1, t2: np.abs(v).max() - t1,
    ),
    "l0": Row(lambda x, t: t * (x != 0).sum(-1), lambda v, t: (v**2).max() - 2 * t),
    "group_lasso": Row(
        lambda x, t: t * x.shape[-1] ** 0.5 * norm(x),
        lambda v, t: float(norm(v) - t * v.size**0.5), group=True,
    ),
    "sparse_group_lasso": Row(
        lambda x, t1, tg: t1 * np.abs(x).sum(-1) + tg * x.shape[-1] ** 0.5 * norm(x),
        lambda v, t1, tg: float(norm(over(v, t1)) - tg * v.size**0.5), group=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A vector, of a group penalty one group, and the sizes of the penalty."""

    v: Array
    sizes: tuple[float, ...]


@dataclass(frozen=True)
class Subject:
    fn: Fn
    row: Row

    def __call__(self, v: Array, sizes: tuple[float, ...]) -> Array:
        """What fn makes of a copy; raises ClauseError unless it is finite, of the shape of v"""
        found = np.asarray(self.fn(v.copy(), *sizes))
        if found.shape != v.shape or not np.isfinite(found).all():
            raise ClauseError(f"it is {found.tolist()}")
        return found


def steps(sizes: int) -> Any:
    """Vectors of eighths with one to four entries, and sizes of eighths, 0 among them."""
    number = st.integers(-24, 24).map(lambda k: k / 8)
    vector = st.integers(1, 4).flatmap(lambda n: st.lists(number, min_size=n, max_size=n))
    size = st.integers(0, 12).map(lambda k: k / 8)
    return st.builds(Step, vector.map(np.array), st.tuples(*[size] * sizes))


def lowest(row: Row, p: Step) -> Array:
    """The minimizer: of single entries one by one, of a group all at once"""
    parts = [p.v] if row.group else np.split(p.v, p.v.size)
    return np.concatenate([searched(row.cost, part, p.sizes) for part in parts])


def searched(cost: Callable[..., Array], v: Array, sizes: tuple[float, ...]) -> Array:
    """By grids of 5 points an axis, each 0.65 as wide as the one before, around the best; 0 too."""
    best, half = np.zeros(v.size), float(np.abs(v).max()) + 0.125
    for _ in range(45):
        axes = [b + half * np.linspace(-1, 1, 5) for b in best]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, v.size)
        points = np.concatenate([points, best[None], v[None], 0 * best[None]])
        best = points[(((points - v) ** 2).sum(-1) / 2 + cost(points, *sizes)).argmin()]
        half *= 0.65
    return np.asarray(best)


@LAWS("minimizer")
def is_the_minimizer(s: Subject, p: Step) -> str | None:
    """it is the x with the least |x - v|^2 / 2 + penalty(x)"""

    def worth(x: Array) -> float:
        return float(((x - p.v) ** 2).sum() / 2 + s.row.cost(x[None], *p.sizes)[0])

    found, best = s(p.v, p.sizes), lowest(s.row, p)
    if worth(found) <= worth(best) + NEAR**2:
        return None
    return (f"{found.tolist()} costs {worth(found):.6g}, and {best.round(6).tolist()} costs "
            f"{worth(best):.6g}")  # fmt: skip


@LAWS("zero")
def is_zero_up_to_the_bound(s: Subject, p: Step) -> str | None:
    """it is exactly 0.0 up to the bound of the penalty, and not beyond it"""
    reach, low, high = s.row.reach, 0.0, 2.0**10
    if reach(high * p.v, *p.sizes) <= 0:
        return None
    for _ in range(60):  # v is brought to the bound
        middle = (low + high) / 2
        low, high = (middle, high) if reach(middle * p.v, *p.sizes) <= 0 else (low, middle)
    for factor, live in ((1 - BESIDE, False), (1 + BESIDE, True)):
        found = s(v := high * factor * p.v, p.sizes)
        if high > BESIDE and found.any() != live:  # the bound is not 0
            return f"{v.tolist()}, {'beyond' if live else 'within'} it, becomes {found.tolist()}"
    return None


@LAWS("size 0")
def without_a_penalty(s: Subject, p: Step) -> str | None:
    """with sizes of 0 it is v, to the bit"""
    found = s(p.v, (0.0,) * len(p.sizes))
    return None if np.array_equal(found, p.v) else f"it is {found.tolist()}"


@LAWS("signs")
def keeps_signs(s: Subject, p: Step) -> str | None:
    """no entry changes its sign, and none grows"""
    found = s(p.v, p.sizes)
    wrong = (found * p.v < 0) | (np.abs(found) > np.abs(p.v) * (1 + 2.0**-40))
    k = int(wrong.argmax())
    return f"{p.v[k]} becomes {found[k]}" if wrong.any() else None


@LAWS("zeros")
def keeps_zeros(s: Subject, p: Step) -> str | None:
    """a vector of zeros stays zeros, and is no NaN"""
    found = s(0 * p.v, p.sizes)
    return f"it is {found.tolist()}" if found.any() else None


@LAWS("input untouched")
def leaves_input(s: Subject, p: Step) -> str | None:
    """the array that is given is not changed"""
    return untouched(lambda v: s.fn(v, *p.sizes), p.v.copy())


def check_prox(
    fn: Callable[..., Any], like: str = "l1", *, laws: Collection[str] | None = None,
    examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check a proximal step, in float64.

    Parameters
    ----------
    fn : callable
        See `like`; v is (n,), and of a group penalty one group.
    like : str
        "l1", "l2", "l0" or "group_lasso": fn(v, t) -> x, of t |x|_1, t/2 |x|_2^2, t |x|_0 and
        t sqrt(n) |x|_2. "elastic_net": fn(v, t1, t2) -> x, of t1 |x|_1 + t2/2 |x|_2^2.
        "sparse_group_lasso": fn(v, t1, tg) -> x, of t1 |x|_1 + tg sqrt(n) |x|_2.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like` or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> def hard(v, t):
    ...     return np.where(np.abs(v) > t, v, 0.0)
    >>> [v.law for v in mp.verify.check_prox(hard, "l1").broken]
    ['minimizer']
    """
    choice(CHECK, "like", like, list(PENALTIES))
    table = picked(CHECK, laws, LAWS)
    callable_as(fn, "v", *PROXES[like])
    name, subject = getattr(fn, "__name__", like), Subject(fn, PENALTIES[like])
    return Verdicts(judged(
        table, subject, steps(len(PROXES[like])), name=name, examples=examples, seed=seed
    ))  # fmt: skip
