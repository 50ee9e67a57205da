"""Criteria, nets and methods by name: ours, or of one's own, "package.module:name"."""

import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from minprune.arguments import choice, function, instance, one_of
from minprune.core import Criterion, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, FileError, MinpruneError
from minprune.evidence import find
from minprune.files.model import describe
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
            f"{_said(e)}; fix it first"
        ) from e
    if not isinstance(found, Model):
        raise ArgumentError(
            f"{name}: must return a Model, not {type(found).__name__}; end it with mp.initialise("
            f"mp.build(...), seed=seed)"
        )
    asked, made = tuple(data.input_shape), tuple(found.net.input_shape)
    if asked != made:
        raise ArgumentError(
            f"{name}: must make a net for inputs of {asked}, as those of the data, not of {made}; "
            f"size it by data.input_shape"
        )
    outputs = found.net.shapes[found.net.nodes[-1].name][0]
    if outputs > data.outputs:
        raise ArgumentError(
            f"{name}: must make a net of {data.outputs} outputs, as many as the data have, not "
            f"{outputs}; size it by data.outputs"
        )
    try:
        describe(found.net)
    except FileError as e:  # it could not be saved in the end
        raise ArgumentError(f"{name}: {e}") from e
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
        with of_own(name):
            found = fn(b, model, data)
    except MinpruneError:
        raise
    except Exception as e:  # user code may raise anything
        raise ArgumentError(
            f"{name}: must give a plan by {name.partition(':')[2]}(budget, model, data), but "
            f"raised {_said(e)}; fix it first"
        ) from e
    plan = "a plan such as mp.methods.Iterative(...), or be a class of mp.Method"
    return instance(name, "what it returns", found, Procedure, plan)  # type: ignore[no-any-return]


@contextmanager
def of_own(*names: str | None) -> Iterator[None]:
    """Raises ArgumentError for what a function of one's own, of these names, raised meanwhile

    Names of ours and None may be among them. Errors of minprune pass, and what no line of theirs
    raised.
    """
    try:
        yield
    except MinpruneError:
        raise
    except Exception as e:  # user code may raise anything
        for name in names:
            if name is not None and (place := _line(name, e)):
                raise ArgumentError(f"{name}: raised {_said(e)} ({place}); fix it first") from e
        raise


def _said(e: Exception) -> str:
    return f"{type(e).__name__}: {e}".rstrip(": ")


def _line(name: str, e: Exception) -> str:
    """The last line of the file of this function that the error passed; "" for none"""
    file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None) if ":" in name else ""
    lines = [f.lineno for f in traceback.extract_tb(e.__traceback__) if f.filename == file]
    return f"line {lines[-1]} of {Path(file).name}" if lines and file else ""
