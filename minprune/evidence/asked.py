"""What evidence is wanted of, and where each kind comes from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from minprune.nets.model import Model
from minprune.nets.ties import Group

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """names: parameters; groups: units; gather: options of `score`; options: of the criterion

    made: what `once` keeps, of one chunk.
    """

    model: Model
    names: list[str]
    params: str
    groups: dict[str, Group]
    rng: np.random.Generator
    gather: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    made: dict[str, tuple[Any, Any]] = field(default_factory=dict, repr=False, compare=False)

    def once(self, what: str, chunk: Any, make: Callable[[], T]) -> T:
        """make(), for several kinds of evidence from one pass over the same chunk"""
        if what not in self.made or self.made[what][0] is not chunk:
            self.made[what] = chunk, make()
        found: T = self.made[what][1]
        return found


@dataclass(frozen=True)
class Source:
    """fn(asked, chunk) -> the evidence; looks: whether it looks at samples"""

    fn: Callable[[Asked, Any], Any]
    looks: bool = True

    def __call__(self, asked: Asked, chunk: Any) -> Any:
        return self.fn(asked, chunk)
