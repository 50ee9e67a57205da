"""Errors when `minprune run` starts, stops or resumes; kills at random moments."""

import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from jobs import JOBS, STEPS, press

from benchmarks import _jobs, resilience
from minprune.cli import main
from minprune.files import load
from minprune.jobs import run, stages
from minprune.sparse import Speeds
from minprune.sparse.speeds import names
from minprune.train.step import Training

SHORT = JOBS["run"].at("out")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What `minprune run` made, never stopped."""
    out = tmp_path_factory.mktemp("models") / "out"
    assert main(JOBS["run"].at(str(out))) == 0
    return _jobs.models(out)


def test_an_earlier_job_does_not_stand_in_the_way_of_going_on(
    folder: Path, models: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*SHORT, "--sparsity", "0.5"]) == 0
    with monkeypatch.context() as patch:
        press(patch, 0)  # before anything is written
        assert main(SHORT) == 130
    assert main([*SHORT, "--resume"]) == 0
    assert _jobs.models(folder / "out") == models


def fastest(form: str) -> Speeds:
    """Those of a machine on which one format costs nothing."""
    return Speeds("some machine", {name: 1e-9 if form in name else 1.0 for name in names()})


def test_formats_are_chosen_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the speeds of the machine are when it goes on."""

    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    def stored() -> list[str]:
        return list(load(Path("out", "sparse.npz")).net.stored)

    every = ["fc1.weight", "fc2.weight", "fc3.weight"]
    monkeypatch.setattr(run, "speeds", lambda: fastest("csr"))
    with monkeypatch.context() as patch:
        patch.setattr(stages, "save", stop)
        assert main(SHORT) == 130
    monkeypatch.setattr(run, "speeds", lambda: fastest("dense"))
    assert main([*SHORT, "--resume"]) == 0
    assert stored() == every
    assert json.loads(Path("out", "result.json").read_text())["speeds"] == asdict(fastest("csr"))
    assert main(SHORT) == 0  # anew, so chosen anew
    assert stored() == []


def test_what_others_put_into_the_folder_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [folder / "out" / name for name in ("checkpoint/mine.npz", ".mine.npz", "mine.json")]
    mine[0].parent.mkdir(parents=True)
    for path in mine:
        path.write_text("mine")
    with monkeypatch.context() as patch:
        press(patch, 25)
        assert main(SHORT) == 130
    assert main(SHORT) == 0
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert os.listdir(mine[0].parent) == ["mine.npz"]


def test_a_folder_that_cannot_be_cleared_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out" / "checkpoint" / "plan.npz").mkdir(parents=True)
    assert main(SHORT) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"minprune: out.checkpoint: cannot be removed \(.+\); remove it\n", error)


def test_a_file_in_place_of_a_folder_is_one_sentence_before_training(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "out").write_text("mine")
    press(monkeypatch, 1)
    assert main(SHORT) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(
        r"minprune: out: cannot be opened \(.+\); pass a folder that you can write to\n",
        error,
    )
    assert (folder / "out").read_text() == "mine"


def test_resume_begins_where_there_is_nothing(folder: Path, models: dict[str, bytes]) -> None:
    assert main([*SHORT, "--resume"]) == 0
    assert _jobs.models(folder / "out") == models


def test_a_loss_that_is_not_finite_leaves_the_last_good_checkpoint(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = Training.step, [1 + STEPS + 5]

    def step(self: Training, *batch: Any) -> float:
        left[0] -= 1
        if left[0] < 0:
            self.params["fc1.weight"][0, 0] = float("nan")
        return real(self, *batch)

    monkeypatch.setattr(Training, "step", step)
    assert main(SHORT) == 1
    error = capsys.readouterr().err
    path = Path("out", "checkpoint", "phase-0.npz")
    assert error.startswith("minprune: step 25: the loss must be finite, not nan: ")
    assert error.endswith(f"; the last good checkpoint, of step {STEPS}, is {path}\n")
    assert _jobs.unsound(folder / "out") == []


def test_a_garbled_result_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "result.json").write_text("{")
    assert main([*SHORT, "--resume"]) == 1
    assert capsys.readouterr().err == (
        f"minprune: {Path('out', 'result.json')}: is no readable result "
        f"(Expecting property name "
        f"enclosed in double quotes: line 1 column 2 (char 1)); leave out --resume\n"
    )


def test_killed_at_random_moments(tmp_path: Path) -> None:
    job = _jobs.Job("run", _jobs.commanded(*JOBS["run"].words), _jobs.everything)
    rows = resilience.rows(tmp_path, job, kills=3, each=3)
    assert all(row.ok for row in rows), rows


def test_a_half_written_file_and_other_models_are_seen(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    for name in ("a.npz", "b.json", "c.html", "checkpoint/plan.npz", ".d.npz.abcdefgh"):
        (tmp_path / name).write_text("<html>")
    assert len(_jobs.unsound(tmp_path)) == 4
    assert _jobs.models(tmp_path) == {"a.npz": b"<html>"}
