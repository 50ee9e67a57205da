"""Tables: no wider than the terminal, whatever is in them, and nothing is lost."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.text import numeric, table, terminal

words = st.text("ab(1", min_size=1, max_size=19)
cells = st.lists(words, min_size=1, max_size=6).map(" ".join)
columns = st.integers(1, 7)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    n = draw(columns)
    row = st.lists(cells, min_size=n, max_size=n)
    return draw(row), draw(st.lists(row, min_size=1, max_size=4))


@given(tables(), st.integers(44, 130))
def test_it_fits_and_loses_no_word(made: tuple[list[str], list[list[str]]], width: int) -> None:
    header, rows = made
    found = table(header, rows, width=width)
    assert max(map(len, found.splitlines())) <= width
    parts = found.split("\n\n")
    every = [w for row in (header, *rows) for text in row[1:] for w in text.split()]
    first = [w for row in (header, *rows) for w in row[0].split()]
    shown = [w for w in found.split() if set(w) != {"-"}]
    assert sorted(shown) == sorted(every + first * len(parts))


@given(tables())
def test_where_there_is_room_a_row_is_a_line(made: tuple[list[str], list[list[str]]]) -> None:
    header, rows = made
    lines = table(header, rows, width=inf).splitlines()
    assert len(lines) == len(rows) + 2
    assert table(header, rows, width=max(map(len, lines))).splitlines() == lines


def test_numbers_stay_whole_and_text_breaks() -> None:
    rows = [["conv1", "a gate and its weights", "1,024", "97.22 (0.31) %"]]
    assert table(["layer", "what is read of it", "entries", "kept of them"], rows, width=44) == (
        "layer  what is read  entries    kept of them\n"
        "       of it\n"
        "-----  ------------  -------  --------------\n"
        "conv1  a gate and      1,024  97.22 (0.31) %\n"
        "       its weights"
    )


def test_columns_that_do_not_fit_follow_below() -> None:
    header = ["criterion", *(f"{k} %" for k in (50, 70, 90))]
    rows = [["obd", "97.22 (0.31)", "96.11 (0.40)", "90.00 (1.25)"]]
    assert table(header, rows, width=40) == (
        "criterion          50 %          70 %\n"
        "---------  ------------  ------------\n"
        "obd        97.22 (0.31)  96.11 (0.40)\n"
        "\n"
        "criterion          90 %\n"
        "---------  ------------\n"
        "obd        90.00 (1.25)"
    )


def test_the_last_row_has_its_rule_in_each_part() -> None:
    rows = [["fc1", "x" * 20, "y" * 20], ["total", "", ""]]
    found = table(["layer", "a", "b"], rows, total=True, width=40)
    assert [line.split(" ")[0] for line in found.splitlines()] == [
        "layer", "-----", "fc1", "-----", "total", "",
        "layer", "-----", "fc1", "-----", "total",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "right"),
    [(["1", "2.5x", "not told apart"], True), (["1", "a"], False), (["", "-"], False),
     (["9.72 (0.10) !", "-"], True), (["nan", "2"], True)],
)  # fmt: skip
def test_most_cells_decide_the_side(column: list[str], right: bool) -> None:
    assert numeric(column) is right


def test_a_history_is_a_table_of_its_epochs() -> None:
    history = mp.History()
    history.epoch(1, 0.5, 0.25, 0.9, 0.0, 1.5)
    assert str(history) == (
        "epoch  train_loss  val_loss  val_accuracy  sparsity  seconds\n"
        "-----  ----------  --------  ------------  --------  -------\n"
        "    1         0.5      0.25           0.9         0      1.5"
    )
    assert len(str(mp.History()).splitlines()) == 2


def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal() == 60
    model = mp.zoo.resnet_small(((1, 8, 8), 10))
    for printed in (mp.criteria.list(), model, mp.ties(model), mp.measure(model, time=False)):
        assert max(map(len, str(printed).splitlines())) <= 60
    assert max(map(len, model.summary(inf).splitlines())) > 60  # result.json has it whole
    monkeypatch.delenv("COLUMNS")
    assert terminal() == 100  # pytest's stdout is no terminal
