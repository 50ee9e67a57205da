"""A workspace changes no value, never overwrites an array in use, and reuses memory."""

import gc
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune import kernels
from minprune.kernels import workspace
from minprune.kernels.workspace import ALIGN, SMALL, empty

BIG = (SMALL // 4 * 3,)  # floats: three times the least size that is pooled


def address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]


def test_outside_lend_it_is_numpy() -> None:
    a = empty((2, 3), np.float32)
    assert a.base is None
    assert a.shape == (2, 3)
    assert a.dtype == np.float32


def test_a_dropped_array_is_used_again() -> None:
    with workspace.lend() as space:
        a = empty(BIG, np.float32)
        first = address(a)
        del a
        size = space.bytes
        for _ in range(10):
            assert address(empty(BIG, np.float32)) == first
        assert space.bytes == size >= 4 * BIG[0]


@pytest.mark.parametrize(
    "keep",
    [
        lambda a: a,
        lambda a: a[5:9],
        lambda a: a.reshape(-1, 2).T,
        lambda a: a.view(np.uint8),
        lambda a: memoryview(a),
        lambda a: SimpleNamespace(inside=[a[::2]]),
    ],
    ids=["array", "slice", "transpose", "view", "memoryview", "object"],
)
def test_a_kept_array_is_never_used_again(keep) -> None:  # type: ignore[no-untyped-def]
    with workspace.lend() as space:
        a = empty(BIG, np.float32)
        first, kept = address(a), keep(a)
        del a
        size = space.bytes
        other = empty(BIG, np.float32)
        assert address(other) != first
        assert space.bytes == 2 * size
        del kept
        assert address(empty(BIG, np.float32)) == first


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 3), st.booleans()), max_size=40))
def test_live_arrays_never_share_memory(steps: list[tuple[int, int, bool]]) -> None:
    """A random run of asking, writing, keeping views and dropping; every value must survive."""
    live: dict[int, tuple[np.ndarray, int]] = {}
    with workspace.lend():
        for stamp, (slot, factor, as_view) in enumerate(steps):
            live.pop(slot, None)
            a = empty((factor * SMALL,), np.int64)
            a[:] = stamp
            live[slot] = (a[1:-1] if as_view else a, stamp)
            del a
            for kept, value in live.values():
                assert kept[0] == kept[-1] == value


def test_sizes_close_to_each_other_share_a_class_and_waste_little() -> None:
    with workspace.lend():
        first = address(empty((100_000,), np.uint8))
        assert address(empty((99_000,), np.uint8)) == first
    for size in (SMALL, 10**5, 10**6 + 1, 2**20):
        with workspace.lend() as space:
            a = empty((size,), np.uint8)
        assert size <= space.bytes - ALIGN <= 1.125 * size + 1
        assert address(a) % ALIGN == 0
        assert a.flags.carray


def test_small_and_object_arrays_are_not_pooled() -> None:
    with workspace.lend() as space:
        assert empty((SMALL - 1,), np.uint8).base is None
        assert empty((SMALL,), object).base is None
        assert empty((0, 5), np.float32).shape == (0, 5)
    assert space.bytes == 0


def test_blocks_nest_and_end() -> None:
    with workspace.lend() as outer:
        with workspace.lend() as inner:
            a = empty(BIG, np.float32)
            a[:] = 7
        assert inner.bytes
        assert not outer.bytes
        empty(BIG, np.float32)
        assert outer.bytes
    del inner, outer
    gc.collect()
    assert (a == 7).all()  # outlives its workspace


def test_outside_a_block_each_array_has_memory_of_its_own_on_cache_lines() -> None:
    with workspace.lend() as space:
        pass
    a, b = empty(BIG, np.float32), empty(BIG, np.float32)
    assert not space.bytes
    assert not np.shares_memory(a, b)
    for each in (a, b):
        assert address(each) % ALIGN == 0
        assert each.flags.carray
    assert empty(BIG, object).base is None


def test_a_workspace_can_be_lent_again() -> None:
    with workspace.lend() as space:
        empty(BIG, np.float32)
    with workspace.lend(space) as again:
        empty(BIG, np.float32)
    assert again is space
    assert space.bytes < 8 * BIG[0]


def test_a_block_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="stop"), workspace.lend():
        raise ValueError("stop")
    assert workspace._current.get() is None


def test_another_thread_does_not_draw_on_it() -> None:
    seen = []
    with workspace.lend() as space:
        thread = threading.Thread(target=lambda: seen.append(empty(BIG, np.float32).size))
        thread.start()
        thread.join()
    assert seen == [*BIG]
    assert space.bytes == 0


def test_same_values_with_and_without() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 20, 20, 32)), rng.standard_normal((8, 3, 3, 3))

    def step() -> list[bytes]:
        y = kernels.conv2d(x, w, None, (1, 1), (1, 1), 1, "tanh")
        pooled, index = kernels.max_pool(y, (2, 2), (2, 2), (0, 0))
        g = kernels.put(pooled, index, y.shape, (2, 2), (2, 2), (0, 0))
        dw = kernels.conv2d_grad_weight(g, x, (3, 3), (1, 1), (1, 1), 1)
        dx = kernels.conv2d_grad_input(g, w, x.shape, (1, 1), (1, 1), 1)
        return [a.tobytes() for a in (y, pooled, index, g, dw, dx)]

    plain = step()
    with workspace.lend() as space:
        assert step() == plain
        size = space.bytes
        assert all(step() == plain for _ in range(3))
        assert space.bytes == size > 0  # the second step asks for nothing new
