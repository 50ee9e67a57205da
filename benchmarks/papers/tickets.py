"""acc(ticket) > acc(new weights), and it learns sooner: lottery tickets of LeNet-300-100 on MNIST.

Frankle & Carbin (2018), The Lottery Ticket Hypothesis.
"""

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, cells

SEEDS = 3
LEVELS = {0: 100.0, 3: 51.2, 7: 21.0, 12: 7.0, 15: 3.6, 18: 1.9}  # round: % of weights left
CONTROLS = ("reinit", "random", "shuffle")
PROTOCOL: dict[str, Any] = {
    "net": "lenet_300_100", "initial weights": "glorot, uniform", "optimizer": "Adam 1.2e-3",
    "batch_size": 60, "epochs": 11, "train": 55_000, "val": 5_000, "look": 100, "rate": 0.2,
    "output_rate": 0.1, "scope": "layer", "rounds": 18, "rewind_to": 0, "controls": CONTROLS,
    "seeds": SEEDS,
}  # fmt: skip
WORK = Path("runs", "benchmarks", "papers", "tickets")  # the plans, with their masks


def found_of(data: mp.Dataset, seed: int) -> Any:
    """The tickets of one initialisation; at once where their folder has them"""
    net = mp.zoo.lenet_300_100(data).net
    return mp.methods.lottery_ticket(
        mp.initialise(net, seed=seed, scheme="glorot"), data, rounds=18, epochs=11,
        batch_size=60, optimizer=mp.Adam(1.2e-3), look=100, scheme="glorot", controls=CONTROLS,
        controls_at=[k for k in LEVELS if k], seed=seed, folder=WORK / str(seed), progress=False,
    )  # fmt: skip


def cell(data: mp.Dataset, seed: int) -> Cell:
    found = found_of(data, seed)
    return {
        "rounds": [told(row) for row in found.rounds],
        "controls": [
            told(row) | {"control": row["control"], "overlap": row["overlap"]}
            for row in found.report["controls"]
        ],
    }


def told(row: dict[str, Any]) -> Cell:
    """What is kept of a round."""
    kept = ("round", "test_accuracy", "val_accuracy", "updates", "seconds", "early_update",
            "early_val_loss", "early_val_accuracy", "early_test_accuracy")  # fmt: skip
    return {**{k: row[k] for k in kept}, "live": sum(row["live"].values())}


def across(data: mp.Dataset) -> Cell:
    """The overlap of the tickets of each two seeds, and how their counts by pixel correlate."""
    masks = {seed: found_of(data, seed).masks for seed in range(SEEDS)}
    found = []
    for a, b in combinations(masks, 2):
        for k in LEVELS:
            if k:
                one, two = masks[a][k], masks[b][k]
                pixels = [m["fc1.weight"].sum(axis=0) for m in (one, two)]
                found.append({
                    "seeds": [a, b], "round": k, "overlap": mp.methods.overlap(one, two),
                    "pixels": float(np.corrcoef(*pixels)[0, 1]),
                })  # fmt: skip
    return {"pairs": found}


def run(quick: bool, data: Path | None) -> list[Row]:
    return attempt("tickets", partial(rows, quick, data))


def rows(quick: bool, data: Path | None) -> list[Row]:
    mnist = mp.data.idx(data_file(data, "mnist"))
    works = {f"seed {seed}": partial(cell, mnist, seed) for seed in range(SEEDS)}
    works["across seeds"] = partial(across, mnist)
    found = cells(RESULTS / "tickets.json", PROTOCOL, works)
    return [Row(f"tickets, {len(found)} cells", None, None, None, None, None)]
