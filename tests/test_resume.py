"""minprune run, stopped in every way: --resume ends with the same models, to the byte."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from benchmarks import resilience
from minprune.cli import main
from minprune.jobs import run as job
from minprune.train.training import Training

SHORT = ["--epochs", "2", "--fine-tune", "1", "--net", "mlp", "--quiet", "--out", "out"]
STEPS = 19  # updates in an epoch on the digits


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The models of a job that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(["run", *SHORT[:-1], str(out)]) == 0
    assert not (out / "checkpoint").exists()
    return resilience.models(out)


def press(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ctrl-C during the at-th update of the job (the first one warms up)."""
    real, left = Training.step, [at + 1]

    def step(self: Training, *batch: Any) -> float:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, *batch)

    monkeypatch.setattr(Training, "step", step)


@pytest.mark.parametrize("at", [1, 25, 2 * STEPS + 3])
def test_ctrl_c_says_how_to_go_on_and_that_works(
    at: int, folder: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        press(patch, at)
        assert main(["run", *SHORT]) == 130
    again = "minprune run --epochs 2 --fine-tune 1 --net mlp --quiet --out out --resume"
    assert capsys.readouterr().err == f"minprune: stopped; go on with: {again}\n"
    assert resilience.unsound(folder / "out") == []
    taken: list[int] = []
    real = Training.step
    monkeypatch.setattr(Training, "step", lambda *a: taken.append(1) or real(*a))
    assert main(again.split()[1:]) == 0
    assert len(taken) == 1 + 3 * STEPS - at  # none is done twice
    assert resilience.models(folder / "out") == whole
    assert {*os.listdir("out")} == {*whole, "history.json", "report.html", "result.json"}
    result = json.loads((folder / "out" / "result.json").read_text())
    assert result["command"] == again.removesuffix(" --resume")


def test_what_is_done_is_only_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", *SHORT, "--json"]) == 0
    first = capsys.readouterr().out
    monkeypatch.setattr(job, "run_plan", None)
    assert main(["run", *SHORT, "--json", "--resume"]) == 0
    assert capsys.readouterr().out == first


def test_without_resume_it_begins_anew(
    folder: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        press(patch, 25)
        assert main(["run", *SHORT, "--sparsity", "0.5"]) == 130
    assert main(["run", *SHORT]) == 0
    assert resilience.models(folder / "out") == whole


def test_an_earlier_job_does_not_stand_in_the_way_of_going_on(
    folder: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", *SHORT, "--sparsity", "0.5"]) == 0
    with monkeypatch.context() as patch:
        press(patch, 0)  # before anything is written
        assert main(["run", *SHORT]) == 130
    assert main(["run", *SHORT, "--resume"]) == 0
    assert resilience.models(folder / "out") == whole


def test_what_others_put_into_the_folder_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [folder / "out" / name for name in ("checkpoint/mine.npz", ".mine.npz", "mine.json")]
    mine[0].parent.mkdir(parents=True)
    for path in mine:
        path.write_text("mine")
    with monkeypatch.context() as patch:
        press(patch, 25)
        assert main(["run", *SHORT]) == 130
    assert main(["run", *SHORT]) == 0
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert os.listdir(mine[0].parent) == ["mine.npz"]


def test_a_folder_that_cannot_be_cleared_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "out" / "checkpoint" / "plan.npz").mkdir(parents=True)
    assert main(["run", *SHORT]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"minprune: out.checkpoint: cannot be removed \(.+\); remove it\n", error)


def test_resume_begins_where_there_is_nothing(folder: Path, whole: dict[str, bytes]) -> None:
    assert main(["run", *SHORT, "--resume"]) == 0
    assert resilience.models(folder / "out") == whole


OTHER = {
    "--sparsity 0.8": "sparsity 0.9, and this call has 0.8",
    "--seed 1": "seed 0, and this call has 1",
    "--fine-tune 3": "fine_tune 1, and this call has 3",
}


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("options", OTHER)
def test_other_settings_are_refused(
    options: str, done: bool, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        press(patch, 1000 if done else 1)
        main(["run", *SHORT])
    capsys.readouterr()
    assert main(["run", *SHORT, *options.split(), "--resume"]) == 2
    path = Path("out", "result.json") if done else Path("out", "checkpoint", "plan.npz")
    assert capsys.readouterr().err == (
        f"minprune: {path}: it was made with {OTHER[options]}; "
        f"give the same, or delete it to begin anew\n"
    )


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
    assert main(["run", *SHORT]) == 1
    error = capsys.readouterr().err
    path = Path("out", "checkpoint", "phase-0.npz")
    assert error.startswith("minprune: step 25: the loss is nan, expected a finite number: ")
    assert error.endswith(f"; the last good checkpoint, of step {STEPS}, is {path}\n")
    assert resilience.unsound(folder / "out") == []


def test_a_garbled_result_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "result.json").write_text("{")
    assert main(["run", *SHORT, "--resume"]) == 1
    assert capsys.readouterr().err == (
        f"minprune: {Path('out', 'result.json')}: not a readable result (Expecting property name "
        f"enclosed in double quotes: line 1 column 2 (char 1)); leave out --resume\n"
    )


DIES = """
import os, signal, sys
when, left = sys.argv[1], [int(sys.argv[2])]
real = os.replace
def replace(old, new):
    left[0] -= 1
    if left[0] == 0 and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(old, new)
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
from minprune.cli import main
sys.exit(main(sys.argv[3:]))
"""
WRITES = 1 + (2 + 1) + 1 + (1 + 1) + 1 + 4 + 3  # plan; train, prune, tune, compact; models, rest


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 3, WRITES - 3, WRITES])
def test_killed_where_a_file_gets_its_name(
    when: str, at: int, folder: Path, whole: dict[str, bytes]
) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DIES, when, str(at), "run", *SHORT]
    assert subprocess.run(command, env=env, timeout=120).returncode == -signal.SIGKILL
    assert resilience.unsound(folder / "out") == []
    left = [p for p in folder.rglob(".*") if p.is_file()]
    assert bool(left) == (when == "before")
    assert main(["run", *SHORT, "--resume"]) == 0
    assert resilience.models(folder / "out") == whole
    assert not [p for p in folder.rglob(".*") if p.is_file()]
    assert not (folder / "out" / "checkpoint").exists()


def test_killed_at_random_moments(tmp_path: Path) -> None:
    rows = resilience.rows(tmp_path, SHORT[:6], kills=4, each=2)
    assert all(row.ok for row in rows), rows


def test_a_half_written_file_and_other_models_are_seen(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    for name in ("a.npz", "b.json", "c.html", "checkpoint/plan.npz", ".d.npz.abcdefgh"):
        (tmp_path / name).write_text("<html>")
    assert len(resilience.unsound(tmp_path)) == 4
    assert resilience.models(tmp_path) == {"a.npz": b"<html>"}
