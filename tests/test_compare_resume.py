"""minprune compare, stopped in every way: --resume ends with the same result but for seconds."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from test_resume import DIES, press

from benchmarks import resilience
from minprune.cli import main
from minprune.jobs import compare
from minprune.train.training import Training

SHORT = [
    "compare", "--net", "mlp", "--epochs", "1", "--fine-tune", "1", "--seeds", "2", "--samples",
    "60", "--sparsities", "0.5,0.9", "--criteria", "random,obd", "--quiet", "--out", "out",
]  # fmt: skip
STEPS = 19  # updates in an epoch on the digits
FITS = 2 * (1 + 2 * 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(out: Path) -> dict[str, Any]:
    """The result without what a second run cannot repeat."""
    result: dict[str, Any] = json.loads((out / "result.json").read_text())
    del result["seconds"]
    return {k: v for k, v in result.items() if k not in ("out", "name", "command")} | {
        "settings": result["settings"] | {"out": None}
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a comparison that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main([*SHORT[:-1], str(out)]) == 0
    return found(out)


@pytest.mark.parametrize("at", [1, STEPS + 5, 5 * STEPS + 1, FITS * STEPS])
def test_ctrl_c_says_how_to_go_on_and_that_works(
    at: int, folder: Path, whole: dict[str, Any], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        press(patch, at)
        assert main(SHORT) == 130
    again = ["minprune", *SHORT, "--resume"]
    assert capsys.readouterr().err == f"minprune: stopped; go on with: {' '.join(again)}\n"
    assert resilience.unsound(folder / "out") == []
    taken: list[int] = []
    real = Training.step
    monkeypatch.setattr(Training, "step", lambda *a: taken.append(1) or real(*a))
    assert main(again[1:]) == 0
    assert len(taken) == 1 + FITS * STEPS - at  # none is done twice
    assert found(folder / "out") == whole
    assert sorted(os.listdir("out")) == ["compare.html", "result.json"]
    result = json.loads((folder / "out" / "result.json").read_text())
    assert result["command"] == " ".join(again[:-1])


WRITES = 1 + 2 * (2 + 1 + 2 * (1 + 2 * 2)) + 2
"""The plan; a seed: training and it, truth, 2 criteria: scores, 2 cells (fit, plan); page, result.
"""


@pytest.mark.parametrize(
    ("when", "at"), [("before", 2), ("after", 9), ("after", WRITES - 2), ("before", WRITES)]
)
def test_killed_where_a_file_gets_its_name(
    when: str, at: int, folder: Path, whole: dict[str, Any]
) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DIES, when, str(at), *SHORT]
    assert subprocess.run(command, env=env, timeout=120).returncode == -signal.SIGKILL
    assert resilience.unsound(folder / "out") == []
    assert main([*SHORT, "--resume"]) == 0
    assert found(folder / "out") == whole
    assert sorted(os.listdir("out")) == ["compare.html", "result.json"]


def test_what_is_done_is_only_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*SHORT, "--json"]) == 0
    first = capsys.readouterr().out
    monkeypatch.setattr(compare, "run_plan", None)
    assert main([*SHORT, "--json", "--resume"]) == 0
    assert capsys.readouterr().out == first


OTHER = {
    "--seeds 3": "seeds 2, and this call has 3",
    "--fine-tune 3": "fine_tune 1, and this call has 3",
    "--sparsities 0.5,0.8": "sparsities [0.5, 0.9], and this call has [0.5, 0.8]",
    "--criteria random": "criteria ['random', 'obd'], and this call has ['random']",
}


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("options", OTHER)
def test_other_settings_are_refused(
    options: str, done: bool, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        press(patch, 1000 if done else 1)
        main(SHORT)
    capsys.readouterr()
    assert main([*SHORT, *options.split(), "--resume"]) == 2
    path = Path("out", "result.json") if done else Path("out", "checkpoint", "plan.npz")
    assert capsys.readouterr().err == (
        f"minprune: {path}: it was made with {OTHER[options]}; "
        f"give the same, or delete it to begin anew\n"
    )


def test_without_resume_it_begins_anew(
    folder: Path, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        press(patch, 25)
        assert main([*SHORT, "--seeds", "1"]) == 130
    assert main(SHORT) == 0
    assert found(folder / "out") == whole
