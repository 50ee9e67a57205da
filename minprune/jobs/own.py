"""Criteria, nets and methods by name: ours, or of one's own, "package.module:name"."""

import inspect
from functools import partial
from typing import Any

from minprune.arguments import choice, function, instance, one_of
from minprune.core import Criterion, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, MinpruneError
from minprune.evidence import find
from minprune.jobs.methods import Budget, Own, Way, acting
from minprune.jobs.procedures import PROCEDURES
from minprune.methods.plans import Procedure
from minprune.nets.model import Model
from minprune.nets.zoo import ZOO
from minprune.train.fingerprint import fingerprint
from minprune.train.method import Method


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


def check_method(owner: str, what: str, name: str) -> None:
    """Raises ArgumentError unless there is a method of that name."""
    if ":" in name:
        function(name)
    else:
        one_of(owner, what, name, PROCEDURES)


def criterion(name: str) -> str | Criterion:
    """The function of one's own, or the name of ours"""
    if ":" not in name:
        return name
    found: Criterion = function(name)
    return found


def code_of(name: str) -> Any:
    """What the bits of one's own function or class depend on, as JSON; of ours, its name"""
    found = function(name) if ":" in name else name
    parts = vars(found).values() if isinstance(found, type) else ()
    return [fingerprint(found), *(fingerprint(part) for part in parts if callable(part))]


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


def way(name: str) -> Way:
    """The row of that name, or one's own, "package.module:name"

    One's own is a class of methods that act during training, or a function of (budget, model, data)
    that gives a plan.
    """
    if ":" not in name:
        return PROCEDURES[name]
    found = function(name)
    if isinstance(found, type) and issubclass(found, Method):
        takes = inspect.signature(found).parameters
        words = inspect.getdoc(found) or name
        make = partial(acting, found)
        return Way(words, make, criteria="criterion" in takes, units="unit" in takes)
    return Way(name, partial(of_ones_own, found, name), units=True)


def of_ones_own(fn: Any, name: str, b: Budget, model: Model, data: Dataset, own: Own) -> Procedure:
    """The plan that fn(budget, model, data) gives."""
    for key in own:
        raise ArgumentError(f"{name}: takes no settings, not {key!r}; leave it out")
    try:
        found = fn(b, model, data)
    except MinpruneError:
        raise
    except Exception as e:  # user code may raise anything
        raise ArgumentError(
            f"{name}: must make a plan by {name.partition(':')[2]}(budget, model, data), but "
            f"raised {type(e).__name__}: {e}; fix it first"
        ) from e
    plan = "a plan such as mp.methods.Iterative(...), or be a class of mp.Method"
    return instance(name, "what it returns", found, Procedure, plan)  # type: ignore[no-any-return]
