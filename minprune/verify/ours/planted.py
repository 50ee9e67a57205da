"""One row of a table of planted slips, and how a few wrong lines become a criterion."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minprune.core import Array, Arrays, Evidence


@dataclass(frozen=True)
class Planted:
    """law: the one that has to be broken    like, unit, options, ...: arguments of the check"""

    project: str
    what: str
    fn: Callable[..., Any]
    law: str
    like: str | None = None
    unit: bool | str = False
    more: dict[str, Any] = field(default_factory=dict)


def on(score: Callable[..., Array], *kinds: str) -> Callable[..., Arrays]:
    """An unmarked function of Evidence: score of one tensor's arrays."""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        parts = [getattr(ev, kind) for kind in kinds]
        return {
            name: score(*(part[name] if isinstance(part, dict) else part for part in parts))
            for name in next(part for part in parts if isinstance(part, dict))
        }

    scores.__name__ = getattr(score, "__name__", "scores").replace("<lambda>", "planted")
    return scores
