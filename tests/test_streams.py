"""Commands and progress where there is no console, no room, no reader, or no UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

import minprune as mp
from minprune.jobs.checks import check
from minprune.jobs.settings import CompareSettings, RunSettings
from minprune.train.progress import Lines, progress, tell

DATA = mp.data.digits()
MODEL = mp.zoo.mlp(DATA, (4,))


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable}
    return subprocess.run(
        ["sh", "-c", command.replace("minprune", '"$PYTHON" -m minprune', 1)],
        cwd=folder, env=env, capture_output=True, check=False,
    )  # fmt: skip


def test_fit_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    _, history = mp.fit(MODEL, DATA, epochs=1)
    assert len(history.epochs["val_loss"]) == 1
    tell("nobody reads this")
    Lines("train", 1, 0).epoch("nor this")
    with progress("train", 1, show=True) as shown:
        shown.update()


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("minprune --help | true; exit ${PIPESTATUS:-0}", 0, ""),
        ("minprune run --epochs x 2>&-", 2, ""),
        ("minprune info absent.npz 2>&-", 1, ""),
        ("minprune verify --list >&-", 0, ""),
        ("minprune info " + "n" * 300, 1, f"minprune: {'n' * 300}: File name too long\n"),
        (
            "minprune run --out ''", 2,
            "minprune: run: --out must be the path of a folder, not ''; leave it out for a folder "
            "in runs/\n",
        ),
    ],
)  # fmt: skip
def test_a_command_ends_in_one_sentence(
    command: str, code: int, error: str, tmp_path: Path
) -> None:
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr.decode()) == (code, error)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("words", ["--help", "run --help", "verify --list"])
def test_a_full_disk_behind_stdout(words: str, tmp_path: Path) -> None:
    done = shell(f"minprune {words} >/dev/full", tmp_path)
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "minprune: stdout cannot be written (No space left on device); print to another place\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are any bytes on Linux")
def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"x\xff")
    folder.mkdir()
    mp.save(MODEL, folder / "m.npz")
    done = shell("minprune info x\udcff/m.npz", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    done = shell("minprune info x\udcff/no.npz", tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        b"minprune: x\\udcff/no.npz: no such file; pass the path of a saved model\n"
    )


@pytest.mark.parametrize("settings", [RunSettings, CompareSettings])
def test_out_is_a_folder(settings: type[RunSettings | CompareSettings]) -> None:
    with pytest.raises(mp.errors.ArgumentError) as caught:
        check(settings(out="  "))
    assert caught.value.args == (
        f"{settings.command}: --out must be the path of a folder, not '  '; leave it out for a "
        f"folder in runs/",
    )
