"""Every kernel stays within the bound that its contract derives, compiled and plain.

The exact answer is the definition in long double; test_kernel_oracles.py checks the definition.
"""

from types import SimpleNamespace
from typing import Any

import kernel_cases as cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune import kernels
from minprune.kernels import dense_ref
from minprune.kernels.contract import CONTRACT, bytes_moved

try:
    from minprune.kernels import dense_jit
except ImportError:
    dense_jit = None  # type: ignore[assignment]

needs_numba = pytest.mark.skipif(dense_jit is None, reason="Numba does not import here")
IMPLS = [
    pytest.param(dense_ref, id="ref"),
    pytest.param(dense_jit, id="jit", marks=needs_numba),
]
NAMES = sorted(CONTRACT)
DTYPES = (np.float32, np.float64)


def test_every_kernel_of_the_door_has_a_contract_and_two_implementations() -> None:
    assert set(kernels.__all__) - {"backend"} == set(CONTRACT)
    for name in CONTRACT:
        assert callable(getattr(cases.twin(dense_ref, name), name))
        assert dense_jit is None or name in cases.twin(dense_jit, name).__all__


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
    where = (1, 1), (1, 1), groups
    g = kernels.conv2d(x, w, None, *where)
    assert g[0, ..., 0].size * 50 > 2 * 512 * 4  # several tiles
    assert cases.breaks("conv2d", impl, (x, w, shift, *where, "relu")) is None
    assert cases.breaks("conv2d_grad_input", impl, (g, w, x.shape, *where)) is None
    assert cases.breaks("conv2d_grad_weight", impl, (g, x, (3, 3), *where)) is None


@pytest.mark.parametrize("impl", IMPLS)
def test_sums_of_long_rows_stay_within_the_bound(impl: Any) -> None:
    x = np.random.default_rng(4).random((2, 5000)).astype(np.float32)
    for name, args in (("row_sum", (x,)), ("row_dot", (x, x)), ("moments", (x,)), ("mse", (x, -x))):
        assert cases.breaks(name, impl, args) is None


def ignoring(name: str, **changed: Any) -> Any:
    """The definition of `name`, wrong on purpose: some arguments, by place, are replaced."""
    right = getattr(dense_ref, name)

    def wrong(*args: Any) -> None:
        inner = list(args)
        for place, value in changed.items():
            inner[int(place[1:])] = value
        right(*inner)

    return SimpleNamespace(**{name: wrong})


def overwriting_fold(cols, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    c, h, w, n = out.shape
    (py, px), (sy, sx) = padding, stride
    oh, ow = (h + 2 * py - kernel[0]) // sy + 1, (w + 2 * px - kernel[1]) // sx + 1
    parts = cols.reshape(c, *kernel, oh, ow, n)
    padded = np.zeros((c, h + 2 * py, w + 2 * px, n), cols.dtype)
    for y, x in np.ndindex(*kernel):
        padded[:, y : y + sy * oh : sy, x : x + sx * ow : sx] = parts[:, y, x]  # no +=
    out[...] = padded[:, py : py + h, px : px + w]


def one_padded_unfold(x, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    rolled = dense_ref.windows(x, kernel, stride, padding, fill=1.0)
    out[...] = rolled.transpose(0, 4, 5, 1, 2, 3).reshape(out.shape)


def last_maximum(x, kernel, stride, padding, y, index):  # type: ignore[no-untyped-def]
    view = dense_ref.windows(x, kernel, stride, padding, -np.inf).reshape(*y.shape, -1)
    index[...] = view.shape[-1] - 1 - view[..., ::-1].argmax(-1)
    y[...] = view.max(-1)


def lower_first(scores, k, out):  # type: ignore[no-untyped-def]
    out[...] = False
    out[np.argsort(scores, kind="stable")[:k]] = True


def nesterov_swapped(w, g, v, mask, lr, momentum, nesterov, weight_decay):  # type: ignore[no-untyped-def]
    dense_ref.sgd_step(w, g, v, mask, lr, momentum, not nesterov, weight_decay)


def momentum_unmasked(w, g, v, mask, *rest):  # type: ignore[no-untyped-def]
    dense_ref.sgd_step(w, g, v, None, *rest)
    dense_ref.zero_masked(mask, w)


def summed_moments(x, mean, var):  # type: ignore[no-untyped-def]
    dense_ref.moments(x, mean, var)
    mean *= x[0].size


def unbiased_moments(x, mean, var):  # type: ignore[no-untyped-def]
    dense_ref.moments(x, mean, var)
    var *= x[0].size / max(x[0].size - 1, 0.5)


def mse_of_means(x, y, out):  # type: ignore[no-untyped-def]
    out[...] = ((x - y) ** 2).mean()


def coupled_late(w, g, m, s, mask, lr, b1, b2, eps, wd, decoupled, step):  # type: ignore[no-untyped-def]
    dense_ref.adam_step(w, g, m, s, mask, lr, b1, b2, eps, wd, not decoupled, step)


def uncorrected(w, g, m, s, mask, lr, b1, b2, eps, wd, decoupled, step):  # type: ignore[no-untyped-def]
    dense_ref.adam_step(w, g, m, s, mask, lr, b1, b2, eps, wd, decoupled, 10**6)


def in_half_precision(x, labels, out):  # type: ignore[no-untyped-def]
    dense_ref.cross_entropy(x.astype(np.float16).astype(x.dtype), labels, out)


def put_overwrites(g, index, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    offset = np.arange(kernel[0] * kernel[1])[:, None, None, None]
    spread = np.where(index[:, None] == offset, g[:, None], 0)
    overwriting_fold(spread.reshape(-1, spread[0, 0].size), kernel, stride, padding, out)


def inside_only(x, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    inside = dense_ref.windows(np.ones_like(x), kernel, stride, padding).sum((4, 5))
    total = dense_ref.windows(x, kernel, stride, padding).sum((4, 5))
    out[...] = total / np.maximum(inside, 1)


def not_downdated(w, inverse, order, losses, left):  # type: ignore[no-untyped-def]
    for r, x in enumerate(w):
        scores = x**2 / inverse.diagonal() / 2
        order[r] = np.argsort(scores, kind="stable")[: order.shape[1]]
        losses[r] = scores[order[r]]
    left[...] = w


WRONG = {
    "padding filled with ones": ("unfold", one_padded_unfold),
    "fold overwrites": ("fold", overwriting_fold),
    "put overwrites": ("put", put_overwrites),
    "bias left out": ("conv2d", ignoring("conv2d", _2=None).conv2d),
    "activation left out": ("conv2d", ignoring("conv2d", _6="none").conv2d),
    "affine without bias": ("affine", ignoring("affine", _2=None).affine),
    "the last of equal maxima": ("max_pool", last_maximum),
    "padding not counted": ("avg_pool", inside_only),
    "leaky slope 0": ("act", ignoring("act", _1="relu").act),
    "derivative of another function": ("act_grad", ignoring("act_grad", _2="relu").act_grad),
    "sum in place of the mean": ("moments", summed_moments),
    "unbiased variance": ("moments", unbiased_moments),
    "mean over outputs": ("mse", mse_of_means),
    "too few bits": ("cross_entropy", in_half_precision),
    "Nesterov swapped": ("sgd_step", nesterov_swapped),
    "mask not applied to momentum": ("sgd_step", momentum_unmasked),
    "mask ignored": ("sgd_step", ignoring("sgd_step", _3=None).sgd_step),
    "decay coupled when not asked": ("adam_step", coupled_late),
    "no bias correction": ("adam_step", uncorrected),
    "tie rule reversed": ("smallest", lower_first),
    "inverse not downdated": ("obs_sweep", not_downdated),
    "scale ignored": ("scale_shift", ignoring("scale_shift", _1=None).scale_shift),
}


@pytest.mark.parametrize("slip", WRONG)
def test_the_bound_rejects_a_wrong_kernel(slip: str) -> None:
    name, wrong = WRONG[slip]
    rng = np.random.default_rng(5)
    tries = (cases.case(name, cases.drawn(rng), np.float32) for _ in range(200))
    assert any(cases.breaks(name, SimpleNamespace(**{name: wrong}), args) for args in tries)


def test_costs_of_a_convolution_by_hand() -> None:
    x, w = np.zeros((2, 5, 5, 3), np.float32), np.zeros((4, 2, 3, 3), np.float32)
    args = (x, w, None, (1, 1), (0, 0), 1, "none")
    assert CONTRACT["conv2d"].madds(*args) == 4 * 2 * 9 * 9 * 3
    out = kernels.conv2d(*args)
    assert bytes_moved("conv2d", args, (out,)) == 4 * (150 + 72 + 4 * 9 * 3)
    assert CONTRACT["conv2d_grad_input"].madds(out, w, x.shape, (1, 1), (0, 0), 1) == 1944
    assert CONTRACT["conv2d_grad_weight"].madds(out, x, (3, 3), (1, 1), (0, 0), 1) == 1944
    assert CONTRACT["matmul"].madds(np.zeros((3, 4)), np.zeros((5, 4)), False, True) == 60
