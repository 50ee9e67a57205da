"""Files that load must refuse and save must not leave behind, each with its whole sentence."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_files import forged, pruned

import minprune as mp
from minprune.errors import FileError
from minprune.files import write_atomic


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def header(**changes: Any) -> Callable[[dict[str, bytes]], Any]:
    def change(entries: dict[str, bytes]) -> None:
        entries["header.json"] = json.dumps(json.loads(entries["header.json"]) | changes).encode()

    return change


def other_layer(entries: dict[str, bytes]) -> None:
    net = json.loads(entries["header.json"])["net"]
    net["layers"][1]["kind"] = "Attention"
    header(net=net)(entries)


def wide_layer(entries: dict[str, bytes]) -> None:
    net = json.loads(entries["header.json"])["net"]
    net["layers"][1]["fields"]["inputs"] = 7
    header(net=net)(entries)


def flipped(entries: dict[str, bytes]) -> None:
    body = bytearray(entries["params/fc1.bias.npy"])
    body[-1] ^= 1
    entries["params/fc1.bias.npy"] = bytes(body)


def put(key: str, body: bytes) -> Callable[[dict[str, bytes]], Any]:
    return lambda entries: entries.update({key: body})


class Trap:
    """Unpickling it would raise."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


BIAS = "params/fc1.bias.npy"
REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "foreign archive": (
        lambda e: e.pop("header.json"),
        "header.json is not in it; give a file that mp.save wrote",
    ),
    "another format": (
        header(format="sketch"),
        "it is no minprune model; give a file that mp.save wrote",
    ),
    "a list": (
        put("header.json", b"[]"),
        "it is no minprune model; give a file that mp.save wrote",
    ),
    "the future": (
        header(version=2),
        "it has format version 2, and this minprune reads up to 1; use a newer minprune",
    ),
    "another dtype": (
        header(dtype="float16"),
        "its dtype is 'float16', expected float32 or float64; save it again",
    ),
    "header cut": (
        put("header.json", b"{"),
        "not a sound minprune model (Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)); save it again",
    ),
    "header huge": (
        put("header.json", b" " * (2**20 + 1)),
        "header.json is compressed, or larger than 1048576 bytes; save it again",
    ),
    "unknown layer": (
        other_layer,
        "layer 'fc1' is a 'Attention', which this version does not know; use a newer minprune",
    ),
    "layers that do not fit": (
        wide_layer,
        "not a sound minprune model (fc1: Dense: input is (6,), expected (7,); "
        "make the sizes agree); save it again",
    ),
    "array absent": (
        lambda e: e.pop(BIAS),
        f"{BIAS} is not in it; give a file that mp.save wrote",
    ),
    "array of another shape": (
        put(BIAS, npy(np.zeros(5, np.float32))),
        f"{BIAS} is float32 (5,), expected float32 (4,); save it again",
    ),
    "array that claims to be huge": (
        put(BIAS, npy(np.zeros(4, np.float32)).replace(b"(4,)", b"(9999999999999,)")[:128]),
        f"{BIAS} is float32 (9999999999999,), expected float32 (4,); save it again",
    ),
    "array of another dtype": (
        put(BIAS, npy(np.zeros(4))),
        f"{BIAS} is float64 (4,), expected float32 (4,); save it again",
    ),
    "too many bytes": (
        put(BIAS, npy(np.zeros(9999))),
        f"{BIAS} is compressed, or larger than 4112 bytes; save it again",
    ),
    "too few bytes": (
        put(BIAS, npy(np.zeros(4, np.float32))[:-4]),
        f"{BIAS} holds 140 bytes, expected 144; save it again",
    ),
    "pickled array": (
        put(BIAS, npy(np.array([Trap()] * 4, dtype=object))),
        f"{BIAS} is object (4,), expected float32 (4,); save it again",
    ),
    "a pickle": (
        put(BIAS, pickle.dumps(Trap())),
        f"{BIAS} is not in version 1.0 of the .npy format; save it again",
    ),
    "other values": (
        flipped,
        "its checksum does not match what it holds; it is damaged: save it again",
    ),
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    mp.save(pruned("mlp"), tmp_path / "m.npz")
    return tmp_path / "m.npz"


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, path: Path) -> None:
    change, text = REFUSED[name]
    path.write_bytes(forged(path.read_bytes(), change))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (f"{path}: {text}",)


def refused(path: Path) -> str:
    """The sentence, without the path."""
    with pytest.raises(FileError) as caught:
        mp.load(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(BIAS, npy(np.ones(4, np.float32)))
    assert refused(path) == "two of its entries have one name; save it again"


def test_entries_that_lie_over_one_another_are_refused(path: Path) -> None:
    """A small file could otherwise claim any amount of memory."""
    size, body = path.stat().st_size, path.read_bytes()
    at = body.rindex(b"PK\1\2")  # the last entry of the directory: its size, made the file's
    huge = body[: at + 20] + (size - 1).to_bytes(4, "little") * 2 + body[at + 28 :]
    path.write_bytes(huge)
    assert refused(path) == f"its entries claim more than its {size} bytes; save it again"


def test_an_entry_beyond_the_end_is_refused(path: Path) -> None:
    body = path.read_bytes()
    at = body.index(b"PK\1\2")  # header.json's own place in the file
    path.write_bytes(body[: at + 42] + (len(body) - 9).to_bytes(4, "little") + body[at + 46 :])
    assert refused(path).startswith("not a readable .npz (")


def test_a_sentence_stays_short(path: Path) -> None:
    path.write_bytes(forged(path.read_bytes(), header(dtype="x" * 9999)))
    assert refused(path).startswith("its dtype is 'xxx")
    assert len(refused(path)) < 350


NOT_ZIP = {
    "cut": lambda body: body[: len(body) // 2],
    "empty": lambda body: b"",
    "text": lambda body: b"fc1.weight = 3",
}


@pytest.mark.parametrize("name", NOT_ZIP)
def test_what_is_no_archive_is_refused(name: str, path: Path) -> None:
    path.write_bytes(NOT_ZIP[name](path.read_bytes()))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (
        f"{path}: not a readable .npz (File is not a zip file); save it again",
    )


def test_absent_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path / "m.npz")
    assert caught.value.args == (
        f"{tmp_path / 'm.npz'}: no such file; give the path of a saved model",
    )
    with pytest.raises(FileError, match="not a readable"):
        mp.load(tmp_path)


def test_a_numpy_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", weight=np.ones(3))
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path / "m.npz")
    assert caught.value.args == (
        f"{tmp_path / 'm.npz'}: header.json is not in it; give a file that mp.save wrote",
    )


@pytest.mark.parametrize("step", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    step: str, error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = path.read_bytes()

    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises((FileError, KeyboardInterrupt)) as caught:
        write_atomic(path, "new")
    if isinstance(error, OSError):
        assert caught.value.args == (
            f"{path}: cannot be written (No space left on device); "
            f"choose a folder you may write to",
        )
    assert os.listdir(path.parent) == ["m.npz"]
    assert path.read_bytes() == old


def test_writing_where_a_file_is_the_folder(path: Path) -> None:
    with pytest.raises(FileError) as caught:
        mp.save(pruned("mlp"), path / "m.npz")
    assert caught.value.args == (
        f"{path / 'm.npz'}: cannot be written (File exists); choose a folder you may write to",
    )


def test_what_is_written_is_readable_by_others_as_the_umask_says(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode
