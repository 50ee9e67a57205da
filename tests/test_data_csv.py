"""The reader of CSV tables: worked by hand, every row kept, the MONK's files, messages.

Long because each message stands here whole.
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from minprune.core import Dataset
from minprune.data import csv
from minprune.errors import ArgumentError, DataError, MinpruneError
from tests.places import real_data


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_worked_by_hand(tmp_path: Path) -> None:
    train = write(tmp_path / "t.csv", "colour,class,size\nred,yes,10\nblue, no ,9\n\nred,no,9\n")
    test = write(tmp_path / "u.csv", "\ufeffclass,size,colour\nno,100,red\n")
    data = csv(train, test)
    #                           blue red | 9 10 100: numbers sort as numbers
    assert data.train[0].tolist() == [[0, 1, 0, 1, 0], [1, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    assert data.train[1].tolist() == [1, 0, 0]
    assert data.test[0].tolist() == [[0, 1, 0, 0, 1]]
    assert data.test[1].tolist() == [0]
    assert (data.name, data.outputs) == ("t", 2)
    assert (data.train[0].dtype, data.train[1].dtype) == (np.float32, np.int64)
    assert data.val is data.train


def test_csv_numbers_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,y,b\n1.5,0,-2\n1e3,1,0\n")
    data = csv(path, label="y", one_hot=False, outputs="column", dtype=np.float64)
    assert data.train[0].tolist() == [[1.5, -2], [1000, 0]]
    assert data.train[1].tolist() == [[0], [1]]
    assert (data.train[0].dtype, data.train[1].dtype) == (np.float64, np.float64)
    assert data.test is data.val is data.train


def test_csv_values_add_levels_and_set_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "class,a\n0,2\n1,1\n")
    assert csv(path, values={"a": [3, 2, 1]}).train[0].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert csv(path, values={"class": [1, 0]}).train[1].tolist() == [1, 0]
    spaced = csv(path, values={"a": [" 2", "1 ", "over\n three"]})  # spaces go, as from cells
    assert spaced.train[0].tolist() == [[1, 0, 0], [0, 1, 0]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], list[str], int]:
    words = st.sampled_from(["a", "b", "10", "9", "-1", "x y", 'say "a,b"', "é"])
    n, width = draw(st.integers(2, 12)), draw(st.integers(1, 3))
    cells = [[draw(words) for _ in range(width)] for _ in range(n)]
    return cells, [draw(st.sampled_from("012")) for _ in range(n)], draw(st.integers(0, n - 1))


def keeps_every_row(read: Callable[..., Dataset], case: Any) -> bool:
    """Rows with equal cells, and only those, have equal inputs; labels stay with their row."""
    import csv as writer

    cells, labels, val = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as f:
            writer.writer(f).writerows(
                [["class", *(f"a{i}" for i in range(len(cells[0])))]]
                + [[y, *row] for y, row in zip(labels, cells, strict=True)]
            )
        data = read(path, val=val, outputs="column")
    x, y = data.train
    if val:
        x, y = (np.concatenate([a, b]) for a, b in zip(data.train, data.val, strict=True))
    widths = [len(set(column)) for column in zip(*cells, strict=True)]
    starts = np.cumsum([0, *widths[:-1]])
    got = Counter((tuple(map(int, row)), float(t[0])) for row, t in zip(x, y, strict=True))
    want: Counter[tuple[str, ...]] = Counter(
        (*row, t) for row, t in zip(cells, labels, strict=True)
    )
    return (
        x.shape == (len(cells), sum(widths))
        and bool((np.add.reduceat(x, starts, axis=1) == 1).all())
        and sorted(got.values()) == sorted(want.values())
        and Counter(y[:, 0].tolist()) == Counter(map(float, labels))
        and (len(data.val[1]) == val or val == 0)
    )


@given(case=tables())
@settings(max_examples=50)
def test_csv_keeps_every_row(case: Any) -> None:
    assert keeps_every_row(csv, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y: (x[:, 1:], y),  # a level dropped as reference
        lambda x, y: (np.concatenate([x, 1 - x], axis=1), y),
        lambda x, y: (np.roll(x, 1, axis=1), y),  # columns run into one another
        lambda x, y: (x, np.roll(y, 1)),
        lambda x, y: (x, y * 0),
    ],
)
def test_csv_law_rejects(wrong: Callable[..., Any]) -> None:
    def read(path: Path, **named: Any) -> Dataset:
        d = csv(path, **named)
        return Dataset(wrong(*d.train), wrong(*d.val), wrong(*d.test))

    find(
        tables(),
        lambda case: not keeps_every_row(read, case),
        settings=settings(derandomize=True, database=None),
    )


@pytest.mark.parametrize(("problem", "n"), [(1, 124), (2, 169), (3, 122)])
def test_csv_reads_the_monks(problem: int, n: int) -> None:
    root = real_data("monks")
    files = root / f"monks-{problem}.train", root / f"monks-{problem}.test"
    data = csv(*files, outputs="column")
    assert (data.train[0].shape, data.test[0].shape) == ((n, 17), (432, 17))
    assert (data.train[1].shape, data.outputs) == ((n, 1), 1)
    a1, a2, a3, a4, a5, a6 = (
        block.argmax(axis=1) + 1 for block in np.split(data.test[0], [3, 6, 8, 11, 15], axis=1)
    )
    # the rules of Thrun et al. (1991); the test files hold all 432 cases, without noise
    rule = {
        1: (a1 == a2) | (a5 == 1),
        2: sum((a == 1).astype(int) for a in (a1, a2, a3, a4, a5, a6)) == 2,
        3: ((a5 == 3) & (a4 == 1)) | ((a5 != 4) & (a2 != 3)),
    }[problem]
    np.testing.assert_array_equal(data.test[1][:, 0], rule)
    np.testing.assert_array_equal(csv(*files).test[1], rule)


def table(text: str | bytes, **named: Any) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        path = folder / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return csv(path, **named)

    return read


MESSAGES: tuple[tuple[Callable[[Path], Any], type[MinpruneError], str], ...] = (
    (
        lambda folder: csv(folder / "none.csv"),
        DataError,
        "{folder}/none.csv: must be a CSV file in UTF-8, and cannot be read (No such file or "
        "directory); check the path",
    ),
    (
        table(b"class,a\n0,\xff\n"),
        DataError,
        "{folder}/t.csv: must be a CSV file in UTF-8, and cannot be read ('utf-8' codec can't"
        " decode byte 0xff in position 10: invalid start byte); check the path",
    ),
    (
        table(""),
        DataError,
        "{folder}/t.csv: the header must hold different names, class and at least one input, "
        "not nothing; name the column of labels by label=",
    ),
    (
        table("a,b\n0,1\n"),
        DataError,
        "{folder}/t.csv: the header must hold different names, class and at least one input, "
        "not a, b; name the column of labels by label=",
    ),
    (
        table("class,a,a\n0,1,2\n"),
        DataError,
        "{folder}/t.csv: the header must hold different names, class and at least one input, "
        "not class, a, a; name the column of labels by label=",
    ),
    (
        table("class,a\n"),
        DataError,
        "{folder}/t.csv: must hold at least one row, and has none; download it again",
    ),
    (
        table("class,a\n0,1\n0,1,1\n"),
        DataError,
        "{folder}/t.csv: row 2 must have 2 cells, as the header, not 3; give each row one "
        "cell per column",
    ),
    (
        table("class,a\n0,1\n1,nan\n", one_hot=False),
        DataError,
        "{folder}/t.csv: column a must hold finite numbers, not 'nan' as in row 2; use "
        "one_hot=True for inputs that are words, outputs='classes' for such labels",
    ),
    (
        table("class,a\nno,1\n", outputs="column"),
        DataError,
        "{folder}/t.csv: column class must hold finite numbers, not 'no' as in row 1; use "
        "one_hot=True for inputs that are words, outputs='classes' for such labels",
    ),
    (
        table("class,a\n0,1\n1,4\n", values={"a": [1, 2]}),
        DataError,
        "{folder}/t.csv: column a must hold one of 1, 2, not '4' as in row 2; add it to values",
    ),
    (
        lambda folder: csv(
            write(folder / "t.csv", "class,a\n0,1\n"), write(folder / "u.csv", "class,b\n0,1\n")
        ),
        DataError,
        "{folder}/u.csv: must have the columns of t.csv, class, a, not class, b; pass two "
        "files of one table",
    ),
    (
        table("class,a\n0,1\n", values={"b": [1]}),
        ArgumentError,
        "csv: a column in values must be 'class' or 'a', not 'b'; choose one of them",
    ),
    (
        table("class,a\n0,1\n", outputs="one"),
        ArgumentError,
        "csv: outputs must be 'classes' or 'column', not 'one'; choose one of them",
    ),
    (
        table("class,a\n0,1\n", val=1),
        ArgumentError,
        "val must be an integer from 0 to 0, or a share from 0 to below 1, not 1; leave at "
        "least one of the 1 samples of the training file for training",
    ),
)


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[t for _, _, t in MESSAGES])
def test_csv_messages(
    provoke: Callable[[Path], Any], kind: type[MinpruneError], text: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        provoke(tmp_path)
    assert caught.value.args == (text.format(folder=tmp_path),)
