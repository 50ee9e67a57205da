"""Plain-text tables of any content, and the table of a run's stages."""

import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report import DENSE, SMALL

from minprune.errors import ArgumentError
from minprune.report.method_page import method_page, pictures
from minprune.report.run_page import alerts, comparison, headline, run_page
from minprune.text import table

# --- plain-text tables


def test_a_table_by_hand():
    rows = [["conv1", 1024, 0.123456, "97.2 %"], ["fc", None, 12.0, "0.12 (0.01) ms"]]
    assert table(["layer", "n", "loss", "note"], rows) == (
        "layer      n    loss            note\n"
        "-----  -----  ------  --------------\n"
        "conv1  1,024  0.1235          97.2 %\n"
        "fc         -      12  0.12 (0.01) ms"
    )


def test_a_table_without_rows_has_its_header():
    assert table(["a", "bcd"], []) == "a  bcd\n-  ---"


def test_a_ragged_row_is_named():
    with pytest.raises(ArgumentError) as error:
        table(["a", "b"], [[1, 2], [3]])
    assert error.value.args == (
        "table: row 1 must have 2 cells, as the header, not 1; pass one cell for each column",
    )


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(),
    st.text(st.characters(codec="ascii", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e")),
)


def is_aligned(text, rows):
    """One line a row; each column of the rule covers the cells under it."""
    lines = text.split("\n")
    spans = [match.span() for match in re.finditer("-+", lines[1])]
    gaps = [at for (_, begin), (end, _) in itertools.pairwise(spans) for at in range(begin, end)]
    return len(lines) == 2 + len(rows) and all(
        line[at : at + 1] in ("", " ") for line in lines for at in gaps
    )


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n))))
def test_a_table_is_aligned_for_any_cells(rows):
    header = ["name"] * (len(rows[0]) if rows else 2)
    assert is_aligned(table(header, rows, width=math.inf), rows)


def test_the_alignment_law_rejects_a_table_that_is_not_padded():
    rows = [["a", 1], ["long name", 2]]
    assert not is_aligned("name  n\n----  -\na  1\nlong name  2", rows)


# --- stages


def test_comparison_by_hand():
    header, rows = comparison([DENSE, SMALL])
    assert header == ["", "dense", "fine-tuned"]
    assert rows[0] == ["accuracy", "97.78 %", "97.22 %"]
    assert rows[1] == ["loss", "0.08123", "0.08123"]
    assert rows[3] == ["live parameters", "12,345", "1,345"]
    assert rows[-6] == ["latency, batch of 1", "0.123 ms", "0.123 ms"]
    assert rows[-5] == ["median latency, batch of 1", "0.13 ms", "0.13 ms"]
    assert rows[-4] == ["latency, batch of 64", "2.5 ms", "2.5 ms"]
    assert rows[-3:] == speedups_by_hand()
    assert rows[-7] == ["compression on disk", "0.988x", "0.988x"]  # 49,380 over 50,000 bytes


def speedups_by_hand():
    theory = f"{DENSE['macs'] / SMALL['live_macs']:.3g}x"
    first = f"{DENSE['macs'] / DENSE['live_macs']:.3g}x"
    return [
        ["speedup in theory", first, theory],
        ["speedup measured, batch of 1", "1x", "not told apart"],
        ["speedup measured, batch of 64", "1x", "2.5x"],
    ]


def test_a_form_that_is_twice_as_fast():
    slow = {"stage": "dense", "macs": 900_000, "live_macs": 900_000, "latency_64_ms": 3.0}
    fast = {
        "stage": "sparse", "macs": 900_000, "live_macs": 90, "latency_64_ms": 1.2,
        "speedup_64": 2.5, "speedup_64_told": True,
    }  # fmt: skip
    rows = dict((row[0], row[1:]) for row in comparison([slow, fast])[1])
    assert rows["speedup in theory"] == ["1x", "10,000x"]
    assert rows["speedup measured, batch of 64"] == ["1x", "2.5x"]
    assert "speedup measured, batch of 1" not in rows


def test_what_no_stage_has_is_left_out_and_what_one_lacks_is_a_gap():
    assert comparison([{"stage": "a", "loss": 1.0}, {"stage": "b"}])[1] == [["loss", "1", "-"]]
    assert comparison([]) == ([""], [])


def test_headline():
    assert headline([DENSE, SMALL]) == (
        "accuracy 97.22 % (dense: 97.78 %), 10.90 % of the parameters, compression 0.988x on disk, "
        "speedup 2.5x in batches of 64"  # one by one the two are not told apart
    )
    compacted = {**SMALL, "stage": "compacted", "parameters": 1400, "sparsity": 0.04}
    assert headline([DENSE, SMALL, compacted]) == headline([DENSE, SMALL])
    fast = {**SMALL, "file_bytes": 5000, "speedup_1": 1.5, "speedup_1_told": True}
    said = "compression 9.88x on disk, speedup 2.5x in batches of 64, 1.5x one by one"
    assert said in headline([DENSE, fast])
    assert headline([DENSE, fast | {"collapsed": True, "accuracy": 0.1}]) == (
        "COLLAPSED to chance, accuracy 10.00 % (dense: 97.78 %), 10.90 % of the parameters"
    )
    assert headline([DENSE]) == "accuracy 97.78 %, 100.00 % of the parameters"
    assert headline([]) == ""


def test_a_model_is_not_compared_with_its_own_form():
    final = {**SMALL, "stage": "final", "per_class": [0.9, 0.0]}
    compacted = {**final, "stage": "compacted", "form_of": "final"}
    assert "(final:" not in headline([final, compacted])
    assert headline([final, compacted]).startswith("accuracy 97.22 %, ")
    assert "(dense: 97.78 %)" in headline([DENSE, final, compacted])
    page = method_page({"stages": [final, compacted]}, {})
    assert "Accuracy by class" in page
    assert "lost accuracy" not in page
    assert "change, points" not in page
    assert "change, points" in method_page(
        {"stages": [{**DENSE, "per_class": [1.0, 0.5]}, final, compacted]}, {}
    )


def test_the_net_before_training_is_on_no_curve_of_rounds():
    rows = [
        {"round": k, "updates": n, "sparsity": k / 4, "test_accuracy": 0.5}
        for k, n in enumerate((0, 10, 10))
    ]
    seen = []
    for asked in (rows, rows[1:], rows[:2], [{**row, "updates": 0} for row in rows]):
        drawn = Drawn()
        for one in pictures(asked):
            one.draw(drawn)
        seen.append(drawn.x)
    assert seen == [[[1, 2], [10, 20], [25.0, 50.0]]] * 2 + [[], [[0, 1, 2], [0.0, 25.0, 50.0]]]


class Drawn:
    """Axes that note the x of each curve that has values."""

    def __init__(self):
        self.x = []

    def errorbar(self, x, y, *rest, label, **how):
        if label == "test":
            self.x.append(list(x))

    def __getattr__(self, name):
        return lambda *args, **how: None


def test_the_headline_of_numbers_is_r2():
    dense = {"stage": "dense", "r2": 0.91234, "live": 10, "parameters": 10}
    assert headline([dense]) == "R2 0.9123, 100.00 % of the parameters"
    last = dense | {"stage": "pruned", "r2": 0.5, "live": 5}
    assert headline([dense, last]) == "R2 0.5000 (dense: 0.9123), 50.00 % of the parameters"


def test_stages_at_chance_are_said_once_for_each_way():
    gone = {"collapsed": True, "accuracy": 0.1, "chance": 0.1, "only": 1}
    stages = [
        DENSE, gone | {"stage": "pruned"}, gone | {"stage": "fine-tuned"},
        gone | {"stage": "sparse", "only": None},
    ]  # fmt: skip
    assert alerts(stages, ["cat", "dog"]) == [
        "COLLAPSED to chance: pruned, fine-tuned: every answer is class 1, dog: accuracy 10.00 %",
        "COLLAPSED to chance: sparse: accuracy 10.00 %, and always giving the same answer has "
        "10.00 %",
    ]
    text = run_page({"stages": stages}, {})
    assert text.count('<p class="alert" role="note">COLLAPSED to chance') == 2
    assert alerts([DENSE, SMALL]) == []
    assert '<p class="alert"' not in run_page({"stages": [DENSE, SMALL]}, {})
