"""s_k = 1 - (1 - s)^(k/n): how much round k of n prunes, or below which threshold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minprune.arguments import count, number
from minprune.arguments import share as checked_share
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.masking.units import unit_sparsity
from minprune.methods.pruning import Pruning
from minprune.nets.counts import sparsity as sparsity_of
from minprune.nets.model import Model
from minprune.schedule import exponential
from minprune.train.loop import called

Share = float | Mapping[str, float]  # of all that is scored, or of each layer named
Shares = Share | Sequence[Share] | Callable[[int], float]  # of the last round, or of each


@dataclass(frozen=True, kw_only=True)
class Rounds(Pruning):
    """How much each round prunes, of the ORIGINAL number of weights or units."""

    sparsity: Shares | None = None
    threshold: Share | Sequence[Share] | None = None
    rounds: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fixed + (self.sparsity is not None) + (self.threshold is not None) != 1:
            raise ArgumentError(
                f"{self.call}: one of sparsity, threshold and a pattern N:M must say how much is "
                f"pruned; pass sparsity=0.9 alone, for example"
            )
        if self.rounds is not None:
            count(self.call, "rounds", self.rounds, 0)
        listed = self._listed
        if listed is not None and self.rounds not in (None, len(listed)):
            raise ArgumentError(
                f"{self.call}: rounds must be {len(listed)}, as many as the list has shares, not "
                f"{self.rounds}; leave rounds out"
            )
        if self.threshold is not None:
            self.of_magnitude("threshold")
        for k in range(1, self.many + 1):
            self._checked(k)

    def check(self, model: Model, data: Dataset) -> None:
        super().check(model, data)
        start = model
        for k in range(1, self.many + 1):
            target = self.target(k, model, start)
            if "threshold" not in target:  # how much a threshold takes is known after training
                model = self.rehearse(model, data.train, **target)

    @property
    def _listed(self) -> Sequence[Share] | None:
        given = self.threshold if self.sparsity is None else self.sparsity
        return given if isinstance(given, Sequence) and not isinstance(given, str) else None

    @property
    def many(self) -> int:
        """How many rounds there are."""
        if self.rounds is not None:
            return self.rounds
        return 1 if self._listed is None else len(self._listed)

    def target(self, k: int, model: Model, start: Model) -> dict[str, Any]:
        """What `prune` is told in round k = 1, 2, ...      start: the model before the first"""
        if self.threshold is not None:
            return {"threshold": self.deviations(model, self._level(k))}
        if self.sparsity is None:
            return {}
        before = unit_sparsity(start) if self.unit else sparsity_of(start.net, start.masks)
        return {"sparsity": self.share(k, before)}

    def share(self, k: int, before: float = 0.0) -> Share:
        """The sparsity after round k = 1, 2, ..., from `before`"""
        s = self.sparsity
        if callable(s):
            return float(s(k))
        if isinstance(s, Mapping):
            return {name: self._between(0.0, final, k) for name, final in s.items()}
        if s is None or isinstance(s, Sequence):
            return s[k - 1] if s else 0.0
        return self._between(before, s, k)

    def _between(self, before: float, final: float, k: int) -> float:
        """1 - (1 - before) ((1 - final) / (1 - before))^(k/n)

        `final` itself where it is 1, which takes one round, or below `before`, which is refused.
        """
        if k >= self.many or final == 1 or final < before:
            return final
        return exponential(k, final=final, initial=before, span=self.many)

    def _level(self, k: int) -> Share:
        """The threshold of round k, in standard deviations."""
        t = self.threshold
        return t[k - 1] if isinstance(t, Sequence) else t or 0.0

    def _checked(self, k: int) -> None:
        """Raises ArgumentError unless round k has a target that is one."""
        if self.threshold is not None:
            for t in _numbers(self._level(k)):
                number(self.call, "threshold", t)
        elif callable(self.sparsity):
            found, said = called(self.sparsity, k)
            if found is None or not 0 <= found <= 1:
                raise ArgumentError(
                    f"{self.call}: sparsity must give a share from 0 to 1 in round {k}, not "
                    f"{said}; pass a function of the round, or a list of shares"
                )
        elif self.sparsity is not None:
            given = self._listed[k - 1] if self._listed is not None else self.sparsity
            for s in _numbers(given):
                checked_share(self.call, "sparsity", s)


def _numbers(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, Mapping) else [given]
