"""Criteria and nets by name: ours, or a function of one's own, "package.module:name"."""

from typing import Any

from minprune.arguments import choice, function
from minprune.core import Criterion, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import find
from minprune.nets.model import Model
from minprune.nets.zoo import ZOO


def check_criterion(owner: str, what: str, name: str) -> None:
    """Raises ArgumentError unless there is a criterion of that name."""
    if ":" in name:
        criterion(name)
    else:
        choice(owner, what, name, sorted(CRITERIA))


def check_net(owner: str, what: str, name: str) -> None:
    """Raises ArgumentError unless there is a net of that name."""
    if ":" in name:
        function(name)
    else:
        choice(owner, what, name, list(ZOO))


def criterion(name: str) -> str | Criterion:
    """The function of one's own, or the name of ours"""
    if ":" not in name:
        return name
    found: Criterion = function(name)
    return found


def spec(name: str) -> Any:
    """What the criterion needs and can do."""
    return find(criterion(name)).spec


def net(name: str, data: Dataset, seed: int) -> Model:
    """The net before training; raises ArgumentError unless a function of one's own makes a Model"""
    if ":" not in name:
        return ZOO[name](data, seed=seed)
    try:
        found = function(name)(data, seed=seed)
    except Exception as e:  # user code may raise anything
        raise ArgumentError(
            f"{name}: must make a net by {name.partition(':')[2]}(data, seed=0), but raised "
            f"{type(e).__name__}: {e}; fix it first"
        ) from e
    if not isinstance(found, Model):
        raise ArgumentError(
            f"{name}: must return a Model, not {type(found).__name__}; end it with mp.initialise("
            f"mp.build(...), seed=seed)"
        )
    return found
