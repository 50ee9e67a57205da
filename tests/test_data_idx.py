"""The reader of IDX folders: round trips, MNIST, damaged files.

Long because each kind of damage has its whole message here.
"""

import gzip
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from minprune.core import Dataset
from minprune.data import idx
from minprune.errors import DataError
from tests.places import real_data


def as_idx(array: Any, kind: int = 8) -> bytes:
    head = bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


def write_folder(folder: Path, parts: dict[str, tuple[Any, Any]], mark: str, packed: bool) -> None:
    for part, (images, labels) in parts.items():
        for kind, array in (("images", images), ("labels", labels)):
            name = f"{part}-{kind}{mark}idx{array.ndim}-ubyte"
            data = as_idx(array)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)


def random_parts(n: int, shape: tuple[int, ...], seed: int) -> dict[str, tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {
        part: (
            rng.integers(0, 256, (m, *shape), np.uint8),
            rng.integers(0, 4, m, np.uint8),
        )
        for part, m in (("train", n), ("t10k", 3))
    }


folders = st.tuples(
    st.integers(2, 12),
    st.sampled_from([(2, 3), (1, 1), (3, 2, 4), (1, 4, 2)]),
    st.integers(0, 1000),
    st.sampled_from("-."),
    st.booleans(),
    st.sampled_from([0, 1, 0.3]),
)


def rows(x: Any, y: Any) -> Counter[tuple[bytes, int]]:
    scaled = np.rint(np.asarray(x, np.float64) * 255).astype(np.uint8)
    return Counter((a.tobytes(), int(b)) for a, b in zip(scaled, y, strict=True))


def comes_back(read: Callable[..., Dataset], case: tuple[Any, ...]) -> bool:
    """train + val is the training file, test the test file in order, x is pixel / 255."""
    n, shape, seed, mark, packed, val = case
    parts = random_parts(n, shape, seed)
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), parts, mark, packed)
        data = read(folder, val=val, seed=seed, dtype=np.float64)
    pixels = {k: p.reshape(-1, *((1,) * (3 - len(shape))), *shape) for k, (p, _) in parts.items()}
    shared = data.val[0] is data.train[0]
    together = rows(*data.train) + (Counter() if shared else rows(*data.val))
    count = 0 if shared else len(data.val[1])
    return (
        together == rows(pixels["train"] / 255, parts["train"][1])
        and count == (val if isinstance(val, int) else round(val * n))
        and np.array_equal(data.test[0], pixels["t10k"] / 255)
        and np.array_equal(data.test[1], parts["t10k"][1])
        and data.input_shape == pixels["train"].shape[1:]
        and data.test[1].dtype == np.int64
    )


@given(case=folders)
@settings(max_examples=40)
def test_idx_folder_comes_back(case: tuple[Any, ...]) -> None:
    assert comes_back(idx, case)


def spoil(change: Callable[[Dataset], Dataset]) -> Callable[..., Dataset]:
    return lambda folder, **named: change(idx(folder, **named))


WRONG = {
    "height and width exchanged": lambda d: Dataset(
        *((np.swapaxes(x, 2, 3), y) for x, y in (d.train, d.val, d.test))
    ),
    "raw pixels": lambda d: Dataset(*((x * 255, y) for x, y in (d.train, d.val, d.test))),
    "divided by 256": lambda d: Dataset(*((x * 255 / 256, y) for x, y in (d.train, d.val, d.test))),
    "labels one place off": lambda d: Dataset(d.train, d.val, (d.test[0], np.roll(d.test[1], 1))),
    "validation also in training": lambda d: Dataset(
        tuple(np.concatenate([a, b]) for a, b in zip(d.train, d.val, strict=True)), d.val, d.test
    ),
    "labels as bytes": lambda d: Dataset(d.train, d.val, (d.test[0], d.test[1].astype(np.uint8))),
    "channel last": lambda d: Dataset(
        *((np.moveaxis(x, 1, 3), y) for x, y in (d.train, d.val, d.test))
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_idx_law_rejects(name: str) -> None:
    wrong = spoil(WRONG[name])
    find(
        folders,
        lambda case: not comes_back(wrong, case),
        settings=settings(derandomize=True, database=None, phases=[Phase.generate]),
    )


def test_idx_draw_repeats_with_its_seed(tmp_path: Path) -> None:
    write_folder(tmp_path, random_parts(40, (2, 2), 0), "-", True)
    a, b, c = (idx(tmp_path, val=10, seed=s).val[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert a.dtype == np.float32


def test_idx_reads_mnist() -> None:
    data = idx(real_data("mnist"))
    assert [len(y) for _, y in (data.train, data.val, data.test)] == [55_000, 5_000, 10_000]
    assert (data.input_shape, data.outputs) == ((1, 28, 28), 10)
    whole = np.bincount(data.train[1]) + np.bincount(data.val[1])
    # the class counts that every description of MNIST gives
    assert whole.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (abs(np.bincount(data.val[1]) * 60_000 - whole * 5_000) < 60_000).all()
    assert data.test[1][:5].tolist() == [7, 2, 1, 0, 4]
    # the mean 0.1307 that is used everywhere to normalise it, to its last printed place
    total = data.train[0].sum(dtype=np.float64) + data.val[0].sum(dtype=np.float64)
    assert abs(total / (60_000 * 784) - 0.1307) <= 0.5e-4


# Damaged files

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
GOOD = as_idx(np.zeros((4, 2, 3), np.uint8))
HUGE = bytes([0, 0, 8, 3]) + b"\xff" * 12


def replace(name: str, data: bytes, packed: bool = False) -> Callable[[Path], Any]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / (name + ".gz" * packed)).write_bytes(data)

    return damage


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (
        lambda folder: (folder / LABELS).unlink(),
        "{folder}: must hold train-labels-idx1-ubyte, or the same with .gz, and does not; "
        "copy it into the folder",
    ),
    "empty": (
        replace(IMAGES, b""),
        "{folder}/train-images-idx3-ubyte: must start with 00 00 08 (unsigned bytes) "
        "and 3 or 4 (axes), not nothing; pass the original file, under its own name",
    ),
    "gzip without the ending": (
        replace(IMAGES, gzip.compress(GOOD)),
        "{folder}/train-images-idx3-ubyte: must start with 00 00 08 (unsigned bytes) "
        "and 3 or 4 (axes), not 1f 8b 08 00; pass the original file, under its own name",
    ),
    "floats": (
        replace(IMAGES, as_idx(np.zeros((4, 2, 3), np.float32), 0x0D)),
        "{folder}/train-images-idx3-ubyte: must start with 00 00 08 (unsigned bytes) "
        "and 3 or 4 (axes), not 00 00 0d 03; pass the original file, under its own name",
    ),
    "images for labels": (
        replace(LABELS, GOOD),
        "{folder}/train-labels-idx1-ubyte: must start with 00 00 08 (unsigned bytes) "
        "and 1 (axes), not 00 00 08 03; pass the original file, under its own name",
    ),
    "cut in the header": (
        replace(IMAGES, GOOD[:11]),
        "{folder}/train-images-idx3-ubyte: must give 3 sizes of at least 1 in its header, "
        "not (4,); download the file again",
    ),
    "no rows": (
        replace(IMAGES, as_idx(np.zeros((0, 2, 3), np.uint8))),
        "{folder}/train-images-idx3-ubyte: must give 3 sizes of at least 1 in its header, "
        "not (0, 2, 3); download the file again",
    ),
    "cut": (
        replace(IMAGES, GOOD[:-1]),
        "{folder}/train-images-idx3-ubyte: must hold 24 bytes after its header, which gives "
        "the shape (4, 2, 3), not fewer; download the file again",
    ),
    "too long": (
        replace(IMAGES, GOOD + b"\0"),
        "{folder}/train-images-idx3-ubyte: must hold 24 bytes after its header, which gives "
        "the shape (4, 2, 3), not more; download the file again",
    ),
    "header of 2**96 bytes": (
        replace(IMAGES, gzip.compress(HUGE + GOOD), packed=True),
        "{folder}/train-images-idx3-ubyte.gz: must hold 79228162458924105385300197375 bytes "
        "after its header, which gives the shape (4294967295, 4294967295, 4294967295), not "
        "fewer; download the file again",
    ),
    "gzip cut": (
        replace(IMAGES, gzip.compress(GOOD)[:-9], packed=True),
        "{folder}/train-images-idx3-ubyte.gz: cannot be read (a gzip file that is cut or damaged); "
        "check the file",
    ),
    "gzip with a wrong checksum": (
        replace(IMAGES, gzip.compress(GOOD)[:-8] + b"\1" * 8, packed=True),
        "{folder}/train-images-idx3-ubyte.gz: cannot be read (a gzip file that is cut or damaged); "
        "check the file",
    ),
    "gzip with garbled blocks": (
        replace(IMAGES, gzip.compress(GOOD)[:10] + b"\xff" * 30, packed=True),
        "{folder}/train-images-idx3-ubyte.gz: cannot be read (a gzip file that is cut or damaged); "
        "check the file",
    ),
    "not gzip": (
        replace(IMAGES, GOOD, packed=True),
        "{folder}/train-images-idx3-ubyte.gz: cannot be read (a gzip file that is cut or damaged); "
        "check the file",
    ),
    "other count": (
        replace(LABELS, as_idx(np.zeros(3, np.uint8))),
        "{folder}/train-labels-idx1-ubyte: must hold 4 labels, as many as "
        "train-images-idx3-ubyte holds images, not 3; take both files from one data set",
    ),
    "other size": (
        replace(IMAGES, as_idx(np.zeros((4, 3, 2), np.uint8))),
        "{folder}: test images must have the shape of training images, (3, 2), not (2, 3); "
        "put the files of one data set in the folder",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path, random_parts(4, (2, 3), 0), "-", False)
    return tmp_path


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_idx(name: str, folder: Path) -> None:
    damage, text = DAMAGE[name]
    damage(folder)
    with pytest.raises(DataError) as caught:
        idx(folder, val=1)
    assert caught.value.args == (text.format(folder=folder),)


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255))
def test_one_wrong_byte_never_ends_in_a_foreign_error(at: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        write_folder(Path(name), random_parts(4, (2, 3), 0), "-", False)
        (Path(name) / IMAGES).write_bytes(GOOD[:at] + bytes([value]) + GOOD[at + 1 :])
        with suppress(DataError):
            idx(name, val=1)


def test_unreadable_idx(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError) as caught:
        idx(folder)
    assert caught.value.args == (
        f"{folder / IMAGES}: cannot be read (Permission denied); check the file",
    )


def test_absent_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        idx(tmp_path / "none")
    assert caught.value.args == (
        f"{tmp_path / 'none'}: no such folder; pass the one that holds "
        f"train-images-idx3-ubyte.gz and the three other files of MNIST",
    )


def test_a_gzip_bomb_stays_small(folder: Path) -> None:
    bomb = 2**26
    replace(IMAGES, gzip.compress(GOOD + bytes(bomb)), packed=True)(folder)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"must hold 24 bytes .* not more; download"):
            idx(folder, val=1)
        assert tracemalloc.get_traced_memory()[1] < bomb / 16
    finally:
        tracemalloc.stop()
