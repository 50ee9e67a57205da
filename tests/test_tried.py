"""Methods on their explanations: each is run, and what is said of the runs is what they gave."""

from typing import Any

import numpy as np
import pytest

from minprune.jobs import tried
from minprune.jobs.procedures import PROCEDURES

NOT_RUN = {"transfer"}  # needs the data of another task


def test_every_method_is_run_but_those_that_cannot(monkeypatch: Any) -> None:
    monkeypatch.setattr(tried, "SPARSITIES", (0.5,))
    monkeypatch.setattr(tried, "EPOCHS", 2)
    monkeypatch.setattr(tried, "AGAIN", 2)
    for name, way in PROCEDURES.items():
        words, runs = tried.tried(name)
        assert (not runs) == (name in NOT_RUN), (name, words)
        for one in runs if way.prunes and name != "large_sparse" else ():
            assert one.sparsity > 0.3, name


@pytest.mark.parametrize("name", ["finetune", "gradual", "slimming"])
def test_what_is_said_is_what_the_runs_gave(name: str) -> None:
    _, runs = tried.known(name)
    shown, table = tried.example(name), tried.failing(name)
    assert f"accuracy {runs[0].accuracy:.1%}, {runs[0].sparsity:.0%} of the weights" in shown
    first = next(iter(runs[0].model.net.weights))
    assert shown.count(" .") >= int((~runs[0].model.masks[first]).sum())
    lost = [r for r in runs if r.accuracy < runs[0].accuracy - tried.LOST]
    assert ("It loses the task at" in table) == bool(lost)
    for r in lost:
        assert f"{r.accuracy:.1%}" in table
        assert f"{r.asked:.0%}" in table.rpartition("\n")[2]


def test_it_fails_where_few_weights_are_left() -> None:
    _, runs = tried.known("finetune")
    assert [round(r.accuracy, 1) for r in runs][::2] == [1.0, 0.5]
    assert "It loses the task at" in tried.failing("finetune")


def test_what_has_no_row_or_is_refused_says_so() -> None:
    assert tried.example("prox_l1") == tried.failing("prox_l1") == ""
    assert tried.example("transfer") == (
        "Not run here: old must be the data of the old task, as for --data."
    )
    assert tried.failing("transfer") == ""


def test_same_bits_again() -> None:
    first = tried.known("gradual")[1][0].model.params
    tried.known.cache_clear()
    again = tried.known("gradual")[1][0].model.params
    assert all(np.array_equal(a, again[k]) for k, a in first.items())
