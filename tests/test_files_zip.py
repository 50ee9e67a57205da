"""Archives that load must refuse: of another kind, cut, over one another, or bombs."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_files import equal, pruned
from test_files_refused import ROW, refused

import minprune as mp
from benchmarks._damage import entries_of, npy, packed
from minprune.errors import FileError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    mp.save(pruned("mlp"), tmp_path / "m.npz")
    return tmp_path / "m.npz"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(ROW, npy(np.ones(4, np.float32)))
    assert refused(path) == "its entries must have different names; save it again"


def test_entries_that_lie_over_one_another_are_refused(path: Path) -> None:
    """A small file could otherwise claim any amount of memory."""
    size, body = path.stat().st_size, path.read_bytes()
    at = body.rindex(b"PK\1\2")  # the last entry of the directory: its size there, made the file's
    huge = body[: at + 20] + (size - 1).to_bytes(4, "little") + body[at + 24 :]
    path.write_bytes(huge)
    assert refused(path) == f"its entries must fit in its {size} bytes; save it again"


def deflated(path: Path, key: str, body: bytes, claim: int, crc: bytes) -> None:
    """One entry deflated, and a claim of its size in the archive's table, with a checksum."""
    entries = entries_of(path.read_bytes())
    found = bytearray(packed(entries | {key: body}, zipfile.ZIP_DEFLATED))
    at = found.rindex(key.encode())
    found[at - 30 : at - 26] = zlib.crc32(crc).to_bytes(4, "little")
    found[at - 22 : at - 18] = claim.to_bytes(4, "little")
    path.write_bytes(found)


def test_a_bomb_is_refused_by_its_claim(path: Path) -> None:
    for key in ("header.json", ROW):
        deflated(path, key, bytes(2**21), 2**21, bytes(2**21))
        text = f"its {key} must have at most 1048576 bytes, not 2097152; save it again"
        assert refused(path) == text
        mp.save(pruned("mlp"), path)


def test_a_bomb_that_claims_to_be_small_is_read_no_further(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        row, header = archive.read(ROW), archive.read("header.json")
    whole = path.read_bytes()
    deflated(path, ROW, row + bytes(2**25), 232, row + b"\0")
    assert refused(path) == f"its {ROW} must hold the 232 bytes it claims, not more; save it again"
    path.write_bytes(whole)
    deflated(path, ROW, row[:-4], 232, row[:-4])
    assert refused(path) == f"its {ROW} must hold what it claims; save it again"
    path.write_bytes(whole)
    text = header + b" " * 2**25
    deflated(path, "header.json", text, len(header), header + b" ")
    assert refused(path) == (
        f"its header.json must hold the {len(header)} bytes it claims; save it again"
    )


def test_what_does_not_inflate_is_refused(path: Path) -> None:
    body = bytearray(path.read_bytes())
    at = body.index(b"header.json") + len("header.json")  # the first byte that is deflated
    body[at] |= 6  # a kind of block that is none
    path.write_bytes(body)
    assert refused(path) == (
        "must be a minprune model, and cannot be read "
        "(Error -3 while decompressing data: invalid block type); save it again"
    )


def test_another_compression_is_refused(path: Path) -> None:
    entries = entries_of(path.read_bytes())
    path.write_bytes(packed(entries, zipfile.ZIP_BZIP2))
    assert refused(path) == (
        "its header.json must be stored (0) or deflated (8), not 12; save it again"
    )


def test_encrypted_entries_are_refused(path: Path) -> None:
    body = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        body[body.index(mark) + at] |= 1
    path.write_bytes(body)
    assert refused(path) == "its header.json must not be encrypted; pass a file that mp.save wrote"


class Pipe(io.BytesIO):
    """Where zipfile cannot go back, so that it writes the sizes behind each entry."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("a pipe")

    def seek(self, *_: Any) -> int:
        raise OSError("a pipe")


def test_sizes_behind_the_entries_are_read(path: Path) -> None:
    entries = entries_of(path.read_bytes())
    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in entries.items():
            archive.writestr(name, body)
    path.write_bytes(out.getvalue())
    assert b"PK\7\x08" in out.getvalue()
    assert equal(mp.load(path), pruned("mlp"))


def test_an_entry_beyond_the_end_is_refused(path: Path) -> None:
    body = path.read_bytes()
    at = body.index(b"PK\1\2")  # header.json's own place in the file
    path.write_bytes(body[: at + 42] + (len(body) - 9).to_bytes(4, "little") + body[at + 46 :])
    assert refused(path).startswith("must be a minprune model, and cannot be read (")


OTHERS = {
    "an archive that was cut": lambda body: body[: len(body) // 2],
    "an empty file": lambda body: b"",
    "a file of another format": lambda body: b"fc1.weight = 3",
    "a pickle": lambda body: b"\x80\x04\x95\x10",
    "a PyTorch file of the old kind": lambda body: b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    "a single NumPy array": lambda body: b"\x93NUMPY\x01\x00",
    "an HDF5 file": lambda body: b"\x89HDF\r\n\x1a\n",
    "a gzip file": lambda body: b"\x1f\x8b\x08",
    "a safetensors file, whose arrays mp.read_weights reads": lambda body: (
        b'\x40\0\0\0\0\0\0\0{"w": {"dtype"'
    ),
    "a TensorFlow Lite model": lambda body: b"\x1c\0\0\0TFL3",
    "JSON": lambda body: b'{"weight": []}',
    "a PyTorch file, whose arrays mp.read_weights reads": lambda body: zipped(
        "a/data.pkl", "a/data/0"
    ),
    "a zip archive of other files": lambda body: zipped("a.txt"),
    "an .npz of NumPy, whose arrays mp.read_weights reads": lambda body: zipped("weight.npy"),
}


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_model_is_named(what: str, path: Path) -> None:
    path.write_bytes(OTHERS[what](path.read_bytes()))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (
        f"{path}: it must be a minprune model, not {what}; pass a file that mp.save wrote",
    )
