"""masks = all but the lowest scores, of plain dicts: for arrays of other frameworks."""

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from minprune.arguments import filled, instance
from minprune.core import Array, Arrays
from minprune.masking.choose import Norm, Scope, choose
from minprune.masking.count import Target
from minprune.masking.patterns import Given


def masks(
    scores: Mapping[str, Array],
    *,
    sparsity: Target | None = None,
    threshold: Target | None = None,
    scope: Scope = "global",
    pattern: Given = None,
    minimum: int = 1,
    protect: Iterable[str] = (),
    normalize: Norm = None,
    block_reduce: Literal["mean", "sum", "max"] = "mean",
    present: Mapping[str, Array] | None = None,
) -> Arrays:
    """mask = all but the lowest scores, by the rules of `prune`, without a model

    Parameters
    ----------
    scores : dict of float arrays
        By full name, in the order of the layers; higher = kept longer.
    sparsity, threshold, scope, pattern, minimum, protect, normalize, block_reduce
        As for `mp.prune`.
    present : dict of bool arrays, optional
        The masks so far: what they mask stays masked, and is counted.

    Returns
    -------
    dict of bool arrays
        True = kept, of the shapes of the scores; nothing for what is protected.

    Raises
    ------
    ArgumentError, ShapeError, NonFiniteError, UnreachableError
        As `mp.prune` does.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> scores = {"fc1.weight": np.array([[3.0, 1.0]]), "fc2.weight": np.array([[2.0, 4.0]])}
    >>> mp.masks(scores, sparsity=0.5)
    {'fc1.weight': array([[ True, False]]), 'fc2.weight': array([[False,  True]])}
    """
    instance("masks", "scores", scores, Mapping, "{'fc1.weight': array}")
    filled("masks", "scores", scores, "pass one array for each weight")
    arrays = {name: np.asarray(s) for name, s in scores.items()}
    held = {name: np.asarray(m, bool) for name, m in (present or {}).items() if name in arrays}
    return choose(
        arrays, held, sparsity=sparsity, threshold=threshold, scope=scope, protect=protect,
        minimum=minimum, normalize=normalize, pattern=pattern, block_reduce=block_reduce,
    )  # fmt: skip
