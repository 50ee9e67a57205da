"""What `minprune compare` can be asked for, and its defaults; imports nothing that is slow."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CompareSettings:
    """What `minprune compare` was asked for; None: what suits the data (see jobs/compare.py).

    Lists, not tuples, so that they equal what result.json gives back.
    """

    data: str = "digits"
    net: str | None = None
    criteria: list[str] | None = None  # None: all that can score what is asked
    unit: bool = False
    sparsities: list[float] = field(default_factory=lambda: [0.5, 0.7, 0.8, 0.9, 0.95])
    seeds: int = 3
    epochs: int | None = None
    fine_tune: int = 10
    samples: int = 1_000
    batch_size: int = 64
    lr: float = 0.05
    out: str | None = None
