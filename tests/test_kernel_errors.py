"""Every refusal of the door, its sentence compared whole; and the choice of the implementation.

Long because it is one table: a row per sentence.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from places import ROOT
from twins import ref

from minprune import kernels as k
from minprune.errors import ArgumentError, MissingError, ShapeError
from minprune.kernels import door


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
        "act: x must be an array of float32 or float64, not list; convert it with "
        "np.asarray(x, np.float32)",
    ),
    "integers": Row(
        lambda: k.act(np.array([1, 2]), "relu"),
        ArgumentError,
        "act: x must be an array of float32 or float64, not int64; convert it with "
        "np.asarray(x, np.float32)",
    ),
    "foreign byte order": Row(
        lambda: k.act(np.ones(2, ">f4"), "relu"),
        ArgumentError,
        "act: x must be an array of float32 or float64, not >f4; convert it with "
        "np.asarray(x, np.float32)",
    ),
    "two dtypes": Row(
        lambda: k.conv2d(X, W.astype(np.float64)),
        ArgumentError,
        "conv2d: w must be float32 like x, not float64; convert it",
    ),
    "batch forgotten": Row(
        lambda: k.conv2d(f(2, 4, 4), W),
        ShapeError,
        "conv2d: x must have the shape (i, h, w, n), not (2, 4, 4); reshape it, with the "
        "batch as the last axis of activations",
    ),
    "one axis": Row(
        lambda: k.row_sum(f(3)),
        ShapeError,
        "row_sum: x must have the shape (c, m, ...), not (3,); reshape it, with the batch"
        " as the last axis of activations",
    ),
    "bias": Row(
        lambda: k.conv2d(X, W, f(3)),
        ShapeError,
        "conv2d: b must have the shape (o,) = (4,), not (3,); pass arrays that belong to "
        "one layer and one batch",
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
        "conv2d_grad_weight: groups must be an integer of at least 1, not 0; pass "
        "groups=1, for example",
    ),
    "unknown act": Row(
        lambda: k.conv2d(X, W, B, act="gelu"),
        ArgumentError,
        "conv2d: act must be 'none', 'relu', 'leaky_relu', 'tanh' or 'sigmoid', not "
        "'gelu'; did you mean relu?",
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
        "conv2d: stride must be two integers of at least 1, not (0, 1); pass (1, 1)",
    ),
    "padding below 0": Row(
        lambda: k.conv2d(X, W, padding=(0, -1)),
        ArgumentError,
        "conv2d: padding must be a tuple of 2 integers of at least 0, not (0, -1); pass a"
        " tuple such as (1, 1)",
    ),
    "stride a number": Row(
        lambda: k.conv2d(X, W, stride=2),  # type: ignore[arg-type]
        ArgumentError,
        "conv2d: stride must be a tuple of 2 integers of at least 0, not 2; pass a tuple "
        "such as (1, 1)",
    ),
    "kernel a list": Row(
        lambda: k.unfold(X, [2, 2], ONE, NO),  # type: ignore[arg-type]
        ArgumentError,
        "unfold: kernel must be a tuple of 2 integers of at least 0, not [2, 2]; pass a "
        "tuple such as (1, 1)",
    ),
    "no samples": Row(
        lambda: k.conv2d(f(2, 4, 4, 0), W),
        ShapeError,
        "conv2d: image must have a channel and a sample, not 0 samples; add one",
    ),
    "gradient of another shape": Row(
        lambda: k.conv2d_grad_input(f(4, 3, 3, 3), W, X.shape),
        ShapeError,
        "conv2d_grad_input: g must have the shape (o, oh, ow, n) = (4, 2, 2, 3), not (4, "
        "3, 3, 3); pass arrays that belong to one layer and one batch",
    ),
    "shape of three": Row(
        lambda: k.fold(f(2, 2), (2, 4, 4), *POOL),
        ArgumentError,
        "fold: shape must be a tuple of 4 integers of at least 0, not (2, 4, 4); pass a "
        "tuple such as (1, 1, 1, 1)",
    ),
    "cols of another image": Row(
        lambda: k.fold(f(2, 2), (2, 4, 4, 3), *POOL),
        ShapeError,
        "fold: cols must have the shape (c*ky*kx, oh*ow*n) = (8, 12), not (2, 2); pass "
        "arrays that belong to one layer and one batch",
    ),
    "affine inputs": Row(
        lambda: k.affine(f(3, 4), f(5, 2)),
        ShapeError,
        "affine: x must have the shape (i, n) = (4, 2), not (5, 2); pass arrays that "
        "belong to one layer and one batch",
    ),
    "inner sizes": Row(
        lambda: k.matmul(f(3, 4), f(4, 5), True),
        ShapeError,
        "matmul: inner sizes must be equal, not (4, 3) @ (4, 5) after transposing; check ta and tb",
    ),
    "one scale per row": Row(
        lambda: k.scale_shift(X, f(3), f(2)),
        ShapeError,
        "scale_shift: scale must have the shape (c,) = (2,), not (3,); pass arrays that "
        "belong to one layer and one batch",
    ),
    "moments of nothing": Row(
        lambda: k.moments(f(2, 0)),
        ShapeError,
        "moments: x must hold at least one entry, not be of shape (2, 0); add samples",
    ),
    "padding as large as the window": Row(
        lambda: k.max_pool(X, ONE, ONE, ONE),
        ArgumentError,
        "max_pool: padding must be below the kernel (1, 1), not (1, 1), since a window of"
        " padding alone has no maximum; use less padding",
    ),
    "window too large to count": Row(
        lambda: k.max_pool(f(1, 300, 300, 1), (300, 300), ONE, NO),
        ArgumentError,
        "max_pool: kernel must have at most 65536 places, not 90000 as (300, 300) has; "
        "pool twice, with smaller kernels",
    ),
    "index of int64": Row(
        lambda: k.pick(X, INDEX.astype(np.int64), *POOL),
        ArgumentError,
        "pick: index must be an array of uint16, not int64; pass what max_pool or words16 returned",
    ),
    "index outside the window": Row(
        lambda: k.put(f(2, 2, 2, 3), INDEX + 4, X.shape, *POOL),
        ArgumentError,
        "put: index must be below 4, the places of the kernel, not 4; pass the kernel "
        "that made the index",
    ),
    "index of another shape": Row(
        lambda: k.pick(X, INDEX[:1], *POOL),
        ShapeError,
        "pick: index must have the shape (c, oh, ow, n) = (2, 2, 2, 3), not (1, 2, 2, 3);"
        " pass arrays that belong to one layer and one batch",
    ),
    "label out of range": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([0, 3])),
        ArgumentError,
        "cross_entropy: labels[1] must be from 0 to 2, not 3; count from 0",
    ),
    "label below 0": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([-1, 0])),
        ArgumentError,
        "cross_entropy: labels[0] must be from 0 to 2, not -1; count from 0",
    ),
    "labels of floats": Row(
        lambda: k.cross_entropy(f(3, 2), f(2)),
        ArgumentError,
        "cross_entropy: labels must be an array of integers, not float32; convert it with"
        " np.asarray(labels, np.int64)",
    ),
    "labels of another batch": Row(
        lambda: k.cross_entropy(f(3, 2), np.array([0])),
        ShapeError,
        "cross_entropy: labels must have the shape (n,) = (2,), not (1,); pass arrays "
        "that belong to one layer and one batch",
    ),
    "row that does not exist": Row(
        lambda: k.gather_last(f(3, 2), np.array([0, 3])),
        ArgumentError,
        "gather_last: index[1] must be from 0 to 2, not 3; count from 0",
    ),
    "momentum without v": Row(
        lambda: k.sgd_step(f(2), f(2), None, None, 0.1, 0.9),
        ArgumentError,
        "sgd_step: v must be an array for momentum 0.9; pass v exactly when momentum is not 0",
    ),
    "read-only weight": Row(
        lambda: k.sgd_step(read_only(f(2)), f(2), None, None, 0.1),
        ArgumentError,
        "sgd_step: w must be writable and contiguous, since it changes in place; pass "
        "w.copy() and keep that",
    ),
    "strided momentum": Row(
        lambda: k.sgd_step(f(2), f(2), f(4)[::2], None, 0.1, 0.9),
        ArgumentError,
        "sgd_step: v must be writable and contiguous, since it changes in place; pass "
        "v.copy() and keep that",
    ),
    "mask of floats": Row(
        lambda: k.sgd_step(f(2), f(2), None, f(2), 0.1),
        ArgumentError,
        "sgd_step: mask must be an array of bool, not float32; True means kept",
    ),
    "mask of another shape": Row(
        lambda: k.adam_step(f(2), f(2), f(2), f(2), np.ones(3, bool), 0.1),
        ShapeError,
        "adam_step: mask must have the shape (...) = (2,), not (3,); pass arrays that "
        "belong to one layer and one batch",
    ),
    "step 0": Row(
        lambda: k.adam_step(f(2), f(2), f(2), f(2), None, 0.1, step=0),
        ArgumentError,
        "adam_step: step must be at least 1, not 0; count steps from 1",
    ),
    "NaN score": Row(
        lambda: k.smallest(np.array([[0.0, 1.0], [np.nan, -np.inf]]), 1),
        ArgumentError,
        "smallest: scores must be numbers, not NaN as entry 2, which has no rank; find "
        "where it came from",
    ),
    "more than there are": Row(
        lambda: k.smallest(f(3), 4),
        ArgumentError,
        "smallest: k must be at most 3, the number of scores, not 4; count first",
    ),
    "a share in place of a count": Row(
        lambda: k.smallest(f(3), 0.5),  # type: ignore[arg-type]
        ArgumentError,
        "smallest: k must be an integer of at least 0, not 0.5; pass k=1, for example",
    ),
    "another implementation": Row(
        lambda: door.chosen("cupy"),
        ArgumentError,
        "MINPRUNE_KERNELS must be 'numpy' or 'numba', not 'cupy'; set one, or unset it",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_refusal(name: str) -> None:
    row = ROWS[name]
    with pytest.raises(row.error) as caught:
        row.provoke()
    assert caught.value.args == (row.text,)


def test_numba_asked_for_but_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "minprune.kernels.compile_jit", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingError) as caught:
        door.chosen("numba")
    assert caught.value.args == (
        "MINPRUNE_KERNELS is 'numba', but Numba cannot be imported (import of numba halted; None "
        "in sys.modules); install it with `pip install numba`, or set MINPRUNE_KERNELS=numpy",
    )
    assert door.chosen(None) == "numpy"


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
from minprune.kernels.dense.first_jit import first
@loops
def second(x):
    return 10 * first(x)
"""


def test_a_change_in_one_file_reaches_the_compiled_loops_of_others(tmp_path: Path) -> None:
    """What is on disk of `second` holds a copy of `first`: an update of minprune would miss it."""
    pytest.importorskip("numba", reason="Numba does not import here")
    shutil.copytree(ROOT / "minprune", tmp_path / "minprune",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    folder, found = tmp_path / "minprune" / "kernels" / "dense", []
    (folder / "second_jit.py").write_text(SECOND_LOOP)
    for more in (1, 1, 2):
        (folder / "first_jit.py").write_text(FIRST_LOOP.format(more))
        os.utime(folder / "first_jit.py", (more, more))  # Python's own caches go by seconds
        code = (
            "from minprune.kernels.dense.second_jit import second as f;"
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


DECLARED = """
@kernel(("dense.toy_ref", "dense.toy_jit"), "x (c, n), by (c) -> (c, n)")
def toy(x: Array, by: Array) -> Array:
    \"\"\"out[c, n] = x[c, n] ** by[c]\"\"\"
"""
TWIN = """
def toy(x, by, out):
    out[...] = x ** by[:, None]
"""
LOOP = """
from minprune.kernels.compile_jit import loops
@loops
def toy(x, by, out):
    for c in range(x.shape[0]):
        for n in range(x.shape[1]):
            out[c, n] = x[c, n] ** by[c]
"""
CALL = """
import numpy as np, minprune.kernels as k
print(k.toy(np.full((1, 2), 3.0), np.full(1, 2.0)).tolist(), "toy" in k.__all__)
try:
    k.toy(np.ones((1, 2)), np.ones(2))
except ValueError as e:
    print(e)
"""


@pytest.mark.parametrize("impl", ["numpy", "numba"])
def test_a_kernel_is_added_by_its_signature_its_twin_and_its_loop(
    impl: str, tmp_path: Path
) -> None:
    if impl == "numba":
        pytest.importorskip("numba", reason="Numba does not import here")
    shutil.copytree(ROOT / "minprune", tmp_path / "minprune",
                    ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
    folder = tmp_path / "minprune" / "kernels"
    table = (folder / "signatures.py").read_text()
    end = table.index("if not TYPE_CHECKING:")
    (folder / "signatures.py").write_text(table[:end] + DECLARED + table[end:])
    (folder / "dense" / "toy_ref.py").write_text(TWIN)
    (folder / "dense" / "toy_jit.py").write_text(LOOP)
    assert run(CALL, tmp_path, MINPRUNE_KERNELS=impl).splitlines() == [
        "[[9.0, 9.0]] True",
        "toy: by must have the shape (c,) = (1,), not (2,); "
        "pass arrays that belong to one layer and one batch",
    ]


def test_activations_of_the_door_are_those_of_both_implementations() -> None:
    """And no other: an unknown name is refused, and never computed as one of them."""
    from minprune.kernels.rules import ACTS

    assert {*ACTS} == {*ref.ACT} == {*ref.ACT_GRAD}
    if find_spec("numba"):
        from minprune.kernels.dense import rows_jit

        assert {*ACTS} == {*rows_jit.CODES}
        with pytest.raises(KeyError):
            rows_jit.act(f(2), "gelu", f(2))
    with pytest.raises(KeyError):
        ref.act(f(2), "gelu", f(2))
