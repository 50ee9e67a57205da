"""check_obs: the steps of Optimal Brain Surgeon, one function each, against dense solutions.

An adapter of a few lines puts any function to the test. A new step is one row of STEP_LAWS, and its
parameters in kinds.OBS_STEPS.
"""

from collections.abc import Callable, Collection
from typing import Any

from minprune.arguments import choice
from minprune.verify.calling import callable_as
from minprune.verify.kinds import OBS_STEPS
from minprune.verify.law import judged, picked
from minprune.verify.numeric.obs_laws import STEP_LAWS
from minprune.verify.verdict import Verdicts

CHECK = "check_obs"


def check_obs(
    fn: Callable[..., Any], like: str = "update", *, laws: Collection[str] | None = None,
    examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check one step of Optimal Brain Surgeon, in float64.

    Parameters
    ----------
    fn : callable
        See `like`.
    like : str
        "update": fn(w, inverse, q) -> the new w, (n,), without the set q of places, H^-1 given.
        "score": fn(w, inverse, q) -> the rise of the loss. "downdate": fn(inverse, q) -> the
        inverse of H without q, (n, n), 0 on q. "inverse": fn(batches, damp) -> inv(alpha I + (2/P)
        sum x x^T), batches: [(m, n), ...]. "sweep": fn(w, inverse) -> (order, losses) of greedy
        removal to the end.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another `like` or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> import numpy as np
    >>> def zeroed(w, inverse, q):
    ...     return np.where(np.isin(np.arange(len(w)), q), 0.0, w)
    >>> [v.law for v in mp.verify.check_obs(zeroed).broken]
    ['least rise', 'exact']
    """
    choice(CHECK, "like", like, list(STEP_LAWS))
    table = picked(CHECK, laws, STEP_LAWS[like])
    callable_as(fn, *OBS_STEPS[like])
    name = getattr(fn, "__name__", like)
    return Verdicts(judged(table, fn, name=name, examples=examples, seed=seed))
