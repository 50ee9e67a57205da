"""The main job as its user runs it: files, table, page, same bytes, one sentence for bad input."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune.cli import main
from minprune.criteria import CRITERIA
from minprune.jobs.run import choices, load_data
from minprune.jobs.settings import Settings

SHORT = ["--epochs", "2", "--fine-tune", "1", "--net", "mlp", "--quiet"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_short_run_writes_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *SHORT, "--sparsity", "0.8"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    rows = [line.split("  ")[0] for line in printed.out.splitlines()]
    for row in ("accuracy", "live parameters", "live multiply-adds", "bytes on disk"):
        assert row in rows
    out = folder / "runs" / "digits-mlp-magnitude-0.8-seed0"
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
    assert all(
        limit > 0 for row in result["facts"]["sparse"] for limit in row["break_even"].values()
    )
    weights = 64 * 64 + 64 * 32 + 32 * 10
    kept = sum(layer["kept"] for layer in result["layers"])
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
    assert main(["run", *SHORT, "--json", "--out", "here", "--criterion", "random"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((folder / "here" / "result.json").read_text())
    assert printed["settings"]["criterion"] == "random"


def test_progress_is_on_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *SHORT[:-1]]) == 0
    assert "kernels: " in capsys.readouterr().err


def test_same_seed_same_bytes_in_two_processes(folder: Path) -> None:
    def saved(out: str, seed: str) -> list[bytes]:
        command = [sys.executable, "-m", "minprune", "run", "--epochs", "1", "--quiet"]
        command += ["--net", "cnn_small", "--seed", seed, "--out", out]
        root = str(Path(__file__).parent.parent)
        env = {**os.environ, "PYTHONPATH": root, "PYTHONHASHSEED": out.strip("abc") or "0"}
        subprocess.run(command, check=True, capture_output=True, env=env)
        return [(folder / out / f"{s}.npz").read_bytes() for s in ("dense", "pruned", "fine-tuned")]

    first = saved("a1", "3")
    assert saved("b2", "3") == first
    assert saved("c3", "4") != first


def idx_folder(folder: Path, side: int) -> Path:
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for kind, a in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, a.ndim]) + b"".join(d.to_bytes(4, "big") for d in a.shape)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + a.tobytes()))
    return folder


def test_what_the_data_decides(tmp_path: Path) -> None:
    digits = load_data("digits")
    assert choices(Settings(), digits) == (
        "cnn_small", 30, 30, Path("runs/digits-cnn_small-magnitude-0.9-seed0"),
    )  # fmt: skip
    data = mp.Dataset(*[(np.zeros((2, 1, 28, 28)), np.arange(2))] * 3, name="mnist")
    assert choices(Settings(data="mnist", epochs=3, out="x"), data) == ("lenet_5", 3, 3, Path("x"))


BAD = {
    "--net vgg": "net is 'vgg', expected one of mlp, lenet_300_100, lenet_5, cnn_small, conv_4, "
    "resnet_small; choose one",
    "--net lenet_5": "lenet_5: images are 8 x 8, expected at least 16 x 16; use cnn_small",
    "--sparsity 1.5": "sparsity is 1.5, expected a share in [0, 1]; give 0.9",
    "--sparsity nan": "sparsity is nan, expected a share in [0, 1]; give 0.9",
    "--criterion obdd": f"criterion is 'obdd', expected one of {', '.join(sorted(CRITERIA))}, or a "
    "function Evidence -> scores",
    "--sparsity 0.99999": "sparsity is 0.99999, which leaves 0 of 38160 weights of the net, fewer "
    "than minimum=1 for each layer; the largest reachable is 0.999895178197065",
    "--criterion geometric_median": "geometric_median: scores units alone; pass unit=True",
    "--epochs -1": "epochs is -1, expected at least 0; give a count",
    "--batch-size 0": "batch_size is 0, expected at least 1; give a count",
    "--seed -1": "seed is -1, expected an integer of at least 0; give 0",
    "--lr -1": "SGD: lr is -1.0, expected a number of at least 0; give another lr",
    "--data nowhere": "nowhere: no such folder, expected one with the four IDX files of MNIST; "
    "give the folder that holds train-images-idx3-ubyte.gz",
}


@pytest.mark.parametrize("arguments", BAD)
def test_bad_arguments_are_one_sentence(
    arguments: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments.split(), "--quiet"]) == 2
    assert capsys.readouterr().err == f"minprune: {BAD[arguments]}\n"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "minprune: the following arguments are required: COMMAND; see minprune --help\n"),
        (["run", "--sparsity", "much"], "minprune run: argument --sparsity: invalid float value: "
         "'much'; see minprune run --help\n"),
        (["run", "--threads", "0"], "minprune run: argument --threads: '0' is no integer of at "
         "least 1; see minprune run --help\n"),
    ],
)  # fmt: skip
def test_what_the_parser_refuses(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err == sentence


def test_a_folder_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = str(idx_folder(folder, 16))
    short = ["--epochs", "1", "--quiet", "--json", "--out", "out"]
    assert main(["run", "--data", images, *short]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"]["net"] == "lenet_5"
    assert result["data"] == {
        "name": folder.name, "train": 55, "val": 5, "test": 20, "input": [1, 16, 16],
    }  # fmt: skip


def test_units_are_removed_for_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *SHORT, "--unit", "--sparsity", "0.5", "--json", "--out", "out"]) == 0
    result = json.loads(capsys.readouterr().out)
    tuned, small, _ = result["stages"][2:]
    assert small["accuracy"] == tuned["accuracy"]
    assert small["parameters"] == small["live"] == tuned["live"]
    assert small["macs"] == small["live_macs"] == tuned["live_macs"]
    assert small["file_bytes"] < tuned["file_bytes"]
    assert result["facts"]["ties"]
