"""The independent twin of a criterion: its definition, what it needs, and which laws it keeps.

A new twin is one function in weights.py or units.py with the mark `twin`, which is its row.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import update_wrapper
from math import fsum, prod
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Chunk, Evidence, UnitView

Values = list[float]
Score = Callable[..., Any]


def known(score: Score, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that the function takes."""
    takes = inspect.signature(score).parameters
    return {k: v for k, v in options.items() if k in takes}


def constant(w: Array) -> Array:
    """Which rows say nothing: those of equal entries, (units,)"""
    return np.asarray(np.ptp(w, axis=1) == 0)


@dataclass(frozen=True)
class Twin:
    """A criterion by definition.

    score: Evidence, **options -> scores of one chunk. unit: see CriterionSpec.unit. chunk: what
    the spec takes at once; None where it does not matter (the score is linear in the samples).
    finish: what is done after the average over chunks. minus: kinds whose terms are subtracted.
    laws: keys of NAMED, besides "definition". share: of the largest score, what two runs may
    differ by; floor: and what they may, however small the scores are. spread: the size of the
    terms, if it is not that of the sum. mute: which rows of activations say nothing. unsure:
    (Evidence, **options) -> whether rounding may decide the score.
    laws, unit and chunk may be functions of the options.
    """

    score: Score
    needs: tuple[str, ...]
    unit: Any
    laws: Any = ()
    chunk: Any = None
    single: bool = True
    finish: Callable[[Arrays], Arrays] | None = None
    minus: tuple[str, ...] = ()
    share: float = 2.0**-26
    floor: float = 2.0**-1000
    spread: Callable[[Evidence], Arrays] | None = None
    mute: Callable[[Array], Array] = constant
    unsure: Callable[..., bool] = lambda ev, **options: False

    def size(self, ev: Evidence, options: dict[str, Any]) -> Arrays:
        """The same sum with every term positive: its rounding errors are in proportion to it."""
        if self.spread is not None:
            return self.spread(ev)
        filled = {k: getattr(ev, k) for k in self.needs if isinstance(getattr(ev, k), dict)}
        positive: dict[str, Any] = {
            kind: {n: (-1 if kind in self.minus else 1) * np.abs(a) for n, a in arrays.items()}
            for kind, arrays in filled.items()
        }
        scores = self.score(replace(ev, **positive), **known(self.score, options))
        return {n: np.abs(s) for n, s in scores.items()}


TWINS: dict[str, Twin] = {}
READINGS: dict[tuple[str, str, Any], str] = {}  # (criterion, option, value): the twin for it


def twin(
    name: str, *needs: str, unit: UnitView | Callable[..., UnitView] | None,
    laws: tuple[str, ...] | Callable[..., tuple[str, ...]] = (),
    chunk: Chunk | Callable[..., Chunk | None] | None = None,
    by: Callable[..., Score] | None = None, reads: tuple[str, str, Any] | None = None, **row: Any,
) -> Callable[[Score], Score]:  # fmt: skip
    """Makes a function the twin of that name, see Twin.

    by: by_entry, by_layer, by_pairs, or None: a function of Evidence. reads: the criterion, option
    and value that have this twin: ("taylor", "order", 2).
    """

    def declare(fn: Score) -> Score:
        TWINS[name] = Twin(by(fn, *needs) if by else fn, needs, unit, laws, chunk, **row)
        if reads:
            READINGS[reads] = name
        return TWINS[name].score

    return declare


def by_entry(entry: Callable[..., float], *kinds: str) -> Score:
    """A function of one weight's, or unit's, values as one of evidence."""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        found = {}
        for name in ev.of(kinds[0]):
            arrays = [np.asarray(ev.of(kind)[name], np.float64) for kind in kinds]
            found[name] = np.zeros(arrays[0].shape[: 1 if ev.unit else None])
            for k in np.ndindex(found[name].shape):
                found[name][k] = entry(*(np.ravel(a[k]).tolist() for a in arrays), **options)
        return found

    return update_wrapper(scores, entry)


def by_layer(layer: Callable[..., Values], kind: str) -> Score:
    """A function of a layer's rows (units, incoming) as one of evidence."""

    def scores(ev: Evidence, **options: Any) -> Arrays:
        rows = {name: np.asarray(w, np.float64).tolist() for name, w in ev.of(kind).items()}
        return {name: np.array(layer(r, **options), np.float64) for name, r in rows.items()}

    return update_wrapper(scores, layer)


def dot(*factors: Values) -> float:
    """The sum of products, rounded once."""
    return fsum(prod(together) for together in zip(*factors, strict=True))
