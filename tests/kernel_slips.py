"""Dense kernels that are wrong on purpose, at least one of each: the bound must reject them all.

A slip is (name, function), the function with the parameters of its twin.
"""

from collections.abc import Callable
from typing import Any

import kernel_bounds as bounds
import numpy as np
from twins import ref

Wrong = Callable[..., None]


def changed(module: Any, name: str, **places: Callable[[Any], Any]) -> Wrong:
    """The definition of `name`; some arguments, by place, are changed before."""
    right = getattr(module, name)

    def wrong(*args: Any) -> None:
        inner = list(args)
        for place, change in places.items():
            inner[int(place[1:])] = change(inner[int(place[1:])])
        right(*inner)

    return wrong


def after(module: Any, name: str, change: Callable[..., None]) -> Wrong:
    """The definition of `name`; its arguments, the results among them, are changed afterwards."""
    right = getattr(module, name)

    def wrong(*args: Any) -> None:
        right(*args)
        change(*args)

    return wrong


def drop_tail(*args: Any) -> None:
    """What is left over of fours of samples (the last axis of the result) is forgotten."""
    n = args[-1].shape[-1]
    args[-1][..., n // 4 * 4 :] = 0


def without_tail(a: Any) -> Any:
    """The samples in fours; what is left over as zeros."""
    a = a.copy()
    drop_tail(a)
    return a


def first_group(a: Any, groups: int) -> Any:
    """The channels of the first group, in place of those of each group."""
    return np.concatenate([np.split(a, groups)[0]] * groups)


def halved(a: Any) -> Any:
    """With the 11 bits of half precision."""
    part, power = np.frexp(a)
    return np.ldexp(np.round(part * 2048) / 2048, power)


def edged(x: Any, padding: Any) -> Any:
    """x, padded by the values at its edges in place of zeros"""
    (top, left), (bottom, right) = padding[:2], padding[-2:]
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="edge")


def overwriting_fold(cols, shape, kernel, stride, padding, dilation, out):  # type: ignore[no-untyped-def]
    c, h, w, n = out.shape
    (top, left), (bottom, right), (sy, sx) = padding[:2], padding[-2:], stride
    oh, ow = bounds.places(out.shape, kernel, stride, padding, dilation)
    parts = cols.reshape(c, *kernel, oh, ow, n)
    padded = np.zeros((c, h + top + bottom, w + left + right, n), cols.dtype)
    for y, x in np.ndindex(*kernel):
        v, u = y * dilation[0], x * dilation[1]
        padded[:, v : v + sy * oh : sy, u : u + sx * ow : sx] = parts[:, y, x]  # no +=
    out[...] = padded[:, top : top + h, left : left + w]


def one_padded_unfold(x, kernel, stride, padding, dilation, out):  # type: ignore[no-untyped-def]
    rolled = ref.windows(x, kernel, stride, padding, dilation, fill=1.0)
    out[...] = rolled.transpose(0, 4, 5, 1, 2, 3).reshape(out.shape)


def undilated_unfold(x, kernel, stride, padding, dilation, out):  # type: ignore[no-untyped-def]
    oh, ow = bounds.places(x.shape, kernel, stride, padding, dilation)
    view = ref.windows(x, kernel, stride, padding)[:, :oh, :ow]
    out[...] = view.transpose(0, 4, 5, 1, 2, 3).reshape(out.shape)


def edge_conv(x, w, b, stride, padding, groups, kind, dilation, out):  # type: ignore[no-untyped-def]
    ref.conv2d(edged(x, padding), w, b, stride, (0, 0), groups, kind, dilation, out)


def turned_dilation(x, w, b, stride, padding, groups, kind, dilation, out):  # type: ignore[no-untyped-def]
    wide = *padding[:2], *(p + 9 for p in padding[-2:])  # so that the wrong windows fit
    sides = bounds.places(x.shape, w.shape[2:], stride, wide, dilation[::-1])
    made = np.empty((len(w), *sides, x.shape[3]), x.dtype)
    ref.conv2d(x, w, b, stride, wide, groups, kind, dilation[::-1], made)
    out[...] = made[:, : out.shape[1], : out.shape[2]]


def even_padding(x, w, b, stride, padding, groups, kind, dilation, out):  # type: ignore[no-untyped-def]
    """The padding of the last edges at the first ones."""
    ref.conv2d(x, w, b, stride, padding[-2:] + padding[:2], groups, kind, dilation, out)


def one_group_conv(x, w, b, stride, padding, groups, *rest):  # type: ignore[no-untyped-def]
    ref.conv2d(first_group(x, groups), w, b, stride, padding, groups, *rest)


def unstrided_conv(x, w, b, stride, padding, groups, kind, dilation, out):  # type: ignore[no-untyped-def]
    sides = bounds.places(x.shape, w.shape[2:], (1, 1), padding, dilation)
    every = np.empty((len(w), *sides, x.shape[3]), x.dtype)
    ref.conv2d(x, w, b, (1, 1), padding, groups, kind, dilation, every)
    out[...] = every[:, : out.shape[1], : out.shape[2]]


def one_group_grad(g, w, shape, stride, padding, groups, *rest):  # type: ignore[no-untyped-def]
    ref.conv2d_grad_input(first_group(g, groups), w, shape, stride, padding, groups, *rest)


def edge_grad(g, x, kernel, stride, padding, *rest):  # type: ignore[no-untyped-def]
    ref.conv2d_grad_weight(g, edged(x, padding), kernel, stride, (0, 0), *rest)


def one_group_weight(g, x, kernel, stride, padding, groups, *rest):  # type: ignore[no-untyped-def]
    ref.conv2d_grad_weight(g, first_group(x, groups), kernel, stride, padding, groups, *rest)


def last_maximum(x, kernel, stride, padding, y, index):  # type: ignore[no-untyped-def]
    view = ref.windows(x, kernel, stride, padding, fill=-np.inf).reshape(*y.shape, -1)
    index[...] = view.shape[-1] - 1 - view[..., ::-1].argmax(-1)
    y[...] = view.max(-1)


def zeros_win(x, kernel, stride, padding, y):  # type: ignore[no-untyped-def]
    y[...] = ref.windows(x, kernel, stride, padding).max((4, 5))


def column_first(x, index, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    ky, kx = kernel
    ref.pick(x, index % ky * kx + index // ky, kernel, stride, padding, out)


def put_overwrites(g, index, shape, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    offset = np.arange(kernel[0] * kernel[1])[:, None, None, None]
    spread = np.where(index[:, None] == offset, g[:, None], 0)
    cols = spread.reshape(-1, spread[0, 0].size)
    overwriting_fold(cols, shape, kernel, stride, padding, (1, 1), out)


def inside_only(x, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    inside = ref.windows(np.ones_like(x), kernel, stride, padding).sum((4, 5))
    total = ref.windows(x, kernel, stride, padding).sum((4, 5))
    out[...] = total / np.maximum(inside, 1)


def not_shared(g, shape, kernel, stride, padding, out):  # type: ignore[no-untyped-def]
    ref.avg_pool_grad(g * (kernel[0] * kernel[1]), shape, kernel, stride, padding, out)


def product_of_sums(a, b, out):  # type: ignore[no-untyped-def]
    out[...] = (a.sum(tuple(range(1, a.ndim)))) * b.sum(tuple(range(1, b.ndim)))


def summed(x, mean, var):  # type: ignore[no-untyped-def]
    mean *= x[0].size


def unbiased(x, mean, var):  # type: ignore[no-untyped-def]
    var *= x[0].size / max(x[0].size - 1, 0.5)


def unrooted(mean, variance, words, table, eps, out):  # type: ignore[no-untyped-def]
    out[...] = mean + (variance + eps) * table[words]


def no_second_mean(g, xhat, inv, out):  # type: ignore[no-untyped-def]
    centred = g - g.mean(tuple(range(1, g.ndim)), keepdims=True)
    out[...] = ref.column(inv, g) * centred


def mse_of_means(x, y, out):  # type: ignore[no-untyped-def]
    out[...] = ((x - y) ** 2).mean()


def over_samples(x, out):  # type: ignore[no-untyped-def]
    e = np.exp(x - x.max(1, keepdims=True))
    out[...] = e / e.sum(1, keepdims=True)


def momentum_unmasked(w, g, v, mask, *rest):  # type: ignore[no-untyped-def]
    ref.sgd_step(w, g, v, None, *rest)
    if mask is not None:
        w[~mask] = 0


def lower_first(scores, k, out):  # type: ignore[no-untyped-def]
    out[...] = False
    out.reshape(-1)[np.argsort(scores, axis=None, kind="stable")[:k]] = True


def not_downdated(w, inverse, count, order, losses, left):  # type: ignore[no-untyped-def]
    for r, x in enumerate(w):
        scores = x**2 / inverse.diagonal() / 2
        order[r] = np.argsort(scores, kind="stable")[: order.shape[1]]
        losses[r] = scores[order[r]]
    left[...] = w


def but(name: str, **places: Callable[[Any], Any]) -> tuple[str, Wrong]:
    return name, changed(ref, name, **places)


def then(name: str, change: Callable[..., None]) -> tuple[str, Wrong]:
    return name, after(ref, name, change)


SLIPS: dict[str, tuple[str, Wrong]] = {
    "padding filled with ones": ("unfold", one_padded_unfold),
    "fold overwrites": ("fold", overwriting_fold),
    "put overwrites": ("put", put_overwrites),
    "bias left out": but("conv2d", _2=lambda b: None),
    "activation left out": but("conv2d", _6=lambda kind: "none"),
    "padding with the edge": ("conv2d", edge_conv),
    "every group reads the first": ("conv2d", one_group_conv),
    "stride forgotten": ("conv2d", unstrided_conv),
    "dilation of the other axis": ("conv2d", turned_dilation),
    "dilation forgotten": ("unfold", undilated_unfold),
    "padding of the other edges": ("conv2d", even_padding),
    "samples beyond the last four": then("conv2d", drop_tail),
    "kernel not turned round": but("conv2d_grad_input", _1=lambda w: w[..., ::-1, ::-1]),
    "gradient of the first group for all": ("conv2d_grad_input", one_group_grad),
    "gradient with the edge": ("conv2d_grad_weight", edge_grad),
    "weights of every group meet the first": ("conv2d_grad_weight", one_group_weight),
    "gradient without the last samples": but("conv2d_grad_weight", _0=without_tail),
    "affine without bias": but("affine", _2=lambda b: None),
    "affine without the last samples": then("affine", drop_tail),
    "product in half precision": but("matmul", _0=halved),
    "the last of equal maxima": ("max_pool", last_maximum),
    "the padding wins": ("max_values", zeros_win),
    "offsets column by column": ("pick", column_first),
    "padding not counted": ("avg_pool", inside_only),
    "not divided by the window": ("avg_pool_grad", not_shared),
    "leaky slope 0": but("act", _1=lambda kind: "relu"),
    "derivative of another function": but("act_grad", _2=lambda kind: "relu"),
    "scale ignored": but("scale_shift", _1=lambda scale: None),
    "no 2/sqrt(pi)": then("erf", lambda x, out: np.multiply(out, np.pi**0.5 / 2, out)),
    "mean in place of the sum": then("row_sum", lambda x, out: np.divide(out, x[0].size, out)),
    "product of sums": ("row_dot", product_of_sums),
    "sum in place of the mean": then("moments", summed),
    "unbiased variance": then("moments", unbiased),
    "mean not taken off": but("normalise", _1=np.zeros_like),
    "only one mean taken off": ("normalise_grad", no_second_mean),
    "mean over outputs": ("mse", mse_of_means),
    "softmax over samples": ("softmax", over_samples),
    "too few bits": but("cross_entropy", _0=halved),
    "Nesterov swapped": but("sgd_step", _6=lambda nesterov: not nesterov),
    "mask not applied to momentum": ("sgd_step", momentum_unmasked),
    "mask ignored": but("sgd_step", _3=lambda mask: None),
    "decay coupled when not asked": but("adam_step", _10=lambda decoupled: not decoupled),
    "no bias correction": but("adam_step", _11=lambda step: 10**6),
    "tie rule reversed": ("smallest", lower_first),
    "noise of a variance": ("noisy", unrooted),
    "root of the variance forgotten": but("noisy_grad", _1=np.square),
    "rows in their order": but("gather_last", _1=np.sort),
    "inverse not downdated": ("obs_sweep", not_downdated),
}
