"""Files that load must refuse and save must not leave behind, each with its whole sentence."""

import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_files import forged, pruned

import minprune as mp
from benchmarks._damage import npy, signed
from minprune.errors import ArgumentError, FileError
from minprune.files import write_atomic


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
    entries[ROW] = entries[ROW][:-1] + bytes([entries[ROW][-1] ^ 1])


def shape(name: str, claim: Any, dtype: str = "float32") -> Callable[[dict[str, bytes]], Any]:
    """Another shape of one array in the header; None: the array is absent there."""

    def change(entries: dict[str, bytes]) -> None:
        index = json.loads(entries["header.json"])["arrays"]
        index.setdefault(dtype, {})[name] = claim
        index[dtype] = {k: v for k, v in index[dtype].items() if v is not None}
        header(arrays=index)(entries)

    return change


def doubled(entries: dict[str, bytes]) -> None:
    """One parameter in float64, and all sizes and checksums fit."""
    index = json.loads(entries["header.json"])["arrays"]
    index["float64"] = {"params/fc1.bias": index["float32"].pop("params/fc1.bias")}
    header(arrays=index)(entries)
    row, (n,) = np.load(io.BytesIO(entries[ROW])), index["float64"]["params/fc1.bias"]
    entries[ROW] = npy(row[n:])
    entries["float64.npy"] = npy(row[:n].astype(float))
    entries.update(signed(entries))


def fewer_live(entries: dict[str, bytes]) -> None:
    """A mask of one live entry fewer, and all sizes and checksums fit."""
    row, name = json.loads(entries["header.json"])["arrays"]["uint8"], "masks/fc1.weight"
    at = sum(n for k, (n,) in row.items() if k < name)
    packed = np.load(io.BytesIO(entries["uint8.npy"]))
    packed[at : at + 1] &= packed[at : at + 1] - 1
    entries["uint8.npy"] = npy(packed)
    entries.update(signed(entries))


def put(key: str, body: bytes) -> Callable[[dict[str, bytes]], Any]:
    return lambda entries: entries.update({key: body})


class Trap:
    """Unpickling it would raise."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


ROW, N = "float32.npy", 26  # the live parameters of the mlp, of 43
NO_ROW = "its float32.npy must be a plain row of 26 entries of float32; save it again"
PICKLE, OBJECTS = pickle.dumps(Trap()), npy(np.array([Trap()] * N, dtype=object))
REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "foreign archive": (
        lambda e: e.pop("header.json"),
        "it must be a minprune model, not an .npz of NumPy, whose arrays mp.read_weights reads; "
        "pass a file that mp.save wrote",
    ),
    "another format": (
        header(format="sketch"),
        "it must be a minprune model, not a file of another program; "
        "pass a file that mp.save wrote",
    ),
    "a list": (
        put("header.json", b"[]"),
        "it must be a minprune model, not a file of another program; "
        "pass a file that mp.save wrote",
    ),
    "the future": (
        header(version=4),
        "its format version must be 2 or 3 for this minprune, not 4; use a newer minprune",
    ),
    "the past": (
        header(version=1),
        "its format version must be 2 or 3 for this minprune, not 1; use an older minprune",
    ),
    "another dtype": (
        header(arrays={"float16": {}}),
        "it must hold params/fc1.weight, and does not; pass a file that mp.save wrote",
    ),
    "one dtype more": (
        lambda e: header(arrays=json.loads(e["header.json"])["arrays"] | {"object": {}})(e),
        "its arrays must be float32, float64, uint8, uint32, not object; save it again",
    ),
    "two dtypes": (
        doubled,
        "must be a minprune model, and cannot be read "
        "(fc1.bias: the arrays of a model must be all float32 or "
        "all float64, not float64; convert it with astype); save it again",
    ),
    "header cut": (
        put("header.json", b"{"),
        "must be a minprune model, and cannot be read "
        "(Expecting property name enclosed in double quotes: "
        "line 1 column 2 (char 1)); save it again",
    ),
    "header huge": (
        put("header.json", b" " * (2**20 + 1)),
        "its header.json must have at most 1048576 bytes, not 1048577; save it again",
    ),
    "unknown layer": (
        other_layer,
        "layer 'fc1' must be of a known kind, not 'Attention'; put @mp.layer above its "
        "class and import it first (--import MODULE), or use a newer minprune",
    ),
    "layers that do not fit": (
        wide_layer,
        "must be a minprune model, and cannot be read (fc1: Dense: the input must be (7,), not "
        "(6,); make the sizes agree); save it again",
    ),
    "array absent": (
        shape("params/fc1.bias", None),
        "it must hold params/fc1.bias, and does not; pass a file that mp.save wrote",
    ),
    "array too many": (
        shape("params/../x", [0]),
        "it must not hold 'params/../x'; pass a file that mp.save wrote",
    ),
    "array of another shape": (
        shape("params/fc1.bias", [5]),
        "its params/fc1.bias must have the shape (4,), not (5,); save it again",
    ),
    "array of a negative size": (
        shape("params/fc1.bias", [-4]),
        "the shape of params/fc1.bias must hold sizes, not [-4]; save it again",
    ),
    "array of half a size": (
        shape("params/fc1.bias", [4.0]),
        "the shape of params/fc1.bias must hold sizes, not [4.0]; save it again",
    ),
    "array of no shape": (
        shape("params/fc1.bias", 7),
        "must be a minprune model, and cannot be read "
        "('int' object is not iterable); save it again",
    ),
    "array in two rows": (
        shape("params/fc1.bias", [4], "float64"),
        "its arrays must have different names, and two are params/fc1.bias; save it again",
    ),
    "mask of another size": (
        shape("masks/fc1.weight", [4], "uint8"),
        "its masks/fc1.weight must have the shape (3,), not (4,); save it again",
    ),
    "a row longer than its parameter": (
        shape("params/fc1.bias", [5]),
        "its params/fc1.bias must have the shape (4,), not (5,); save it again",
    ),
    "live entries without a mask": (
        shape("masks/fc1.weight", None, "uint8"),
        "its params/fc1.weight must have the shape (4, 6), not (17,); save it again",
    ),
    "other live entries than the mask keeps": (
        fewer_live,
        "its params/fc1.weight must hold the 16 live entries, not 17; save it again",
    ),
    "row absent": (
        lambda e: e.pop(ROW),
        "it must hold float32.npy, and does not; pass a file that mp.save wrote",
    ),
    "row that claims to be huge": (
        lambda e: e.update({ROW: e[ROW].replace(b"(26,), }      ", b"(99999999,), }")}),
        NO_ROW,
    ),
    "row of another dtype": (put(ROW, npy(np.zeros(N, np.int32))), NO_ROW),
    "row of two axes": (put(ROW, npy(np.zeros((N, 1), np.float32))), NO_ROW),
    "row in the order of Fortran": (
        put(ROW, npy(np.zeros((N, 1), np.float32)).replace(b"False", b"True ")), NO_ROW,
    ),
    "row in another version of .npy": (
        lambda e: e.update({ROW: e[ROW].replace(b"NUMPY\1", b"NUMPY\2")}), NO_ROW,
    ),
    "too many bytes": (
        put(ROW, npy(np.zeros(9999, np.float32))),
        "its float32.npy must take 232 bytes for 26 entries, not 40124; save it again",
    ),
    "too few bytes": (
        lambda e: e.update({ROW: e[ROW][:-4]}),
        "its float32.npy must take 232 bytes for 26 entries, not 228; save it again",
    ),
    "pickled array": (
        put(ROW, OBJECTS),
        "its float32.npy must take 232 bytes for 26 entries, not 383; save it again",
    ),
    "pickled array of the right size": (put(ROW, OBJECTS.ljust(232, b".")[:232]), NO_ROW),
    "a pickle": (
        put(ROW, PICKLE),
        "its float32.npy must take 232 bytes for 26 entries, not 68; save it again",
    ),
    "a pickle of the right size": (put(ROW, PICKLE.ljust(232, b".")), NO_ROW),
    "other values": (
        flipped,
        "its checksum must match what it holds, and the file is damaged; save it again",
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


def test_a_sentence_stays_short(path: Path) -> None:
    path.write_bytes(forged(path.read_bytes(), shape("x" * 9999, [0])))
    assert refused(path).startswith("it must not hold 'xxx")
    assert len(refused(path)) < 350


def test_absent_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path / "m.npz")
    assert caught.value.args == (
        f"{tmp_path / 'm.npz'}: no such file; pass the path of a saved model",
    )
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path)
    assert caught.value.args == (
        f"{tmp_path}: must be a file, not a folder; pass the path of a file",
    )


@pytest.mark.parametrize("step", ["replace", "fsync"])
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
            f"pass a folder that you can write to",
        )
    assert os.listdir(path.parent) == ["m.npz"]
    assert path.read_bytes() == old


def test_writing_where_a_file_is_the_folder(path: Path) -> None:
    with pytest.raises(FileError) as caught:
        mp.save(pruned("mlp"), path / "m.npz")
    assert caught.value.args == (
        f"{path / 'm.npz'}: cannot be written (Not a directory); "
        f"pass a folder that you can write to",
    )


def test_what_is_written_is_readable_by_others_as_the_umask_says(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the umask, which is of the whole process, is never touched: other threads write too."""
    monkeypatch.delattr(os, "umask")
    mp.save(pruned("mlp"), path)
    other = path.with_name("other")
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.save("m.npz", pruned("mlp"))  # type: ignore[arg-type]
    assert caught.value.args == (
        "save: model must be a Model, not str; pass one that mp.zoo, mp.initialise or mp.load made",
    )
