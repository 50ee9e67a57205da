"""minprune import: a saved model of the weights of another program; one sentence otherwise."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minprune as mp
from benchmarks import _foreign as foreign
from minprune.cli import main

MODEL = mp.zoo.mlp(mp.data.digits(), (4,), seed=3)
MASK = {"fc1.weight": np.arange(256).reshape(4, 64) % 2 > 0}


def small(data: Any, seed: int = 0) -> Any:
    return mp.zoo.mlp(data, (4,), seed=seed)


def wider(data: Any, seed: int = 0) -> Any:
    return mp.zoo.mlp(data, (5,), seed=seed)


NET = ["--net", "test_import_command:small"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One net as a state_dict of PyTorch, masked, under its names; as safetensors; as an .npz"""
    theirs: Any = {k.replace("fc1", "0").replace("fc2", "2"): a for k, a in MODEL.params.items()}
    theirs["0.weight_mask"] = MASK["fc1.weight"].astype(np.float32)
    theirs["0.weight_orig"] = theirs.pop("0.weight")
    (tmp_path / "state.pt").write_bytes(foreign.pt(theirs))
    mp.export_safetensors(MODEL, tmp_path / "m.safetensors")
    np.savez(tmp_path / "turned.npz", **{k: a.T for k, a in MODEL.params.items()})
    np.savez(tmp_path / "a.npz", **dict(MODEL.params))  # type: ignore[arg-type]
    return tmp_path


def same(path: Path, model: Any) -> bool:
    found = mp.load(path)
    return all(
        {k: a.tobytes() for k, a in getattr(found, part).items()}
        == {k: a.tobytes() for k, a in getattr(model, part).items()}
        for part in ("params", "buffers", "masks")
    )


@pytest.mark.parametrize("file", ["state.pt", "m.safetensors", "a.npz"])
def test_import(file: str, files: Path, capsys: Any) -> None:
    out = files / "model.npz"
    words = ["--rename", "0=fc1", "--rename", "2=fc2"] if file == "state.pt" else []
    assert main(["import", str(files / file), *NET, *words, "--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"written to {out}\n")
    assert same(out, mp.with_masks(MODEL, MASK) if words else MODEL)


def test_onnx_has_its_own_net(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("onnx", reason="onnx, which reads and writes the files, is absent")
    mp.export_onnx(MODEL, tmp_path / "m.onnx")
    out = tmp_path / "m.npz"
    assert main(["import", str(tmp_path / "m.onnx"), "--out", str(out)]) == 0
    assert same(out, MODEL)
    assert {k: a.tobytes() for k, a in mp.read_weights(tmp_path / "m.onnx").items()} == {
        k: a.tobytes() for k, a in MODEL.params.items()
    }
    words = [str(tmp_path / "m.onnx"), *NET, "--out", str(out)]
    assert main(["import", *words]) == 0
    assert same(out, MODEL)
    assert main(["import", words[0], "--layout", "keras", "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        "minprune: import: --rename and --layout must come with --net, since an ONNX file has a "
        "net of its own; leave them out\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["FILE/a.npz", "--out", "m.npz"], 2,
         "import: --net must be given for FILE/a.npz, which holds arrays without their net; pass "
         "--net lenet_5, or package.module:function"),
        (["FILE/a.npz", *NET, "--out", "m.pt"], 2,
         "import: --out must end with .npz, not 'm.pt'; pass --out model.npz"),
        (["FILE/a.npz", *NET, "--out", "m.npz", "--layout", "tf"], 2,
         "import: --layout must be 'torch' or 'keras', not 'tf'; choose one of them"),
        (["FILE/a.npz", "--net", "lenet_6", "--out", "m.npz"], 2,
         "import: --net must be 'mlp', 'lenet_300_100', 'lenet_5', 'cnn_small', 'conv_4' or "
         "'resnet_small', not 'lenet_6'; choose one of them"),
        (["FILE/b.npz", "--out", "m.npz"], 1,
         "FILE/b.npz: no such file; pass a .safetensors file, an .npz of arrays, or a .pt file of "
         "torch.save(model.state_dict())"),
        (["FILE/state.pt", *NET, "--out", "FILE/m.npz"], 2,
         "from_arrays: arrays must have the names of the net, and are without fc1.weight, "
         "fc1.bias, fc2.weight, fc2.bias and with 0.bias, 2.weight, 2.bias, 0.weight_mask, "
         "0.weight_orig; pass --rename 0=fc1, for example, or change the net"),
        (["FILE/a.npz", "--net", "test_import_command:wider", "--out", "FILE/m.npz"], 2,
         "from_arrays: fc1.weight must be (5, 64), as in the net, not (4, 64); pass the --data "
         "that it is sized for, or another --net"),
        (["FILE/turned.npz", *NET, "--out", "FILE/m.npz"], 2,
         "from_arrays: fc1.weight must be (4, 64), as in the net, not (64, 4); transpose it, or "
         "pass --layout keras for arrays of Keras"),
        (["FILE/a.npz", *NET, "--rename", "fc=fc1", "--out", "FILE/m.npz"], 2,
         "import: --rename must name arrays, or layers of them, not 'fc'; there are "
         "fc1.weight, fc1.bias, fc2.weight, fc2.bias"),
    ],
)  # fmt: skip
def test_refused(words: list[str], code: int, text: str, files: Path, capsys: Any) -> None:
    there = sorted(files.iterdir())
    assert main(["import", *(w.replace("FILE", str(files)) for w in words)]) == code
    assert capsys.readouterr().err == f"minprune: {text.replace('FILE', str(files))}\n"
    assert sorted(files.iterdir()) == there
