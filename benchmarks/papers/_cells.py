"""cells[name] = measured once: what a protocol measures, kept in a JSON file as each cell ends.

A run that was stopped continues with the cells that the file lacks; to measure anew, delete it.
"""

import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import version
from minprune.cli import THREADS
from minprune.files import write_atomic
from minprune.jobs.job import as_json

RESULTS = Path(__file__).parent / "results"
Cell = dict[str, Any]


def cells(
    path: Path | None, protocol: Mapping[str, Any], works: Mapping[str, Callable[[], Cell]]
) -> dict[str, Cell]:
    """{name: what its work measured}; of the file where it has the cell, by the same protocol."""
    told = json.loads(as_json(protocol))
    kept = json.loads(path.read_text("utf-8")) if path and path.exists() else {}
    found: dict[str, Cell] = kept.get("cells", {}) if kept.get("protocol") == told else {}
    for name, work in works.items():
        if name not in found:
            found[name] = json.loads(as_json(work()))
            if path:
                print(f"{path.stem}: {name}", flush=True)
                write(path, {"protocol": told, "cells": found})
    return {name: found[name] for name in works}


def write(path: Path, record: Mapping[str, Any]) -> None:
    """The record, and where it was measured, as JSON."""
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {module: version(module) for module in ("minprune", "numpy", "numba")},
        "threads": {variable: os.environ.get(variable) for variable in THREADS},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, as_json({**record, "machine": machine}))
