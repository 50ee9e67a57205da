"""s ~ U(0, 1): the control that every other criterion must beat."""

from minprune.core import Arrays, Evidence, Example, criterion

_FIRST = [0.6369616873214543, 0.2697867137638703]  # of numpy's default generator with seed 0


@criterion(
    needs=("weights", "rng"),
    cite="the usual control; Blalock et al. (2020)",
    examples=(
        Example({"weights": [3, -1], "rng": 0}, _FIRST),
        Example({"weights": [[3, -1], [0, 2]], "rng": 0}, _FIRST, unit=True),
    ),
)
def random(ev: Evidence) -> Arrays:
    """s ~ U(0, 1), independent, in the weight's dtype; same generator state, same scores

    Parameters
    ----------
    ev : Evidence
        weights: any shape, of which the shape and dtype count; rng: the generator.

    Returns
    -------
    dict of arrays
        s: the shape of w, or (units,).

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(weights={"w": np.zeros(2)}, rng=np.random.default_rng(0))
    >>> mp.criteria.random(ev)["w"].round(3)
    array([0.637, 0.27 ])
    """
    rng = ev.of("rng")
    return {
        name: rng.random(w.shape[: 1 if ev.unit else None], w.dtype)
        for name, w in ev.of("weights").items()
    }
