"""What several criteria share: an option that needs another one, and one row for each unit."""

from math import prod
from typing import NoReturn

from minprune.core import Arrays
from minprune.errors import ArgumentError


def only_with(owner: str, option: str, needs: str, found: object) -> NoReturn:
    """Raises ArgumentError: `option` has a meaning only with another one, such as "order=2"."""
    raise ArgumentError(
        f"{owner}: {option} needs {needs}, not {needs.partition('=')[0]}={found!r}; "
        f"leave {option} out"
    )


def rows(arrays: Arrays) -> Arrays:
    """(units, entries) each: all entries of a unit in one row, whatever its axes"""
    return {name: a.reshape(len(a), prod(a.shape[1:])) for name, a in arrays.items()}
