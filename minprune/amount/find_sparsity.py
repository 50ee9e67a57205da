"""accuracy(k) >= accuracy(0) - tolerance > accuracy(k + 1): a crossing, found by bisection."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from minprune.amount.trial import trial
from minprune.arguments import choice, share
from minprune.core import Criterion, Dataset, Seed
from minprune.errors import ArgumentError
from minprune.masking.choose import Scope
from minprune.masking.count import named
from minprune.measures.quality import accuracy_of
from minprune.nets.model import Model
from minprune.train.progress import progress as bar

STEPS = 100  # of the grid of a scan
ROUND = 1e-9  # 0.97 - 0.96 is above 0.01 in floating point


@dataclass(frozen=True)
class Crossing:
    """Two neighbouring sparsities, at one of which the accuracy is within the tolerance

    Attributes
    ----------
    low, high : the sparsities; low < high
    accuracy_low, accuracy_high : validation accuracy there
    """

    low: float
    high: float
    accuracy_low: float
    accuracy_high: float

    @property
    def falls(self) -> bool:
        """Whether it is the lower sparsity that is within the tolerance."""
        return self.accuracy_low > self.accuracy_high


@dataclass(frozen=True, eq=False)
class FoundSparsity:
    """The result of `find_sparsity`; print it

    Attributes
    ----------
    sparsity : within the tolerance; the next one tried above it is not
    accuracy : validation accuracy there
    unpruned : validation accuracy of the model itself
    tolerance : the loss of accuracy that was allowed
    scan : whether a grid was tried
    crossings : tuple of Crossing; one, or with scan=True all on the grid, or none where every
        sparsity tried is within the tolerance
    tried : ((sparsity, accuracy), ...), by sparsity
    model : the model pruned to `sparsity`
    """

    sparsity: float
    accuracy: float
    unpruned: float
    tolerance: float
    scan: bool
    crossings: tuple[Crossing, ...]
    tried: tuple[tuple[float, float], ...]
    model: Model

    def __str__(self) -> str:
        least = self.unpruned - self.tolerance
        text = f"unpruned {self.unpruned:.2%}, at least {least:.2%} asked"
        for c in self.crossings:
            text += (
                f"\n{'falls' if c.falls else 'rises'} from {c.accuracy_low:.2%} at sparsity "
                f"{c.low:.6g} to {c.accuracy_high:.2%} at {c.high:.6g}"
            )
        if not self.crossings:
            return f"{text}\nno crossing: every sparsity tried is within the tolerance"
        return (
            text
            if self.scan
            else f"{text}\na crossing; there may be others, which scan=True finds on a grid"
        )


def find_sparsity(
    model: Model,
    data: Dataset,
    criterion: str | Criterion = "magnitude",
    *,
    tolerance: float = 0.01,
    layer: str | None = None,
    scan: bool = False,
    unit: bool = False,
    scope: Scope = "global",
    seed: Seed = 0,
    progress: bool = True,
    **options: Any,
) -> FoundSparsity:
    """A sparsity s with accuracy(s) >= accuracy(0) - tolerance, and not one entry more

    Bisection between the present sparsity and 1, without retraining: the accuracy is within the
    tolerance with k of n entries pruned and is not with k + 1. Accuracy is not monotone, so this is
    a crossing, not the only one. With scan=True, 100 steps from the present sparsity to 1 are
    tried instead, and all crossings between neighbours are listed; `sparsity` is then where
    accuracy first falls.

    Parameters
    ----------
    model : Model
        A dense model, usually a trained one.
    data : Dataset
        Scores come from its train part, accuracy from its val part.
    criterion : str or function
        What goes first, see `mp.score`; scores are computed once.
    tolerance : float
        The loss of validation accuracy that is allowed, as a share: 0.01 is one point.
    layer : name
        The one layer that is pruned; None: all together.
    scan : bool
        Whether all crossings on a grid are wanted.
    unit : bool
        Whether whole units go.
    scope : {"global", "layer"}
        As in `mp.prune`.
    seed : int or Generator
        For criteria that draw random numbers.
    progress : bool
        Whether progress is shown.
    **options
        For `mp.score`: options of the criterion, params, batch_size, needs.

    Returns
    -------
    FoundSparsity
        sparsity, accuracy, crossings, tried and the pruned model.

    Raises
    ------
    ArgumentError
        For a tolerance out of range, an unknown layer, or targets that are numbers, and as
        `mp.score` does.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model, _ = mp.fit(mp.zoo.mlp(data, (16,)), data, epochs=3, progress=False)
    >>> found = mp.find_sparsity(model, data, tolerance=0.02, progress=False)
    >>> mp.evaluate(found.model, data.val).accuracy >= found.unpruned - 0.02
    True
    """
    allowed = share("find_sparsity", "tolerance", tolerance)
    choice("find_sparsity", "scan", scan, (False, True))
    found = trial("find_sparsity", model, data, criterion, unit, seed, options)
    if layer is not None:
        layer, *others = named(found.owners, [layer])
        if others:
            raise ArgumentError(
                f"find_sparsity: layer must be one layer, not {', '.join((layer, *others))}; name "
                f"one, or leave it out for the net"
            )
    n, gone = found.count(layer)
    how: Any = {} if layer is not None else {"scope": scope}
    own = accuracy_of(model, data.val, "find_sparsity")
    tried = {gone: own}

    def within(k: int) -> bool:
        if k not in tried:
            tried[k] = accuracy_of(found.pruned(k, layer, **how), data.val, "find_sparsity")
            shown.update()
        return tried[k] >= own - allowed - ROUND

    steps = STEPS if scan else 1 + max(n - gone - 1, 0).bit_length()
    with bar("find_sparsity", steps, progress) as shown:
        if scan:
            grid = sorted({gone + round(j * (n - gone) / STEPS) for j in range(STEPS + 1)})
            apart = [(a, b) for a, b in pairwise(grid) if within(a) != within(b)]
        else:
            apart = bisect(within, gone, n)
    crossings = tuple(Crossing(a / n, b / n, tried[a], tried[b]) for a, b in apart)
    best = apart[0][0] if apart else max(tried)  # the first one falls, as accuracy(gone) is within
    return FoundSparsity(
        best / n, tried[best], own, allowed, scan, crossings,
        tuple((k / n, tried[k]) for k in sorted(tried)), found.pruned(best, layer, **how),
    )  # fmt: skip


def bisect(within: Callable[[int], bool], low: int, high: int) -> list[tuple[int, int]]:
    """[(k, k + 1)] with within(k) and not within(k + 1), as within(low) is; [] if within(high)"""
    if within(high):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return [(low, high)]
