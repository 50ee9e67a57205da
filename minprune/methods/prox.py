"""prox(v) = argmin_x (x - v)^2 / 2 + penalty(x): the proximal steps of the penalties, on arrays.

With a metric D, a positive diagonal, they are argmin_x (x - v)^T D (x - v) / 2 + penalty(x): the
step of an optimizer that divides the gradient of each weight by its own number, such as Adam. For
penalties of single entries that is t / D for t; a group has no closed form, see `_radius`. Longer
than most files: two thirds are the docstrings of the six.
"""

import numpy as np
import numpy.typing as npt

from minprune.arguments import number
from minprune.core import Array
from minprune.errors import ArgumentError, ShapeError

Size = float | Array  # one number, or one for each entry
STEPS = 60  # of Newton's method, at most; it takes fewer than 10
BLOCK = 2**15  # entries of groups that are worked on at once, so that they stay in the cache


def prox_l1(v: npt.ArrayLike, t: Size) -> Array:
    """argmin_x (x - v)^2 / 2 + t |x| = sign(v) max(|v| - t, 0), soft thresholding.

    Parameters
    ----------
    v : array
        Any shape.
    t : float or array
        At least 0; an array has one for each entry.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError
        For a t below 0, or v that does not hold numbers.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_l1(np.array([3.0, -0.5]), 1.0) + 0.0
    array([2., 0.])

    Source: Daubechies, Defrise, De Mol (2004).
    """
    v = _entries("prox_l1", v)
    return _soft(v, _size("prox_l1", "t", t, v))


def prox_l2(v: npt.ArrayLike, t: Size) -> Array:
    """argmin_x (x - v)^2 / 2 + t x^2 / 2 = v / (1 + t).

    Parameters
    ----------
    v, t : array, float or array
        As of `prox_l1`.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError
        As `prox_l1`.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_l2(np.array([3.0, -1.0]), 1.0)
    array([ 1.5, -0.5])
    """
    v = _entries("prox_l2", v)
    return np.asarray(v / (1 + _size("prox_l2", "t", t, v)))


def prox_elastic_net(v: npt.ArrayLike, t1: Size, t2: Size) -> Array:
    """argmin_x (x - v)^2 / 2 + t1 |x| + t2 x^2 / 2 = soft(v, t1) / (1 + t2).

    Parameters
    ----------
    v, t1, t2 : array, float or array, float or array
        As v and t of `prox_l1`.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError
        As `prox_l1`.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_elastic_net(np.array([3.0, -0.5]), 1.0, 1.0) + 0.0
    array([1., 0.])

    Source: Zou & Hastie (2005).
    """
    v = _entries("prox_elastic_net", v)
    t1, t2 = (_size("prox_elastic_net", k, t, v) for k, t in (("t1", t1), ("t2", t2)))
    return np.asarray(_soft(v, t1) / (1 + t2))


def prox_l0(v: npt.ArrayLike, t: Size) -> Array:
    """argmin_x (x - v)^2 / 2 + t [x != 0] = v if v^2 > 2 t else 0, hard thresholding.

    Where v^2 = 2 t both 0 and v are minimizers, and it is 0.

    Parameters
    ----------
    v, t : array, float or array
        As of `prox_l1`.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError
        As `prox_l1`.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_l0(np.array([3.0, -2.0, 2.1]), 2.0)
    array([3. , 0. , 2.1])

    Source: Blumensath & Davies (2008).
    """
    v = _entries("prox_l0", v)
    far = np.abs(v) > np.sqrt(2 * _size("prox_l0", "t", t, v))  # v^2 would underflow
    return np.where(far, v, v.dtype.type(0))


def prox_group_lasso(v: npt.ArrayLike, t: float, metric: Size = 1.0) -> Array:
    """argmin_x |x - v|^2 / 2 + t sqrt(n) |x|_2 = v max(1 - t sqrt(n) / |v|_2, 0), of each group.

    A group becomes 0 exactly where |v|_2 <= t sqrt(n); with a metric where |D v|_2 <= t sqrt(n).

    Parameters
    ----------
    v : array
        (..., n): each row along the last axis is a group of n entries.
    t : float
        At least 0.
    metric : float or array
        D, above 0; an array has one for each entry.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError
        For a t below 0, a metric that is not above 0, or v that does not hold numbers.
    ShapeError
        Where v has no axis.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_group_lasso(np.array([[4.0, 4, 4, 4], [1, 1, 1, 1]]), 2.0)
    array([[2., 2., 2., 2.],
           [0., 0., 0., 0.]])

    Source: Yuan & Lin (2006); in a metric: Deleu & Bengio (2021).
    """
    return _grouped("prox_group_lasso", v, 0.0, number("prox_group_lasso", "t", t), metric)


def prox_sparse_group_lasso(v: npt.ArrayLike, t1: float, tg: float, metric: Size = 1.0) -> Array:
    """u max(1 - tg sqrt(n) / |u|_2, 0), u = soft(v, t1): the minimizer of both penalties.

    That is argmin_x |x - v|^2 / 2 + t1 |x|_1 + tg sqrt(n) |x|_2, of each group. A group becomes 0
    exactly where |soft(v, t1)|_2 <= tg sqrt(n).

    Parameters
    ----------
    v : array
        (..., n): each row along the last axis is a group of n entries.
    t1, tg : float, float
        At least 0.
    metric : float or array
        D, as of `prox_group_lasso`.

    Returns
    -------
    array
        The shape and dtype of v.

    Raises
    ------
    ArgumentError, ShapeError
        As `prox_group_lasso`.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.methods.prox_sparse_group_lasso(np.array([5.0, 5, 5, 5]), 1.0, 2.0)
    array([2., 2., 2., 2.])

    Source: Simon, Friedman, Hastie, Tibshirani (2013).
    """
    number("prox_sparse_group_lasso", "t1", t1)
    return _grouped(
        "prox_sparse_group_lasso", v, t1, number("prox_sparse_group_lasso", "tg", tg), metric
    )


def _soft(v: Array, t: Array) -> Array:
    """sign(v) max(|v| - t, 0), with few arrays: new memory costs more than the arithmetic"""
    m = np.abs(v, out=np.empty_like(v))
    m -= t
    np.maximum(m, 0, out=m)
    m *= np.sign(v)
    return m


def _grouped(owner: str, v: npt.ArrayLike, t1: float, tg: float, metric: Size) -> Array:
    v = _entries(owner, v)
    if not v.ndim:
        raise ShapeError(f"{owner}: v must have the shape (..., n), not (); pass a row of a group")
    d, n = _size(owner, "metric", metric, v, above=True), v.shape[-1]
    groups, found = v.reshape(-1, n), np.empty((v.size // max(n, 1), n), v.dtype)
    scales = d.reshape(-1, n) if d.ndim else None
    for i in range(0, len(groups), step := max(1, BLOCK // max(n, 1))):
        part = groups[i : i + step]
        at = d if scales is None else scales[i : i + step]
        u = _soft(part, v.dtype.type(t1) / at) if t1 else part
        shrink = _shrunk if scales is None else _in_metric
        found[i : i + step] = shrink(u, at, tg * n**0.5)
    return found.reshape(v.shape)


def _shrunk(u: Array, d: Array, tau: float) -> Array:
    """u max(1 - tau / (d |u|_2), 0), d: one number"""
    norm, tau = np.sqrt(np.einsum("ij,ij->i", u, u, dtype=np.float64))[:, None], tau / float(d)
    factor = np.where(norm > tau, 1 - tau / np.where(norm > tau, norm, 1), 0)
    return np.asarray(u * factor.astype(u.dtype))


def _in_metric(u: Array, d: Array, tau: float) -> Array:
    """argmin_x (x - u)^T D (x - u) / 2 + tau |x|_2 = u D r / (D r + tau), r = |x|_2, of each row"""
    pull = u * d
    norm = np.sqrt(np.einsum("ij,ij->i", pull, pull, dtype=np.float64))[:, None]
    alive = norm > tau
    if not tau or not alive.any():
        return np.asarray(u * alive)
    far: Array = d * _radius(pull * alive, d, np.where(alive, norm, 2 * tau), u.dtype.type(tau))
    far /= far + u.dtype.type(tau)
    far *= u
    far *= alive
    return far


def _radius(pull: Array, d: Array, norm: Array, tau: Array) -> Array:
    """r = |x|_2 of each group: sum (pull / (d r + tau))^2 = 1      pull = D u, |pull|_2 > tau

    From D (x - u) + tau x / |x| = 0, x = D u r / (D r + tau). 1 / |x / r| is concave in r and
    rises, so Newton's method rises to the root from below it (as for trust regions: Moré & Sorensen
    1983): from r = (|pull|_2 - tau) / max D, which it is where D is one number. A step below the
    root of the precision leaves an error of its square. A group of zeros is left where it is.
    """
    r: Array = ((norm - tau) / d.max(axis=1, keepdims=True)).astype(d.dtype)
    for _ in range(STEPS):
        down = d * r
        down += tau
        part = pull / down
        part *= part
        square = part.sum(axis=1, keepdims=True)  # |x / r|^2
        part /= down
        part *= d
        slope = part.sum(axis=1, keepdims=True)
        step = square * (np.sqrt(square) - 1) / np.where(slope > 0, slope, 1)
        r += np.maximum(step, 0)
        if not (step > np.finfo(d.dtype).eps ** 0.5 * r).any():
            break
    return r


def _entries(owner: str, v: npt.ArrayLike) -> Array:
    """v as an array of floats"""
    a = np.asarray(v)
    if a.dtype.kind not in "fiu":
        raise ArgumentError(f"{owner}: v must hold numbers, not {a.dtype}; pass an array of floats")
    return a if a.dtype.kind == "f" else a.astype(np.float64)


def _size(owner: str, what: str, t: Size, v: Array, above: bool = False) -> Array:
    """t in the dtype of v, at least 0, or above it; it must fit the shape of v"""
    a = np.asarray(t)
    good = a.dtype.kind in "fiu" and ((a > 0) if above else (a >= 0)).all()
    if not good:
        bound = "above 0" if above else "of at least 0"
        found = repr(t) if a.ndim == 0 else "an array with others"
        raise ArgumentError(
            f"{owner}: {what} must be numbers {bound}, not {found}; pass {what}=1.0"
        )
    if a.shape not in ((), v.shape):
        raise ShapeError(
            f"{owner}: {what} must be one number or of the shape {v.shape}, not {a.shape}; pass "
            f"one for each entry of v"
        )
    return a.astype(v.dtype, copy=False)
