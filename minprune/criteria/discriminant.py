"""How well a unit's activation tells the classes apart: Fisher's ratio, alone and jointly."""

from collections.abc import Callable

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria.options import fits, of_units, together
from minprune.errors import ArgumentError

NEEDS = ("class_counts", "class_means", "within")
EPS = 2.0**-52  # of a mean square: a variance below that is rounding
RIDGE = 2.0**-26  # of a unit's own variance: what a singular matrix gets on its diagonal
CITE = "Tian et al. (2017), Deep LDA-Pruned Nets"


@criterion(needs=NEEDS, unit="whole", single=False, cite=CITE)
def lda(ev: Evidence) -> Arrays:
    """s = sum_c (n_c / n) (mu_c - mu)^2 / within_jj, mu = sum_c (n_c / n) mu_c

    class_counts n_c: (classes,), class_means mu_c: (classes, units), within: (units, units), the
    mean over all samples of the products of deviations from the sample's class mean, of the
    activation's max over positions -> s: (units,), without a unit of measure. Variances are over n,
    not n - 1; one below 2^-52 of the unit's mean square counts as 0. No variance within the classes
    and differing means: the largest finite number of the dtype returned (that of class_counts,
    where they are floats); a constant unit: 0. Raises ArgumentError for single weights and where
    the samples are of one class only.
    """
    return _each("lda", ev, lambda within, z, share: share @ np.square(z))


@criterion(needs=NEEDS, unit="whole", single=False, cite=f"{CITE}; all units of a layer jointly")
def lda_joint(ev: Evidence) -> Arrays:
    """s = S_w,jj [S_w^-1 S_b S_w^-1]_jj = S_w,jj sum_k lambda_k v_kj^2, S_b v = lambda S_w v

    S_b = sum_c (n_c / n) (mu_c - mu)(mu_c - mu)^T, S_w = within, v^T S_w v = 1; shapes, edges and
    errors as for lda, which it equals where units are uncorrelated within classes. Units without
    variance within classes stand apart, with lda's values. Where the S_w of the others is singular,
    it is S_w + eps diag(S_w) throughout (eps I in the measure of each unit, so that no score hangs
    on a unit's scale), eps = 2^-26: where their correlations have an eigenvalue below that.
    """
    return _each("lda_joint", ev, _joint)


def _joint(corr: Array, z: Array, share: Array) -> Array:
    """sum_c share_c (R^-1 z_c)^2 R_jj, R the correlations: S_w,jj drops out"""
    if not len(corr):
        return np.zeros(0)
    if np.linalg.eigvalsh(corr)[0] < RIDGE:
        corr = corr + RIDGE * np.eye(len(corr))
    found: Array = np.diagonal(corr) * (share @ np.square(np.linalg.solve(corr, z.T).T))
    return found


def _each(owner: str, ev: Evidence, score: Callable[[Array, Array, Array], Array]) -> Arrays:
    """score(correlations within, (mu_c - mu) / deviation within, n_c / n) of what varies within"""
    of_units(owner, ev)
    counts = np.asarray(ev.of("class_counts"))
    if np.count_nonzero(counts) == 1:
        raise ArgumentError(
            f"{owner}: all samples are of one class, expected at least two classes; "
            f"give data with more of them"
        )
    share = counts.astype(np.float64) / max(float(counts.sum()), 1)
    found = {}
    for name, (given, inside) in together(owner, ev, "class_means", "within").items():
        units = given.shape[1]
        fits(owner, "class_means", name, given, (len(counts), units))
        fits(owner, "within", name, inside, (units, units))
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
            s[varies] = score(corr, apart[:, varies] / dev, share)
        found[name] = np.minimum(s, np.finfo(kind).max).astype(kind)
    return found
