"""`minprune info`: what it says of a model, compared whole; one sentence for what is no model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

import minprune as mp
from minprune.errors import FileError
from minprune.jobs.info import info


def test_a_pruned_model_by_hand(tmp_path: Path) -> None:
    net = mp.build(
        (1, 4, 4),
        [
            ("conv1", mp.Conv2d(1, 2, 3)), ("relu1", mp.ReLU()),
            ("flatten", mp.Flatten()), ("fc1", mp.Dense(8, 3)),
        ],
    )  # fmt: skip
    mask = np.ones((3, 8), bool)
    mask[:, 2:] = False
    model = mp.with_masks(mp.initialise(net, dtype=np.float64), {"fc1.weight": mask})
    path = tmp_path / "m.npz"
    mp.save(model, path)
    size = path.stat().st_size
    assert info(path) == (
        f"{path}\n"
        f"minprune model, checksum ok\n"
        f"{size:,} bytes, {size / 376:.2f}x of the 376 that its parameters need\n"
        "\n"
        "input 1 x 4 x 4, loss cross_entropy, float64\n"
        "layer    kind     reads  output     parameters  live  multiply-adds  live\n"
        "-------  -------  -----  ---------  ----------  ----  -------------  ----\n"
        "conv1    Conv2d          2 x 2 x 2          20    20             72    72\n"
        "relu1    ReLU            2 x 2 x 2\n"
        "flatten  Flatten         8\n"
        "fc1      Dense           3                  27     9             24     6\n"
        "-------  -------  -----  ---------  ----------  ----  -------------  ----\n"
        "total                                       47    29             96    78\n"
        "\n"
        "weight        shape          entries  live  sparsity\n"
        "------------  -------------  -------  ----  --------\n"
        "conv1.weight  2 x 1 x 3 x 3       18    18    0.00 %\n"
        "fc1.weight    3 x 8               24     6   75.00 %\n"
        "\n"
        "measure                    value\n"
        "-----------------------  -------\n"
        "parameters                    47\n"
        "live parameters               29\n"
        "sparsity of the weights  42.86 %\n"
        "multiply-adds                 96\n"
        "live multiply-adds            78\n"
        "activations                   11\n"
        "bytes as dense arrays        376\n"
        "bytes as sparse arrays       272\n"
        "bytes in memory              376"
    )


def test_a_net_without_parameters(tmp_path: Path) -> None:
    model = mp.initialise(mp.build((3,), [("relu", mp.ReLU())], "mse"))
    mp.save(model, tmp_path / "m.npz")
    size = (tmp_path / "m.npz").stat().st_size
    assert info(tmp_path / "m.npz").splitlines()[2] == f"{size:,} bytes"


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with pytest.raises(FileError) as caught:
        info(path)
    assert caught.value.args == (f"{path}: no such file; pass the path of a saved model",)
    path.write_bytes(b"PK")
    with pytest.raises(FileError, match="not a file of another format"):
        info(path)


def test_a_folder_is_told_from_a_file(tmp_path: Path) -> None:
    for there in ("fine-tuned.npz", "dense.npz"):
        with pytest.raises(FileError) as caught:
            info(tmp_path)
        assert caught.value.args == (
            f"{tmp_path}: must be a saved model, not a folder; "
            f"pass {tmp_path / there}, for example",
        )
        (tmp_path / "dense.npz").touch()


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    """`minprune info FILE | head`"""
    mp.save(mp.zoo.mlp(((3,), 2)), tmp_path / "m.npz")
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-m", "minprune", "info", str(tmp_path / "m.npz")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=writes, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, b"")
