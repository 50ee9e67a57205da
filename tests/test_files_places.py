"""Saving replaces a regular file alone: what else may be at a path is kept, followed or refused."""

import gzip
import io
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, FileError
from minprune.files import check_writable, write_atomic

ELSEWHERE = "pass the path of a file"
LINKS = (
    "must have one name, not 2 (hard links), since the others would keep the old content; "
    "delete this name, or pass another path"
)
READ_ONLY = "must not be read-only; change its mode, or pass another path"


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # as /dev/null
    except PermissionError:
        pytest.skip("only root may make a device")


def bound(path: Path) -> None:
    os.chdir(path.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path.name)


def text(path: Path, mode: int = 0o644) -> None:
    path.write_text("old")
    path.chmod(mode)


def linked(path: Path) -> None:
    text(path.with_name("first"))
    os.link(path.with_name("first"), path)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "device": (device, f"must be a file, not a device; {ELSEWHERE}"),
    "pipe": (os.mkfifo, f"must be a file, not a pipe; {ELSEWHERE}"),
    "socket": (bound, f"must be a file, not a socket; {ELSEWHERE}"),
    "folder": (Path.mkdir, f"must be a file, not a folder; {ELSEWHERE}"),
    "hard link": (linked, LINKS),
    "0400": (lambda path: text(path, 0o400), READ_ONLY),
    "0444": (lambda path: text(path, 0o444), READ_ONLY),
    "loop": (
        lambda path: path.symlink_to(path.name),
        "cannot be written (Too many levels of symbolic links); "
        "pass a folder that you can write to",
    ),
}  # fmt: skip
KEPT_ASIDE = {"first"}


def seen(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for name in sorted(os.listdir(folder)):
        at = os.lstat(folder / name)
        found[name] = (at.st_ino, at.st_mode, at.st_nlink)
    return found


@pytest.mark.parametrize("work", [lambda path: write_atomic(path, "new"), check_writable])
@pytest.mark.parametrize("behind_a_link", [False, True])
@pytest.mark.parametrize("kind", REFUSED)
def test_refused_and_left_as_it_was(
    kind: str, behind_a_link: bool, work: Callable[[Path], None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make, sentence = REFUSED[kind]
    path = tmp_path / "there"
    make(path)
    if behind_a_link:
        path = tmp_path / "link"
        path.symlink_to("there")
    before = seen(tmp_path)
    with pytest.raises(FileError) as caught:
        work(path)
    assert caught.value.args == (f"{path}: {sentence}",)
    assert seen(tmp_path) == before


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o640, 0o755, 0o666, 0o200])
def test_the_mode_is_kept(mode: int, tmp_path: Path) -> None:
    text(tmp_path / "there", mode)
    write_atomic(tmp_path / "there", "new")
    assert stat.S_IMODE(os.stat(tmp_path / "there").st_mode) == mode
    os.chmod(tmp_path / "there", 0o600)
    assert (tmp_path / "there").read_text() == "new"
    assert os.listdir(tmp_path) == ["there"]


def test_the_owner_is_kept_where_that_is_allowed(tmp_path: Path) -> None:
    text(tmp_path / "there")
    try:
        os.chown(tmp_path / "there", 12345, 54321)
    except PermissionError:
        pytest.skip("only root may give a file away")
    write_atomic(tmp_path / "there", "new")
    at = os.stat(tmp_path / "there")
    assert (at.st_uid, at.st_gid) == (12345, 54321)


@pytest.mark.parametrize("there", [False, True])
def test_links_are_followed(there: bool, tmp_path: Path) -> None:
    target = tmp_path / "runs" / "3.npz"
    if there:
        target.parent.mkdir()
        text(target)
    (tmp_path / "latest").symlink_to("middle")
    (tmp_path / "middle").symlink_to(os.path.join("runs", "3.npz"))
    write_atomic(tmp_path / "latest", "new")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "middle").is_symlink()
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["3.npz"]


@pytest.mark.parametrize("name", ["n" * 255, "\N{SNOWMAN}" * 85, "[1]*?.npz", " ", "-x"])
def test_every_name_that_a_file_may_have(name: str, tmp_path: Path) -> None:
    write_atomic(tmp_path / name, "new")
    write_atomic(tmp_path / name, "newer")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["n" * 256, "a\0b", "folder" + os.sep])
def test_no_name_of_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileError):
        write_atomic(os.path.join(tmp_path, name), "new")
    assert os.listdir(tmp_path) == []


def test_checking_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    text(tmp_path / "old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "sub" / "new")
    assert (tmp_path / "old").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["old", "sub"]
    assert os.listdir(tmp_path / "sub") == []


# --- file objects

MODEL = mp.zoo.mlp(((4,), 2), (3,))


def test_a_model_through_file_objects(tmp_path: Path) -> None:
    mp.save(MODEL, tmp_path / "m.npz")
    whole, buffer = (tmp_path / "m.npz").read_bytes(), io.BytesIO()
    mp.save(MODEL, buffer)
    assert buffer.getvalue() == whole
    with open(tmp_path / "raw", "wb", buffering=0) as raw:
        mp.save(MODEL, raw)
    with gzip.open(tmp_path / "m.gz", "wb") as packed:
        mp.save(MODEL, packed)  # type: ignore[arg-type]
    assert (tmp_path / "raw").read_bytes() == whole
    with open(tmp_path / "raw", "rb") as raw, gzip.open(tmp_path / "m.gz") as packed:
        for source in (io.BytesIO(whole), raw, packed):
            again = mp.load(source)  # type: ignore[arg-type]
            assert all((again.params[k] == MODEL.params[k]).all() for k in MODEL.params)


def test_a_raw_stream_that_takes_a_few_bytes_at_a_time() -> None:
    class Slow(io.BytesIO):
        def write(self, content: object) -> int:
            return super().write(bytes(content)[:7])  # type: ignore[call-overload]

    slow, whole = Slow(), io.BytesIO()
    mp.save(MODEL, slow)
    mp.save(MODEL, whole)
    assert slow.getvalue() == whole.getvalue()


def test_file_objects_that_cannot_serve(tmp_path: Path) -> None:
    text(tmp_path / "old")
    closed = io.BytesIO()
    closed.close()
    said = []
    with open(tmp_path / "old", "rb") as readable, open(tmp_path / "old") as words:
        for stream in (io.StringIO(), closed, readable):
            with pytest.raises(FileError) as caught:
                mp.save(MODEL, stream)  # type: ignore[arg-type]
            said.append(str(caught.value))
        for source in (io.StringIO("x"), words, closed):
            with pytest.raises(FileError) as caught:
                mp.load(source)  # type: ignore[arg-type]
            said.append(str(caught.value))
    old = tmp_path / "old"
    assert said == [
        "StringIO: must be open for bytes; open it with 'wb'",
        "BytesIO: cannot be written (I/O operation on closed file.); open it with 'wb'",
        f"{old}: cannot be written (write); open it with 'wb'",
        "StringIO: must be open for bytes; open it with 'rb'",
        f"{old}: must be open for bytes; open it with 'rb'",
        "BytesIO: must be a minprune model, and cannot be read "
        "(I/O operation on closed file.); save it again",
    ]
    assert old.read_text() == "old"


@pytest.mark.parametrize("given", [3, None, b"m.npz", MODEL])
def test_what_is_neither_a_path_nor_a_file_object(given: object) -> None:
    for owner, work in (("save", lambda p: mp.save(MODEL, p)), ("load", mp.load)):
        with pytest.raises(ArgumentError) as caught:
            work(given)  # type: ignore[operator]
        assert caught.value.args == (
            f"{owner}: path must be a path or a file object, not {given!r}; pass its name as text",
        )


def test_loading_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.npz")
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path / "m.npz")
    assert caught.value.args == (
        f"{tmp_path / 'm.npz'}: must be a file, not a pipe; pass the path of a file",
    )


# --- checkpoints

DATA = mp.data.digits()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "must be a file, not a folder; pass the path of a file"),
        (
            "file/fit.npz",
            "cannot be written (Not a directory); pass a folder that you can write to",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_refused_before_training(
    name: str, sentence: str, tmp_path: Path
) -> None:
    text(tmp_path / "file")
    updates = []

    class Count(mp.Method):
        def after(self, view: mp.View) -> None:
            updates.append(view)

    with pytest.raises(FileError) as caught:
        mp.fit(MODEL_OF_DIGITS, DATA, epochs=1, method=Count(), checkpoint=tmp_path / name)
    assert caught.value.args == (f"{tmp_path / name}: {sentence}",)
    assert not updates


MODEL_OF_DIGITS = mp.zoo.mlp(DATA, (4,))


def test_the_second_fit_with_one_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    said: list[str] = []

    class Again(mp.Method):
        def after(self, view: mp.View) -> None:
            if not said:
                with pytest.raises(FileError) as caught:
                    mp.fit(MODEL_OF_DIGITS, DATA, epochs=1, progress=False, checkpoint=path)
                said.append(str(caught.value))
                other = path.with_name("other.npz")  # another file in the same folder is free
                mp.fit(MODEL_OF_DIGITS, DATA, epochs=1, progress=False, checkpoint=other)

    mp.fit(MODEL_OF_DIGITS, DATA, epochs=1, method=Again(), progress=False, checkpoint=path)
    assert said == [
        f"{path}: must not be in use by another process; wait until it ends, or pass another path"
    ]
    assert sorted(os.listdir(tmp_path)) == ["fit.npz", "other.npz"]


def test_bytes_that_follow_are_not_part_of_the_model() -> None:
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    mp.save(MODEL, buffer)
    buffer.seek(6)
    assert np.array_equal(mp.load(buffer).params["fc1.weight"], MODEL.params["fc1.weight"])
