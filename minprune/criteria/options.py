"""What the criteria refuse: an option outside its choices, single weights where units are meant."""

from collections.abc import Sequence

from minprune.core import Evidence
from minprune.errors import ArgumentError


def one_of(criterion: str, option: str, value: object, choices: Sequence[object]) -> None:
    """Raises ArgumentError unless value is one of the choices; a bool is no number."""
    if any(type(value) is type(c) or not isinstance(value, bool) for c in choices if c == value):
        return
    *most, last = map(repr, choices)
    raise ArgumentError(
        f"{criterion}: {option} is {value!r}, expected {', '.join(most)} or {last}; "
        f"choose one of them"
    )


def of_units(criterion: str, ev: Evidence) -> None:
    """Raises ArgumentError for evidence of single weights."""
    if not ev.unit:
        raise ArgumentError(
            f"{criterion}: scores units, and the evidence is of single weights; "
            f"give Evidence(..., unit=True), or unit=True to mp.score"
        )
