"""masks = all but the lowest scores, of plain dicts: for arrays of other frameworks."""

from collections.abc import Iterable, Mapping
from typing import Literal

from minprune.arguments import filled, in_name_of
from minprune.core import Array, Arrays
from minprune.masking.choose import Norm, Scope, choose
from minprune.masking.count import Target
from minprune.masking.patterns import Given
from minprune.nets.model import check_masks, hold_arrays


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
        By full name, in the order of the layers; higher = kept longer. Entry by entry: what is tied
        to a whole unit is known to a model alone.
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
    present = present or {}
    hold_arrays("masks: scores", scores)
    hold_arrays("masks: present", present)
    filled("masks", "scores", scores, "pass one array for each weight")
    check_masks(present, {name: s.shape for name, s in scores.items()})
    with in_name_of("masks"):
        return choose(
            scores,
            present,
            sparsity=sparsity,
            threshold=threshold,
            scope=scope,
            pattern=pattern,
            minimum=minimum,
            protect=protect,
            normalize=normalize,
            block_reduce=block_reduce,
        )
