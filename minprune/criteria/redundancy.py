"""How far a unit is from the nearest one still kept: of two redundant units, one goes first.

Longer than most files because three criteria share the greedy order, and differ in distances alone.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from minprune.arguments import choice
from minprune.core import Array, Arrays, Evidence, Example, criterion, fits

Apart = dict[str, tuple[Array, Array]]  # distances (units, units), bool (units,): goes before all
COLUMNS = 256  # of the weights at a time, so that they stay in the cache
FLAT = 2.0**-46  # of a mean square: a smaller variance is float32's rounding of a constant


def greedy(apart: Array, norms: Array, first: Array, dtype: npt.DTypeLike) -> Array:
    """s_j = the distance of j's pair when j is dropped; sorted scores replay the greedy order

    apart: (units, units), of which the part above the diagonal counts; norms, first: (units,).
    A unit in `first` goes before all pairs, with score 0, the higher index first. Then, again and
    again, of the closest remaining pair (among equally close ones the lexicographically greatest
    (lower, higher) index pair) goes the unit with the smaller norm, of equal ones the higher index.
    A score that does not exceed the one before it is the next float above that, in `dtype`; so is
    the survivor's, the last; a lone unit has 0. Time units^2 log(units).
    """
    n, left = len(apart), int(np.count_nonzero(~first))
    scores = np.zeros(n, dtype)
    if n < 2:
        return scores
    above, last = scores.dtype.type(np.inf), None if left == n else scores.dtype.type(0)
    low, high = (index[::-1] for index in np.triu_indices(n, 1))
    order = np.argsort(apart[low, high], kind="stable")
    live, size = (~first).tolist(), norms.tolist()
    for j, k in zip(low[order].tolist(), high[order].tolist(), strict=True):
        if live[j] and live[k]:
            gone, score = j if size[j] < size[k] else k, scores.dtype.type(apart[j, k])
            last = score if last is None or score > last else np.nextafter(last, above)
            scores[gone], live[gone], left = last, False, left - 1
        if left < 2:
            break
    if left:
        scores[live.index(True)] = np.nextafter(last, above)  # type: ignore[arg-type]
    return scores


def similarity_apart(ev: Evidence) -> Apart:
    """d_jk = |a_j - a_k|^2 / (|a_j|^2 + |a_k|^2) = (G_jj - 2 G_jk + G_kk) / (G_jj + G_kk)"""
    found = {}
    for name, gram in ev.of("act_gram").items():
        g = _symmetric(gram)
        size = np.diagonal(g)
        both = size[:, None] + size
        gap = (size[:, None] - g) + (size - g)
        d = np.where(both > 0, gap / np.where(both > 0, both, 1), 0)
        found[name] = np.clip(d, 0, 2), np.zeros(len(g), bool)
    return found


def correlation_apart(ev: Evidence, *, source: str = "activations") -> Apart:
    """d_jk = 1 - max(corr_jk, 0); first: what varies by less than 2^-23 of its root mean square"""
    found = {}
    if source == "weights":
        for name, (w, live) in ev.live_rows().items():
            u, zero = _directions(w[:, live.any(axis=0)])
            shifted = u - u.sum(axis=1, keepdims=True) / max(u.shape[1], 1)
            flat = zero | (np.einsum("ui,ui->u", shifted, shifted) <= FLAT)
            v, _ = _directions(np.where(flat[:, None], 0, shifted))
            found[name] = np.minimum(_half_squares(v), 1), flat
        return found
    for name, mean in ev.of("act_mean").items():
        m, cov = mean.astype(np.float64), _symmetric(ev.of("act_cov")[name])
        var = np.diagonal(cov)
        flat = var <= FLAT * (var + m * m)
        dev = np.sqrt(np.where(flat, 1, var))
        found[name] = np.clip(1 - cov / np.outer(dev, dev), 0, 1), flat
    return found


def cosine_apart(ev: Evidence, *, bias: bool = True) -> Apart:
    """d_jk = 1 - cos(w_j, w_k) = 1/2 |u_j - u_k|^2, u = w / |w|; first: w = 0"""
    found = {}
    for name, w in ev.rows("weights").items():
        u, zero = _directions(w)
        found[name] = np.minimum(_half_squares(u), 2), zero
    return found


def _symmetric(gram: Array) -> Array:
    wide = gram.astype(np.float64)
    return wide / 2 + wide.T / 2


def _directions(w: Array) -> tuple[Array, Array]:
    """(w / |w| of each row in float64, which rows are zero: they stay so)"""
    wide = np.ascontiguousarray(w, np.float64)
    top = np.abs(wide).max(axis=1, initial=0)
    scaled = wide / np.where(top > 0, top, 1)[:, None]  # so that no square overflows or vanishes
    norm = np.sqrt(np.einsum("ui,ui->u", scaled, scaled))
    return scaled / np.where(top > 0, norm, 1)[:, None], top == 0


def _half_squares(u: Array) -> Array:
    """1/2 |u_j - u_k|^2: exactly 0 for twins, which 1 - u_j . u_k is not"""
    apart = np.zeros((len(u), len(u)))
    for i in range(0, u.shape[1], COLUMNS):
        part = np.ascontiguousarray(u[:, i : i + COLUMNS])
        for j, row in enumerate(part):
            step = part[j:] - row
            apart[j, j:] += 0.5 * np.einsum("ki,ki->k", step, step)
    return apart + apart.T


def _scores(ev: Evidence, apart: Callable[..., Apart], axes: dict[str, int], **how: str) -> Arrays:
    """Greedy scores, in the dtype of the outgoing weights: that of the net

    axes: how many first axes of each kind of evidence must count the units of outgoing.
    """
    for name, (out, *arrays) in ev.together("outgoing", *axes).items():
        for (kind, n), a in zip(axes.items(), arrays, strict=True):
            fits(name, kind, a, (len(out),) * n + a.shape[n:])
    distances, found = apart(ev, **how), {}
    for name, w in ev.rows("outgoing").items():
        norms = np.abs(w).astype(np.float64)
        norms = np.square(norms / (norms.max(initial=0) or 1)).sum(axis=1)
        found[name] = greedy(distances[name][0], norms, distances[name][1], w.dtype)
    return found


_GREEDY = "Greedy removal with the outgoing norm: this project's reading of"
_ABOVE_1, _ABOVE_2 = 1 + 2.0**-52, 2 + 2.0**-51  # the next floats
_TINY = 2.0**-1074  # the next float above 0


@criterion(
    needs=("act_gram", "outgoing"),
    unit="whole",
    single=False,
    cite=f"{_GREEDY} Srinivas & Babu (2015), Data-free parameter pruning, here from activations",
    examples=(
        Example(  # a over two samples: (2, 0), (1, 1), (0, 4)
            {"act_gram": [[2, 1, 0], [1, 1, 2], [0, 2, 8]], "outgoing": [[3, 4], [1, 0], [0, 2]]},
            [_ABOVE_1, 1 / 3, 1],
            unit=True,
        ),
    ),
)
def similarity(ev: Evidence) -> Arrays:
    """s_j = min_k |a_j - a_k|^2 / (|a_j|^2 + |a_k|^2) when j is dropped, k over units still kept

    0: twins, 1: never active together, 2: opposite. Units that are active together AND put out the
    same values are redundant; it depends on their scale. Two silent units: 0. |a_j|^2 is entry jj
    of act_gram. Removal is greedy: of the closest pair, of equally close ones the greatest (lower,
    higher) pair of indices, the unit whose outgoing weights have the smaller Euclidean norm goes,
    of equal ones the higher index. A score that is not above the one before becomes the next float
    above that one; so does that of the last unit; a lone unit has 0.

    Parameters
    ----------
    ev : Evidence
        act_gram: (units, units), mean a a^T over samples and positions, uncentred; outgoing:
        (units, entries).

    Returns
    -------
    dict of arrays
        s: (units,), in the dtype of outgoing.

    Raises
    ------
    ArgumentError
        For evidence of single weights.
    ShapeError
        For arrays of different numbers of units.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(
    ...     act_gram={"w": np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 2.0], [0.0, 2.0, 8.0]])},
    ...     outgoing={"w": np.array([[5.0], [1.0], [2.0]])}, unit=True)
    >>> mp.criteria.similarity(ev)["w"].round(3)
    array([1.   , 0.333, 1.   ])
    """
    return _scores(ev, similarity_apart, {"act_gram": 2})


def _correlation_needs(source: str = "activations", unit: bool = True) -> tuple[str, ...]:
    choice("correlation", "source", source, ("activations", "weights"))
    kinds = ("act_mean", "act_cov") if source == "activations" else ("weights", "masks")
    return (*kinds, "outgoing")


@criterion(
    needs=_correlation_needs,
    unit="incoming",
    single=False,
    cite=f"{_GREEDY} pruning by correlation; a merge makes up for it, Srinivas & Babu (2015)",
    examples=(
        Example(
            {"act_mean": [3, 5], "act_cov": [[1, 1], [1, 4]], "outgoing": [[1], [2]]},
            [0.5, 0.5 + 2.0**-53],
            unit=True,
        ),
        Example(  # constant, affine, opposite
            {
                "weights": [[2, 2, 2], [1, 0, -1], [0, 1, 2], [3, 5, 7]],
                "masks": [[1, 1, 1]] * 4,
                "outgoing": [[9], [3], [2], [1]],
            },
            [0, _ABOVE_1, 1, _TINY],
            {"source": "weights"},
            unit=True,
            within=1e-15,
        ),
    ),
)
def correlation(
    ev: Evidence, *, source: Literal["activations", "weights"] = "activations"
) -> Arrays:
    """s_j = 1 - max_k max(corr(a_j, a_k), 0) when j is dropped, k over units still kept

    Pearson: centred and without scale, so an affine copy is a twin; a unit of negative correlation
    is complementary: s = 1. A constant unit (act_mean tells the size of rounding) goes before all
    pairs with score 0. Removal is greedy, as for similarity.

    Parameters
    ----------
    ev : Evidence
        act_mean: (units,) and act_cov: (units, units), or weights: (units, incoming), of which
        those that masks, if there are any, mask in all units are left out; outgoing: (units,
        entries).
    source
        "activations" or "weights".

    Returns
    -------
    dict of arrays
        s: (units,), in the dtype of outgoing.

    Raises
    ------
    ArgumentError
        For evidence of single weights and for another source.
    ShapeError
        For arrays of different numbers of units.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(
    ...     act_mean={"w": np.ones(2)}, act_cov={"w": np.array([[1.0, 1.0], [1.0, 4.0]])},
    ...     outgoing={"w": np.array([[1.0], [2.0]])}, unit=True)
    >>> mp.criteria.correlation(ev)["w"].round(3)
    array([0.5, 0.5])
    """
    kind, *_ = _correlation_needs(source)
    axes = {"weights": 1} if kind == "weights" else {"act_mean": 1, "act_cov": 2}
    return _scores(ev, correlation_apart, axes, source=source)


@criterion(
    needs=("weights", "outgoing"),
    unit="incoming and bias",
    single=False,
    cite=f"{_GREEDY} Srinivas & Babu (2015), whose saliency is of weight and bias vectors too",
    examples=(
        Example(
            {"weights": [[1, 0], [-3, 0]], "outgoing": [[1, 1], [1, 0]]},
            [_ABOVE_2, 2],
            {"bias": False},
            unit=True,
        ),
    ),
)
def cosine(ev: Evidence, *, bias: bool = True) -> Arrays:
    """s_j = 1 - max_k cos(w_j, w_k) = 1/2 |u_j - u_k|^2 when j is dropped, u = w / |w|

    0: collinear, 1: orthogonal, 2: opposite; k over units still kept. The bias is a coordinate:
    without it, units that differ in the bias alone are taken for twins. A zero vector goes before
    all pairs with score 0. Removal is greedy, as for similarity.

    Parameters
    ----------
    ev : Evidence
        weights w: (units, incoming and bias); outgoing: (units, entries).
    bias
        False tells mp.score to leave the bias out of w; called by hand, w is used as it is.

    Returns
    -------
    dict of arrays
        s: (units,), in the dtype of outgoing.

    Raises
    ------
    ArgumentError
        For evidence of single weights and for another bias.
    ShapeError
        For arrays of different numbers of units.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(
    ...     weights={"w": np.array([[1.0, 0.0], [-3.0, 0.0]])},
    ...     outgoing={"w": np.array([[2.0], [1.0]])}, unit=True)
    >>> mp.criteria.cosine(ev)["w"].round(3)
    array([2., 2.])
    """
    choice("cosine", "bias", bias, (False, True))
    return _scores(ev, cosine_apart, {"weights": 1})


APART: dict[str, Callable[..., Any]] = {
    "similarity": similarity_apart,
    "correlation": correlation_apart,
    "cosine": cosine_apart,
}
