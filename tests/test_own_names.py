"""A criterion and a net of one's own in both jobs, from the current folder, on a table."""

import importlib
import json
import sys
from pathlib import Path

import pytest

import minprune as mp
from minprune.cli import main

CODE = """
import minprune as mp
import numpy as np

def small(weights):
    return {name: abs(w) for name, w in weights.items()}

def raises(weights):
    if sum(float(np.abs(w).sum()) for w in weights.values()) > LIMIT:
        raise KeyError("a slip")
    return small(weights)

LIMIT = 1e9

def make_net(data, seed=0):
    return mp.zoo.mlp(data, hidden=(6,), seed=seed)

def no_net(data, seed=0):
    return 3

def many(data, seed=0):
    return mp.zoo.mlp((data.input_shape, 9), seed=seed)

def wide(data, seed=0):
    return mp.zoo.mlp(((4,), 2), seed=seed)

def slips(data, seed=0):
    return data.no

class OwnNamesTwice(mp.ReLU):
    pass

def unregistered(data, seed=0):
    layers = [("fc1", mp.Dense(2, 2)), ("own", OwnNamesTwice())]
    return mp.initialise(mp.build(data.input_shape, layers), seed=seed)

def zero(weights):
    return {name: w / (1 // 0) for name, w in weights.items()}
"""
LAYER = """
import minprune as mp

@mp.layer
class Own(mp.ReLU):
    pass

def make():
    return mp.initialise(mp.build((2,), [("fc1", mp.Dense(2, 2)), ("own", Own())]))
"""
LINE = CODE.splitlines().index("    return {name: w / (1 // 0) for name, w in weights.items()}") + 1
SHORT = ["--net", "own_code:make_net", "--epochs", "1", "--fine-tune", "1", "--quiet"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_code", raising=False)
    (tmp_path / "own_code.py").write_text(CODE)
    rows = "".join(f"{k},{k * 7 % 5},{'no' if k % 3 else 'yes'}\n" for k in range(90))
    (tmp_path / "t.csv").write_text(f"a,b,class\n{rows}")
    return tmp_path


@pytest.mark.parametrize("workers", ["1", "2"])
def test_compare(folder: Path, workers: str) -> None:
    names = "own_code:small,magnitude,own_code:raises"
    words = ["compare", "--data", "t.csv", *SHORT, "--criteria", names, "--seeds", "1"]
    assert main([*words, "--sparsities", "0.5", "--out", "out", "--workers", workers]) == 0
    found = json.loads((folder / "out" / "result.json").read_text())
    cells = {c["criterion"]: {k: v for k, v in c.items() if k != "criterion"}
             for c in found["cells"]}  # fmt: skip
    assert list(cells) == names.split(",")
    assert cells["own_code:small"] == cells["magnitude"] == cells["own_code:raises"]


def test_run(folder: Path) -> None:
    words = ["run", "--data", "t.csv", *SHORT, "--sparsity", "0.5"]
    assert main([*words, "--criterion", "own_code:small"]) == 0
    (made,) = (folder / "runs").iterdir()
    assert made.name.startswith("t-own_code.make_net-own_code.small-0.5-seed0")


REFUSED = {
    "compare --criteria own_code:smal": "own_code has no smal; did you mean small?",
    "compare --criteria none_such:f": "none_such cannot be imported: ModuleNotFoundError: No "
    "module named 'none_such'; run from the folder that holds it, or install it",
    "run --criterion own_code:": "'own_code:' names no function; write package.module:function",
    "run --net own_code:no_net": "own_code:no_net: must return a Model, not int; end it with "
    "mp.initialise(mp.build(...), seed=seed)",
    "run --net own_code:many --data t.csv": "own_code:many: must make a net of 2 outputs, as many "
    "as the data have, not 9; size it by data.outputs",
    "compare --net own_code:wide --data t.csv": "own_code:wide: must make a net for inputs of (2,)"
    ", as those of the data, not of (4,); size it by data.input_shape",
    "run --net own_code:unregistered --data t.csv": "own_code:unregistered: own: "
    "its class must be registered to be saved, and OwnNamesTwice is not; put @mp.layer above the "
    "class",
    "compare --methods own_code:no_net --data t.csv": "own_code:no_net: must give a plan by "
    "no_net(budget, model, data), but raised TypeError: no_net() takes from 1 to 2 positional "
    "arguments but 3 were given; fix it first",
    "run --net own_code:slips --data t.csv": "own_code:slips: must make a net by slips(data, "
    "seed=0), but raised AttributeError: 'Dataset' object has no attribute 'no'; fix it first",
}
RAISES = "minprune: own_code:zero: raised ZeroDivisionError: integer division or modulo by zero "


@pytest.mark.parametrize("words", ["run", "run --method gradual", "compare"])
def test_what_a_criterion_raises(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = words == "compare"
    name = ["--sparsities", "0.5", "--criteria"] if compare else ["--criterion"]
    assert main([*words.split(), "--data", "t.csv", *SHORT, *name, "own_code:zero"]) == 2
    assert capsys.readouterr().err == f"{RAISES}(line {LINE} of own_code.py); fix it first\n"
    assert not (folder / "runs").exists()


def test_sensitivity(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mp.save(mp.zoo.mlp(((2,), 2), (6,)), "net.npz")
    words = ["sensitivity", "net.npz", "--data", "t.csv", "--quiet", "--criterion"]
    assert main([*words, "magnitude"]) == main([*words, "own_code:small"]) == 0
    assert len({*capsys.readouterr().out.replace("small", "magnitude").split("validation")}) == 2
    assert main([*words, "own_code:zero"]) == 2
    assert capsys.readouterr().err == f"{RAISES}(line {LINE} of own_code.py); fix it first\n"


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(words: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--quiet"]) == 2
    assert capsys.readouterr().err == f"minprune: {REFUSED[words]}\n"


def test_a_saved_layer_of_ones_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("minprune.nets.registry.OWN", {})
    monkeypatch.delitem(sys.modules, "own_layer", raising=False)
    (folder / "own_layer.py").write_text(LAYER)
    mp.save(importlib.import_module("own_layer").make(), "net.npz")
    monkeypatch.setattr("minprune.nets.registry.OWN", {})
    monkeypatch.delitem(sys.modules, "own_layer")
    assert main(["info", "net.npz"]) == 1
    assert "import it first (--import MODULE)" in capsys.readouterr().err
    assert main(["info", "net.npz", "--import", "own_layer"]) == 0
    words = ["net.npz", "--import", "own_layer", "--data", "t.csv", "--quiet"]
    assert main(["sensitivity", *words]) == main(["find-sparsity", *words]) == 0
    capsys.readouterr()
    assert main(["info", "net.npz", "--import", "none_such"]) == 2
    assert capsys.readouterr().err.startswith("minprune: none_such cannot be imported: ")
