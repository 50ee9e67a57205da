"""What surgery gives: the model, and what was removed in which order at which rise of the loss."""

from dataclasses import dataclass

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.masking.apply import collapsed
from minprune.masking.count import pruned_count
from minprune.nets.model import Model


@dataclass(frozen=True)
class Round:
    """name: the parameter. index: flat places removed from it. score: the loss rise foretold.

    alpha: the damping of the H in use.
    """

    name: str
    index: Array
    score: float
    alpha: float


@dataclass(frozen=True)
class Surgery:
    """model: pruned and adjusted. rounds: a removal each, or a layer each, in their order."""

    model: Model
    rounds: tuple[Round, ...]

    @property
    def removed(self) -> int:
        """How many entries went."""
        return sum(r.index.size for r in self.rounds)

    @property
    def alpha(self) -> tuple[float, ...]:
        """The damping of each round."""
        return tuple(r.alpha for r in self.rounds)

    @property
    def collapsed(self) -> list[str]:
        """The weights of which nothing is left, see mp.collapsed."""
        return collapsed(self.model)


def more(sparsity: float, live: Array, what: str) -> int:
    """How many entries are still to go; raises ArgumentError where too many are gone already."""
    dead = live.size - int(np.count_nonzero(live))
    left = pruned_count(sparsity, live.size) - dead
    if left < 0:
        raise ArgumentError(
            f"sparsity is {sparsity}, below the present {dead / live.size!r} of {what}; pruning "
            f"does not bring weights back: ask for at least what is pruned already"
        )
    return left
