"""Sparse kernels beside dense BLAS, SciPy and PyTorch: products, convolutions, formats, threads.

float32, forward passes with the indices known, as in a net. Activations begin on a cache line, as
those that `fit` lends do; all peers are given the same arrays, where they take them. Long because
the tables of all targets read as one list.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks import sparse_nets
from benchmarks.harness import (
    AbsentError,
    Row,
    against,
    attempt,
    peer,
    timed,
    within,
)
from minprune.sparse import CSR, BlockCSR, NofM
from minprune.sparse.nofm import as_csr

SHAPES = ((1024, 1024), (300, 784))
DENSE = {0.8: 0.6, 0.9: 0.24, 0.95: 0.14, 0.98: 0.06}  # sparsity -> target against dense BLAS
SCIPY, TORCH, MATVEC = 0.5, 0.65, 0.9
VECTORS = ((300, 784), (1024, 1024), (4096, 4096))
LAYERS = {  # inputs, outputs, kernel, image side, padding
    "LeNet-5 conv2 20->50 5x5": (20, 50, 5, 12, 0),
    "64->128 3x3 on 16x16": (64, 128, 3, 16, 1),
}
CONV = {(64, 0.9): 0.45, (64, 0.95): 0.25, (1, 0.9): None, (1, 0.95): 0.8}
DENSITIES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
KERNELS = mp.kernels
Fns = dict[str, Callable[[], Any]]
Curve = list[tuple[float, float]]  # (density, time over that of dense BLAS)


def run(quick: bool, data: Path | None) -> list[Row]:
    """The tables of the targets, then the break-even densities, threads and the slope."""
    repeats = 7 if quick else 21
    rows: list[Row] = []
    for m, n in SHAPES[1:] if quick else SHAPES:
        for p in (64, 256):
            for sparsity in DENSE:
                name = f"csr {m}x{n}, batch {p}, {sparsity:.0%}"
                rows += attempt(name, partial(products, name, m, n, p, sparsity, repeats))
    for m, n in VECTORS[:1] if quick else VECTORS:
        for sparsity in (0.9, 0.98):
            name = f"matvec {m}x{n}, {sparsity:.0%}"
            rows += attempt(name, partial(vectors, name, m, n, sparsity, repeats))
    for layer, sizes in LAYERS.items():
        for (batch, sparsity), target in CONV.items():
            name = f"{layer}, batch {batch}, {sparsity:.0%}"
            rows += attempt(name, partial(convs, name, *sizes, batch, sparsity, target, repeats))
    curves: dict[str, Curve] = {}
    for m, n in SHAPES[1:] if quick else SHAPES:
        for p in (1, 64, 256):
            rows += break_even(m, n, p, 7, curves)
    rows += attempt("plot", partial(plot, curves, Path("runs", "benchmarks", "break_even.svg")))
    rows += attempt("two threads", partial(threads, 7))
    rows.append(slope(7))
    return rows + sparse_nets.run(quick, data)


def lined(a: Any) -> Any:
    """A copy that begins on a cache line."""
    buffer = np.empty(a.nbytes + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    out = np.ndarray(a.shape, a.dtype, buffer, start)
    out[...] = a
    return out


def normal(rng: Any, *shape: int) -> Any:
    return lined(rng.standard_normal(shape, np.float32))


def matrix(rng: Any, m: int, n: int, sparsity: float) -> tuple[Any, Any]:
    """A dense matrix and its CSR, exactly so many entries live"""
    w, mask = normal(rng, m, n), np.ones(m * n, bool)
    mask[rng.permutation(m * n)[: round(sparsity * m * n)]] = False
    mask = mask.reshape(m, n)
    w[~mask] = 0
    return w, CSR.from_dense(w, mask)


def csr_torch(torch: Any, a: Any) -> Any:
    """PyTorch's CSR of ours, which wants signed indices"""
    index = (torch.from_numpy(i.astype(np.int32)) for i in (a.row_start, a.columns))
    return torch.sparse_csr_tensor(*index, torch.from_numpy(a.values), size=a.shape)


def products(name: str, m: int, n: int, p: int, sparsity: float, repeats: int) -> Iterable[Row]:
    rng = np.random.default_rng(0)
    w, a = matrix(rng, m, n, sparsity)
    x, out = normal(rng, n, p), normal(rng, m, p)
    args = a.values, a.columns, a.row_start, x
    fns: Fns = {
        "ours": lambda: KERNELS.csr_matmul(*args),
        "dense": lambda: np.matmul(w, x, out=out),
    }
    fns |= scipy_product(a, x) | torch_product(a, x)
    with mp.kernels.lend():
        found = timed(fns, repeats)
    yield against(f"{name}, dense BLAS", found["ours"], found["dense"], DENSE[sparsity])
    yield against(f"{name}, SciPy CSR", found["ours"], found["scipy"], SCIPY)
    yield against(f"{name}, PyTorch CSR", found["ours"], found["torch"], TORCH)


def scipy_product(a: Any, x: Any) -> Fns:
    peer("scipy")
    sparse = peer("scipy.sparse")
    theirs = sparse.csr_matrix(
        (a.values, a.columns.astype(np.int32), a.row_start.astype(np.int32)), a.shape
    )
    return {"scipy": lambda: theirs @ x}


def torch_product(a: Any, x: Any) -> Fns:
    torch = peer("torch")
    torch.set_num_threads(1)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its CSR is in beta
        theirs = csr_torch(torch, a)
    given = torch.from_numpy(x)
    return {"torch": lambda: theirs @ given}


def vectors(name: str, m: int, n: int, sparsity: float, repeats: int) -> Iterable[Row]:
    rng = np.random.default_rng(0)
    _, a = matrix(rng, m, n, sparsity)
    x = normal(rng, n)
    args = a.values, a.columns, a.row_start, x
    fns: Fns = {"ours": lambda: KERNELS.csr_matvec(*args)} | scipy_product(a, x)
    found = timed(fns, repeats)
    yield against(f"{name}, SciPy CSR", found["ours"], found["scipy"], MATVEC)


def convs(
    name: str, i: int, o: int, k: int, side: int, pad: int, n: int, sparsity: float,
    target: float | None, repeats: int,
) -> Iterable[Row]:  # fmt: skip
    torch = peer("torch")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    w, a = matrix(rng, o, i * k * k, sparsity)
    x = normal(rng, i, side, side, n)
    where = (k, k), x, None, (1, 1), (pad, pad)
    theirs, weight = torch.from_numpy(np.moveaxis(x, -1, 0).copy()), w.reshape(o, i, k, k)
    both = {"default": torch.contiguous_format, "last": torch.channels_last}

    def layer(layout: Any) -> Callable[[], Any]:
        given = theirs.to(memory_format=layout)
        kernel = torch.from_numpy(weight).to(memory_format=layout)
        return lambda: torch.nn.functional.conv2d(given, kernel, padding=pad)

    fns: Fns = {"ours": lambda: KERNELS.csr_conv2d(a.values, a.columns, a.row_start, *where)}
    fns["dense"] = lambda: KERNELS.conv2d(x, weight, None, (1, 1), (pad, pad))
    fns |= {layout: layer(memory) for layout, memory in both.items()}
    with mp.kernels.lend(), torch.no_grad():
        found = timed(fns, repeats)
    faster = min(both, key=lambda layout: found[layout].median)
    note = f"PyTorch {faster}"
    yield against(f"{name}, PyTorch", found["ours"], found[faster], target, note)
    yield against(f"{name}, our dense", found["ours"], found["dense"], None)


def live_blocks(rng: Any, m: int, n: int, density: float, size: int) -> Any:
    """A mask of whole blocks"""
    grid = rng.random((-(-m // size), -(-n // size))) < density
    return np.kron(grid, np.ones((size, size), bool))[:m, :n] > 0


def break_even(m: int, n: int, p: int, repeats: int, curves: dict[str, Curve]) -> list[Row]:
    """For each format the density at which it takes as long as dense BLAS; curves takes the rest"""
    rng = np.random.default_rng(0)
    w, x, out = normal(rng, m, n), normal(rng, n, p), normal(rng, m, p)
    fns: Fns = {"dense": lambda: np.matmul(w, x, out=out)}
    for density in DENSITIES:
        a = CSR.from_dense(w, rng.random((m, n)) < density)
        b = BlockCSR.from_dense(w, live_blocks(rng, m, n, density, 4), 4)
        fns[f"csr {density}"] = partial(KERNELS.csr_matmul, a.values, a.columns, a.row_start, x)
        fns[f"block {density}"] = partial(
            KERNELS.block_matmul, b.values, b.columns, b.row_start, 4, b.shape, x
        )
    for keep in (1, 2):
        mask = np.zeros((m, n), bool)
        for first in range(0, n, 4):
            places = rng.random((m, min(4, n - first))).argsort(1)[:, :keep] + first
            np.put_along_axis(mask, places, True, 1)
        c = NofM.from_dense(w, mask, keep, 4)
        fns[f"nm {keep / 4}"] = partial(
            KERNELS.csr_matmul, c.values, *as_csr(c.positions, keep, 4, len(x)), x
        )
    with mp.kernels.lend():
        found = timed(fns, repeats)
    dense = found["dense"]
    rows = []
    for kind in ("csr", "block"):
        curve = [(d, found[f"{kind} {d}"].median / dense.median) for d in DENSITIES]
        curves[f"{'4x4' if kind == 'block' else kind}, {m}x{n}, batch {p}"] = curve
        shown = ", ".join(f"{d:g}: {ratio:.2f}" for d, ratio in curve)
        rows.append(
            Row(
                f"break-even density, {kind}{' 4x4' * (kind == 'block')} {m}x{n}, batch {p}",
                crossing(curve),
                None,
                None,
                None,
                None,
                unit="",
                note=shown,
            )
        )
    for keep in (1, 2):
        ratio = found[f"nm {keep / 4}"].median / dense.median
        curves[f"{keep}:4, {m}x{n}, batch {p}"] = [(keep / 4, ratio)]
        name = f"{keep}:4 {m}x{n}, batch {p}, dense BLAS"
        rows.append(against(name, found[f"nm {keep / 4}"], dense, None))
    return rows


def plot(curves: dict[str, Curve], path: Path) -> Iterable[Row]:
    """Time over that of dense BLAS against density: a panel for each shape and batch"""
    peer("matplotlib").use("svg")
    pyplot = peer("matplotlib.pyplot")
    places = sorted({name.partition(", ")[2] for name in curves})
    columns = 3
    figure, panels = pyplot.subplots(
        -(-len(places) // columns), columns, figsize=(11, 3.4 * -(-len(places) // columns)),
        squeeze=False, sharey=True, layout="constrained",
    )  # fmt: skip
    for place, panel in zip(places, panels.flat, strict=False):
        for name, curve in curves.items():
            kind, _, where = name.partition(", ")
            if where == place:
                panel.plot(*zip(*curve, strict=True), marker="o", markersize=3, label=kind)
        panel.axhline(1, color="0.5", linewidth=0.8)  # below: faster than dense
        panel.set(title=place, xlabel="density", yscale="log")
    panels[0, 0].set_ylabel("time / dense BLAS")
    panels[0, 0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)
    yield Row("plot of the break-even densities", None, None, None, None, None, note=str(path))


def crossing(curve: list[tuple[float, float]]) -> float:
    """Where the ratio passes 1, between two measured densities; 1.0 where it never does"""
    for (d0, r0), (d1, r1) in pairwise(curve):
        if r0 < 1 <= r1:
            return d0 + (d1 - d0) * (1 - r0) / (r1 - r0)
    return 1.0 if curve[-1][1] < 1 else curve[0][0]


def threads(repeats: int) -> Iterable[Row]:
    """Two threads against one, where the benchmark was started with --threads 2"""
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        raise AbsentError("one thread only; pass --threads 2")
    for name, fn in kernels_at_work().items():

        def on(count: int, fn: Callable[[], Any] = fn) -> Any:
            numba.set_num_threads(count)
            try:
                return fn()
            finally:
                numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)

        assert on(1).tobytes() == on(2).tobytes()
        with mp.kernels.lend():
            found = timed({"two": partial(on, 2), "one": partial(on, 1)}, repeats)
        yield against(f"{name}, 90%, two threads", found["two"], found["one"], None, "same bits")


def kernels_at_work() -> Fns:
    """Every sparse product at 1024 x 1024 and batch 256, and the convolutions"""
    rng = np.random.default_rng(0)
    w, a = matrix(rng, 1024, 1024, 0.9)
    x, g = normal(rng, 1024, 256), normal(rng, 1024, 256)
    b = BlockCSR.from_dense(w, live_blocks(rng, 1024, 1024, 0.1, 4), 4)
    c = NofM.from_dense(w, np.tile([True, False, False, False], (1024, 256)), 1, 4)
    at = a.columns, a.row_start
    k, taps = (3, 3), matrix(rng, 128, 64 * 9, 0.9)[1]
    image, out = normal(rng, 64, 16, 16, 64), normal(rng, 128, 14, 14, 64)
    where = taps.columns, taps.row_start
    return {
        "csr": partial(KERNELS.csr_matmul, a.values, *at, x),
        "csr transposed": partial(
            KERNELS.csr_matmul_t, a.values, *KERNELS.csr_transpose(*at, 1024), g
        ),
        "csr sampled": partial(KERNELS.csr_sampled, *at, g, x),
        "blocks 4x4": partial(
            KERNELS.block_matmul, b.values, b.columns, b.row_start, 4, b.shape, x
        ),
        "1:4": partial(KERNELS.csr_matmul, c.values, *as_csr(c.positions, 1, 4, len(x)), x),
        "convolution": partial(KERNELS.csr_conv2d, taps.values, *where, k, image),
        "convolution, input gradient": partial(
            KERNELS.csr_conv2d_grad_input, taps.values, *where, k, out, image.shape
        ),
        "convolution, weight gradient": partial(
            KERNELS.csr_conv2d_grad_weight, *where, k, out, image
        ),
    }


def slope(repeats: int) -> Row:
    """The slope of log time against log live weights, from 1e5 on: 1 is proportional"""
    rng = np.random.default_rng(0)
    x = normal(rng, 2048, 64)
    counts = [100_000, 200_000, 400_000, 800_000, 1_600_000]
    fns: Fns = {}
    for count in counts:
        _, a = matrix(rng, 2048, 2048, 1 - count / 2048**2)
        fns[str(count)] = partial(KERNELS.csr_matmul, a.values, a.columns, a.row_start, x)
    with mp.kernels.lend():
        found = timed(fns, repeats)
    times = [math.log(found[str(count)].median) for count in counts]
    value = float(np.polyfit([math.log(count) for count in counts], times, 1)[0])
    row = within("log-log slope of time, 1e5 to 1.6e6 live", abs(value - 1), 0.1, unit="")
    return Row(
        **{**vars(row), "name": f"{row.name}, distance from 1", "note": f"slope {value:.3f}"}
    )
