"""Functions of a user's own package, right and wrong: `minprune verify` is run on a copy of it."""

import numpy as np


def order(flat):
    return np.lexsort((-np.arange(flat.size), flat))


def right(scores, sparsity):
    flat = np.concatenate([s.ravel() for s in scores.values()])
    keep = np.ones(flat.size, bool)
    keep[order(flat)[: round(sparsity * flat.size)]] = False
    parts = np.split(keep, np.cumsum([s.size for s in scores.values()])[:-1])
    return {n: p.reshape(s.shape) for (n, s), p in zip(scores.items(), parts, strict=True)}


def floor(scores, sparsity):
    flat = np.concatenate([s.ravel() for s in scores.values()])
    return right(scores, int(sparsity * flat.size) / max(flat.size, 1))


def hashed(scores, sparsity):
    """Ties by a seed that is the hash of a name, as in rigl."""
    masks = {}
    for name, s in scores.items():
        tie = np.random.default_rng(hash(name) % 2**32).permutation(s.size)
        keep = np.ones(s.size, bool)
        keep[np.lexsort((tie, s.ravel()))[: round(sparsity * s.size)]] = False
        masks[name] = keep.reshape(s.shape)
    return masks


def magnitude(weights):
    return {n: abs(w) for n, w in weights.items()}


def signed(weights):
    return dict(weights)


def cubic(step):
    return 0.9 * (1 - (1 - min(step, 100) / 100) ** 3) if step < 100 else 0.9


def loss(x):
    return (x**3).sum()


def gradient(x):
    return 3 * x**2


def product(a, b):
    return a @ b


def slow(a, b):
    return np.einsum("mn,np->mp", a, b)


def fast_softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def softmax(x):
    return np.array([1 / np.exp(x - v).sum() for v in x])


def logits(rng):
    return 3 * rng.standard_normal(int(rng.integers(1, 9)))


def pair(rng):
    return rng.standard_normal((3, 2)), rng.standard_normal((2, 4))


def shuffled(masks, rng):
    return {n: rng.permuted(m.ravel()).reshape(m.shape) for n, m in masks.items()}


def singles(w, inverse, q):
    """Single-weight updates added up, as in SparseML."""
    new = w - sum(w[k] / inverse[k, k] * inverse[:, k] for k in q)
    new[q] = 0
    return new


def joint(w, inverse, q):
    new = w - inverse[:, q] @ np.linalg.solve(inverse[np.ix_(q, q)], w[q])
    new[q] = 0
    return new


def saliency(weights, inverse_diag):
    return {n: (0.5 * w**2 / inverse_diag[n]).astype(w.dtype) for n, w in weights.items()}


def uniform(shapes, sparsity):
    return dict.fromkeys(shapes, sparsity)


def two_of_four(scores):
    """The inputs last, and four after four in memory: right where 4 divides them."""
    last = np.moveaxis(scores, 1, -1)
    last = np.pad(
        last, [(0, 0)] * (last.ndim - 1) + [(0, -last.shape[-1] % 4)], constant_values=-np.inf
    )
    rows = last.reshape(-1, 4)
    mask = np.zeros(rows.shape, bool)
    np.put_along_axis(mask, np.argsort(-rows, axis=1, kind="stable")[:, :2], True, axis=1)
    return np.moveaxis(mask.reshape(last.shape)[..., : scores.shape[1]], -1, 1)


def as_in_sparseml(scores):
    return np.ascontiguousarray(np.moveaxis(two_of_four(scores), 1, -1)).reshape(scores.shape)


def trained(weights, grads, masks, where="after"):
    seen = []
    for g, m in zip(grads, masks, strict=True):
        if where == "before":
            weights = {n: w * m[n] for n, w in weights.items()}
        weights = {n: w - 0.1 * g[n] for n, w in weights.items()}
        if where == "after":
            weights = {n: w * m[n] for n, w in weights.items()}
        seen.append(weights)
    return seen


def as_in_open_lth(weights, grads, masks):
    return trained(weights, grads, masks, "before")


def of_two(p):
    return (p["w"] @ p["x"]) ** 2


def d_of_two(p):
    y = 2 * p["w"] @ p["x"]
    return {"w": y * p["x"], "x": y * p["w"]}


def point(rng):
    return {"w": rng.standard_normal(3), "x": rng.standard_normal(3)}


def no_point(rng):
    raise OSError("no data")


number = 3
