"""Wrong scores of units: from activations, of redundancy, of classes, and of an inverse Hessian.

Rows as in wrong_criteria.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.criteria.redundancy import greedy
from minprune.verify.ours.planted import Planted, on

LDA = ("class_counts", "class_means", "within")


def of_activations(score: Callable[[Array], Array]) -> Callable[..., Arrays]:
    """score of (samples, units, positions)"""

    def planted(activations: Arrays) -> Arrays:
        return {name: np.asarray(score(a), a.dtype) for name, a in activations.items()}

    return planted


def mean_size(a: Array) -> Array:
    return np.asarray(np.abs(a).mean(axis=(0, 2)))


def root_by_sample(a: Array) -> Array:
    return np.asarray(np.sqrt((a**2).mean(axis=2)).mean(axis=0))


@criterion(needs=("activations",), chunk="batch", unit="whole", single=False)
def rms_by_batch(ev: Evidence, kind: str = "rms") -> Arrays:
    """The root of each minibatch."""
    return {n: np.sqrt((a**2).mean(axis=(0, 2))) for n, a in ev.of("activations").items()}


def of_hist(score: Callable[[Array], Array]) -> Callable[..., Arrays]:
    def planted(act_hist: Arrays, prune: str = "low") -> Arrays:
        return {name: np.asarray(score(h), h.dtype) for name, h in act_hist.items()}

    return planted


def entropy(h: Array) -> Array:
    p = h / np.maximum(h.sum(axis=1, keepdims=True), 1)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1))


def of_counts(h: Array) -> Array:
    """Counts for shares."""
    return np.asarray(-(h * np.log(np.where(h > 0, h, 1))).sum(axis=1))


def over_zeros_too(h: Array) -> Array:
    """Divided by the logarithm of the bins, so that it lies in [0, 1]."""
    return np.asarray(entropy(h) / np.log(h.shape[1]))


# ------------------------------------------------------------------ redundancy


def directions(w: Array) -> Array:
    size = np.sqrt((w**2).sum(axis=1, keepdims=True))
    return np.asarray(w / np.where(size > 0, size, 1))


def cosines(w: Array) -> Array:
    u = directions(w)
    return np.asarray(((u[:, None] - u) ** 2).sum(axis=2) / 2)


def shared(g: Array) -> Array:
    size = np.diagonal(g)
    both = size[:, None] + size
    return np.asarray(np.maximum((both - 2 * g) / np.where(both > 0, both, 1), 0))


def uncorrelated(
    mean: Array, cov: Array, centre: bool = True, sign: bool = True, most: float = 1
) -> Array:
    cov = cov + np.outer(mean, mean) * (not centre)
    dev = np.sqrt(np.maximum(np.diagonal(cov), 0))
    both = np.outer(dev, dev)
    corr = cov / np.where(both > 1e-12, both, 1)
    return np.asarray(np.clip(1 - (corr if sign else np.abs(corr)), 0, most))


def square(out: Array) -> Array:
    return np.asarray((out.astype(float) ** 2).sum(axis=1))


def none(n: int) -> Array:
    return np.zeros(n, bool)


def nearest(apart: Array) -> Array:
    """Each unit's nearest, whoever went before: both of a pair go."""
    return np.asarray((apart + np.diag(np.full(len(apart), 4.0))).min(axis=1, initial=4.0))


def by_outgoing(apart: Callable[..., Array], *kinds: str, how: str = "right") -> Any:
    """The greedy scores of other distances, or other scores of right ones."""

    def score(*arrays: Array) -> Array:
        *of, out = arrays
        d, norms = apart(*of), square(out)
        if how == "both":
            return nearest(d).astype(out.dtype)
        zero = none(len(d)) if how == "nobody first" else silent(of)
        if how == "heavier":
            norms = -norms
        if how == "lower index":
            return greedy(d[::-1, ::-1], norms[::-1], zero[::-1], out.dtype)[::-1].copy()
        s = greedy(d, norms, zero, out.dtype)
        return np.round(s, 12) if how == "ties left" else s

    return on(score, *kinds, "outgoing")


def silent(of: list[Array]) -> Array:
    """Zero vectors, or constant activations."""
    if len(of) == 2:
        return np.asarray(np.diagonal(of[1]) <= 2.0**-46 * (np.diagonal(of[1]) + of[0] ** 2))
    return np.asarray(~of[0].any(axis=1) if of[0].shape[0] != of[0].shape[1] else none(len(of[0])))


W, COS = ("weights",), {"needs": ("weights", "outgoing")}
G, SIM = ("act_gram",), {"needs": ("act_gram", "outgoing")}
M, COR = ("act_mean", "act_cov"), {"needs": ("act_mean", "act_cov", "outgoing")}


def cosine_without_bias(w: Array) -> Array:
    """The last coordinate of (weights, bias) left out."""
    return cosines(w[:, :-1])


def centred_similarity(mean: Array, cov: Array) -> Array:
    return shared(cov)


# ------------------------------------------------------------------ classes


def lda_of(change: Callable[[Array, Array, Array], Array]) -> Any:
    """change(counts, class means, within) -> scores; what does not vary as the definition has it"""

    def scores(class_counts: Array, class_means: Arrays, within: Arrays) -> Arrays:
        ev = Evidence(class_counts=class_counts, class_means=class_means, within=within, unit=True)
        right, found = CRITERIA["lda"](ev), {}
        for name, means in class_means.items():
            varies = np.diagonal(within[name]) > 1e-12
            inside = np.where(np.eye(len(varies), dtype=bool) & ~varies, 1, within[name])
            new = change(class_counts, means, inside)
            found[name] = np.where(varies, new, right[name]).astype(right[name].dtype)
        return found

    return scores


def between(counts: Array, means: Array) -> Array:
    share = counts / counts.sum()
    return np.asarray(share @ (means - share @ means) ** 2)


def sample_variance(counts: Array, means: Array, within: Array) -> Array:
    """Divided by n - classes, where n is meant."""
    n, classes = counts.sum(), np.count_nonzero(counts)
    return np.asarray(between(counts, means) / np.diagonal(within) * max(n - classes, 0.5) / n)


def alike(counts: Array, means: Array, within: Array) -> Array:
    """Classes count alike, whatever their size."""
    return np.asarray(between((counts > 0) * 1.0, means) / np.diagonal(within))


def upside_down(counts: Array, means: Array, within: Array) -> Array:
    b = between(counts, means)
    return np.asarray(np.diagonal(within) / np.where(b > 0, b, 1))


def of_the_total(counts: Array, means: Array, within: Array) -> Array:
    b = between(counts, means)
    return np.asarray(b / (b + np.diagonal(within)))


def lda_alone(class_counts: Array, class_means: Arrays, within: Arrays) -> Arrays:
    """Blind to what units share."""
    return CRITERIA["lda"](
        Evidence(class_counts=class_counts, class_means=class_means, within=within, unit=True)
    )


def joint_of(change: Callable[[Array, Array], Array]) -> Any:
    """change(within, right scores), where all varies"""

    def scores(class_counts: Array, class_means: Arrays, within: Arrays) -> Arrays:
        ev = Evidence(class_counts=class_counts, class_means=class_means, within=within, unit=True)
        right = CRITERIA["lda_joint"](ev)
        whole = {n: np.diagonal(w).all() for n, w in within.items()}
        return {n: change(within[n], s) if whole[n] else s for n, s in right.items()}

    return scores


def last_class(class_counts: Array, class_means: Arrays, within: Arrays) -> Arrays:
    """A ratio of the first two classes alone."""
    first = {n: m[:2] for n, m in class_means.items()}
    ev = Evidence(class_counts=class_counts[:2], class_means=first, within=within, unit=True)
    return CRITERIA["lda"](ev)


# ------------------------------------------------------------------ inverses


def of_inverse(score: Callable[[Array, Array], Array]) -> Any:
    def planted(weights: Arrays, inverse_diag: Arrays) -> Arrays:
        return {n: score(w, inverse_diag[n]).astype(w.dtype) for n, w in weights.items()}

    return planted


def of_blocks(score: Callable[[Array, Array], Any]) -> Any:
    """score(w of a unit, its block)"""

    def planted(weights: Arrays, inverse_block: Arrays) -> Arrays:
        return {
            n: np.array([score(*pair) for pair in zip(w, inverse_block[n], strict=True)], w.dtype)
            for n, w in weights.items()
        }

    return planted


def one_by_one(w: Array, block: Array) -> float:
    """One weight after another, H^-1 not downdated."""
    total = 0.0
    for k in range(len(w)):
        total += w[k] ** 2 / block[k, k] / 2
        w = w - w[k] / block[k, k] * block[:, k]
    return total


def zeroing(w: Array, block: Array) -> float:
    return float(w @ np.linalg.inv(block) @ w)


def singles(w: Array, block: Array) -> float:
    return float((w**2 / np.diagonal(block) / 2).sum())


@criterion(needs=("weights", "inverse_diag"), chunk="batch", unit=None)
def obs_by_batch(ev: Evidence) -> Arrays:
    """L-OBS: a Hessian of each batch, where it is one of the data set."""
    d = ev.of("inverse_diag")
    return {n: w**2 / d[n] / 2 for n, w in ev.of("weights").items()}


OF_UNITS = (
    Planted("distiller", "the most active filters go", of_activations(lambda a: -mean_size(a)),
            "direction", "activation", True),
    Planted("distiller", "the mean of activations, with their sign",
            of_activations(lambda a: a.mean(axis=(0, 2))), "definition", "activation", True),
    Planted("", "L1 norm: it grows with the samples", of_activations(
            lambda a: np.abs(a).sum(axis=(0, 2))), "merge", "activation", True),
    Planted("", "the root of each sample", of_activations(root_by_sample), "positions",
            "activation rms", True),
    Planted("", "the root of each minibatch", rms_by_batch, "merge", "activation", True,
            {"options": {"kind": "rms"}}),
    Planted("", "the deviation", of_activations(lambda a: a.std(axis=(0, 2))), "definition",
            "activation rms", True),
    Planted("", "no root", of_activations(lambda a: (a**2).mean(axis=(0, 2))), "definition",
            "activation rms", True),
    Planted("", "APoZ itself: the silent ones stay",
            of_activations(lambda a: (a == 0).mean(axis=(0, 2))), "direction", "apoz", True),
    Planted("", "what is negative is silent", of_activations(lambda a: (a > 0).mean(axis=(0, 2))),
            "positions", "apoz", True),
    Planted("", "samples that are silent at every position",
            of_activations(lambda a: a.any(axis=2).mean(axis=0)), "positions", "apoz", True),
    Planted("", "almost silent is silent", of_activations(
            lambda a: (np.abs(a) > 0.5).mean(axis=(0, 2))), "rescaling", "apoz", True),
    Planted("", "sign", of_hist(lambda h: -entropy(h)), "direction", "activation_entropy", True),
    Planted("", "in bits", of_hist(lambda h: entropy(h) / np.log(2)), "definition",
            "activation_entropy", True),
    Planted("", "counts for shares", of_hist(of_counts), "definition", "activation_entropy", True),
    Planted("", "a share of the largest entropy", of_hist(over_zeros_too), "definition",
            "activation_entropy", True),
    Planted("", "high for low", of_hist(entropy), "definition", "activation_entropy", True,
            {"options": {"prune": "high"}}),
    Planted("", "both of a pair go", by_outgoing(shared, *G, how="both"), "duplicates",
            "similarity", True, SIM),
    Planted("", "both of a pair go", by_outgoing(uncorrelated, *M, how="both"), "duplicates",
            "correlation", True, COR),
    Planted("", "both of a pair go", by_outgoing(cosines, *W, how="both"), "duplicates",
            "cosine", True, COS),
    Planted("", "both of a pair go", by_outgoing(cosines, *W, how="both"), "greedy",
            "cosine", True, COS),
    Planted("", "the unit that sends on more goes", by_outgoing(shared, *G, how="heavier"),
            "greedy", "similarity", True, SIM),
    Planted("", "the unit that sends on more goes", by_outgoing(cosines, *W, how="heavier"),
            "definition", "cosine", True, COS),
    Planted("", "of equal ones the lower index", by_outgoing(cosines, *W, how="lower index"),
            "greedy", "cosine", True, COS),
    Planted("", "ties are left", by_outgoing(shared, *G, how="ties left"), "greedy",
            "similarity", True, SIM),
    Planted("", "zero vectors are like others", by_outgoing(cosines, *W, how="nobody first"),
            "constant first", "cosine", True, COS),
    Planted("", "constant units are like others",
            by_outgoing(uncorrelated, *M, how="nobody first"), "constant first", "correlation",
            True, COR),
    Planted("", "bias left out", by_outgoing(cosine_without_bias, *W), "definition", "cosine",
            "incoming and bias", COS),
    Planted("", "the product, not 1/2 |u - v|^2, squared", by_outgoing(
            lambda w: 1 - (directions(w) @ directions(w).T) ** 2, *W), "definition", "cosine",
            True, COS),
    Planted("", "distances of vectors, not of directions", by_outgoing(
            lambda w: ((w[:, None] - w) ** 2).sum(axis=2), *W), "same pairs", "cosine", True, COS),
    Planted("", "not centred", by_outgoing(
            lambda m, g: uncorrelated(m, g, centre=False), *M), "definition", "correlation", True,
            COR),
    Planted("", "|corr|: what is opposite is taken for a twin", by_outgoing(
            lambda m, g: uncorrelated(m, g, sign=False), *M), "greedy", "correlation", True, COR),
    Planted("", "the cosine of rows for their correlation", by_outgoing(
            lambda w: np.minimum(cosines(w), 1), *W), "definition", "correlation", True,
            {**COS, "options": {"source": "weights"}}),
    Planted("", "centred", by_outgoing(centred_similarity, *M), "definition", "similarity", True,
            COR),
    Planted("", "what is opposite stands beyond 1", by_outgoing(
            lambda m, g: uncorrelated(m, g, most=2), *M), "definition", "correlation", True, COR),
    Planted("", "no 2 for the product", by_outgoing(
            lambda g: np.clip(shared(g) + g / np.maximum(np.trace(g), 1e-9), 0, 2), *G),
            "definition", "similarity", True, SIM),
    Planted("", "scale-free, so that it cannot change", by_outgoing(
            lambda g: shared(g / np.sqrt(np.maximum(np.outer(np.diag(g), np.diag(g)), 1e-300))),
            *G), "definition", "similarity", True, SIM),
    Planted("", "n - classes for n", lda_of(sample_variance), "definition", "lda", True),
    Planted("", "classes count alike", lda_of(alike), "definition", "lda", True),
    Planted("", "upside down", lda_of(upside_down), "definition", "lda", True),
    Planted("", "of the total variance", lda_of(of_the_total), "definition", "lda", True),
    Planted("", "two classes for all", last_class, "sees its evidence", "lda", True),
    Planted("", "each unit alone", lda_alone, "definition", "lda_joint", True),
    Planted("", "not in units of S_w,jj", joint_of(lambda w, s: s / np.diagonal(w)), "definition",
            "lda_joint", True),
    Planted("", "squared", joint_of(lambda w, s: s * s), "definition", "lda_joint", True),
    Planted("", "not squared", of_inverse(lambda w, d: np.abs(w) / d / 2), "exact removal", "obs"),
    Planted("", "the block, not its inverse", of_blocks(lambda w, b: w @ b @ w / 2),
            "exact removal", "obs", True),
    Planted("", "1/2 is missing", of_inverse(lambda w, d: w * w / d), "exact removal", "obs"),
    Planted("", "1/2 is missing", of_inverse(lambda w, d: w * w / d), "below zeroing", "obs"),
    Planted("", "a product for the quotient", of_inverse(lambda w, d: w * w * d / 2),
            "exact removal", "obs"),
    Planted("OBC", "the identity for H^-1: magnitude", of_inverse(lambda w, d: w * w / 2 + 0 * d),
            "exact removal", "obs"),
    Planted("OBC", "the identity for H^-1: magnitude", of_inverse(lambda w, d: w * w / 2 + 0 * d),
            "sees its evidence", "obs"),
    Planted("L-OBS", "a Hessian of each batch", obs_by_batch, "chunk", "obs"),
    Planted("L-OBS", "a Hessian of each batch", obs_by_batch, "definition", "obs"),
    Planted("SparseML", "single scores are summed over the set", of_blocks(singles),
            "downdated singles", "obs", True),
    Planted("SparseML", "single scores are summed over the set", of_blocks(singles),
            "below zeroing", "obs", True),
    Planted("SparseML", "single scores are summed over the set", of_blocks(singles),
            "exact removal", "obs", True),
    Planted("", "H^-1 not downdated", of_blocks(one_by_one), "downdated singles", "obs", True),
    Planted("", "H^-1 not downdated", of_blocks(one_by_one), "definition", "obs", True),
    Planted("", "1/2 is missing", of_blocks(zeroing), "below zeroing", "obs", True),
)  # fmt: skip
