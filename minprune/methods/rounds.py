"""s_k = 1 - (1 - s_0) ((1 - s) / (1 - s_0))^(k/n): how much round k of n prunes, or a threshold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minprune.arguments import count, number
from minprune.arguments import share as checked_share
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.masking.masked_before import on_the_way, present
from minprune.methods.pruning import Pruning
from minprune.nets.model import Model
from minprune.train.ready import called

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
            scores = self.rehearsed(model, data.train)
            target = self.target(k, model, start, scores)
            if "threshold" not in target:  # how much a threshold takes is known after training
                model = self.prune(model, scores, **target)

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

    def target(
        self, k: int, model: Model, start: Model, scores: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What `prune` is told in round k = 1, 2, ...      start: the model before the first"""
        if self.threshold is not None:
            return {"threshold": self.deviations(model, self._level(k))}
        if self.sparsity is None:
            return {}
        s = self.sparsity
        if callable(s):
            return {"sparsity": float(s(k))}
        if isinstance(s, Sequence):
            return {"sparsity": s[k - 1]}
        found = present(start, scores, protect=self.protect, pattern=self.pattern)
        return {"sparsity": on_the_way(found, s, self.scope, k, self.many)}

    def _level(self, k: int) -> Share:
        """The threshold of round k, in standard deviations."""
        listed = self._listed
        if listed is not None:
            return listed[k - 1]
        return self.threshold  # type: ignore[return-value]

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
