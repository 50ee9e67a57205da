"""Every kernel stays within the bound that its contract derives, compiled and plain.

The exact answer is the definition in long double; test_kernel_oracles.py checks the definition,
test_kernel_slips.py what the bounds must reject.
"""

import os
from importlib.util import find_spec
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_contract import CONTRACT, bytes_moved

from minprune import kernels
from minprune.kernels import door
from minprune.kernels.door import KERNELS

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="Numba is not installed here")
IMPLS = [
    pytest.param("numpy", id="ref"),
    pytest.param("numba", id="jit", marks=needs_numba),
]
CHOSEN = ("numpy", "numba") if find_spec("numba") else ("numpy",)
if os.environ.get("MINPRUNE_KERNELS") == "numpy":  # a run that has no need of Numba
    IMPLS, CHOSEN = IMPLS[:1], CHOSEN[:1]
NAMES = sorted(CONTRACT)
DTYPES = (np.float32, np.float64)


def test_every_kernel_of_the_door_has_a_contract_and_two_implementations() -> None:
    assert set(kernels.__all__) - {"backend"} == set(CONTRACT)
    for impl in ["numpy", "numba"] if find_spec("numba") else ["numpy"]:
        with cases.computing(impl):
            for name, function in KERNELS.items():
                function(*cases.case(name, lambda lo, hi: hi, np.float32))
            homes = {name: found.__module__ for name, found in door.found.items()}
        ending = "_ref" if impl == "numpy" else "_jit"
        assert {name for name, home in homes.items() if home.endswith(ending)} == set(KERNELS)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_within_the_derived_bound(name: str, impl: Any, data: st.DataObject, dtype: Any) -> None:
    args = cases.case(name, lambda lo, hi: data.draw(st.integers(lo, hi)), dtype)
    assert cases.breaks(name, impl, args) is None


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_same_bits_again_and_inputs_untouched(name: str, dtype: Any, impl: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        args = cases.case(name, cases.drawn(rng), dtype)
        kept = cases.copied(args)
        first, second = (cases.results(name, impl, args) for _ in range(2))
        assert [a.tobytes() for a in first] == [a.tobytes() for a in second]
        with cases.computing(impl):
            getattr(kernels, name)(*args)
        for k, (a, b) in enumerate(zip(args, kept, strict=True)):
            if isinstance(a, np.ndarray) and k not in CONTRACT[name].in_place:
                assert a.tobytes() == b.tobytes(), (name, k)


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sgd_step", "adam_step"}))
def test_strided_and_read_only_inputs_give_the_same_bits(name: str, impl: Any) -> None:
    args = cases.case(name, cases.drawn(np.random.default_rng(2)), np.float32)

    def awkward(a: Any) -> Any:
        if not isinstance(a, np.ndarray):
            return a
        spaced = np.repeat(a, 2, axis=-1)[..., ::2]
        spaced.flags.writeable = False
        return spaced

    plain = cases.results(name, impl, args)
    with cases.computing(impl):
        got = getattr(kernels, name)(*(awkward(a) for a in args))
    got = got if isinstance(got, tuple) else (got,)
    assert [a.tobytes() for a in plain] == [a.tobytes() for a in got]


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_of_many_tiles_stay_within_the_bound(impl: Any, groups: int) -> None:
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((4, 12, 11, 50)), rng.standard_normal((6, 4 // groups, 3, 3))
    x, w = x.astype(np.float32), w.astype(np.float32)
    shift = rng.standard_normal(6).astype(np.float32)
    where, dilation = ((1, 1), (1, 1), groups), (groups, 1)
    g = kernels.conv2d(x, w, None, *where, dilation=dilation)
    assert g[0, ..., 0].size * 50 > 2 * 512 * 4  # several tiles
    assert cases.breaks("conv2d", impl, (x, w, shift, *where, "relu", dilation)) is None
    assert cases.breaks("conv2d_grad_input", impl, (g, w, x.shape, *where, dilation)) is None
    assert cases.breaks("conv2d_grad_weight", impl, (g, x, (3, 3), *where, dilation)) is None


@pytest.mark.parametrize("impl", IMPLS)
def test_sums_of_long_rows_stay_within_the_bound(impl: Any) -> None:
    x = np.random.default_rng(4).random((2, 5000)).astype(np.float32)
    for name, args in (("row_sum", (x,)), ("row_dot", (x, x)), ("moments", (x,)), ("mse", (x, -x))):
        assert cases.breaks(name, impl, args) is None


def test_costs_of_a_convolution_by_hand() -> None:
    x, w = np.zeros((2, 5, 5, 3), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    args = (x, w, None, (1, 1), (0, 0), 1, "none")
    assert CONTRACT["conv2d"].madds(*args) == 4 * 2 * 9 * 9 * 3
    out = kernels.conv2d(*args)
    assert bytes_moved("conv2d", args, (out,)) == 4 * (150 + 72 + 4 * 9 * 3)
    assert CONTRACT["conv2d_grad_input"].madds(out, w, x.shape, (1, 1), (0, 0), 1) == 1944
    assert CONTRACT["conv2d_grad_weight"].madds(out, x, (3, 3), (1, 1), (0, 0), 1) == 1944
    assert CONTRACT["matmul"].madds(np.zeros((3, 4)), np.zeros((5, 4)), False, True) == 60
