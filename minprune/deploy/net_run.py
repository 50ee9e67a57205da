"""y = load("net.npz")(x): runs a net that minprune wrote, on NumPy alone      x: (n, ...)"""
import numpy as np

def windows(x, kernel, stride, padding, dilation=(1, 1), fill=0):
    (s, t), (d, e), (k, m) = stride, dilation, kernel
    x = np.pad(x, ((0, 0), (0, 0), padding[::2], padding[1::2]), constant_values=fill)
    x = np.lib.stride_tricks.sliding_window_view(x, (k * d - d + 1, m * e - e + 1), axis=(2, 3))
    return [x[:, :, ::s, ::t, i * d, j * e] for i, j in np.ndindex(k, m)]  # each (n, c, h, w)

def conv(x, w, b, kernel, stride, padding, dilation, fill):  # w: (groups, outputs, inputs)
    x = windows(x.astype(w.dtype, copy=False), kernel, stride, padding, dilation, fill[0])
    n, _, h, wide = x[0].shape
    x = np.stack(x, 2).reshape(n, len(w), w.shape[2], h * wide)
    return (w @ x).reshape(n, len(b), h, wide) + b

def norm(x, gamma, beta, eps, groups):
    z = x.reshape(len(x), groups[0], np.prod(x.shape[1:]) // groups[0])
    z = z - z.mean(2, keepdims=True)
    return gamma * (z / np.sqrt((z * z).mean(2, keepdims=True) + eps)).reshape(x.shape) + beta

def gelu(x):  # x (1 + erf(x / sqrt 2)) / 2, the integral by 33 points
    (at, share), z = np.polynomial.legendre.leggauss(33), np.clip(x, -8, 8)
    erf = z / np.sqrt(2 * np.pi) * (np.exp(-((z[..., None] * (at + 1)) ** 2) / 8) @ share)
    return (x * (1 + erf) / 2).astype(x.dtype)

OPS = {
    "dense": lambda x, w, b: x.astype(w.dtype, copy=False) @ w.T + b, "conv": conv, "norm": norm,
    "scale": lambda x, s, t: x.astype(s.dtype, copy=False) * s + t, "sum": lambda *x: sum(x),
    "max": lambda x, *how: np.max(windows(x, *how, fill=x.min(initial=0)), 0),
    "total": lambda x, zero, *how: sum(windows(x - zero, *how)),
    "view": lambda x, shape: x.reshape(len(x), *shape), "cat": lambda *x: np.concatenate(x, 1),
    "byte": lambda x: np.nan_to_num(x).clip(0, 255).astype("u1"), "table": lambda x, t: t[x],
    "round": lambda x, m, r, half, ends: (x.astype("i8") * m + (half << r - 1) >> r).clip(*ends),
    "relu": lambda x: np.maximum(x, 0), "hardswish": lambda x: x * (np.clip(x + 3, 0, 6) / 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x), "relu6": lambda x: np.clip(x, 0, 6),
    "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)), "softplus": lambda x: np.logaddexp(0, x),
    "silu": lambda x: x * np.exp(-np.logaddexp(0, -x)), "tanh": np.tanh, "gelu": gelu,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x**3))),
    "elu": lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)),
}

def load(path):
    with np.load(path) as file:
        (dtype, shape, *kinds), *plan = map(str.split, file["plan"].decode().splitlines())
        rows = {k: np.unpackbits(file[k + "_mask"]).astype(k) for k in kinds}
        for k in kinds:  # the entries that are not 0: all first bytes, all second ones, ...
            rows[k][rows[k] != 0] = np.frombuffer(file[k].reshape(int(k[1]), -1).T.tobytes(), k)
    def value(word):  # "2,3": numbers; "2,3:f4": the next array of that kind
        sizes, *kind = word.split(":")
        sizes = [int(s) for s in sizes.split(",")]
        if kind:
            a, rows[kind[0]] = np.split(rows[kind[0]], [np.prod(sizes)])
        return a.reshape(sizes).astype("f8" if kind == ["i1"] else kind[0]) if kind else sizes
    steps = [(OPS[op], value(reads), [*map(value, words)]) for op, reads, *words in plan]
    def run(x):
        values = [np.asarray(x, dtype).reshape(len(x), *value(shape))]
        for op, reads, given in steps:
            values.append(op(*(values[r] for r in reads), *given))
        return values[-1]
    return lambda x: np.concatenate([run(x[i : i + 64]) for i in range(0, max(len(x), 1), 64)])
