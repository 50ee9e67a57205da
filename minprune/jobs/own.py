"""Criteria and nets by name: ours, or a function of one's own, "package.module:name"."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minprune.arguments import choice, function
from minprune.core import Criterion, Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, FileError, MinpruneError
from minprune.evidence import find
from minprune.files.model import describe
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
