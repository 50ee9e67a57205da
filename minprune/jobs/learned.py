"""What methods learned, as values of JSON for the page: histograms, lines, and a curve."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from minprune.amount.threshold_curve import threshold_curve
from minprune.core import Array, Arrays, Dataset
from minprune.jobs.facts import BINS, span
from minprune.methods.plans import Result
from minprune.train.history import History, Learned
from minprune.train.method import Method

SAMPLES = 2000  # that a curve is evaluated on, at most
POINTS = 400  # of a line at most; of more, every k-th
OTHERS = Learned("*", "value")  # of an array that no method says how to draw
Entry = dict[str, Any]


def learned(history: Mapping[str, History], pictures: Sequence[Learned]) -> list[Entry]:
    """An entry for each picture of a phase: what, says, over, and its panels or lines

    panels, histograms: name, n, low, high, counts, mark. lines: name, x, y; mark beside them.
    Entries that are not finite are left out.
    """
    return [
        found
        for phase, one in history.items()
        for how, arrays in grouped(one.extra, pictures).items()
        if (found := _entry(phase, how, arrays, one.extra))
    ]


def traced(procedure: Any, found: Result, data: Dataset) -> Entry:
    """The curve of the scores that a method learned, see `mp.threshold_curve`; {} without scores

    procedure: the plan; found: what it gave. On at most SAMPLES samples of the test part.
    """
    method = procedure.train.get("method")
    if not isinstance(method, Method) or not found.history or not len(data.test[0]):
        return {}
    pair = method.unpruned(found.model, list(found.history.values())[-1].extra)
    if pair is None:
        return {}
    x, y = data.test[0][:SAMPLES], data.test[1][:SAMPLES]
    own = threshold_curve(*pair, (x, y))
    of, values, unpruned = "loss", own.losses, own.loss
    if own.accuracy is not None:
        of, values, unpruned = "accuracy", own.accuracies, own.accuracy
    return {
        "of": of, "thresholds": list(own.thresholds), "sparsities": list(own.sparsities),
        "values": {name: list(row) for name, row in values.items()}, "unpruned": unpruned,
        "samples": len(x),
    }  # fmt: skip


def grouped(extra: Arrays, pictures: Sequence[Learned]) -> dict[Learned, Arrays]:
    """{how: the arrays that it is the first to name}, but for what others are drawn against"""
    found: dict[Learned, Arrays] = {how: {} for how in (*pictures, OTHERS)}
    for name, a in extra.items():
        found[next(how for how in found if fnmatchcase(name, how.names))][name] = a
    used = {
        known
        for how, arrays in found.items()
        for name in arrays
        for other in (how.over, how.mark)
        if isinstance(other, str) and (known := beside(name, other)) in extra
    }
    left = {
        how: {k: a for k, a in arrays.items() if k not in used} for how, arrays in found.items()
    }
    return {how: arrays for how, arrays in left.items() if arrays and how.what}


def beside(name: str, other: str) -> str:
    """The full name of an array of the same method: "0/fc1 gate", "step" -> "0/step\""""
    part, slash, _ = name.partition("/")
    return f"{part}/{other}" if slash and part.isdigit() else other


def _entry(phase: str, how: Learned, arrays: Arrays, extra: Arrays) -> Entry:
    about = {"phase": phase, "what": how.what, "says": how.says, "over": how.over}
    marks = {name: _mark(how, name, extra) for name in arrays}
    if how.over:
        lines = [line for name, a in arrays.items() for line in _lines(how, name, a, extra)]
        return {**about, "mark": next(iter(marks.values())), "lines": lines} if lines else {}
    panels = [_panel(name, a, marks[name]) for name, a in arrays.items()]
    found = [panel for panel in panels if panel]
    return {**about, "panels": found} if found else {}


def _mark(how: Learned, name: str, extra: Arrays) -> float | None:
    given = how.mark
    if isinstance(given, str):
        held = extra.get(beside(name, given), np.zeros(0))
        given = float(held.ravel()[0]) if held.size == 1 else None
    return None if given is None or not math.isfinite(given) else float(given)


def _panel(name: str, a: Array, mark: float | None) -> Entry:
    """counts[k] = entries in the k-th of equal bins from low to high, the mark among them"""
    values = a.ravel().astype(np.float64)
    values = np.clip(values[np.isfinite(values)], -1e300, 1e300)
    if not values.size:
        return {}
    low, high = span(values if mark is None else np.append(values, mark))
    counts = np.histogram(values, min(BINS, max(8, math.isqrt(values.size))), (low, high))[0]
    return {
        "name": name, "n": int(values.size), "low": low, "high": high, "counts": counts.tolist(),
        "mark": mark,
    }  # fmt: skip


def _lines(how: Learned, name: str, a: Array, extra: Arrays) -> list[Entry]:
    """Of an array (n,) one, of (n, k) k; none without points."""
    if not a.size:
        return []
    a = a.reshape(len(a), -1) if a.ndim else a.reshape(1, 1)
    x = extra.get(beside(name, how.over), np.arange(1, len(a) + 1)).ravel()
    every = max(1, -(-len(a) // POINTS))
    names = [name] if a.shape[1] == 1 else [f"{name} {k}" for k in range(a.shape[1])]
    return [
        {"name": label, "x": x[::every].tolist(), "y": _numbers(column[::every])}
        for label, column in zip(names, a.T.astype(np.float64), strict=True)
        if np.isfinite(column).any() and len(x) == len(a)
    ]


def _numbers(y: Array) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in y.tolist()]
