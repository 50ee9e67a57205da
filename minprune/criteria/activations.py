"""What a unit puts out: how often it is silent, and how large it is."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from minprune.arguments import choice, number
from minprune.core import Array, Arrays, Evidence, Example, criterion

_SIGNED = {"activations": [[[3, -1], [0, 0]], [[-4, 0], [2, 2]]]}


@criterion(
    needs=("activations",),
    chunk="batch",
    unit="whole",
    single=False,
    cite="Hu et al. (2016), Network Trimming: the Average Percentage of Zeros",
    examples=(Example(_SIGNED, [0.75, 0.5], unit=True),),
)
def apoz(ev: Evidence, *, tol: float = 0.0) -> Arrays:
    """s = 1 - mean(|a| <= tol), the mean over samples and positions; tol = 0: a == 0

    One minus APoZ, so that the unit that is silent most often goes first. For ReLU; tol makes it
    usable for units that are never exactly 0.

    Parameters
    ----------
    ev : Evidence
        activations a: (samples, units, positions).
    tol
        The largest |a| that counts as silent.

    Returns
    -------
    dict of arrays
        s: (units,), a share.

    Raises
    ------
    ArgumentError
        For evidence of single weights, and for a tol that is not finite or is below 0.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> a = np.array([[[3.0, 1.0], [0.0, 0.0]], [[4.0, 0.0], [2.0, 2.0]]])
    >>> mp.criteria.apoz(mp.Evidence(activations={"w": a}, unit=True))
    {'w': array([0.75, 0.5 ])}
    """
    number("apoz", "tol", tol)
    return _means(ev, lambda a: np.abs(a) > tol)


def root(scores: Arrays, kind: str = "mean") -> Arrays:
    """s for the mean, sqrt(s) for rms"""
    return {name: np.sqrt(s) if kind == "rms" else s for name, s in scores.items()}


@criterion(
    needs=("activations",),
    chunk="batch",
    unit="whole",
    single=False,
    finish=root,
    cite="the mean activation of Molchanov et al. (2017), there without the absolute value",
    examples=(
        Example(_SIGNED, [2, 1], unit=True),
        Example(_SIGNED, np.sqrt([6.5, 2]), {"kind": "rms"}, unit=True),
    ),
)
def activation(ev: Evidence, *, kind: Literal["mean", "rms"] = "mean") -> Arrays:
    """s = mean |a|; kind="rms": s = sqrt(mean a^2); both over samples and positions

    Units whose output is close to 0 go first. The root is taken once all samples are averaged.

    Parameters
    ----------
    ev : Evidence
        activations a: (samples, units, positions).
    kind
        "mean" or "rms".

    Returns
    -------
    dict of arrays
        s: (units,). Unit of measure: that of the activation.

    Raises
    ------
    ArgumentError
        For evidence of single weights and for another kind.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> a = np.array([[[3.0, -1.0], [0.0, 0.0]], [[-4.0, 0.0], [2.0, 2.0]]])
    >>> mp.criteria.activation(mp.Evidence(activations={"w": a}, unit=True))
    {'w': array([2., 1.])}
    """
    choice("activation", "kind", kind, ("mean", "rms"))
    return _means(ev, np.abs if kind == "mean" else np.square)


def _means(ev: Evidence, of: Callable[[Array], Array]) -> Arrays:
    """The mean of of(a) over samples and positions, in float64; of no activation at all: 0"""
    found = {}
    for name, a in ev.of("activations").items():
        over = (0, *range(2, a.ndim))
        size = max(a.size // max(a.shape[1], 1), 1)
        found[name] = (of(a).sum(axis=over, dtype=np.float64) / size).astype(a.dtype)
    return found
