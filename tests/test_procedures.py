"""Laws of every procedure around training: resumed, repeated and null runs have the same bits."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT
from procedures import DATA, HOW, NEW, NULL, PROCEDURES, Call, digest, net
from watching import same

import minprune as mp
from minprune.methods.plans import shown
from minprune.text import table
from minprune.train import checkpoint, plan
from minprune.train.state import save_tree


class Stop(BaseException):
    """What a test stops a plan with."""


def stopped(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a file was written; the plan is stopped right after it."""
    real = save_tree

    def write(*args: Any) -> None:
        real(*args)
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_tree", write)
        patch.setattr(plan, "save_tree", write)
        try:
            call(folder=folder, every=2)
        except Stop:
            return True
    return False


@pytest.mark.parametrize("name", PROCEDURES)
def test_stopped_after_every_file_it_ends_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, times = PROCEDURES[name], 0
    while stopped(call, tmp_path, monkeypatch):
        times += 1
    assert times > 5
    assert digest(call(folder=tmp_path, every=2)) == digest(call())
    assert os.listdir(tmp_path) == ["plan.npz"]


def test_a_new_process_gives_the_same_bits() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tests" / "procedures.py")]
    found = subprocess.run(command, env=env, capture_output=True, check=True, timeout=120).stdout
    assert json.loads(found) == {name: digest(call()) for name, call in PROCEDURES.items()}


@pytest.mark.parametrize("name", NULL)
def test_the_null_setting_is_plain_training(name: str) -> None:
    plain, _ = mp.fit(net(), DATA, epochs=2, **HOW)
    found = NULL[name]()
    assert same(found.model, plain)
    assert all(mask.all() for mask in found.model.masks.values())


def test_a_null_setting_of_another_seed_is_seen() -> None:
    plain, _ = mp.fit(net(), DATA, epochs=2, **HOW)
    assert not same(NULL["at_init"](seed=1).model, plain)


@pytest.mark.parametrize("name", PROCEDURES)
def test_masks_are_held_and_each_round_is_told(name: str) -> None:
    found = PROCEDURES[name]()
    assert [row["round"] for row in found.rounds] == list(range(len(found.rounds)))
    for row, masks in zip(found.rounds, found.masks, strict=True):
        assert all(row["live"][k] == m.sum() for k, m in masks.items() if k in row["live"])
    last, data = found.rounds[-1], NEW if found.model(DATA.val[0]).shape[1] == 2 else DATA
    assert last["val_accuracy"] == mp.evaluate(found.model, data.val).accuracy
    assert last["test_accuracy"] == mp.evaluate(found.model, data.test).accuracy
    for name_, mask in found.model.masks.items():
        assert not found.model.params[name_][~mask].any()
        assert not np.signbit(found.model.params[name_][~mask]).any()
    assert str(found).startswith(table(*shown(found.rounds, "kind", "seed")))


KILLED = """
import os, signal, sys
from procedures import PROCEDURES
from minprune.train.step import Training
name, left, folder = sys.argv[1], [int(sys.argv[2])], sys.argv[3]
real = Training.step
def step(*args):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
Training.step = step
PROCEDURES[name](folder=folder, every=1)
"""


def test_killed_in_an_update_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Of every plan: tests stop them after each file; that a kill is such a stop is seen here."""
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    name = "iterative, lr_rewind"
    command = [sys.executable, "-c", KILLED, name, "11", str(tmp_path)]
    assert subprocess.run(command, env=env, timeout=120).returncode == -signal.SIGKILL
    assert digest(PROCEDURES[name](folder=tmp_path, every=1)) == digest(PROCEDURES[name]())
