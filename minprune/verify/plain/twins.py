"""The twins of all criteria by name, and the one that fits a criterion's options."""

import inspect
from dataclasses import replace
from typing import Any

from minprune.verify.plain import units, weights  # noqa: F401  (their marks fill the table)
from minprune.verify.plain.twin import READINGS, TWINS, Twin, known

__all__ = ["TWINS", "every_option", "twin_of"]


def twin_of(name: str, options: dict[str, Any], unit: bool = False) -> Twin:
    """The twin of a criterion with these options; KeyError for a name that has none."""
    asked = options | {"unit": unit}
    for (owner, option, value), reading in READINGS.items():
        if name == owner and asked.get(option) == value:
            name = reading
    row = TWINS[name]
    given = known(row.score, options)
    made = {what: getattr(row, what) for what in ("laws", "unit", "chunk")}
    return replace(row, **{k: v(**given) if callable(v) else v for k, v in made.items()})


def every_option() -> set[str]:
    """The options that some twin takes or is chosen by."""
    takes = (inspect.signature(row.score).parameters.values() for row in TWINS.values())
    optional = {p.name for many in takes for p in many if p.default is not p.empty}
    return optional | {option for _, option, _ in READINGS}
