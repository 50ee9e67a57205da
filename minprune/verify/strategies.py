"""Strategies that are made once: to make and check one takes longer than to draw from it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st


@cache
def among(values: Sequence[Any]) -> Any:
    """One of the values: of a tuple or a range."""
    return st.sampled_from(values)


@cache
def listed(entries: Any, n: int) -> Any:
    """A list of n of what the strategy `entries` draws."""
    return st.lists(entries, min_size=n, max_size=n)
