"""Somebody's criterion, called the one way that the laws know: a plain problem in, scores out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Chunk, Evidence, UnitView
from minprune.verify.definitions_table import Definition
from minprune.verify.plain_evidence import plain_evidence

Options = dict[str, Any]
LEAST = 2.0**-1000  # what is below is no score but the next float above 0, or the one above that
SYMMETRIC = ("act_gram", "within", "inverse_block")
OF_WEIGHTS = {"weights", "outgoing", "rng"}  # what needs no derivative and no data
BATCH = 2  # samples of a minibatch, where a chunk is one


@dataclass(frozen=True)
class Subject:
    """raw: Evidence of one chunk -> scores; finish: what is done once chunks are averaged.

    row: what the arrays of a unit hold, None for single weights.
    """

    name: str
    raw: Callable[[Evidence], Any]
    needs: tuple[str, ...]
    chunk: Chunk = "all"
    row: UnitView | None = None
    finish: Callable[[Arrays], Arrays] | None = None
    marked: bool = False
    share: float = 2.0**-26  # of the largest score: what two runs may differ by
    floor: float = LEAST  # and what they may, however small the scores are

    def __call__(self, ev: Evidence) -> Arrays:
        """The scores of one chunk, finished, as arrays of numpy; as they are if they are no dict"""
        scores: Any = self.raw(ev)
        scores = scores if self.finish is None else self.finish(scores)
        if hasattr(scores, "items"):
            return {name: np.asarray(score) for name, score in scores.items()}
        return scores  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Law:
    """sentence: what is asked    examples: a strategy    broken: example -> None or a clause"""

    sentence: str
    examples: Any
    broken: Callable[[Any], str | None]


NamedLaw = Callable[[Subject, Definition, Options], "Law | None"]


def changed(ev: Evidence, how: Callable[[Array], Array]) -> Evidence:
    """The evidence with each array of a dict replaced."""
    filled: dict[str, Any] = {k: v for k, v in vars(ev).items() if isinstance(v, dict)}
    new: dict[str, Any] = {k: {n: how(a) for n, a in v.items()} for k, v in filled.items()}
    return replace(ev, **new)


def jittered(ev: Evidence, seed: int) -> Evidence:
    """The evidence with each number off by some 2^-44 of it; matrices stay symmetric."""
    rng = np.random.default_rng(seed)

    def off(kind: str, a: Array) -> Array:
        factor = 1 + 2.0**-44 * rng.standard_normal(np.shape(a))
        if kind in SYMMETRIC:
            factor = (factor + np.swapaxes(factor, -1, -2)) / 2
        return a * factor if np.asarray(a).dtype.kind == "f" else a

    filled: dict[str, Any] = {k: v for k, v in vars(ev).items() if isinstance(v, dict)}
    new: dict[str, Any] = {k: {n: off(k, a) for n, a in v.items()} for k, v in filled.items()}
    return replace(ev, **new)


def total(s: Subject, p: Any, chunks: Sequence[Sequence[int]] | None = None) -> Arrays:
    """Scores of all samples: each chunk's, averaged in float64 by its count of samples, finished.

    chunks: which samples go together; None: as s.chunk says. (One by one, if that is "sample".)
    """
    n = len(p.x) if hasattr(p, "x") else 1
    whole = chunks is None
    if chunks is None:
        size = {"all": n, "batch": BATCH, "sample": 1}[s.chunk]
        chunks = [range(n)[i : i + size] for i in range(0, n, size)]
    if s.chunk == "sample":
        chunks = [[k] for chunk in chunks for k in chunk]
    mean: Arrays = {}
    for chunk in chunks:
        part = p if whole and len(chunk) == n else p.rows(list(chunk))
        for name, score in s.raw(plain_evidence(part, s.needs, s.row)).items():
            mean[name] = mean.get(name, 0) + np.asarray(score, np.float64) * (len(chunk) / n)
    return mean if s.finish is None else s.finish(mean)


def reference(row: Definition, options: dict[str, Any], s: Subject) -> Subject:
    """The definition as a subject that scores what s scores."""
    unit = None if s.row is None else row.unit
    if s.row is not None and set(row.needs) <= OF_WEIGHTS and s.row not in ("gate", "whole"):
        unit = s.row  # whose norm or distance is meant, s says; a derivative has one right reading
    chunk = row.chunk or s.chunk
    score, options = row.score, row.takes(options)
    return Subject(
        "definition", lambda ev: score(ev, **options), row.needs, chunk, unit, row.finish
    )
