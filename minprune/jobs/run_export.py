"""`minprune run --export`: the last model as C and for NumPy, in float32 and int8, measured."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minprune.core import Array, Dataset
from minprune.deploy.c_source import export_c
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.deploy.program import program
from minprune.deploy.quantize import quantize
from minprune.errors import ArgumentError, MissingError
from minprune.jobs.export import CALIBRATION, TARGETS
from minprune.jobs.job import Result, timed
from minprune.measures.quality import evaluate
from minprune.nets.model import Model
from minprune.report.exported_forms import NOTE, forms
from minprune.text import table, wrapped

SAMPLES, REPEATS = 256, 9


def ready(model: Model, wanted: Sequence[str]) -> None:
    """Raises ArgumentError, before training, for a net that has no such form."""
    if wanted:
        program(model, "run: --export")


def exported(
    model: Model, dataset: Dataset, wanted: Sequence[str], out: Path, spent: dict[str, float]
) -> list[Result]:
    """A row for each form of the model, written to out/FORM; spent: gets the seconds

    A row has form and folder; then bytes, memory, accuracy and microseconds, or what is known of
    them; why: what is not, and for what reason.
    """
    if not wanted:
        return []
    with timed(spent, "export"):
        return [*_rows(model, dataset, wanted, out)]


def _rows(model: Model, dataset: Dataset, wanted: Sequence[str], out: Path) -> Iterator[Result]:
    kinds: dict[str, Any] = {"float32": model}
    refused = ""
    try:
        kinds["int8"] = quantize(model, dataset.train[0][:CALIBRATION])
    except ArgumentError as error:
        refused = str(error)
    for form in wanted:
        for kind, made in kinds.items():
            folder, name = out / form, f"net_{kind}"
            row: Result = {"form": f"{form}, {kind}", "folder": str(folder), "memory": None}
            if form == "c":
                about = export_c(made, folder, name=name)
                row |= {"bytes": about["data_bytes"], "memory": about["ram_bytes"]}
            else:
                row["bytes"] = export_numpy(made, folder / f"{name}.npz")["bytes"]
                row["bytes"] += (folder / RUNNER).stat().st_size
            row["accuracy"] = evaluate(made, dataset.test).accuracy
            try:
                _, run = TARGETS[form].run(made, folder, name)  # type: ignore[misc]
                row["microseconds"] = 1e6 * seconds(run, dataset.test[0][:SAMPLES], form == "c")
            except MissingError as error:
                row |= {"microseconds": None, "why": str(error)}
            yield row
        if refused:
            yield {"form": f"{form}, int8", "why": refused}


def seconds(run: Callable[[Array], Array], x: Array, inside: bool) -> float:
    """The least time of a sample; inside: run itself takes one after another"""
    passes: list[Array] = [x] if inside else [x[k : k + 1] for k in range(len(x))]
    least = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        for part in passes:
            run(np.asarray(part))
        least = min(least, time.perf_counter() - begin)
    return least / len(x)


def exported_text(result: Result) -> str:
    """The table of the exported forms, if there are any"""
    rows = result.get("exported")
    return f"\n\n{table(*forms(rows))}\n{wrapped(NOTE)}" if rows else ""
