"""A fast kernel against its slow twin, the definition, within a bound that is derived.

gamma(k) = k u / (1 - k u) bounds the relative error of k roundings in any order, so a sum of k
products is off by at most gamma(k) sum |a| |b|. Source: Higham (2002), sections 3.1 to 3.4.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.verify.calling import fingerprint
from minprune.verify.strategies import drawn
from minprune.verify.verdict import Broken, Verdict, Verdicts, find_each, first

Arguments = tuple[Any, ...]
Bound = Callable[..., Any]
Wide = np.longdouble


def check_kernel(
    fn: Callable[..., Any],
    twin: Callable[..., Any],
    arguments: Any,
    bound: Bound | None = None,
    *,
    empty: Arguments | None = None,
    examples: int = 100,
    seed: int = 0,
) -> Verdicts:
    """The laws of a fast `fn(*args)` whose slow definition is `twin(*args)`

    arguments: a hypothesis strategy of tuples (or of one argument), or a function of a numpy
    Generator that makes them. Both functions give one array or a tuple of them. bound(*args): how
    far off each result may be; None: the kernel sums products of its arguments, and
    gamma(k + 1) twin(|args|) holds, k the entries of the largest one. The twin is called in long
    double. empty: arguments with an axis of length 0, tried once.
    """
    strategy = drawn(arguments).map(packed)
    allowed = bound or of_products(twin)

    def shape(args: Arguments) -> str | None:
        got, want = results(fn(*args)), results(twin(*args))
        if len(got) != len(want):
            return f"there are {len(got)} results, expected {len(want)}"
        for k, (a, b) in enumerate(zip(got, want, strict=True)):
            if a.shape != b.shape or a.dtype != b.dtype:
                return f"result {k} is {a.shape}, {a.dtype}, expected {b.shape}, {b.dtype}"
        return None

    def near(args: Arguments, given: Arguments | None = None) -> str | None:
        got = results(fn(*(args if given is None else given)))
        want, off = results(twin(*map(wide, args))), results(allowed(*args))
        for k, (a, b, e) in enumerate(zip(got, want, off, strict=True)):
            if a.dtype.kind != "f":
                if not np.array_equal(a, b):
                    return f"result {k} differs"
                continue
            # where long double is no wider than the result, the twin rounds as much
            e = e if np.finfo(Wide).eps < np.finfo(a.dtype).eps else 2 * e
            distance = np.abs(a.astype(Wide) - b)
            if not (distance <= e).all():
                return (f"result {k} is off by {float(distance.max()):.1e}, "
                        f"allowed is {float(np.max(e)):.1e}")  # fmt: skip
        return None

    def again(args: Arguments) -> str | None:
        once = [fingerprint(a) for a in results(fn(*args))]
        same = [fingerprint(a) for a in results(fn(*args))] == once
        return None if same else "they differ the second time"

    def leaves(args: Arguments) -> str | None:
        before = [fingerprint(a) for a in args if isinstance(a, np.ndarray)]
        fn(*args)
        after = [fingerprint(a) for a in args if isinstance(a, np.ndarray)]
        return None if before == after else "one of them is changed"

    def strided(args: Arguments) -> str | None:
        return None if near(args) else near(args, tuple(map(with_gaps, args)))

    def fixed(args: Arguments) -> str | None:
        return None if near(args) else near(args, tuple(map(read_only, args)))

    laws: dict[str, tuple[str, Broken]] = {
        "shape and dtype": ("the results have the shapes and dtypes of the twin's", shape),
        "within the bound": ("the results are as near the exact ones as derived", near),
        "same bits": ("the same arguments give the same bits", again),
        "input untouched": ("no argument is changed", leaves),
        "gaps in memory": ("arguments need not be contiguous", strided),
        "read-only": ("arguments may be read-only", fixed),
    }
    found: list[Verdict] = find_each(laws, strategy, examples=examples, seed=seed)
    if empty is not None:
        sentence = "empty arguments give what the twin gives"
        found.append(first("empty", sentence, [empty], lambda e: shape(e) or near(e)))
    return Verdicts(found)


def of_products(twin: Callable[..., Any]) -> Bound:
    """gamma(k + 1) twin(|args|), k the entries of the largest argument"""

    def bound(*args: Any) -> tuple[Any, ...]:
        arrays = [a for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        k = max((a.size for a in arrays), default=0) + 1
        f = np.finfo(np.result_type(*arrays) if arrays else np.float64)
        # an int may be an axis or a count, a float is a factor
        sizes = [np.abs(wide(a)) if isinstance(a, np.ndarray | float) else a for a in args]
        return tuple(gamma(k, f) * r + k * Wide(f.tiny) for r in results(twin(*sizes)))

    return bound


def of_results(twin: Callable[..., Any], share: float) -> Bound:
    """share max|twin(args)|, for kernels that do more than sum products"""

    def bound(*args: Any) -> tuple[Any, ...]:
        return tuple(share * np.abs(r).max(initial=0) for r in results(twin(*args)))

    return bound


def gamma(k: int, f: Any) -> Any:
    """k u / (1 - k u)      f: np.finfo, u half its spacing at 1"""
    ku = k * Wide(f.eps) / 2
    return ku / (1 - ku)


def packed(args: Any) -> Arguments:
    """Arguments as a tuple."""
    return tuple(args) if isinstance(args, tuple | list) else (args,)


def results(out: Any) -> tuple[Array, ...]:
    """One array or several, as a tuple."""
    return tuple(map(np.asarray, out)) if isinstance(out, tuple) else (np.asarray(out),)


def wide(a: Any) -> Any:
    """Floating arrays in long double; anything else as it is."""
    return a.astype(Wide) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def with_gaps(a: Any) -> Any:
    """The same array, every other place in memory."""
    return np.repeat(a[..., None], 2, -1)[..., 0] if isinstance(a, np.ndarray) else a


def read_only(a: Any) -> Any:
    """The same array, not to be written to."""
    if isinstance(a, np.ndarray):
        a = a.copy()
        a.flags.writeable = False
    return a
