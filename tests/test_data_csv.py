"""The reader of CSV tables: worked by hand, every row kept, the MONK's files, messages.

Long because each message stands here whole.
"""

import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from minprune.core import Dataset
from minprune.data import cells, csv
from minprune.data.cells import SEPARATORS
from minprune.errors import ArgumentError, DataError, MinpruneError
from tests.places import real_data


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_worked_by_hand(tmp_path: Path) -> None:
    train = write(tmp_path / "t.csv", "colour,class,size\nred,yes,10\nblue, no ,9\n\nred,no,9\n")
    test = write(tmp_path / "u.csv", "\ufeffclass,size,colour\nno,1e2,red\n")
    data = csv(train, test)
    #                           blue red | size
    assert data.train[0].tolist() == [[0, 1, 10], [1, 0, 9], [0, 1, 9]]
    assert data.train[1].tolist() == [1, 0, 0]
    assert data.test[0].tolist() == [[0, 1, 100]]
    assert data.test[1].tolist() == [0]
    assert (data.name, data.outputs, data.classes) == ("t", 2, ("no", "yes"))
    assert (data.train[0].dtype, data.train[1].dtype) == (np.float32, np.int64)
    assert data.val is data.train
    every = csv(train, test, one_hot="all")  # 9 10 1e2: numbers sort as numbers
    assert every.train[0].tolist() == [[0, 1, 0, 1, 0], [1, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    assert every.test[0].tolist() == [[0, 1, 0, 0, 1]]
    assert np.array_equal(csv(train, test, one_hot=()).train[0], data.train[0])
    for how in (["size"], "size"):  # besides those of text
        assert np.array_equal(csv(train, test, one_hot=how).train[0], every.train[0])
    assert csv(train, test, skip="colour").train[0].tolist() == [[10], [9], [9]]
    assert csv(train, test, skip=["colour"], one_hot=False).test[0].tolist() == [[100]]


def test_csv_numbers_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,y,b\n1.5,0,-2\n1e3, 1,0\n")
    data = csv(path, label="y", one_hot=False, outputs="column", dtype=np.float64)
    assert data.train[0].tolist() == [[1.5, -2], [1000, 0]]
    assert data.train[1].tolist() == [[0], [1]]
    assert (data.train[0].dtype, data.train[1].dtype) == (np.float64, np.float64)
    assert data.test is data.val is data.train
    assert csv(path, label="y").train[1].dtype == np.int64
    assert csv(path, label="b").train[1].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a;b;class\n1.5;x,y;no\n-2;z;yes\n", {}),
        ("a\tb\tclass\n1.5\tx,y\tno\n-2\tz\tyes\n", {}),
        ("\n \na|b|class\n1.5|x,y|no\n\n-2|z|yes\n", {}),
        ('a, b, class\n1.5, "x,y", no\n-2, z, yes', {}),
        ("a;b;class\r\n1,5;x,y;no\r\n-2,0;z;yes\r\n", {"decimal": ","}),
        ('"a;,",b,class\n1.5,"x,y",no\n-2,z,yes\n', {}),
    ],
)
def test_csv_finds_the_separator(text: str, named: dict[str, Any], tmp_path: Path) -> None:
    data = csv(write(tmp_path / "t.csv", text), **named)
    assert data.train[0].tolist() == [[1.5, 1, 0], [-2, 0, 1]]
    assert data.classes == ("no", "yes")


def test_csv_values_add_levels_and_set_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "class,a\n0,2\n1,1\n")
    assert csv(path, values={"a": [3, 2, 1]}).train[0].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert csv(path, values={"class": [1, 0]}).train[1].tolist() == [1, 0]
    spaced = csv(path, values={"a": [" 2", "1 ", "over\n three"]})  # spaces go, as from cells
    assert spaced.train[0].tolist() == [[1, 0, 0], [0, 1, 0]]


def standardises(read: Callable[..., Dataset], folder: Path) -> bool:
    """Mean 0 and deviation 1 over the training part; others by the same shift and scale"""
    numbers = np.random.default_rng(0).normal(1e9, 3, (90, 2))
    rows = "".join(f"{a},{b},0.1,{'xy'[k % 2]},{k % 3}\n" for k, (a, b) in enumerate(numbers))
    path = write(folder / "t.csv", f"a,b,same,word,class\n{rows}")
    plain = csv(path, val=20, test=20, dtype=np.float64)
    data = read(path, val=20, test=20, standardise=True)
    mean, deviation = (f(plain.train[0][:, :2], axis=0) for f in (np.mean, np.std))
    return all(
        np.allclose(x[:, :2], (z[:, :2] - mean) / deviation, atol=1e-5)
        and not x[:, 2].any()
        and np.array_equal(x[:, 3:], z[:, 3:])
        and np.array_equal(y, t)
        for (x, y), (z, t) in zip(parts(data), parts(plain), strict=True)
    )


def parts(data: Dataset) -> Any:
    return data.train, data.val, data.test


def test_csv_standardises_by_the_training_part(tmp_path: Path) -> None:
    assert standardises(csv, tmp_path)

    def scaled(of: Dataset, by: Any) -> Dataset:
        mean, deviation = by.mean(axis=0), by.std(axis=0)
        deviation[deviation == 0] = 1
        return Dataset(*(((x - mean) / deviation, y) for x, y in parts(of)))

    def whole(path: Path, **named: Any) -> Dataset:
        """By all samples"""
        of = csv(path, val=20, test=20, dtype=np.float64)
        return scaled(of, np.concatenate([x for x, _ in parts(of)]))

    def late(path: Path, **named: Any) -> Dataset:
        """After rounding to float32"""
        of = csv(path, val=20, test=20)
        return scaled(of, of.train[0])

    assert not standardises(whole, tmp_path)
    assert not standardises(late, tmp_path)


def test_csv_draws_parts_of_one_file(tmp_path: Path) -> None:
    rows = "".join(f"{k},{'no' if k % 3 else 'yes'}\n" for k in range(30))
    path = write(tmp_path / "t.csv", f"a,class\n{rows}")
    data = csv(path, val=0.2, test=0.1)
    assert [np.bincount(y).tolist() for _, y in parts(data)] == [[14, 7], [4, 2], [2, 1]]
    kept = np.concatenate([x[:, 0] for x, _ in parts(data)])
    assert sorted(kept) == list(range(30))
    for x, y in parts(data):
        assert (np.diff(x[:, 0]) > 0).all()
        assert ((x[:, 0] % 3 == 0) == y).all()


def test_csv_is_small_in_memory(tmp_path: Path) -> None:
    n, width = 20_000, 20
    x = np.random.default_rng(0).normal(size=(n, width)).round(4)
    with (tmp_path / "t.csv").open("w") as f:
        f.write(",".join(f"f{k}" for k in range(width)) + ",class\n")
        f.writelines(",".join(map(str, row)) + f",{int(row[0] > 0)}\n" for row in x.tolist())
    tracemalloc.start()
    try:
        data = csv(tmp_path / "t.csv")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(data.train[0], x.astype(np.float32))
    assert most < 20e6  # the cells as text take 25 MB, and one-hot 1.6 GB


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
        data = read(path, val=val, outputs="column", one_hot="all")
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
        settings=settings(derandomize=True, database=None, phases=[Phase.generate]),
    )


@st.composite
def typed_tables(draw: st.DrawFn) -> tuple[list[list[Any]], list[str], str, int]:
    n = draw(st.integers(1, 9))
    finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99)
    words = st.sampled_from(["a", "b", "x y", 'say "a,b"', "é", "1a", "-", "nan", "1_0", "a;b|c"])
    kinds = draw(st.lists(st.sampled_from([finite, words]), min_size=1, max_size=4))
    columns = [draw(st.lists(kind, min_size=n, max_size=n)) for kind in kinds]
    labels = draw(st.lists(st.sampled_from(["x", "no", "7", "?"]), min_size=n, max_size=n))
    return columns, labels, draw(st.sampled_from(SEPARATORS)), draw(st.integers(1, 10))


def keeps_numbers(read: Callable[..., Dataset], case: Any) -> bool:
    """A number is itself, a word is 1 at its place among its column's words, sorted."""
    import csv as writer

    columns, labels, separator, run = case
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(cells, "RUN", run):
        path = Path(folder) / "t.csv"
        with path.open("w", newline="", encoding="utf-8") as f:
            writer.writer(f, delimiter=separator).writerows(
                [[*(f"a{i}" for i in range(len(columns))), "class"]]
                + [[*row, y] for *row, y in zip(*columns, labels, strict=True)]
            )
        data = read(path, dtype=np.float64)
    want: list[list[float]] = [[] for _ in labels]
    for column in columns:
        for row, cell in zip(want, column, strict=True):
            levels = sorted(set(map(str, column)))
            row += [float(c == cell) for c in levels] if isinstance(cell, str) else [cell]
    return bool(
        np.array_equal(data.train[0], want)
        and [data.classes[k] for k in data.train[1]] == labels
        and set(data.classes) == set(labels)
    )


@given(case=typed_tables())
@settings(max_examples=100)
def test_csv_keeps_numbers(case: Any) -> None:
    assert keeps_numbers(csv, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda path, **k: csv(path, **k, one_hot="all"),  # each number a level
        lambda path, **k: changed(csv(path, **k), lambda x: x.astype(np.float32)),
        lambda path, **k: changed(csv(path, **k), lambda x: x[::-1]),
        lambda path, **k: changed(csv(path, **k), lambda x: x - x.mean(axis=0)),
        lambda path, **k: changed(csv(path, **k), lambda x: x[:, ::-1]),
    ],
)
def test_csv_law_of_numbers_rejects(wrong: Callable[..., Dataset]) -> None:
    how = settings(derandomize=True, database=None, phases=[Phase.generate])
    with np.errstate(over="ignore"):  # of large numbers as float32
        find(typed_tables(), lambda case: not keeps_numbers(wrong, case), settings=how)


@given(
    head=st.sampled_from(["", "class,a\n", "a;class;b\n", "class\ta\n"]),
    body=st.text(",;\t|\"'\n\r ab01.-_e\0\ufeff", max_size=40),
    how=st.sampled_from([{}, {"one_hot": "all"}, {"outputs": "column"}, {"decimal": ","}]),
)
@settings(max_examples=200)
def test_no_text_ends_in_a_foreign_error(head: str, body: str, how: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes((head + body).encode())
        with suppress(MinpruneError):
            x, y = csv(path, **how).train
            assert len(x) == len(y) > 0
            assert np.isfinite(x).all()


def changed(data: Dataset, by: Callable[[Any], Any]) -> Dataset:
    part = by(data.train[0]), data.train[1]
    return Dataset(part, part, part, classes=data.classes)


@pytest.mark.parametrize(("problem", "n"), [(1, 124), (2, 169), (3, 122)])
def test_csv_reads_the_monks(problem: int, n: int) -> None:
    root = real_data("monks")
    files = root / f"monks-{problem}.train", root / f"monks-{problem}.test"
    data = csv(*files, one_hot="all", outputs="column")
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
    plain = csv(*files)
    assert plain.test[0].shape == (432, 6)
    np.testing.assert_array_equal(plain.test[0], np.stack([a1, a2, a3, a4, a5, a6], axis=1))
    np.testing.assert_array_equal(plain.test[1], rule)


def table(text: str | bytes, **named: Any) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        path = folder / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return csv(path, **named)

    return read


HEADER = "{folder}/t.csv: the header must hold different names, class and at least one input, not "
NAME = "; name every column, and the column of labels class, or by label="
BOTH = "{folder}/t.csv: column a must hold numbers or text, not "
INSTEAD = "; correct the cell, take all as text by one_hot=('a',), or leave out the column by "
INSTEAD += "skip=('a',)"
EMPTY = "; fill the cell, or leave out the row, or the column by skip=('a',)"
TEXT = "; use one_hot=True for inputs that are text, outputs='classes' for such labels"
UNREADABLE = "must be a CSV file in UTF-8, and cannot be read"
LONG = "".join(f"{k % 2},{k / 7}\n" for k in range(50))
NAMES = "".join(f"{k % 2},u{k}\n" for k in range(300))
MESSAGES: tuple[tuple[Callable[[Path], Any], type[MinpruneError], str], ...] = (
    (lambda folder: csv(folder / "none.csv"), DataError,
     "{folder}/none.csv: " + UNREADABLE + " (No such file or directory); check the path"),
    (lambda folder: csv(folder), DataError,
     "{folder}: " + UNREADABLE + " (Is a directory); check the path"),
    (table(b"class,a\n0,\xff\n"), DataError,
     "{folder}/t.csv: " + UNREADABLE + " ('utf-8' codec can't decode byte 0xff in position 10: "
     "invalid start byte); check the path"),
    (table(""), DataError, HEADER + "nothing" + NAME),
    (table("a,b\n0,1\n"), DataError, HEADER + "a, b" + NAME),
    (table("class,a,a\n0,1,2\n"), DataError, HEADER + "class, a, a" + NAME),
    (table(",a,class\n0,1,2\n"), DataError, HEADER + "'', a, class" + NAME),
    (table("a;b;c\n0;1;2\n"), DataError, HEADER + "a, b, c" + NAME),
    (table("class,a\n0,1\n", skip="a"), DataError, HEADER + "class, a" + NAME),
    (table(",".join(f"f{k}" for k in range(20))), DataError,
     HEADER + "f0, f1, f2, f3, f4, f5, f6, f7, ... (20 in all)" + NAME),
    (table("class,a\n"), DataError,
     "{folder}/t.csv: must hold at least one row, and has none; download it again"),
    (table("class,a\n0,1\n0,1,1\n"), DataError,
     "{folder}/t.csv: row 2 must have 2 cells, as the header, not 3; give each row one "
     "cell per column"),
    (table("class,a\n0,1\n\n1,\n"), DataError,
     "{folder}/t.csv: column a must not be empty, as it is in row 2" + EMPTY),
    (table("class,a\n0,x\n1, \n"), DataError,
     "{folder}/t.csv: column a must not be empty, as it is in row 2" + EMPTY),
    (table("class,a\n0,x\n,y\n"), DataError,
     "{folder}/t.csv: column class must not be empty, as it is in row 2"
     + EMPTY.replace("'a'", "'class'")),
    (table("class,a\n0,1\n1,NA\n"), DataError, BOTH + "'1' in row 1 and 'NA' in row 2" + INSTEAD),
    (table("class,a\n0,?\n0,2\n1,3\n"), DataError,
     BOTH + "'2' in row 2 and '?' in row 1" + INSTEAD),
    (table("class,a\n0,1\n1,nan\n", one_hot=False), DataError,
     BOTH + "'1' in row 1 and 'nan' in row 2" + INSTEAD),
    (table("class,a\n0,x\n1,y\n", one_hot=False), DataError,
     "{folder}/t.csv: column a must hold finite numbers, not 'x' as in row 1" + TEXT),
    (table("class,a\nno,1\n", outputs="column"), DataError,
     "{folder}/t.csv: column class must hold finite numbers, not 'no' as in row 1" + TEXT),
    (table("class;a\n0;1,5\n"), DataError,
     "{folder}/t.csv: column a must hold numbers with a decimal point, not '1,5' in row 1; "
     "pass decimal=',' if that is a decimal comma"),
    (table("class,a\n0,1\n0,1e39\n"), DataError,
     "{folder}/t.csv: column a must hold numbers within the range of float32, not 1e+39 as in row "
     "2; pass standardise=True or dtype=np.float64"),
    (table(f"class,a\n{LONG}", one_hot="all"), DataError,
     "{folder}/t.csv: column a must hold at most 25 levels, not 50 in 50 rows; pass one_hot=True, "
     "so that numbers stay numbers, or one_hot=('a',)"),
    (table(f"class,a\n{NAMES}"), DataError,
     "{folder}/t.csv: column a must hold at most 100 levels, not 300 in 300 rows; leave it out by "
     "skip=('a',), or have them all by one_hot=('a',)"),
    (table(f"b,class\n{LONG}"), DataError,
     "{folder}/t.csv: column class must hold at most 25 classes, not 50 in 50 rows; pass "
     "outputs='column' for a number to predict, or one_hot=('class',)"),
    (table("class,a\n0,1\n1,4\n", values={"a": [1, 2]}), DataError,
     "{folder}/t.csv: column a must hold one of 1, 2, not '4' as in row 2; add it to values"),
    (lambda folder: csv(
        write(folder / "t.csv", "class,a\n0,1\n"), write(folder / "u.csv", "class,b\n0,1\n")),
     DataError,
     "{folder}/u.csv: must have the columns of t.csv, class, a, not class, b; pass two "
     "files of one table"),
    (lambda folder: csv(
        write(folder / "t.csv", "class,a\n0,1\n"), write(folder / "u.csv", "class,a\n0,x\n")),
     DataError,
     "{folder}/u.csv: column a must hold numbers, as in the training file, not text; pass two "
     "files of one table, or one_hot=('a',)"),
    (lambda folder: csv(
        write(folder / "t.csv", "class,a\n0,1\n"), write(folder / "u.csv", "class,a\n0,1\n"),
        test=1), ArgumentError,
     "csv: test must be 0 where there is a test_path, not 1; leave out one of them"),
    (table("class,a\n0,1\n", values={"b": [1]}), ArgumentError,
     "csv: a column in values must be 'class' or 'a', not 'b'; choose one of them"),
    (table("class,a\n0,1\n", one_hot="b"), ArgumentError,
     "csv: a column in one_hot must be 'class' or 'a', not 'b'; choose one of them"),
    (table("class,a,b\n0,1,2\n", skip="class"), ArgumentError,
     "csv: a column in skip must be 'a' or 'b', not 'class'; choose one of them"),
    (table("class,a\n0,1\n", skip=("c",)), ArgumentError,
     "csv: a column in skip must be 'a', not 'c'; choose one of them"),
    (table("class,a\n0,1\n", values={"a": 5}), ArgumentError,
     "csv: values must be a dict of the levels of columns, not {{'a': 5}}; pass values={{'a': "
     "['1', '2', '3']}}, for example"),
    (table("class,a\n0,1\n", label=None), ArgumentError,
     "csv: label must be a str, not NoneType; pass label='class'"),
    (table("class,a\n0,1\n", one_hot=3), ArgumentError,
     "csv: one_hot must be names of columns, not 3; pass one_hot=('a',), for example"),
    (table("class,a\n0,1\n", outputs="one"), ArgumentError,
     "csv: outputs must be 'classes' or 'column', not 'one'; choose one of them"),
    (table("class,a\n0,1\n", decimal=";"), ArgumentError,
     "csv: decimal must be '.' or ',', not ';'; choose one of them"),
    (table("class,a\n0,1\n", val=1), ArgumentError,
     "csv: val must be from 0 to 0 of the 1 samples, as an integer or as a share below 1, not 1; "
     "leave at least one sample for training"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=range(len(MESSAGES)))
def test_csv_messages(
    provoke: Callable[[Path], Any], kind: type[MinpruneError], text: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        provoke(tmp_path)
    assert caught.value.args == (text.format(folder=tmp_path),)
