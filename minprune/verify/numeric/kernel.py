"""A fast kernel against its slow twin, the definition, within a bound that is derived.

gamma(k) = k u / (1 - k u) bounds the relative error of k roundings in any order, so a sum of k
products is off by at most gamma(k) sum |a| |b|. Source: Higham (2002), sections 3.1 to 3.4.

k is what the twin makes of ones, where every product counts 1. A mean has factors 1/k instead: of
entries that are 0 or 1 at random it has the mean c k / 2 and the variance c^2 k / 4, so that
mean^2 / variance = k whatever the factor c is.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minprune.arguments import number
from minprune.core import Array
from minprune.verify.law import Laws, drawn, find, judged
from minprune.verify.trees import mapped, read_only, repeats, untouched, with_gaps
from minprune.verify.verdict import Verdicts

LAWS = Laws()

Arguments = tuple[Any, ...]
Bound = Callable[..., Any]
Wide = np.longdouble


class Pair(NamedTuple):
    """A fast function, its slow twin, how far apart they may be; sums: if it sums products."""

    fn: Callable[..., Any]
    twin: Callable[..., Any]
    bound: Bound
    sums: bool = False


@LAWS("shape and dtype")
def shape(s: Pair, args: Arguments) -> str | None:
    """the results have the shapes and dtypes of the twin's"""
    got, want = results(s.fn(*args)), results(s.twin(*args))
    if len(got) != len(want):
        return f"there are {len(got)} results, expected {len(want)}"
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"result {k} is {a.shape}, {a.dtype}, expected {b.shape}, {b.dtype}"
    return None


def near(s: Pair, args: Arguments, given: Arguments) -> str | None:
    """A clause where fn(*given) is not within the bound of twin(*args)."""
    got = results(s.fn(*given))
    want, off = results(s.twin(*map(wide, args))), results(s.bound(*args))
    for k, (a, b, e) in enumerate(zip(got, want, off, strict=True)):
        if a.dtype.kind != "f":
            if not np.array_equal(a, b):
                return f"result {k} differs"
            continue
        # where long double is no wider than the result, the twin rounds as much
        e = e if np.finfo(Wide).eps < np.finfo(a.dtype).eps else 2 * e
        distance, most = np.broadcast_arrays(np.abs(a.astype(Wide) - b), e)
        if not (distance <= most).all():
            over = np.where(np.isnan(distance), np.inf, distance - most)
            at = np.unravel_index(int(over.argmax()), over.shape)
            entry = f"[{', '.join(map(str, at))}]" if at else ""
            return f"result {k}{entry} is off by {distance[at]:.1e}, allowed is {most[at]:.1e}"
    return None


@LAWS("within the bound")
def within(s: Pair, args: Arguments) -> str | None:
    """the results are as near the exact ones as derived"""
    return near(s, args, args)


@LAWS("small numbers", when=lambda s: s.sums)
def small_numbers(s: Pair, args: Arguments) -> str | None:
    """numbers of very different size count as they are: each times a power of 2, down to 2^-40"""
    rng = np.random.default_rng(0)

    def mixed(a: Array) -> Array:
        return a * 2.0 ** -rng.integers(0, 41, a.shape).astype(a.dtype) if floats(a) else a

    return None if within(s, args) else within(s, mapped(args, mixed))


@LAWS("same bits")
def same_bits(s: Pair, args: Arguments) -> str | None:
    """the same arguments give the same bits"""
    return repeats(lambda: results(s.fn(*args)))


@LAWS("input untouched")
def leaves_arguments(s: Pair, args: Arguments) -> str | None:
    """no argument is changed"""
    return untouched(s.fn, *args)


@LAWS("gaps in memory")
def strided(s: Pair, args: Arguments) -> str | None:
    """arguments need not be contiguous"""
    return None if within(s, args) else near(s, args, mapped(args, with_gaps))


@LAWS("read-only")
def fixed(s: Pair, args: Arguments) -> str | None:
    """arguments may be read-only"""
    return None if within(s, args) else near(s, args, mapped(args, read_only))


def check_kernel(
    fn: Callable[..., Any], twin: Callable[..., Any], arguments: Any, bound: Bound | None = None, *,
    relative: float | None = None, empty: Arguments | None = None, examples: int = 100,
    seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check a fast `fn(*args)` whose slow definition is `twin(*args)`.

    Parameters
    ----------
    fn, twin : callable
        Both return one array or a tuple of them. The twin is called in long double.
    arguments : hypothesis strategy or callable
        Tuples (or one argument), or a function of a numpy Generator that makes them.
    bound : callable, optional
        bound(*args): how far off each result may be. None: the kernel sums products of its
        arguments, and gamma(2 k + 4) twin(|args|) holds, k the products in a sum.
    relative : float, optional
        Instead of `bound`: a share of the largest result, for kernels that do more than sum
        products.
    empty : tuple, optional
        Arguments with an axis of length 0, tried once.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For arguments that cannot be made.

    Examples
    --------
    >>> import minprune as mp
    >>> def slow(a):
    ...     return sum(v * v for v in a.tolist())
    >>> mp.verify.check_kernel(lambda a: a @ a, slow, lambda rng: rng.random(5)).broken
    0 of 0 laws hold
    """
    if relative is not None:
        bound = of_results(twin, number("check_kernel", "relative", relative))
    pair = Pair(fn, twin, bound or of_products(twin), bound is None)
    strategy = drawn("check_kernel", "arguments", arguments)
    strategy = strategy.map(lambda a: tuple(a) if isinstance(a, tuple | list) else (a,))
    found = judged(LAWS, pair, strategy, examples=examples, seed=seed)
    if empty is not None:
        sentence = "empty arguments give what the twin gives"
        found.append(find("empty", sentence, [empty], lambda e: shape(pair, e) or within(pair, e)))
    return Verdicts(found)


def of_products(twin: Callable[..., Any]) -> Bound:
    """gamma(2 k + 4) twin(|args|), k the products in each sum"""
    known: dict[Any, list[Any]] = {}  # by shapes: without indices among the arguments they decide

    def bound(*args: Any) -> tuple[Any, ...]:
        arrays = [a for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        f = np.finfo(np.result_type(*arrays) if arrays else np.float64)
        # an int may be an axis or a count, a float is a factor
        sizes = [np.abs(wide(a)) if isinstance(a, np.ndarray | float) else a for a in args]
        key = tuple((a.shape, a.dtype) if floats(a) else repr(a) for a in args)
        known[key] = counts = known[key] if key in known else products(twin, args)
        return tuple(gamma(2 * k + 4, f) * r + k * Wide(f.tiny)
                     for r, k in zip(results(twin(*sizes)), counts, strict=True))  # fmt: skip

    return bound


TRIES = 16  # draws of zeros and ones, from which a variance is known to a third


def products(twin: Callable[..., Any], args: Arguments) -> list[Any]:
    """How many products each entry of each result sums, see above; at least 1"""
    rng = np.random.default_rng(0)

    def ones(a: Any) -> Any:
        return np.ones_like(a) if floats(a) else 1.0 if isinstance(a, float) else a

    def bits(a: Any) -> Any:
        return rng.integers(0, 2, a.shape).astype(a.dtype) if floats(a) else ones(a)

    largest = max((a.size for a in args if floats(a)), default=0) + 1
    found: list[Any] = []
    drawn = [results(twin(*map(wide, map(bits, args)))) for _ in range(TRIES)]
    for j, plain in enumerate(results(twin(*map(wide, map(ones, args))))):
        if plain.dtype.kind != "f":
            found.append(1)
            continue
        seen = np.array([one[j] for one in drawn], float)
        spread = float(seen.var(axis=0).mean()) if seen.size else 0.0
        even = float(plain.mean() ** 2 / 4) / spread if spread else largest
        found.append(np.maximum(np.maximum(np.abs(plain), 1), min(even, largest)))
    return found


def floats(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def of_results(twin: Callable[..., Any], share: float) -> Bound:
    """share max|twin(args)|, for kernels that do more than sum products"""

    def bound(*args: Any) -> tuple[Any, ...]:
        return tuple(share * np.abs(r).max(initial=0) for r in results(twin(*args)))

    return bound


def gamma(k: Any, f: Any) -> Any:
    """k u / (1 - k u)      f: np.finfo, u half its spacing at 1"""
    ku = k * Wide(f.eps) / 2
    return ku / (1 - ku)


def results(out: Any) -> tuple[Array, ...]:
    """One array or several, as a tuple."""
    return tuple(map(np.asarray, out)) if isinstance(out, tuple) else (np.asarray(out),)


def wide(a: Any) -> Any:
    """Floating arrays in long double; anything else as it is."""
    return a.astype(Wide) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
