"""Every refusal of the door, its sentence compared whole; and the choice of the implementation.

Long because it is one table: a row per sentence.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from places import ROOT

from minprune import kernels as k
from minprune.errors import ArgumentError, MissingError, ShapeError
from minprune.kernels import choice


class Row(NamedTuple):
    provoke: Callable[[], Any]
    error: type[Exception]
    text: str


def f(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x


ONE, NO = (1, 1), (0, 0)
X, W, B = f(2, 4, 4, 3), f(4, 2, 3, 3), f(4)
BELONG = "; give arrays that belong to one layer and one batch"
FLOAT = "expected an array of float32 or float64; convert it with np.asarray(x, np.float32)"
INDEX = np.zeros((2, 2, 2, 3), np.uint16)
POOL = ((2, 2), (2, 2), NO)
ROWS = {
    "a list": Row(
        lambda: k.act([1.0], "relu"),
        ArgumentError,
        f"act: x is list, {FLOAT}",
    ),
    "integers": Row(
        lambda: k.act(np.array([1, 2]), "relu"),
        ArgumentError,
        f"act: x is of int64, {FLOAT}",
    ),
    "foreign byte order": Row(
        lambda: k.act(np.ones(2, ">f4"), "relu"),
        ArgumentError,
        f"act: x is of >f4, {FLOAT}",
    ),
    "two dtypes": Row(
        lambda: k.conv2d(X, W.astype(np.float64)),
        ArgumentError,
        "conv2d: w is float64, x is float32; give all arrays one dtype",
    ),
    "batch forgotten": Row(
        lambda: k.conv2d(f(2, 4, 4), W),
        ShapeError,
        "conv2d: x is (2, 4, 4), expected (c, h, w, n); "
        "reshape it, with the batch as the last axis of activations",
    ),
    "one axis": Row(
        lambda: k.row_sum(f(3)),
        ShapeError,
        "row_sum: x is (3,), expected (c, ...) with at least two axes; "
        "reshape it, with the batch as the last axis of activations",
    ),
    "bias": Row(
        lambda: k.conv2d(X, W, f(3)),
        ShapeError,
        f"conv2d: b is (3,), expected (4,), one per output channel of w{BELONG}",
    ),
    "groups do not divide": Row(
        lambda: k.conv2d(f(3, 4, 4, 1), W, groups=2),
        ShapeError,
        "conv2d: 3 channels in, 4 out and 2 per filter do not fit 2 groups; "
        "w is (o, i/groups, ky, kx), and groups divides both o and i",
    ),
    "groups 0": Row(
        lambda: k.conv2d_grad_weight(f(4, 2, 2, 3), X, (3, 3), groups=0),
        ArgumentError,
        "conv2d_grad_weight: groups is 0, expected an integer of at least 1; use 1 for none",
    ),
    "unknown act": Row(
        lambda: k.conv2d(X, W, B, act="gelu"),
        ArgumentError,
        "conv2d: act is 'gelu', expected one of leaky_relu, none, relu, sigmoid, tanh; "
        "apply another function as a layer of its own",
    ),
    "kernel too large": Row(
        lambda: k.unfold(X, (5, 5), ONE, NO),
        ShapeError,
        "unfold: kernel (5, 5) is larger than the image (4, 4) with padding (0, 0); "
        "use a smaller kernel or more padding",
    ),
    "stride 0": Row(
        lambda: k.conv2d(X, W, stride=(0, 1)),
        ArgumentError,
        "conv2d: stride is (0, 1), expected two integers of at least 1; "
        "pass a tuple such as (1, 1)",
    ),
    "padding below 0": Row(
        lambda: k.conv2d(X, W, padding=(0, -1)),
        ArgumentError,
        "conv2d: padding is (0, -1), expected two integers of at least 0; "
        "pass a tuple such as (1, 1)",
    ),
    "stride a number": Row(
        lambda: k.conv2d(X, W, stride=2),  # type: ignore[arg-type]
        ArgumentError,
        "conv2d: stride is 2, expected two integers of at least 1; pass a tuple such as (1, 1)",
    ),
    "kernel a list": Row(
        lambda: k.unfold(X, [2, 2], ONE, NO),  # type: ignore[arg-type]
        ArgumentError,
        "unfold: kernel, stride, padding are [2, 2], (1, 1), (0, 0), expected pairs of integers; "
        "pass tuples such as (1, 1)",
    ),
    "no samples": Row(
        lambda: k.conv2d(f(2, 4, 4, 0), W),
        ShapeError,
        "conv2d: the image is (2, 4, 4, 0), which is empty; give at least one channel and sample",
    ),
    "gradient of another shape": Row(
        lambda: k.conv2d_grad_input(f(4, 3, 3, 3), W, X.shape),
        ShapeError,
        "conv2d_grad_input: g is (4, 3, 3, 3), expected (4, 2, 2, 3), "
        f"the shape of the output{BELONG}",
    ),
    "shape of three": Row(
        lambda: k.fold(f(2, 2), (2, 4, 4), *POOL),
        ShapeError,
        "fold: shape is (2, 4, 4), expected (c, h, w, n); pass the shape of the input",
    ),
    "cols of another image": Row(
        lambda: k.fold(f(2, 2), (2, 4, 4, 3), *POOL),
        ShapeError,
        f"fold: cols is (2, 2), expected (8, 12), unfolded (2, 4, 4, 3){BELONG}",
    ),
    "affine inputs": Row(
        lambda: k.affine(f(3, 4), f(5, 2)),
        ShapeError,
        f"affine: x is (5, 2), expected (4, 2), the inputs of w (3, 4){BELONG}",
    ),
    "inner sizes": Row(
        lambda: k.matmul(f(3, 4), f(4, 5), True),
        ShapeError,
        "matmul: a is (4, 3), b is (4, 5), after transposing, and the inner sizes differ; "
        "check transpose_a and transpose_b",
    ),
    "one scale per row": Row(
        lambda: k.scale_shift(X, f(3), f(2)),
        ShapeError,
        f"scale_shift: scale is (3,), expected (2,), one per row of x{BELONG}",
    ),
    "moments of nothing": Row(
        lambda: k.moments(f(2, 0)),
        ShapeError,
        "moments: x is (2, 0), which is empty; give at least one sample",
    ),
    "padding as large as the window": Row(
        lambda: k.max_pool(X, ONE, ONE, ONE),
        ArgumentError,
        "max_pool: padding is (1, 1), kernel is (1, 1), and a window of nothing but padding has "
        "no maximum; use padding below the kernel",
    ),
    "window too large to count": Row(
        lambda: k.max_pool(f(1, 300, 300, 1), (300, 300), ONE, NO),
        ArgumentError,
        "max_pool: kernel (300, 300) has 90000 places, expected at most 65536; "
        "pool twice, with smaller kernels",
    ),
    "index of int64": Row(
        lambda: k.pick(X, INDEX.astype(np.int64), *POOL),
        ArgumentError,
        "pick: index is int64, expected uint16; pass the index that max_pool returned",
    ),
    "index outside the window": Row(
        lambda: k.put(f(2, 2, 2, 3), INDEX + 4, X.shape, *POOL),
        ArgumentError,
        "put: index holds 4, expected below 4 for kernel (2, 2); "
        "pass the kernel that made the index",
    ),
    "index of another shape": Row(
        lambda: k.pick(X, INDEX[:1], *POOL),
        ShapeError,
        f"pick: index is (1, 2, 2, 3), expected (2, 2, 2, 3), one per output{BELONG}",
    ),
    "label out of range": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([0, 3])),
        ArgumentError,
        "cross_entropy: labels[1] is 3, expected 0 to 2; count classes and rows from 0",
    ),
    "label below 0": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([-1, 0])),
        ArgumentError,
        "cross_entropy: labels[0] is -1, expected 0 to 2; count classes and rows from 0",
    ),
    "labels of floats": Row(
        lambda: k.cross_entropy(f(3, 2), f(2)),
        ArgumentError,
        "cross_entropy: labels is float32 (2,), expected a vector of integers; "
        "convert it with np.asarray(labels, np.int64)",
    ),
    "labels of another batch": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([0])),
        ShapeError,
        f"cross_entropy: labels is (1,), expected (2,), one per column of x{BELONG}",
    ),
    "row that does not exist": Row(
        lambda: k.gather_last(f(3, 2), np.array([0, 3])),
        ArgumentError,
        "gather_last: index[1] is 3, expected 0 to 2; count classes and rows from 0",
    ),
    "momentum without v": Row(
        lambda: k.sgd_step(f(2), f(2), None, None, 0.1, 0.9),
        ArgumentError,
        "sgd_step: momentum is 0.9 and v is None; give v exactly when momentum is not 0",
    ),
    "read-only weight": Row(
        lambda: k.sgd_step(read_only(f(2)), f(2), None, None, 0.1),
        ArgumentError,
        "sgd_step: w is read-only or not contiguous, and changes in place; "
        "pass w.copy() and keep that",
    ),
    "strided momentum": Row(
        lambda: k.sgd_step(f(2), f(2), f(4)[::2], None, 0.1, 0.9),
        ArgumentError,
        "sgd_step: v is read-only or not contiguous, and changes in place; "
        "pass v.copy() and keep that",
    ),
    "mask of floats": Row(
        lambda: k.sgd_step(f(2), f(2), None, f(2), 0.1),
        ArgumentError,
        "sgd_step: mask is float32, expected an array of bool; True means kept",
    ),
    "mask of another shape": Row(
        lambda: k.adam_step(f(2), f(2), f(2), f(2), np.ones(3, bool), 0.1),
        ShapeError,
        f"adam_step: mask is (3,), expected (2,), the shape of w{BELONG}",
    ),
    "step 0": Row(
        lambda: k.adam_step(f(2), f(2), f(2), f(2), None, 0.1, step=0),
        ArgumentError,
        "adam_step: step is 0, expected at least 1; count steps from 1",
    ),
    "NaN score": Row(
        lambda: k.smallest(np.array([[0.0, 1.0], [np.nan, -np.inf]]), 1),
        ArgumentError,
        "smallest: score 2 is NaN, which has no rank; find where the score came from",
    ),
    "more than there are": Row(
        lambda: k.smallest(f(3), 4),
        ArgumentError,
        "smallest: k is 4, expected an integer from 0 to 3, the number of scores; "
        "count first, then choose",
    ),
    "a share in place of a count": Row(
        lambda: k.smallest(f(3), 0.5),  # type: ignore[arg-type]
        ArgumentError,
        "smallest: k is 0.5, expected an integer from 0 to 3, the number of scores; "
        "count first, then choose",
    ),
    "another implementation": Row(
        lambda: choice.load("cupy"),
        ArgumentError,
        "MINPRUNE_KERNELS is 'cupy', expected 'numpy' or 'numba'; set one of them, or unset it",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_refusal(name: str) -> None:
    row = ROWS[name]
    with pytest.raises(row.error) as caught:
        row.provoke()
    assert caught.value.args == (row.text,)


def test_numba_asked_for_but_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("minprune.kernels.") and "jit" in n]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(sys.modules["minprune.kernels"], "dense_jit", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingError) as caught:
        choice.load("numba")
    assert caught.value.args == (
        "MINPRUNE_KERNELS is 'numba' but Numba does not import (import of numba halted; None in "
        "sys.modules); install it with `pip install numba`, or set MINPRUNE_KERNELS=numpy",
    )
    assert choice.load(None).__name__ == "minprune.kernels.dense_ref"


def run(code: str, folder: Path = ROOT, **env: str) -> str:
    """What a new process prints that imports minprune from a folder."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder), **env},
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    ).stdout.strip()


def test_importing_the_door_does_not_load_numba() -> None:
    code = "import sys, minprune.kernels as k; print('numba' in sys.modules, k.backend())"
    assert run(code, MINPRUNE_KERNELS="numpy") == "False numpy"


def test_the_first_call_decides() -> None:
    pytest.importorskip("numba", reason="Numba does not import here")
    code = "import sys, minprune.kernels as k; print(k.backend(), 'numba' in sys.modules)"
    assert run(code, MINPRUNE_KERNELS="numba") == "numba True"


FIRST_LOOP = """
from minprune.kernels.compile_jit import loops
@loops
def first(x):
    return x + {}
"""
SECOND_LOOP = """
from minprune.kernels.compile_jit import loops
from minprune.kernels.first_jit import first
@loops
def second(x):
    return 10 * first(x)
"""


def test_a_change_in_one_file_reaches_the_compiled_loops_of_others(tmp_path: Path) -> None:
    """What is on disk of `second` holds a copy of `first`: an update of minprune would miss it."""
    pytest.importorskip("numba", reason="Numba does not import here")
    shutil.copytree(ROOT / "minprune", tmp_path / "minprune",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    folder, found = tmp_path / "minprune" / "kernels", []
    (folder / "second_jit.py").write_text(SECOND_LOOP)
    for more in (1, 1, 2):
        (folder / "first_jit.py").write_text(FIRST_LOOP.format(more))
        code = (
            "from minprune.kernels.second_jit import second as f;"
            "print(f(1), sum(f.stats.cache_hits.values()))"
        )
        found.append(run(code, tmp_path))
    assert found == ["20 0", "20 1", "30 0"]


NO_CACHE = """
from numba.core.dispatcher import Dispatcher
def enable_caching(self):
    raise RuntimeError("cannot cache function 'act': no locator available for file")
Dispatcher.enable_caching = enable_caching
import numpy as np, minprune.kernels as k
print(k.backend(), k.gather_last(np.ones((1, 1), "f4"), np.array([0])).tolist())
"""


def test_where_nothing_can_be_cached_it_is_compiled_each_time() -> None:
    """A package folder and a home that are read-only, as in some containers."""
    pytest.importorskip("numba", reason="Numba does not import here")
    assert run(NO_CACHE, MINPRUNE_KERNELS="numba") == "numba [[1.0]]"
