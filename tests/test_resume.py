"""Both jobs, stopped in every way: --resume ends with the same result, models to the byte."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jobs import JOBS, Job, press
from places import ROOT

from benchmarks import _jobs
from minprune.cli import main
from minprune.jobs import job as both
from minprune.train.step import Training


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", params=JOBS)
def job(request: pytest.FixtureRequest) -> Job:
    return JOBS[request.param]


@pytest.fixture(scope="module")
def done(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main(job.at(str(out))) == 0
    assert sorted(os.listdir(out)) == job.left
    return out


@pytest.fixture(scope="module")
def whole(job: Job, done: Path) -> Any:
    """What it made."""
    return job.made(done)


@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_ctrl_c_says_how_to_go_on_and_that_works(
    where: int, job: Job, folder: Path, whole: Any, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    at = job.stops[where]
    with monkeypatch.context() as patch:
        press(patch, at)
        assert main(job.at("out")) == 130
    again = ["minprune", *job.at("out"), "--resume"]
    assert capsys.readouterr().err == f"minprune: stopped; continue with: {' '.join(again)}\n"
    assert _jobs.unsound(folder / "out") == []
    taken: list[int] = []
    real = Training.step
    monkeypatch.setattr(Training, "step", lambda *a: taken.append(1) or real(*a))
    assert main(again[1:]) == 0
    assert len(taken) == 1 + job.updates - at + job.again(at)  # nothing else is done twice
    assert job.made(folder / "out") == whole
    assert sorted(os.listdir("out")) == job.left
    result = json.loads((folder / "out" / "result.json").read_text())
    assert result["command"] == " ".join(again[:-1])


def test_what_is_done_is_only_read(
    job: Job, done: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(both, "run_plan", None)
    assert main([*job.at(str(done)), "--json", "--resume"]) == 0
    assert capsys.readouterr().out == (done / "result.json").read_text() + "\n"


def test_other_settings_are_refused(
    job: Job, done: Path, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        press(patch, 1)
        assert main(job.at("out")) == 130
    capsys.readouterr()
    for out, made in (
        (str(done), done / "result.json"), ("out", Path("out", *job.state))
    ):  # fmt: skip
        for options, differs in job.other.items():
            assert main([*job.at(out), *options.split(), "--resume"]) == 2
            assert capsys.readouterr().err == (
                f"minprune: {made}: it was made with {differs}; "
                f"pass the same, or delete it to start again\n"
            )


@pytest.mark.filterwarnings("default::minprune.errors.MinpruneWarning")
def test_without_resume_it_begins_anew_and_says_what_goes(
    job: Job, folder: Path, whole: Any, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options, differs = next(iter(job.other.items()))
    with monkeypatch.context() as patch:
        press(patch, 25)
        assert main([*job.at("out"), *options.split()]) == 130
    capsys.readouterr()
    assert main(job.at("out")) == 0
    assert capsys.readouterr().err == (
        "minprune: out: this replaces a job that was stopped; --resume would continue it\n"
    )
    assert job.made(folder / "out") == whole
    assert main(job.at("out")) == 0  # the same again: nothing is lost
    assert capsys.readouterr().err == ""
    with monkeypatch.context() as patch:
        press(patch, 1)
        assert main([*job.at("out"), *options.split()]) == 130
    assert capsys.readouterr().err.splitlines()[0] == (
        f"minprune: out: this replaces a job that was made with {differs}"
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


@pytest.mark.parametrize(
    ("when", "at"), [("before", 1), ("after", 9), ("before", -3), ("after", 0)]
)
def test_killed_where_a_file_gets_its_name(
    when: str, at: int, job: Job, folder: Path, whole: Any
) -> None:
    """at: which of the files; at most 0: counted from the last one"""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    nth = min(at, job.writes) if at > 0 else max(1, job.writes + at)
    command = [sys.executable, "-c", DIES, when, str(nth), *job.at("out")]
    assert subprocess.run(command, env=env, timeout=120).returncode == -signal.SIGKILL
    assert _jobs.unsound(folder / "out") == []
    left = [p for p in folder.rglob(".*") if p.is_file()]
    assert bool(left) == (when == "before")
    assert main([*job.at("out"), "--resume"]) == 0
    assert job.made(folder / "out") == whole
    assert sorted(os.listdir("out")) == job.left  # no half-written file, no checkpoint
