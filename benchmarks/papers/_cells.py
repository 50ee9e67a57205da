"""cells[name] = measured once: what a protocol measures, kept in a JSON file as each cell ends.

A run that was stopped continues with the cells that the file lacks; to measure anew, delete it.
"""

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import minprune as mp
from benchmarks.harness import Row, version
from minprune.cli import THREADS
from minprune.files import write_atomic
from minprune.jobs.job import as_json
from minprune.measures.intervals import t_interval
from minprune.text import table, tell

RESULTS = Path(__file__).parent / "results"
Cell = dict[str, Any]
HOLDS, FAILS, OPEN = "holds", "fails", "not told apart"


def cells(
    path: Path | None, protocol: Mapping[str, Any], works: Mapping[str, Callable[[], Cell]]
) -> dict[str, Cell]:
    """{name: what its work measured}; of the file where it has the cell, by the same protocol

    path: None for cells that are not kept.
    """
    told = json.loads(as_json(protocol))
    kept = json.loads(path.read_text("utf-8")) if path and path.exists() else {}
    found: dict[str, Cell] = kept.get("cells", {}) if kept.get("protocol") == told else {}
    for name, work in works.items():
        if name not in found:
            found[name] = json.loads(as_json(work()))
            if path:
                tell(f"{path.stem}: {name}")
                write(path, {"protocol": told, "cells": found})
    return {name: found[name] for name in works}


def test_error(model: mp.Model, data: mp.Dataset) -> float:
    """Of the test part, in %"""
    return 100 * (1 - (mp.evaluate(model, data.test).accuracy or 0.0))


def write(path: Path, record: Mapping[str, Any]) -> None:
    """The record, and where it was measured, as JSON."""
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {module: version(module) for module in ("minprune", "numpy", "numba")},
        "threads": {variable: os.environ.get(variable) for variable in THREADS},
    }
    write_atomic(path, as_json({**record, "machine": machine}))


@dataclass(frozen=True)
class Claim:
    """mean(values) >= bound: values are differences, or ratios, of one pair for each seed."""

    name: str
    values: Sequence[float]
    bound: float = 0.0
    unit: str = "points"

    @property
    def told(self) -> Cell:
        """The mean with its 95 % t interval, and the verdict."""
        mean, low, high = t_interval(self.values)
        return {
            "claim": self.name, "bound": self.bound, "unit": self.unit, "mean": mean,
            "interval": [low, high], "values": list(self.values),
            "verdict": verdict(low, high, self.bound),
        }  # fmt: skip

    @property
    def row(self) -> Row:
        """A row of the benchmark: a claim that is not told apart is neither met nor missed."""
        told = self.told
        low, high = told["interval"]
        above = sum(v >= self.bound for v in self.values)
        note = f"{told['verdict']}; 95 %: {low:.2f} to {high:.2f}; {above} of {len(self.values)}"
        ok = {HOLDS: True, FAILS: False}.get(told["verdict"])
        return Row(self.name, told["mean"], None, None, self.bound, ok, unit=self.unit, note=note)


def verdict(low: float, high: float, bound: float) -> str:
    """Whether an interval of a difference lies above the bound, below it, or around it"""
    return HOLDS if low >= bound else FAILS if high < bound else OPEN


def mean(values: Sequence[float]) -> str:
    """98.10 +- 0.12: the mean and half of its 95 % t interval"""
    middle, low, _ = t_interval(values)
    return f"{middle:.2f} +- {middle - low:.2f}" if len(values) > 1 else f"{middle:.2f}"


def shown(
    path: Path | None,
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]],
    claims: Sequence[Claim],
) -> list[Row]:
    """The rows of the claims; tables are printed, and added to the file with the verdicts

    tables: {title: (header, body)}. Without a file nothing is claimed: it was a quick run.
    """
    for title, (header, body) in tables.items():
        print(f"{title}\n\n{table(header, body)}\n")
    if path:
        record = json.loads(path.read_text("utf-8"))
        record["claims"] = [claim.told for claim in claims]
        record["tables"] = {
            title: [dict(zip(header, line, strict=True)) for line in body]
            for title, (header, body) in tables.items()
        }
        write(path, {k: record[k] for k in ("protocol", "tables", "claims", "cells")})
    return [claim.row if path else replace(claim.row, ok=None) for claim in claims]
