"""ratio = median(ours) / median(peer), both timed in turn; ok = ratio <= target.

Timed in turn, with the order turned round each time, because a machine's speed drifts: what
slows one of two neighbouring runs slows the other as well.
"""

import importlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from minprune.cli import THREADS
from minprune.files import write_atomic
from minprune.jobs.job import as_json
from minprune.text import table


class AbsentError(Exception):
    """What a comparison needs is absent; the message says what, and how to get it."""


@dataclass(frozen=True)
class Timing:
    """Seconds: the median, and the distance between the quartiles."""

    median: float
    spread: float
    repeats: int


@dataclass(frozen=True)
class Row:
    """One line of a benchmark; ok is None where there is nothing to judge by."""

    name: str
    ours: float | None
    peer: float | None
    ratio: float | None
    target: float | None
    ok: bool | None
    ours_spread: float | None = None
    peer_spread: float | None = None
    unit: str = "s"
    note: str = ""


def stopwatch(fn: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    fn()
    return time.perf_counter() - begin


def interleave(
    fns: Mapping[str, Callable[[], Any]],
    repeats: int = 7,
    warmup: int = 1,
    measure: Callable[[Callable[[], Any]], float] = stopwatch,
) -> dict[str, Timing]:
    """{name: Timing} of functions called in turn: a b, b a, a b, ...

    warmup: calls of each before the first that counts (compilation, caches). measure: seconds of
    one call; for a function that times itself pass `float_of`. Raises ValueError below 7 repeats.
    """
    if repeats < 7:
        raise ValueError(
            f"interleave: repeats must be at least 7, not {repeats}; the median of fewer is luck"
        )
    found: dict[str, list[float]] = {name: [] for name in fns}
    for turn in range(-warmup, repeats):
        for name in list(fns) if turn % 2 == 0 else list(fns)[::-1]:
            seconds = measure(fns[name])
            if turn >= 0:
                found[name].append(seconds)
    return {name: timing(values) for name, values in found.items()}


def timed(
    fns: Mapping[str, Callable[[], Any]], repeats: int, seconds: float = 0.01
) -> dict[str, Timing]:
    """As `interleave`, warm: each measurement calls its function so often that it takes `seconds`.

    One short call between others finds in the caches what those left there.
    """
    single = interleave(fns, repeats=7, warmup=5)
    counts = {name: max(1, round(seconds / t.median)) for name, t in single.items()}

    def many(name: str) -> None:
        for _ in range(counts[name]):
            fns[name]()

    found = interleave({name: partial(many, name) for name in fns}, repeats=repeats, warmup=1)
    return {
        name: Timing(t.median / counts[name], t.spread / counts[name], t.repeats)
        for name, t in found.items()
    }


def float_of(fn: Callable[[], Any]) -> float:
    """The seconds that a function measured itself and returns."""
    return float(fn())


def timing(values: list[float]) -> Timing:
    """Median and distance between the quartiles of at least two values."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Timing(middle, high - low, len(values))


def against(name: str, ours: Timing, peer: Timing, target: float | None, note: str = "") -> Row:
    """A row that asks for ours / peer <= target."""
    ratio = ours.median / peer.median if peer.median else math.inf
    ok = None if target is None else ratio <= target
    return Row(
        name, ours.median, peer.median, ratio, target, ok, ours.spread, peer.spread, note=note
    )


def within(name: str, ours: float, target: float, unit: str = "s", note: str = "") -> Row:
    """A row without a peer, that asks for ours <= target."""
    return Row(name, ours, None, None, target, ours <= target, unit=unit, note=note)


def skipped(name: str, reason: str) -> Row:
    """A row that says why nothing was measured."""
    return Row(name, None, None, None, None, None, note=f"skipped: {reason}")


def attempt(name: str, measure: Callable[[], Iterable[Row]]) -> list[Row]:
    """The rows of measure(), or one that says why they were skipped."""
    try:
        return list(measure())
    except AbsentError as reason:
        return [skipped(name, str(reason))]


def peer(module: str) -> Any:
    """An optional module by name; raises AbsentError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise AbsentError(f'{error}; pip install -e ".[bench]"') from error


def data_file(data: Path | None, *parts: str) -> Path:
    """A file of the data folder; raises AbsentError where there is no folder or no such file."""
    if data is None:
        raise AbsentError("no data folder; pass --data DIR or set MINPRUNE_DATA")
    path = data.joinpath(*parts)
    if not path.exists():
        raise AbsentError(f"{path} does not exist; put {parts[-1]} there or pass another --data")
    return path


def quantity(value: float | None, spread: float | None, unit: str) -> str | None:
    """A number, its spread in brackets; seconds in the unit that suits their size."""
    if value is None:
        return None
    factor = 1.0
    if unit == "s" and value < 1:
        factor, unit = (1e3, "ms") if value >= 1e-3 else (1e6, "us")
    text = f"{value * factor:.4g}"
    text += f" ({spread * factor:.2g})" if spread is not None else ""
    return f"{text} {unit}".strip()


def show(rows: Iterable[Row]) -> str:
    """The rows as a plain-text table."""
    header = ["name", "ours", "peer", "ratio", "target", "ok", "note"]
    cells = []
    for row in rows:
        bound = row.target
        asked = f"{bound}x" if row.peer is not None else quantity(bound, None, row.unit)
        cells.append(
            [
                row.name,
                quantity(row.ours, row.ours_spread, row.unit),
                quantity(row.peer, row.peer_spread, row.unit),
                None if row.ratio is None else f"{row.ratio:.3g}x",
                None if bound is None else asked,
                row.ok,
                row.note,
            ]
        )
    return table(header, cells)


def write(path: Path, name: str, rows: Iterable[Row], quick: bool) -> None:
    """JSON of the rows and of where they were measured; the old file stays until it is whole."""
    record = {
        "name": name,
        "quick": quick,
        "threads": {variable: os.environ.get(variable) for variable in THREADS},
        "machine": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count(),
        },
        "versions": {module: version(module) for module in ("numpy", "numba", "torch", "scipy")},
        "rows": [asdict(row) for row in rows],
    }
    write_atomic(path, as_json(record))


def version(module: str) -> str | None:
    """The installed version of a module, or None."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed(module)
    except PackageNotFoundError:
        return None
