"""Arguments for every kernel, small and odd, and the exact answers to compare with.

`pick(lo, hi)` gives an integer: drawn by hypothesis, so that shapes shrink, or by a generator.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import sparse_cases
from kernel_bounds import Wide
from kernel_contract import CONTRACT
from twins import ref

from minprune import kernels
from minprune.kernels import door

Pick = Callable[[int, int], int]
ACTIVATIONS = ("none", "relu", "leaky_relu", "tanh", "sigmoid")
GRID = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])  # ties and zeros are the rule here


class Maker:
    """Draws sizes with `pick` and fills arrays from `rng`, in one dtype."""

    def __init__(self, pick: Pick, dtype: Any) -> None:
        self.pick, self.dtype = pick, dtype
        self.rng = np.random.default_rng(pick(0, 2**16))
        self.tied = pick(0, 2) == 0

    def floats(self, *shape: int) -> np.ndarray:
        x = self.rng.choice(GRID, shape) if self.tied else self.rng.standard_normal(shape) * 3
        return x.astype(self.dtype)

    def window(self, beyond: int = 0) -> tuple[Any, ...]:
        """h, w, kernel, stride, padding with at least one output; padding below kernel + beyond."""
        kernel = self.pick(1, 3), self.pick(1, 3)
        stride = self.pick(1, 3), self.pick(1, 3)
        padding = tuple(self.pick(0, side - 1 + beyond) for side in kernel)
        h, w = (max(self.pick(1, 7), kernel[k] - 2 * padding[k]) for k in (0, 1))
        return h, w, kernel, stride, padding

    def image(self, channels: int = 0, beyond: int = 0) -> tuple[Any, ...]:
        """x (c, h, w, n), kernel, stride, padding, and the output shape (c, oh, ow, n)."""
        h, w, kernel, stride, padding = self.window(beyond)
        c = channels or self.pick(1, 3)
        n = self.pick(1, 5) + (0, 16)[self.pick(0, 1)]  # less than a register, or more
        out = tuple(
            (s + 2 * p - k) // t + 1
            for s, p, k, t in zip((h, w), padding, kernel, stride, strict=True)
        )
        return self.floats(c, h, w, n), kernel, stride, padding, (c, *out, n)

    def spread(self, channels: int = 0) -> tuple[Any, ...]:
        """x, kernel, stride, padding, dilation, the output shape: windows with gaps

        padding: two numbers, or four, those of the last edges larger.
        """
        x, kernel, stride, padding, (c, _, _, n) = self.image(channels, beyond=2)
        dilation = self.pick(1, 3), self.pick(1, 3)
        last = tuple(p + self.pick(0, 2) for p in padding)
        extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        last = tuple(
            max(q, k - s - p)
            for q, k, s, p in zip(last, extent, x.shape[1:3], padding, strict=True)
        )
        out = tuple(
            (s + p + q - k) // t + 1
            for s, p, q, k, t in zip(x.shape[1:3], padding, last, extent, stride, strict=True)
        )
        padding = padding if padding == last else padding + last
        return x, kernel, stride, padding, dilation, (c, *out, n)

    def conv(self) -> tuple[Any, ...]:
        """x, w, g, {stride, padding, groups, dilation}: windows of padding alone, too

        groups: one, several or depthwise.
        """
        groups, each = self.pick(1, 3), self.pick(1, 3)
        x, kernel, stride, padding, dilation, (_, oh, ow, n) = self.spread(groups * each)
        o = groups * self.pick(1, 3)
        w = self.floats(o, each, *kernel)
        at = {"stride": stride, "padding": padding, "groups": groups, "dilation": dilation}
        return x, w, self.floats(o, oh, ow, n), at

    def kind(self) -> str:
        return ACTIVATIONS[self.pick(0, 4)]

    def maybe(self, x: Any) -> Any:
        return x if self.pick(0, 2) else None

    def rows(self, least: int = 1) -> np.ndarray:
        return self.floats(self.pick(1, 4), self.pick(least, 40), self.pick(1, 3))

    def sweep(self) -> tuple[Any, ...]:
        """w (rows, n), an inverse (n, n), count; equal scores only where they are exactly equal."""
        rows, n = self.pick(0, 3), self.pick(0, 9)
        w = self.floats(rows, n)
        if self.tied:
            inverse = np.diag(self.rng.choice([0.25, 1.0, 4.0], n))
        else:
            x = self.rng.standard_normal((n, n + 3))
            inverse = np.linalg.inv(x @ x.T + np.eye(n))
            inverse = (inverse + inverse.T) / 2
        return w, inverse, self.pick(0, n)

    def index(self, kernel: Any, shape: Any) -> np.ndarray:
        return self.rng.integers(0, kernel[0] * kernel[1], shape).astype(np.uint16)


def case(name: str, pick: Pick, dtype: Any) -> tuple[Any, ...]:
    """All arguments of the door's function `name`."""
    m = Maker(pick, dtype)
    if is_sparse(name):
        return sparse_cases.case(name, m)
    if name == "unfold":
        return m.spread()[:-1]
    if name == "fold":
        x, kernel, stride, padding, dilation, out = m.spread()
        cols = x.shape[0] * kernel[0] * kernel[1], out[1] * out[2] * out[3]
        return m.floats(*cols), x.shape, kernel, stride, padding, dilation
    if name in ("max_pool", "max_values", "avg_pool"):
        x, kernel, stride, padding, _ = m.image(beyond=0 if "max" in name else 2)
        return x, kernel, stride, padding
    if name in ("pick", "put", "avg_pool_grad"):
        x, kernel, stride, padding, out = m.image(beyond=2)
        index = m.index(kernel, out)
        arrays = {
            "pick": (x, index),
            "put": (m.floats(*out), index, x.shape),
            "avg_pool_grad": (m.floats(*out), x.shape),
        }
        return *arrays[name], kernel, stride, padding
    if name.startswith("conv2d"):
        x, w, g, at = m.conv()
        *where, dilation = at.values()
        if name == "conv2d":
            return x, w, m.maybe(m.floats(len(w))), *where, m.kind(), dilation
        if name == "conv2d_grad_input":
            return g, w, x.shape, *where, dilation
        return g, x, w.shape[2:], *where, dilation
    if name in ("affine", "matmul"):
        o, i, n = pick(1, 9), pick(1, 20), pick(1, 9)
        if name == "affine":
            return m.floats(o, i), m.floats(i, n), m.maybe(m.floats(o)), m.kind()
        ta, tb = bool(pick(0, 1)), bool(pick(0, 1))
        return m.floats(*(i, o) if ta else (o, i)), m.floats(*(n, i) if tb else (i, n)), ta, tb
    if name == "act":
        return m.rows(), m.kind()
    if name == "act_grad":
        x, kind = m.rows(), m.kind()
        return m.floats(*x.shape), kernels.act(x, kind), kind
    if name == "softmax":
        return (m.rows()[0],)
    if name == "cross_entropy":
        x = m.rows()[0]
        return x, m.rng.integers(0, len(x), x.shape[1])
    if name in ("sgd_step", "adam_step"):
        shape = pick(1, 30), pick(1, 3)
        mask = m.maybe(m.rng.random(shape) < 0.5)
        w, g, v = (m.floats(*shape) for _ in range(3))
        decay = (0.0, 0.1)[pick(0, 1)]
        if name == "sgd_step":
            mu = (0.0, 0.9)[pick(0, 1)]
            return w, g, v if mu else None, mask, 0.3, mu, bool(pick(0, 1)), decay
        s = abs(m.floats(*shape))
        return w, g, v, s, mask, 0.3, 0.9, 0.99, 1e-8, decay, bool(pick(0, 1)), pick(1, 9)
    if name == "smallest":
        x = m.rows()
        return x, pick(0, x.size)
    if name == "gather_last":
        x = m.rows()  # up to 40 x 3: wider and longer than a square of registers
        return x, m.maybe(m.rng.integers(0, len(x), pick(0, 40)))
    if name in ("noisy", "noisy_grad"):
        x = m.rows()
        words = m.rng.integers(0, 2**16, x.shape, np.uint16)
        return x, abs(m.floats(*x.shape)), words, m.floats(2**16), 0.25
    if name == "obs_sweep":
        return m.sweep()
    x = m.rows()
    c = len(x)
    others: dict[str, tuple[Any, ...]] = {
        "scale_shift": (m.maybe(m.floats(c)), m.floats(c), m.kind()),
        "row_dot": (m.floats(*x.shape),),
        "mse": (m.floats(*x.shape),),
        "normalise": (m.floats(c), m.floats(c)),
        "normalise_grad": (m.floats(*x.shape), m.floats(c)),
        "row_sum": (),
        "erf": (),
        "moments": (),
    }
    return x, *others[name]


def drawn(rng: np.random.Generator) -> Pick:
    """A `pick` from a generator, for runs outside hypothesis."""
    return lambda lo, hi: int(rng.integers(lo, hi + 1))


def is_sparse(name: str) -> bool:
    return name.startswith(("csr_", "block_"))


@contextmanager
def computing(impl: Any) -> Iterator[None]:
    """The door calls "numpy", "numba", or the functions of a namespace."""
    found, backend = dict(door.found), door.backend
    door.found.clear()
    if isinstance(impl, str):
        door.backend = lambda: impl  # type: ignore[assignment]
    else:
        door.found.update(vars(impl))
    try:
        yield
    finally:
        door.found.clear()
        door.found.update(found)
        door.backend = backend


def widened(a: Any) -> Any:
    with np.errstate(invalid="ignore"):  # results are still uninitialised
        return a.astype(Wide) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a


def copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in args)


def results(name: str, impl: Any, args: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    """What the door gives with this implementation, as a tuple; args stay as they are."""
    args = copied(args)
    with computing(impl):
        out = getattr(kernels, name)(*args)
    if out is None:
        return tuple(args[k] for k in CONTRACT[name].in_place if args[k] is not None)
    return out if isinstance(out, tuple) else (out,)


def exact(name: str, args: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    """The definition in long double: the door's call is repeated with wider arrays."""
    seen: list[Any] = []

    def call(*inner: Any) -> None:
        wide = [widened(a) for a in inner]
        getattr(ref, name)(*wide)
        seen.extend(wide)

    count = len(results(name, SimpleNamespace(**{name: call}), args))
    if CONTRACT[name].in_place:
        arrays = [seen[k] for k in CONTRACT[name].in_place if seen[k] is not None]
        return tuple(a.reshape(args[0].shape) for a in arrays)
    return tuple(seen[-count:])


def breaks(name: str, impl: Any, args: tuple[Any, ...]) -> str | None:
    """None, or how impl leaves the bound of the contract around the exact answer."""
    return break_bound(name, (impl,), args)


def break_bound(name: str, impls: tuple[Any, ...], args: tuple[Any, ...]) -> str | None:
    """None, or how the first of the impls that does leaves the bound, which all of them share."""
    dtypes = [a.dtype for a in args if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    f = np.finfo(dtypes[0] if dtypes else np.float32)
    want, off = exact(name, args), CONTRACT[name].bound(f, *args)
    said = (outside(name, f, results(name, impl, args), want, off) for impl in impls)
    return next((found for found in said if found), None)


def outside(name: str, f: Any, got: Any, want: Any, off: Any) -> str | None:
    """None, or how far results are from the wanted ones, beyond the bounds."""
    for k, (a, b, e) in enumerate(zip(got, want, off, strict=False)):
        # Where long double is no wider than double, the exact answer has the same error again.
        wide = np.finfo(Wide).eps < f.eps
        if a.dtype.kind == "f":
            distance, e = np.abs(a.astype(Wide) - b.reshape(a.shape)), np.asarray(e)
            worst = distance - (e if wide else 2 * e)
            if not (worst <= 0).all():
                return f"{name}: result {k} is off by {distance.max()}, allowed {e.max()}"
        elif not np.array_equal(a.reshape(-1), b.reshape(-1)):
            return f"{name}: result {k} differs"
    return None
