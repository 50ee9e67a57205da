"""Damaged files: a value or one sentence, in bounded memory; benchmarks/fuzz.py has 20,000."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minprune as mp
from benchmarks import _hostile, _watched, fuzz
from benchmarks._damage import entries_of, packed, signed
from minprune.errors import FileError
from minprune.files.container import HEADER
from minprune.files.reader import TABLE
from minprune.train.state import load_tree

FILES = 300


def test_models_of_all_formats_and_a_state_are_damaged(tmp_path: Path) -> None:
    found = []
    for k, content in enumerate(fuzz.originals()):
        (tmp_path / str(k)).write_bytes(content)
        assert fuzz.verdict(tmp_path / str(k))[0] == ""
        found.append(mp.load if k < len(fuzz.originals()) - 1 else load_tree)
    values = [load(tmp_path / str(k)) for k, load in enumerate(found)]
    formats = {getattr(n.layer, "format", "") for m in values[:-1] for n in m.net.nodes}
    assert formats == {"", "csr", "4x4", "2:4"}
    assert {m.dtype.name for m in values[:-1]} == {"float32", "float64"}
    assert {type(v).__name__ for v in values[-1].values()} == {
        "Model", "History", "tuple", "int64", "list",
    }  # fmt: skip


def test_damaged_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    wrong, kinds = [], set()
    for k in range(FILES):
        kind, content = fuzz.damaged_file(k)
        path.write_bytes(content)
        found, peak, _ = fuzz.verdict(path)
        kinds.add(kind)
        wrong += [(k, kind, found)] * bool(found)
        wrong += [(k, kind, peak)] * (peak > 2 * len(content) + fuzz.ROOM)
    assert wrong == []
    assert kinds >= {damage.__name__ for damage in _hostile.DAMAGES if damage not in _hostile.SLOW}


@pytest.mark.parametrize("damage", sorted(_hostile.SLOW, key=lambda damage: damage.__name__))
def test_bombs_stay_small(damage: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    for k in range(3):
        path.write_bytes(damage(fuzz.originals()[0], np.random.default_rng(k)))
        found, peak, _ = fuzz.verdict(path)
        assert found == ""
        assert peak <= 2 * path.stat().st_size + fuzz.ROOM


def raising(error: BaseException) -> Callable[..., Any]:
    def load(path: Any) -> Any:
        raise error

    return load


def wasteful(path: Path) -> None:
    bytearray(2 * path.stat().st_size + fuzz.ROOM + 2**20)


@pytest.mark.parametrize(
    ("load", "wrong"),
    [
        (lambda path: raising(FileError(f"{path}: a\nb"))(path), "no sentence: "),
        (lambda path: raising(FileError(f"{path}: {'x' * 500}"))(path), "no sentence: "),
        (raising(FileError("a bad file")), "no sentence: 'a bad file'"),
        (raising(KeyError("net")), "KeyError: 'net'"),
        (raising(SystemExit("unpickled")), "SystemExit: unpickled"),
    ],
)
def test_the_verdict_sees_other_errors(load: Any, wrong: str, tmp_path: Path) -> None:
    assert fuzz.verdict(tmp_path / "m.npz")[0] == ""
    for loads in ((load, load_tree), (mp.load, load)):
        subject = replace(fuzz.SUBJECT, loads=loads)
        assert _watched.verdict(subject, tmp_path / "m.npz")[0].startswith(wrong)


def test_the_verdict_sees_memory(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"x")
    subject = replace(fuzz.SUBJECT, loads=(wasteful, load_tree))
    assert _watched.verdict(subject, tmp_path / "m")[1] > 2 + fuzz.ROOM


# --- the sentences of files that only an attacker would write


def header(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def forge(content: bytes) -> bytes:
        entries = entries_of(content)
        found = json.loads(entries[HEADER])
        change(found)
        return packed(signed(entries | {HEADER: json.dumps(found).encode()}))

    return forge


def extra(name: str) -> Callable[[bytes], bytes]:
    return lambda content: packed(entries_of(content) | {name: b"x"})


def crowd(content: bytes) -> bytes:
    last = content.rindex(b"PK\x05\x06")
    rows = _hostile.row(b"000000", 0, 0, 0) * (1 + TABLE // 52)
    return content[:last] + rows + _hostile.end(1, len(rows), last)


def more_compressed(content: bytes) -> bytes:
    """An entry whose compressed size is absurd: zipfile would ask for as much memory."""
    at = content.rindex(b"float32.npy") - 26
    return content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :]


FORGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a path beside the arrays": (
        extra("../../etc/passwd"),
        "it must not hold '../../etc/passwd'; pass a file that mp.save wrote",
    ),
    "a layer called like a path": (
        header(lambda h: h["net"]["layers"][0].update(name="../x")),
        "must be a minprune model, and cannot be read "
        "('../x' cannot name a layer; use letters, digits and "
        "_, with dots between them); save it again",
    ),
    "inputs of no size": (
        header(lambda h: h["net"].update(input_shape=[2, 3.0])),
        "its input shape must hold integers of at least 1, not (2, 3.0); save it again",
    ),
    "a thousand arrays": (
        header(lambda h: h["arrays"].update(uint8={f"masks/{k}": [0] for k in range(1000)})),
        "it must not hold 'masks/0'; pass a file that mp.save wrote",
    ),
    "a version that is no number": (
        header(lambda h: h.update(version=float("nan"))),
        "its format version must be an integer of at least 1, not nan; save it again",
    ),
    "a crowded table": (
        crowd,
        "its table of entries must take at most 65536 bytes, not 65572; save it again",
    ),
    "an absurd compressed size": (
        more_compressed,
        "its entries must fit in its SIZE bytes; save it again",
    ),
    "rows within rows": (
        lambda content: _hostile.overlapping(20),
        "its entries must fit in its SIZE bytes; save it again",
    ),
    "two of one name": (
        lambda content: packed([*entries_of(content).items(), ("float32.npy", b"")]),
        "its entries must have different names; save it again",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged(name: str, tmp_path: Path) -> None:
    forge, text = FORGED[name]
    path = tmp_path / "m.npz"
    path.write_bytes(forge(fuzz.originals()[0]))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    text = text.replace("SIZE", str(path.stat().st_size))
    assert caught.value.args == (f"{path}: {text}",)


def test_files_beyond_4_gb_have_a_second_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = mp.zoo.mlp(((2,), 2), (3,)), tmp_path / "m.npz"
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 200)  # as if all were that large
    mp.save(model, path)
    content = path.read_bytes()
    end = content.rindex(b"PK\x06\x06")  # its table's size is 40 bytes on
    assert (mp.load(path).params["fc1.weight"] == model.params["fc1.weight"]).all()
    path.write_bytes(content[: end + 40] + (2**40).to_bytes(8, "little") + content[end + 48 :])
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (
        f"{path}: its table of entries must take at most {len(content)} bytes, not {2**40}; "
        f"save it again",
    )


def test_overlapping_rows_are_valid_one_by_one() -> None:
    content = _hostile.overlapping(20)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert sum(e.file_size for e in archive.infolist()) > 15 * len(content)


def test_the_same_files_each_time() -> None:
    assert [fuzz.damaged_file(k) for k in range(20)] == [fuzz.damaged_file(k) for k in range(20)]
