"""acc(ticket) > acc(new weights), and it learns sooner: lottery tickets of LeNet-300-100 on MNIST.

Frankle & Carbin (2018), The Lottery Ticket Hypothesis, with a fifth of the paper's updates. Early
stop is the least validation loss, looked at every 100 updates.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, attempt, data_file
from benchmarks.papers._cells import RESULTS, Cell, Claim, cells, mean, shown

SEEDS = 3
LEVELS = {0: 100.0, 3: 51.2, 7: 21.0, 12: 7.0, 15: 3.6, 18: 1.9}  # round: % of weights left
CONTROLS = ("reinit", "random", "shuffle")
REPLICATION = {0: 98.05, 3: 98.04, 7: 98.33, 12: 98.19, 15: 98.16, 18: 97.59}  # 50,000 updates
PROTOCOL: dict[str, Any] = {
    "net": "lenet_300_100", "initial weights": "glorot, uniform", "optimizer": "Adam 1.2e-3",
    "batch_size": 60, "epochs": 11, "train": 55_000, "val": 5_000, "look": 100, "rate": 0.2,
    "output_rate": 0.1, "scope": "layer", "rounds": 18, "rewind_to": 0, "controls": CONTROLS,
    "seeds": SEEDS,
}  # fmt: skip
QUICK = {**PROTOCOL, "epochs": 1, "look": 2, "seeds": 2}
WORK = Path("runs", "benchmarks", "papers", "tickets")  # the plans, with their masks


def found_of(data: mp.Dataset, how: dict[str, Any], work: Path | None, seed: int) -> Any:
    """The tickets of one initialisation; at once where their folder has them"""
    net = mp.zoo.lenet_300_100(data).net
    return mp.methods.lottery_ticket(
        mp.initialise(net, seed=seed, scheme="glorot"), data, rounds=18, epochs=how["epochs"],
        batch_size=60, optimizer=mp.Adam(1.2e-3), look=how["look"], scheme="glorot",
        controls=CONTROLS, controls_at=[k for k in LEVELS if k], seed=seed,
        folder=work and work / str(seed), progress=False,
    )  # fmt: skip


def cell(find: Callable[[int], Any], seed: int) -> Cell:
    """The rows of the tickets and of their controls."""
    found = find(seed)
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


def across(find: Callable[[int], Any], seeds: int) -> Cell:
    """The overlap of the tickets of each two seeds, and how their counts by pixel correlate."""
    masks = {seed: find(seed).masks for seed in range(seeds)}
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
    """Three seeds of 18 rounds; with --quick an epoch of some digits in each, two seeds."""
    if quick:
        whole = mp.data.digits()
        parts = ((x[:180], y[:180]) for x, y in (whole.train, whole.val, whole.test))
        return rows(None, mp.Dataset(*parts), QUICK, None)
    return attempt("tickets", lambda: rows(
        RESULTS / "tickets.json", mp.data.idx(data_file(data, "mnist")), PROTOCOL, WORK
    ))  # fmt: skip


def rows(path: Path | None, data: mp.Dataset, how: dict[str, Any], work: Path | None) -> list[Row]:
    """The claims: of the tickets, against their controls, and across seeds."""
    find, seeds = cache(partial(found_of, data, how, work)), range(how["seeds"])
    works: dict[str, Callable[[], Cell]] = {f"seed {s}": partial(cell, find, s) for s in seeds}
    works["across seeds"] = partial(across, find, len(seeds))
    found = cells(path, how, works)
    each = [found[f"seed {s}"] for s in seeds]
    pairs = found["across seeds"]["pairs"]
    tables = {
        "test accuracy in % at early stop and at the end, means and half 95 % intervals, and the "
        "updates to early stop": accuracies(each),
        "share of the weights that the tickets of two seeds have in common, against chance":
        overlaps(pairs),
    }  # fmt: skip
    return shown(path, tables, [*claims(each), *claims_across(pairs)])


def values(each: Sequence[Cell], k: int, kind: str, what: str) -> list[float]:
    """Of round k, of each seed that has it; kind: ticket, or a control

    The last seed may have been stopped: it has its first rounds, and its first controls.
    """
    return [row[what] for one in each for row in rows_of(one, kind) if row["round"] == k]


def rows_of(one: Cell, kind: str) -> list[Cell]:
    if kind == "ticket":
        return list(one["rounds"])
    return [row for row in one["controls"] if row["control"] == kind]


def percent(
    each: Sequence[Cell], k: int, kind: str, what: str = "early_test_accuracy"
) -> list[float]:
    return [100 * v for v in values(each, k, kind, what)]


def accuracies(each: Sequence[Cell]) -> tuple[list[str], list[list[Any]]]:
    body = []
    for k, left in LEVELS.items():
        for kind in ("ticket", *(CONTROLS if k else ())):
            body.append([
                f"{left} %", kind if k else "dense", values(each, k, kind, "live")[0],
                len(values(each, k, kind, "live")),
                mean(percent(each, k, kind)), mean(percent(each, k, kind, "test_accuracy")),
                f"{np.mean(values(each, k, kind, 'early_update')):.0f}",
                REPLICATION[k] if kind == "ticket" else None,
            ])  # fmt: skip
    header = ["left", "kind", "weights", "seeds", "early stop", "end", "updates", "a replication"]
    return header, body


def overlaps(pairs: Sequence[Cell]) -> tuple[list[str], list[list[Any]]]:
    """Shared weights of each layer over those expected by chance, and the mean correlation."""
    body = []
    for k, left in LEVELS.items():
        here = [p for p in pairs if p["round"] == k]
        if here:
            times = {
                layer: np.mean([p["overlap"][layer]["shared"] / p["overlap"][layer]["expected"]
                                for p in here])
                for layer in here[0]["overlap"]
            }  # fmt: skip
            least = max(row["p"] for p in here for row in p["overlap"].values())
            body.append([
                f"{left} %", *(f"{t:.2f}x" for t in times.values()), f"{least:.2g}",
                f"{np.mean([p['pixels'] for p in here]):.2f}",
            ])  # fmt: skip
    layers = [name.rpartition(".")[0] for name in pairs[0]["overlap"]]
    return ["left", *layers, "largest p", "pixels, r"], body


def claims(each: Sequence[Cell]) -> list[Claim]:
    """Frankle & Carbin's, at early stop."""

    def less(a: Sequence[float], b: Sequence[float]) -> list[float]:
        return [x - y for x, y in zip(a, b, strict=False)]

    acc = partial(percent, each)
    dense = acc(0, "ticket")
    found = [
        Claim("ticket at 21 % - dense", less(acc(7, "ticket"), dense), 0.1),
        Claim("ticket at 3.6 % - dense", less(acc(15, "ticket"), dense), -0.15),
        Claim("dense - ticket at 1.9 %", less(dense, acc(18, "ticket")), 0.2),
    ]
    for k, points, times in ((7, 0.2, 1.3), (15, 0.6, 2.0)):
        for control in CONTROLS:
            name, gap = f"at {LEVELS[k]} %", less(acc(k, "ticket"), acc(k, control))
            found.append(Claim(f"{name}: ticket - {control}", gap, points))
        stops = [values(each, k, kind, "early_update") for kind in ("reinit", "ticket")]
        ratio = [a / b for a, b in zip(*stops, strict=False)]
        found.append(Claim(f"{name}: updates, reinit / ticket", ratio, times, "x"))
    return found


def claims_across(pairs: Sequence[Cell]) -> list[Claim]:
    return [
        Claim(
            f"at {LEVELS[k]} %: counts by pixel of two seeds, correlation",
            [p["pixels"] for p in pairs if p["round"] == k], 0.6, "",
        )
        for k in (7, 15)
    ]  # fmt: skip
