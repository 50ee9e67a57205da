"""minprune export: what it writes where, what it prints; one sentence for what it refuses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_export_c import absent

import minprune as mp
from minprune.cli import main
from minprune.deploy import net_run
from minprune.jobs import export as jobs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    mp.save(mp.zoo.mlp(((3,), 2), (4,)), tmp_path / "m.npz")
    return tmp_path / "m.npz"


def test_numpy(file: Path, capsys: Any) -> None:
    assert main(["export", str(file), "--to", "numpy"]) == 0
    folder = file.parent / "m-numpy"
    assert sorted(p.name for p in folder.iterdir()) == ["net.npz", "net_run.py"]
    size = (folder / "net.npz").stat().st_size
    assert capsys.readouterr().out == (
        f"{folder / 'net.npz'}: {size:,} bytes, 20 of 20 weights\n"
        f"{folder / 'net_run.py'} runs it on NumPy alone: net = net_run.load('net.npz'); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted\n"
    )
    x = np.ones((2, 3), np.float32)
    assert np.allclose(net_run.load(folder / "net.npz")(x), mp.load(file)(x))


@pytest.mark.parametrize("to", ["numpy", "onnx"])
def test_checked(to: str, file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="onnx, which reads and writes the files, is absent")
    assert main(["export", str(file), "--to", to, "--check"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(
        r"checked by (NumPy|onnx\S* [\d.]+): outputs of 8 samples equal those of the model within "
        r"rounding, the largest difference is \S+, \S+% of the bound", said,
    )  # fmt: skip
    wrong = jobs.TARGETS[to]._replace(
        run=lambda model, folder, name: ("it", lambda x: np.ones((8, 2)))
    )
    monkeypatch.setitem(jobs.TARGETS, to, wrong)
    assert main(["export", str(file), "--to", to, "--check"]) == 1
    assert "check: outputs of it must equal those of the model" in capsys.readouterr().err


@absent("gcc")
@pytest.mark.parametrize("to", ["c", "numpy"])
def test_int8_is_checked_bit_for_bit(
    to: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mp.save(mp.zoo.mlp(mp.data.digits(), (4,)), tmp_path / "m.npz")
    words = ["export", str(tmp_path / "m.npz"), "--to", to, "--check"]
    if to == "c":
        assert main(words) == 0
        assert "equal those of the model within rounding" in capsys.readouterr().out
    words += ["--weights", "int8", "--calibrate", "digits"]
    assert main(words) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    runtime = {"c": "gcc -std=c99 -O3", "numpy": "NumPy"}[to]
    end = "outputs of 8 samples are those of the model, bit for bit"
    assert last == f"checked by {runtime}: {end}"
    wrong = jobs.TARGETS[to]._replace(run=lambda *_: ("it", lambda x: np.ones((8, 10))))
    monkeypatch.setitem(jobs.TARGETS, to, wrong)
    assert main(words) == 1
    assert "check: outputs of it must equal those of the model bit for bit, and 80 of 80 " in (
        capsys.readouterr().err
    )


def test_without_gcc_c_is_not_checked(
    file: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["export", str(file), "--to", "c", "--check"]) == 2
    assert capsys.readouterr().err == (
        "minprune: check: gcc must be found to compile net.c, and is not; install it, or compile "
        "net_test.c elsewhere, which checks what was written\n"
    )


def test_float64_is_checked_where_onnxruntime_has_no_operator(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("onnx", reason="onnx, which reads and writes the files, is absent")
    layers = [("c", mp.Conv2d(1, 2, 2)), ("l", mp.LeakyReLU()), ("f", mp.Flatten())]
    net = mp.build((1, 3, 3), [*layers, ("b", mp.BatchNorm(8)), ("d", mp.Dense(8, 2))])
    mp.save(mp.initialise(net, dtype=np.float64), tmp_path / "m.npz")
    assert main(["export", str(tmp_path / "m.npz"), "--to", "onnx", "--check"]) == 0
    assert "checked by onnx " in capsys.readouterr().out


def test_safetensors(file: Path, capsys: Any) -> None:
    assert main(["export", str(file), "--to", "safetensors"]) == 0
    path = file.parent / "m-safetensors" / "net.safetensors"
    size = path.stat().st_size
    assert capsys.readouterr().out == f"{path}: {size:,} bytes, 0.0 where a weight is masked\n"
    found, model = mp.read_weights(path), mp.load(file)
    assert {k: a.tobytes() for k, a in found.items()} == {
        k: a.tobytes() for k, a in sorted(model.params.items())
    }


def test_names_and_folders(file: Path, capsys: Any) -> None:
    out = file.parent / "a" / "b"
    assert main(["export", str(file), "--to", "numpy", "--name", "tiny", "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["net_run.py", "tiny.npz"]


def test_int8(tmp_path: Path, capsys: Any) -> None:
    file, data = tmp_path / "m.npz", mp.data.digits()
    mp.save(mp.zoo.mlp(data, (4,)), file)
    words = ["--to", "numpy", "--weights", "int8", "--calibrate", "digits"]
    assert main(["export", str(file), *words]) == 0
    alone, x = net_run.load(tmp_path / "m-numpy" / "net.npz"), data.test[0][:9]
    assert np.array_equal(alone(x), mp.quantize(mp.load(file), data.train[0][:1000])(x))


def test_c_in_int8_tells_the_accuracy_by_class(tmp_path: Path, capsys: Any) -> None:
    mp.save(mp.zoo.mlp(mp.data.digits(), (8,)), tmp_path / "m.npz")
    words = ["--weights", "int8", "--calibrate", "digits", "--format", "csr"]
    assert main(["export", str(tmp_path / "m.npz"), "--to", "c", *words]) == 0
    folder = tmp_path / "m-c"
    assert sorted(p.name for p in folder.iterdir()) == ["net.c", "net.h", "net.json", "net_test.c"]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["class", "samples", "float32", "int8", "change"]
    assert shown[-2].split()[0] == "all"
    assert shown[-1].startswith(f"{folder / 'net.c'}: ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["--to", "numpy", "--weights", "int8"],
            "export: --weights int8 and --calibrate DATA must be given together, or neither; give "
            "both, for example with --calibrate digits",
        ),
        (
            ["--to", "onnx", "--weights", "int8", "--calibrate", "digits"],
            "export: --weights must be float32 for --to onnx, not int8; leave it out, or pass --to "
            "numpy",
        ),
        (
            ["--to", "numpi"],
            "export: --to must be c, numpy, onnx or safetensors, not 'numpi'; did you mean numpy?",
        ),
        (
            ["--to", "safetensors", "--check"],
            "export: --check must be left out with --to safetensors; read net.safetensors by "
            "mp.read_weights, and compare the arrays",
        ),
        (
            ["--to", "numpy", "--format", "csr"],
            "export: --format needs --to=c, not --to='numpy'; leave --format out",
        ),
        (
            ["--to", "numpy", "--name", "../x"],
            "export: --name must be letters, digits and _, not '../x'; pass --name net",
        ),
    ],
)
def test_refused(words: list[str], text: str, file: Path, capsys: Any) -> None:
    assert main(["export", str(file), *words]) == 2
    assert capsys.readouterr().err == f"minprune: {text}\n"
    assert [p.name for p in file.parent.iterdir()] == ["m.npz"]
