"""The reader of .npz files: the layouts, pixels, own parts and drawn ones, damage, messages."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.data import npz
from minprune.errors import ArgumentError, DataError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 4)), np.arange(30) % 3
GREY, COLOUR = (RNG.integers(0, 256, (20, 6, 7, *c), np.uint8) for c in ((), (3,)))
HALF = np.arange(20) % 2


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "t.npz", **arrays)
    return folder / "t.npz"


def test_npz_divides_x_and_y(tmp_path: Path) -> None:
    data = npz(saved(tmp_path, x=X, y=Y), val=0.2, test=3, dtype=np.float64)
    parts = data.train, data.val, data.test
    assert [np.bincount(y).tolist() for _, y in parts] == [[7] * 3, [2] * 3, [1] * 3]
    rows = [X.tolist().index(row) for x, _ in parts for row in x.tolist()]
    assert sorted(rows) == list(range(30))
    assert np.array_equal(Y[rows], np.concatenate([y for _, y in parts]))
    assert (data.name, data.outputs, parts[0][1].dtype) == ("t", 3, np.int64)


@pytest.mark.parametrize(
    ("train", "test"), [(("x_train", "y_train"), ("x_test", "y_test")),
                        (("train_images", "train_labels"), ("test_images", "test_labels")),
                        (("data_train", "target_train"), ("data_test", "target_test"))],
)  # fmt: skip
def test_npz_takes_the_parts_that_are_there(
    train: tuple[str, str], test: tuple[str, str], tmp_path: Path
) -> None:
    arrays = dict(zip((*train, *test), (X, Y[:, None], X[:6], Y[:6, None]), strict=True))
    data = npz(saved(tmp_path, **arrays, other=X), val=6, test=0.5)
    assert (data.train[0].shape, data.val[0].shape, data.test[0].shape) == ((24, 4), (6, 4), (6, 4))
    assert data.test[1].tolist() == Y[:6].tolist()
    assert data.train[0].dtype == np.float32
    own = {name.replace("test", "val"): arrays[name] for name in test}
    data = npz(saved(tmp_path, **arrays, **own), val=0.5)
    assert (len(data.train[0]), len(data.val[0]), len(data.test[0])) == (30, 6, 6)


def test_npz_without_parts_reuses_them(tmp_path: Path) -> None:
    data = npz(saved(tmp_path, x=X, y=Y), val=0, test=0)
    assert data.test is data.val is data.train
    data = npz(saved(tmp_path, x_train=X, y_train=Y, x_val=X[:3], y_val=Y[:3]), test=0)
    assert data.test is data.val
    assert len(data.val[0]) == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_npz_bytes_are_pixels(dtype: type, tmp_path: Path) -> None:
    data = npz(saved(tmp_path, x=GREY, y=HALF), val=0, test=0, dtype=dtype)
    np.testing.assert_array_equal(data.train[0], (GREY / dtype(255))[:, None])
    assert data.train[0].dtype == dtype
    last = npz(saved(tmp_path, x=COLOUR, y=HALF), val=0, test=0, dtype=dtype)
    first = npz(saved(tmp_path, x=COLOUR.transpose(0, 3, 1, 2), y=HALF), val=0, test=0, dtype=dtype)
    np.testing.assert_array_equal(last.train[0], COLOUR.transpose(0, 3, 1, 2) / dtype(255))
    np.testing.assert_array_equal(first.train[0], last.train[0])
    assert last.train[0].flags.c_contiguous


def test_npz_targets(tmp_path: Path) -> None:
    names = np.array(["no", "yes"])[HALF]
    data = npz(saved(tmp_path, x=GREY, y=names), val=0, test=0)
    assert (data.classes, data.train[1].tolist()) == (("no", "yes"), HALF.tolist())
    columns = npz(saved(tmp_path, x=X, y=X[:, :2]), val=0, test=0)
    np.testing.assert_array_equal(columns.train[1], X[:, :2])
    assert (columns.outputs, npz(saved(tmp_path, x=X, y=X[:, 0])).outputs) == (2, 1)


def raw(data: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / "t.npz").write_bytes(data)


def held(**arrays: Any) -> Callable[[Path], Any]:
    return lambda folder: saved(folder, **arrays)


FILE = "{folder}/t.npz: must be an .npz file without pickled objects, and cannot be read ("
WRITE = "); write it by numpy.savez, text as arrays of str"
ARRAYS = "{folder}/t.npz: must hold the arrays x and y, or x_train and y_train, not "
LOAD = "; load them by numpy, and pass them to mp.data.split(x, y)"
INPUTS = "{folder}/t.npz: train inputs must be numbers with one target each, not "
NAN = np.where(np.arange(120).reshape(30, 4) == 9, np.nan, 1)
MESSAGES = {
    "absent": (lambda _: None, FILE + "No such file or directory" + WRITE),
    "empty": (raw(b""), FILE + "it is no zip file" + WRITE),
    "text": (raw(b"class,a\n0,1\n"), FILE + "it is no zip file" + WRITE),
    "objects": (
        held(x=X, y=np.array([None] * 30)),
        FILE + "Object arrays cannot be loaded when allow_pickle=False" + WRITE,
    ),
    "no arrays": (held(), ARRAYS + "none" + LOAD),
    "other arrays": (held(a=X, b=Y, y=Y), ARRAYS + "a, b, y" + LOAD),
    "only a test part": (held(x_test=X, y_test=Y), ARRAYS + "x_test, y_test" + LOAD),
    "too few targets": (
        held(x=X, y=Y[:3]),
        INPUTS
        + "float64 of shape (30, 4) with targets int64 of shape (3,); save both arrays again",
    ),
    "no samples": (
        held(x=X[:0], y=Y[:0]),
        INPUTS + "float64 of shape (0, 4) with targets int64 of shape (0,); save both arrays again",
    ),
    "text inputs": (
        held(x=np.array(["a", "b"]), y=Y[:2]),
        INPUTS + "<U1 of shape (2,) with targets int64 of shape (2,); save both arrays again",
    ),
    "nan": (
        held(x=NAN, y=Y),
        "{folder}/t.npz: train inputs must be finite numbers, not nan as in x[2, 1]; leave that "
        "sample out",
    ),
}


def test_npz_names_the_target_in_the_file(tmp_path: Path) -> None:
    saved(tmp_path, x=X, y=np.where(np.arange(30) == 29, np.inf, 0))
    with pytest.raises(ArgumentError) as caught:
        npz(tmp_path / "t.npz")
    assert caught.value.args == (
        "npz: y must be finite numbers, not inf as in y[29]; leave that sample out",
    )


@pytest.mark.parametrize("name", MESSAGES)
def test_npz_messages(name: str, tmp_path: Path) -> None:
    make, text = MESSAGES[name]
    make(tmp_path)
    with pytest.raises(DataError) as caught:
        npz(tmp_path / "t.npz")
    assert caught.value.args == (text.format(folder=tmp_path),)


with tempfile.TemporaryDirectory() as _folder:
    GOOD = saved(Path(_folder), x=GREY[:4, :2, :2], y=HALF[:4]).read_bytes()


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), end=st.integers(0, len(GOOD)))
def test_damage_never_ends_in_a_foreign_error(at: int, value: int, end: int) -> None:
    for bad in (GOOD[:at] + bytes([value]) + GOOD[at + 1 :], GOOD[:end]):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "t.npz").write_bytes(bad)
            with suppress(DataError):
                npz(Path(folder) / "t.npz", val=0, test=0)
