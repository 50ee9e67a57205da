"""Sparse products have the same bits on one thread and on several: each part has one owner."""

import os
import subprocess
import sys
from collections.abc import Callable

import kernel_cases as cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT

pytest.importorskip("numba", reason="Numba does not import here, and NumPy's twins use one thread")

from minprune.kernels.sparse import conv_jit, image_jit, tiles_jit
from minprune.kernels.sparse.tiles_jit import share

Share = Callable[[Callable[[int, int], None], int, int], None]
SHARED = (
    "csr_matmul", "csr_matmul_t", "csr_sampled", "csr_conv2d",
    "csr_conv2d_grad_input", "csr_conv2d_grad_weight",
)  # fmt: skip
SHARING = tiles_jit, conv_jit, image_jit  # csr_jit calls those of tiles_jit


def share_forgets(work: Callable[[int, int], None], count: int, parts: int) -> None:
    """Parts of one size: what is left over belongs to nobody."""
    for k in range(parts):
        work(count // parts * k, count // parts * (k + 1))


def shares_all(fn: Share, count: int, parts: int) -> bool:
    """Each of 0 .. count - 1 goes to exactly one call."""
    done: list[int] = []
    fn(lambda lo, hi: done.extend(range(lo, hi)), count, parts)
    return sorted(done) == list(range(count))


@given(count=st.integers(0, 40), parts=st.integers(1, 7))
def test_a_share_for_each(count: int, parts: int) -> None:
    assert shares_all(share, count, parts)


def test_a_share_that_forgets_the_rest_is_rejected() -> None:
    assert not shares_all(share_forgets, 7, 2)


def test_an_error_in_a_part_is_heard() -> None:
    def work(lo: int, hi: int) -> None:
        if hi == 4:
            raise ValueError("the last part")

    with pytest.raises(ValueError, match="the last part"):
        share(work, 4, 2)


def same_bits(name: str, parts: int, patch: pytest.MonkeyPatch, fn: Share = share) -> bool:
    """Thirty cases of one kernel, whole and in parts; some of them are worth parting."""
    rng, impl = np.random.default_rng(parts), "numba"
    parted, same = 0, True

    def counted(work: Callable[[int, int], None], count: int, parts: int) -> None:
        nonlocal parted
        parted += parts > 1
        fn(work, count, parts)

    for k in range(30):
        args = cases.case(name, cases.drawn(rng), (np.float32, np.float64)[k % 2])
        want = cases.results(name, impl, args)[0]
        with patch.context() as within:
            for module in SHARING:
                within.setattr(module, "shares", lambda madds, most: max(1, min(parts, most)))
                within.setattr(module, "share", counted)
            same &= cases.results(name, impl, args)[0].tobytes() == want.tobytes()
    assert parted > 10
    return same


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("name", SHARED)
def test_parts_give_the_same_bits(name: str, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert same_bits(name, parts, monkeypatch)


@pytest.mark.parametrize("name", SHARED)
def test_a_part_left_out_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not same_bits(name, 3, monkeypatch, share_forgets)


PROGRAM = """
import hashlib, numpy as np
from minprune import kernels as k
from minprune.kernels.sparse.tiles_jit import pool
from minprune.sparse import CSR
rng = np.random.default_rng(0)
w, x, g = (rng.standard_normal(s).astype("f4") for s in ((512, 512), (512, 405), (512, 405)))
a = CSR.from_dense(w, rng.random(w.shape) < 0.1)
turned = k.csr_transpose(a.columns, a.row_start, 512)
found = [k.csr_matmul(a.values, a.columns, a.row_start, x), k.csr_matmul_t(a.values, *turned, g)]
filters = rng.standard_normal((64, 288)).astype("f4")
a = CSR.from_dense(filters, rng.random(filters.shape) < 0.25)
image, where = rng.standard_normal((64, 17, 17, 20)).astype("f4"), ((1, 1), (1, 1), 2)
found.append(k.csr_conv2d(a.values, a.columns, a.row_start, (3, 3), image, None, *where))
at = a.values, a.columns, a.row_start, (3, 3), found[-1], image.shape
found.append(k.csr_conv2d_grad_input(*at, *where))
print(pool.cache_info().currsize, *(hashlib.sha256(y.tobytes()).hexdigest() for y in found))
"""


def run(code: str, threads: int) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        env=os.environ | {"NUMBA_NUM_THREADS": str(threads), "MINPRUNE_KERNELS": "numba"},
    ).stdout.split()  # fmt: skip


def test_one_thread_and_two_in_processes_of_their_own() -> None:
    one, two = run(PROGRAM, 1), run(PROGRAM, 2)
    assert (one[0], two[0]) == ("0", "1")  # the second did share
    assert one[1:] == two[1:]
    assert len(set(one)) == 5


FORK = """
import os, signal, warnings
from minprune.kernels.sparse.tiles_jit import share
warnings.simplefilter("ignore")  # of forking beside threads: what is tried here
share(lambda lo, hi: None, 4, 2)
child = os.fork()
if not child:
    signal.alarm(60)  # in place of waiting for ever
    share(lambda lo, hi: None, 4, 2)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    assert run(FORK, 2) == ["0"]
