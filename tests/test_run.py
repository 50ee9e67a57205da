"""The main job as its user runs it: files, table, page, same bytes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from images import idx_folder
from jobs import RUN
from places import ROOT

import minprune as mp
from minprune.cli import main
from minprune.jobs import job, run, stages
from minprune.train import plan as trained
from minprune.train.history import History


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_short_run_writes_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--sparsity", "0.8"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    rows = [line.split("  ")[0] for line in printed.out.splitlines()]
    for row in ("accuracy", "live parameters", "live multiply-adds", "bytes on disk"):
        assert row in rows
    out = folder / "runs" / "digits-mlp-magnitude-0.8-seed0-epochs2-tune1"
    assert sorted(p.name for p in out.iterdir()) == [
        "compacted.npz", "dense.npz", "fine-tuned.npz", "history.json", "pruned.npz",
        "report.html", "result.json", "sparse.npz",
    ]  # fmt: skip
    result = json.loads((out / "result.json").read_text())
    stages = ["dense", "pruned", "fine-tuned", "compacted", "sparse"]
    assert [s["stage"] for s in result["stages"]] == stages
    small, thin = (mp.load(out / f"{name}.npz") for name in stages[3:])
    x = mp.data.digits().test[0]
    assert np.allclose(small(x), thin(x), atol=1e-5)
    assert result["stages"][4]["live"] == result["stages"][3]["live"]
    assert [row["name"] for row in result["facts"]["sparse"]] == ["fc1", "fc2", "fc3"]
    limits = [limit for row in result["facts"]["sparse"] for limit in row["break_even"].values()]
    assert limits
    assert all(0 <= limit <= 1 for limit in limits)
    weights = 64 * 64 + 64 * 32 + 32 * 10
    kept = sum(layer["kept"] for layer in result["facts"]["costs"])
    assert kept == weights - round(0.8 * weights)
    tuned = mp.load(out / "fine-tuned.npz")
    data = mp.data.digits()
    assert mp.evaluate(tuned, data.test).accuracy == result["stages"][2]["accuracy"]
    assert all((tuned.params[name][~mask] == 0).all() for name, mask in tuned.masks.items())
    assert (mp.load(out / "dense.npz").params["fc1.weight"] != 0).all()
    history = json.loads((out / "history.json").read_text())
    assert history["train"]["epochs"]["epoch"] == [1, 2]
    assert len(history["fine-tune"]["steps"]["loss"]) == 19  # 1,197 samples in batches of 64
    page = (out / "report.html").read_text()
    assert "fine-tuned" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # names of XML formats, no addresses


def test_json_is_the_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--json", "--out", "here", "--criterion", "random"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / "here" / "result.json").read_text())
    assert printed["settings"]["criterion"] == "random"


def test_progress_is_on_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mp.sparse.speeds()  # are known: that they are measured is told once
    assert main([*RUN[:-1]]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("kernels: ")
    assert [line for line in lines if line.startswith(("sparsify", "measure"))] == [
        "measure: all forms, then every layer's shape, dense and sparse",
    ]


def test_all_that_takes_time_is_in_the_total(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that a few calls move, each by a share of its own."""
    now = [0.0]

    def takes(seconds: float, module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def slow(*args: Any, **how: Any) -> Any:
            now[0] += seconds
            return real(*args, **how)

        monkeypatch.setattr(module, name, slow)

    for module in (job, trained):
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    takes(1, job, "load_data")
    takes(2, job, "warm_up")
    takes(4, run, "speeds")
    takes(8, stages, "save")  # five times
    takes(64, run, "break_even")
    takes(128, run, "run_page")
    assert main([*RUN, "--out", "out"]) == 0
    said = " ".join(capsys.readouterr().out.split())  # a long line is broken
    assert (
        "compile and warm up 3.0 s, train 0.0 s, prune 0.0 s, fine-tune 0.0 s, compact 0.0 s, "
        "sparsify 4.0 s, measure 40.0 s, break-even 64.0 s, page 128.0 s, total 239.0 s"
    ) in said
    page = (folder / "out" / "report.html").read_text()
    rows = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]><td[^>]*>(\d+\.\d\d)</td>", page)
    assert ("total, without this page", "111.00") in rows
    assert "total" not in dict(rows)


def test_the_speeds_that_the_formats_were_chosen_by_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, "--json", "--out", "out"]) == 0
    known = mp.sparse.speeds()
    told = capsys.readouterr().out
    assert json.loads(told)["speeds"] == asdict(replace(known, where=""))
    assert str(Path.home()) not in told + Path("out", "report.html").read_text()
    small = mp.load(Path("out", "compacted.npz"))
    assert mp.load(Path("out", "sparse.npz")).net == mp.sparsify(small, measured=known).net


def test_what_methods_learned_is_saved_beside_the_history(tmp_path: Path) -> None:
    gates = np.arange(3.0)
    plain, learned = History(), History(extra={"gates": gates})
    told = run.write_history({"train": plain}, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["history.json"]
    run.write_history({"train": plain, "fine-tune": learned}, tmp_path)
    with np.load(tmp_path / "history.npz") as found:
        assert (found["fine-tune/gates"] == gates).all()
    assert told == {"train": {"steps": plain.steps, "epochs": plain.epochs}}


def test_same_seed_same_bytes_in_two_processes(folder: Path) -> None:
    command = ["run", "--epochs", "1", "--quiet", "--net", "cnn_small", "--seed"]

    def saved(out: str) -> list[bytes]:
        return [(folder / out / f"{s}.npz").read_bytes() for s in ("dense", "pruned", "fine-tuned")]

    for seed in ("3", "4"):
        assert main([*command, seed, "--out", seed]) == 0
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "2"}
    elsewhere = [sys.executable, "-m", "minprune", *command, "3", "--out", "elsewhere"]
    subprocess.run(elsewhere, check=True, capture_output=True, env=env)
    assert saved("elsewhere") == saved("3")
    assert saved("4") != saved("3")


def test_a_folder_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = str(idx_folder(folder, 16))
    short = ["--epochs", "1", "--quiet", "--json", "--out", "out"]
    assert main(["run", "--data", images, *short]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"]["net"] == "lenet_5"
    assert result["data"] == {
        "name": folder.name, "train": 55, "val": 5, "test": 20, "input": [1, 16, 16],
    }  # fmt: skip


def test_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{k};{k % 5};{'no' if k % 3 else 'yes'}\n" for k in range(60))
    (folder / "t.csv").write_text(f"a;b;class\n{rows}")
    assert main(["run", "--data", "t.csv", "--epochs", "1", "--quiet", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["out"], result["settings"]["net"]) == (
        str(Path("runs", "t-mlp-magnitude-0.9-seed0-epochs1")), "mlp",
    )  # fmt: skip
    assert result["data"] == {
        "name": "t", "train": 43, "val": 5, "test": 12, "input": [2], "classes": ["no", "yes"],
    }  # fmt: skip
    assert ">yes<" in (folder / result["out"] / "report.html").read_text("utf-8")


def test_units_are_removed_for_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--unit", "--sparsity", "0.5", "--json", "--out", "out"]) == 0
    result = json.loads(capsys.readouterr().out)
    tuned, small, _ = result["stages"][2:]
    assert small["accuracy"] == tuned["accuracy"]
    assert small["parameters"] == small["live"] == tuned["live"]
    assert small["macs"] == small["live_macs"] == tuned["live_macs"]
    assert small["file_bytes"] < tuned["file_bytes"]
    assert result["facts"]["ties"]
