"""The two jobs of the command line, short, as the tests of both run them."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks._jobs import models
from minprune.train.step import Training

STEPS = 19  # updates in an epoch on the digits
RUN = ["run", "--epochs", "2", "--fine-tune", "1", "--net", "mlp", "--quiet"]
COMPARE = [
    "compare", "--net", "mlp", "--epochs", "1", "--fine-tune", "1", "--seeds", "2", "--samples",
    "60", "--sparsities", "0.5,0.9", "--quiet",
]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """words: the command, but for its folder; updates: of the whole job; writes: files it writes

    again: updates that are lost when one is stopped; state: where what is done is kept.

    left: what its folder holds at the end; made: what a second run must repeat; stops: updates to
    stop in; other: {options: how they are refused}.
    """

    words: list[str]
    again: Callable[[int], int]
    state: tuple[str, ...]
    updates: int
    writes: int
    left: list[str]
    made: Callable[[Path], Any]
    stops: tuple[int, ...]
    other: dict[str, str]

    def at(self, out: str) -> list[str]:
        """The command with its folder."""
        return [*self.words, "--out", out]


def compared(out: Path) -> dict[str, Any]:
    """The result of a comparison without what a second run cannot repeat."""
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    del result["seconds"]
    return {k: v for k, v in result.items() if k not in ("out", "name", "command")} | {
        "settings": result["settings"] | {"out": None}
    }


FITS = 2 * (1 + 2 * 2)  # a seed: the net, 2 criteria at 2 sparsities


def lost(at: int) -> int:
    """Updates of the cell that the at-th update is in, up to it: two nets, then pairs of fits"""
    fit, within = divmod(at - 1, STEPS)
    return within + 1 + (STEPS if fit >= 2 and fit % 2 else 0)


JOBS = {
    "run": Job(
        RUN, lambda at: 0, ("checkpoint", "plan.npz"), 3 * STEPS,
        # plan; train, prune, tune, compact, sparsify; models, rest
        1 + (2 + 1) + 1 + (1 + 1) + 1 + 1 + 5 + 3,
        ["compacted.npz", "dense.npz", "fine-tuned.npz", "history.json", "pruned.npz",
         "report.html", "result.json", "sparse.npz"],
        models, (1, 25, 2 * STEPS + 3, 3 * STEPS),
        {"--sparsity 0.8": "sparsity 0.9, and this call has 0.8",
         "--seed 1": "seed 0, and this call has 1",
         "--fine-tune 3": "fine_tune 1, and this call has 3"},
    ),
    "compare": Job(
        [*COMPARE, "--criteria", "random,obd"], lost, ("runs.db",), FITS * STEPS, 2,
        ["compare.html", "result.json", "runs.db"],
        compared, (1, STEPS + 5, 5 * STEPS + 1, FITS * STEPS),
        {"--seeds 3": "seeds 2, and this call has 3",
         "--fine-tune 3": "fine_tune 1, and this call has 3",
         "--sparsities 0.5,0.8": "sparsities [0.5, 0.9], and this call has [0.5, 0.8]",
         "--criteria random": "criteria ['random', 'obd'], and this call has ['random']"},
    ),
}  # fmt: skip


def press(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ctrl-C during the at-th update of the job (the first one warms up)."""
    real, left = Training.step, [at + 1]

    def step(self: Training, *batch: Any) -> float:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, *batch)

    monkeypatch.setattr(Training, "step", step)
