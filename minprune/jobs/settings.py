"""What `minprune run` can be asked for, and its defaults; imports nothing that is slow."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """What `minprune run` was asked for; None: what suits the data (see jobs/run.py)."""

    data: str = "digits"
    net: str | None = None
    criterion: str = "magnitude"
    unit: bool = False
    sparsity: float = 0.9
    scope: Literal["global", "layer"] = "global"
    epochs: int | None = None
    fine_tune: int | None = None
    batch_size: int = 64
    lr: float = 0.05
    seed: int = 0
    out: str | None = None
