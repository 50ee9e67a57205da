"""What evidence is wanted of, and where each kind comes from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.nets.model import Model
from minprune.nets.ties import Group


@dataclass(frozen=True)
class Asked:
    """names: parameters; groups: units; gather: options of `score`; options: of the criterion"""

    model: Model
    names: list[str]
    params: str
    groups: dict[str, Group]
    rng: np.random.Generator
    gather: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """fn(asked, chunk) -> the evidence; looks: whether it looks at samples"""

    fn: Callable[[Asked, Any], Any]
    looks: bool = True

    def __call__(self, asked: Asked, chunk: Any) -> Any:
        return self.fn(asked, chunk)
