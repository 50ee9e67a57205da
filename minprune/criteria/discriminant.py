"""How well a unit's activation tells the classes apart: Fisher's ratio, alone and jointly."""

from collections.abc import Callable

import numpy as np

from minprune.core import Array, Arrays, Evidence, Example, criterion, fits
from minprune.errors import ArgumentError

_NEEDS = ("class_counts", "class_means", "within")
EPS = 2.0**-52  # of a mean square: a variance below that is rounding
RIDGE = 2.0**-26  # of a unit's own variance: what a singular matrix gets on its diagonal
_CITE = "Tian et al. (2017), Deep LDA-Pruned Nets"
# n_c = 1, 3; unit 0: mu = 3, (9 + 3) / 4 = 3 between, 2 within
_FOUR = {
    "class_counts": [1, 3],
    "class_means": [[0, 5, 2], [4, 5, 2]],
    "within": [[2, 0, 0], [0, 1, 0], [0, 0, 0]],
}
# S_w^-1 (mu_c - mu) = +-(4, -2) / 3
_COUPLED = {
    "class_counts": [2, 2],
    "class_means": [[-1, 0], [1, 0]],
    "within": [[1, 0.5], [0.5, 1]],
}


@criterion(
    needs=_NEEDS,
    unit="whole",
    single=False,
    cite=_CITE,
    examples=(
        Example(_FOUR, [1.5, 0, 0], unit=True, within=1e-15),
        Example(_COUPLED, [1, 0], unit=True),
    ),
)
def lda(ev: Evidence) -> Arrays:
    """s = sum_c (n_c / n) (mu_c - mu)^2 / within_jj, mu = sum_c (n_c / n) mu_c

    Moments of the activation's max over positions. Variances are over n, not n - 1; one below
    2^-52 of the unit's mean square, within_jj + sum_c (n_c / n) mu_c^2, counts as 0. Without
    variance within the classes the score is the largest finite number of the dtype returned where
    that between them does not count as 0 either, and 0 where it does. The dtype is that of
    class_counts, if they are floats, else that of class_means.

    Parameters
    ----------
    ev : Evidence
        class_counts n_c: (classes,); class_means mu_c: (classes, units); within: (units, units),
        the mean over all samples of the products of deviations from the sample's class mean.

    Returns
    -------
    dict of arrays
        s: (units,), without a unit of measure.

    Raises
    ------
    ArgumentError
        For evidence of single weights, and where all samples are of one class.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(
    ...     class_counts=np.array([1.0, 3.0]), class_means={"w": np.array([[0.0], [4.0]])},
    ...     within={"w": np.array([[2.0]])}, unit=True)
    >>> mp.criteria.lda(ev)["w"].round(3)
    array([1.5])
    """
    return _each("lda", ev, lambda within, z, share, least: share @ np.square(z))


@criterion(
    needs=_NEEDS,
    unit="whole",
    single=False,
    cite=f"{_CITE}; all units of a layer jointly",
    examples=(Example(_COUPLED, [16 / 9, 4 / 9], unit=True, within=2e-15),),
)
def lda_joint(ev: Evidence) -> Arrays:
    """s = S_w,jj [S_w^-1 S_b S_w^-1]_jj = S_w,jj sum_k lambda_k v_kj^2, S_b v = lambda S_w v

    S_b = sum_c (n_c / n) (mu_c - mu)(mu_c - mu)^T, S_w = within, v^T S_w v = 1; edges as for lda,
    which it equals where units are uncorrelated within classes. Units without variance within
    classes are left out and get lda's values. Where the S_w of the others is singular, it is
    S_w + eps diag(S_w) throughout (eps I in the scale of each unit, so that no score depends on
    it), eps = 2^-26: where their correlations have an eigenvalue below that, or below 32 roundings
    of the dtype; class means that differ by fewer roundings along its eigenvector count as equal.

    Parameters
    ----------
    ev : Evidence
        As for lda.

    Returns
    -------
    dict of arrays
        s: (units,), without a unit of measure.

    Raises
    ------
    ArgumentError
        As for lda.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(
    ...     class_counts=np.array([2.0, 2.0]),
    ...     class_means={"w": np.array([[-1.0, 0.0], [1.0, 0.0]])},
    ...     within={"w": np.array([[1.0, 0.5], [0.5, 1.0]])}, unit=True)
    >>> mp.criteria.lda_joint(ev)["w"].round(3)
    array([1.778, 0.444])
    """
    return _each("lda_joint", ev, _joint)


def _joint(corr: Array, z: Array, share: Array, least: float) -> Array:
    """sum_c share_c (R^-1 z_c)^2 R_jj, R the correlations: S_w,jj drops out

    least: below it, what varies along an eigenvector of R is rounding, which R^-1 would magnify.
    """
    if not len(corr):
        return np.zeros(0)
    spread, axes = np.linalg.eigh(corr)
    along = z @ axes
    along[:, (spread < least) & (np.abs(along).max(axis=0) < least)] = 0
    ridge = RIDGE if spread[0] < max(RIDGE, least) else 0.0
    return np.asarray((1 + ridge) * (share @ np.square((along / (spread + ridge)) @ axes.T)))


def _each(owner: str, ev: Evidence, score: Callable[..., Array]) -> Arrays:
    """score(correlations within, (mu_c - mu) / deviation within, n_c / n) of what varies within"""
    counts = np.asarray(ev.of("class_counts"))
    if np.count_nonzero(counts) == 1:
        raise ArgumentError(
            f"{owner}: the samples must be of at least two classes, not of one; "
            f"pass data with more classes"
        )
    share = counts.astype(np.float64) / max(float(counts.sum()), 1)
    found = {}
    for name, (given, inside) in ev.together("class_means", "within").items():
        units = given.shape[1]
        fits(name, "class_means", given, (len(counts), units))
        fits(name, "within", inside, (units, units))
        kind = counts.dtype if counts.dtype.kind == "f" else given.dtype
        means, within = given.astype(np.float64), inside.astype(np.float64)
        apart = means - share @ means
        inner, between = np.diagonal(within), share @ np.square(apart)
        least = EPS * (inner + share @ np.square(means))
        varies = inner > least
        s = np.where(between > least, float(np.finfo(kind).max), 0.0)
        dev = np.sqrt(inner[varies])
        corr = within[np.ix_(varies, varies)] / np.outer(dev, dev)
        with np.errstate(over="ignore"):
            s[varies] = score(corr, apart[:, varies] / dev, share, 32 * float(np.finfo(kind).eps))
        found[name] = np.minimum(s, np.finfo(kind).max).astype(kind)
    return found
