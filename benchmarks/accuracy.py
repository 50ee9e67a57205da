"""Accuracy of the main job on the digits and MNIST: dense, and pruned by magnitude, fine-tuned."""

import statistics
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.harness import Row, attempt, data_file
from minprune.jobs.run import run as job
from minprune.jobs.settings import RunSettings

# data, net, sparsity, least dense accuracy, most points lost
CASES: list[tuple[str, str, float, float, float]] = [
    ("digits", "cnn_small", 0.90, 97.0, 1.0),
    ("mnist", "lenet_300_100", 0.92, 98.0, 0.2),
    ("mnist", "lenet_5", 0.92, 99.0, 0.2),
]


def run(quick: bool, data: Path | None) -> list[Row]:
    """Three seeds of each case (one on the digits with --quick), with the command's defaults."""
    rows: list[Row] = []
    for case in CASES[:1] if quick else CASES:
        measured = partial(measure, *case, data, seeds=1 if quick else 3)
        rows += attempt(f"{case[0]} {case[1]}", measured)
    return rows


def measure(
    name: str, net: str, sparsity: float, least: float, most: float, data: Path | None, seeds: int
) -> list[Row]:
    """Two rows: the mean dense accuracy, and the points lost (negative: gained)."""
    source = name if name == "digits" else str(data_file(data, name))
    dense, lost, seconds = [], [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            out = str(Path(folder, str(seed)))
            settings = RunSettings(data=source, net=net, sparsity=sparsity, seed=seed, out=out)
            result = job(settings, quiet=True)
            found = {s["stage"]: 100 * s["accuracy"] for s in result["stages"]}
            dense.append(found["dense"])
            lost.append(found["dense"] - found["fine-tuned"])
            seconds += result["seconds"]["total"]
    label = f"{name} {net}"
    each = f"each seed: {', '.join(f'{v:.2f}' for v in dense)}; {seconds / seeds:.0f} s a run"
    falls = f"each seed: {', '.join(f'{v:.2f}' for v in lost)}"
    mean, fall = statistics.mean(dense), statistics.mean(lost)
    return [
        Row(
            f"{label}, dense, at least", mean, None, None, least, mean >= least,
            unit="%", note=each,
        ),
        Row(
            f"{label}, lost at {100 * sparsity:g} %, at most", fall, None, None, most, fall <= most,
            unit="points", note=falls,
        ),
    ]  # fmt: skip
