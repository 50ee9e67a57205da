"""s = |gamma|: how much a normalisation layer scales the output of a unit."""

import numpy as np

from minprune.core import Arrays, Evidence, Example, criterion


@criterion(
    needs=("scales",),
    unit="whole",
    single=False,
    cite="Liu et al. (2017), Learning Efficient Convolutional Networks through Network Slimming",
    examples=(Example({"scales": [[0.5], [-2], [0]]}, [0.5, 2, 0], unit=True),),
)
def scale(ev: Evidence) -> Arrays:
    """s = max |gamma|, over the normalisations of a unit and of those tied to it

    Of a unit that nothing normalises gamma is 1. They compare well once `mp.methods.Slimming` has
    trained them, or where a net was trained with a penalty on them.

    Parameters
    ----------
    ev : Evidence
        scales: (units, normalisations).

    Returns
    -------
    dict of arrays
        s: (units,). Unit of measure: none.

    Raises
    ------
    ArgumentError
        For evidence of single weights.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(scales={"conv1.weight": np.array([[0.5], [-2.0]])}, unit=True)
    >>> mp.criteria.scale(ev)["conv1.weight"]
    array([0.5, 2. ])
    """
    return {name: np.abs(gamma).max(axis=1, initial=0) for name, gamma in ev.rows("scales").items()}
