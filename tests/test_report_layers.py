"""The parts of the page with a row or a panel a layer: costs, break-even densities, histograms."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minprune.report.costs import bar, costs_table, who_holds_what
from minprune.report.histograms import HEIGHT, area, histogram_panels
from minprune.report.sparse_layers import sparse_table

# --- costs


def cost(kind, was, now, name="x"):
    keys = ("parameters", "macs", "live", "live_macs")
    return {"name": name, "kind": kind, **dict(zip(keys, [*was, *now], strict=True))}


def test_bars_are_shares_of_the_whole_net():
    assert bar(30, 15, 120) == (
        '<span class="cost"><span style="width:25.00%"><span style="width:50.00%"></span></span>'
        "</span>"
    )
    assert "nan" not in costs_table([cost("dense", (0, 0), (0, 0))], "a", "b")


def test_the_longest_bar_fills_its_column():
    drawn = costs_table([cost("dense", (3, 1), (3, 1)), cost("dense", (1, 1), (0, 0))], "a", "b")
    widths = re.findall(r'cost"><span style="width:([\d.]+)%"><span style="width:([\d.]+)%', drawn)
    assert widths == [
        ("100.00", "100.00"), ("66.67", "100.00"), ("33.33", "0.00"), ("66.67", "0.00"),
    ]  # fmt: skip


def test_no_sentence_about_a_net_of_one_kind():
    totals = {"parameters": 4, "macs": 2}
    assert who_holds_what([cost("dense", (4, 2), (4, 2))], totals) == ""
    assert costs_table([], "a", "b") == ""


# --- sparse or dense

LAYERS = [
    {"name": "conv1", "shape": [4, 1, 3, 3], "density": 1.0, "format": "dense",
     "break_even": {"csr, batch 1": 0.05, "csr, batch 64": 1.7}},
    {"name": "<fc1>", "shape": [64, 512], "density": 0.05, "format": "csr",
     "break_even": {"csr, batch 1": 0.0499, "N:M, batch 1": 0.0501, "csr, batch 64": 0.353}},
]  # fmt: skip


def test_break_even_densities_stand_under_batch_and_format():
    drawn = sparse_table(LAYERS)
    groups = re.findall(r'colspan="(\d)">([^<]*)</th>', drawn)
    assert groups == [("2", "batch 1"), ("1", "batch 64")]
    assert re.findall(r'class="n(?: first)?">([A-Za-z:]+)</th>', drawn) == [
        "live", "csr", "N:M", "csr",
    ]  # fmt: skip
    cells = re.findall(r'<td class="n([^"]*)">([^<]*)</td>', drawn)
    assert cells == [
        ("", "100 %"), (" first", "5 %"), ("", "-"), (" first wins", "always"),
        ("", "5 %"), (" first", "4.99 %"), (" wins", "5.01 %"), (" first wins", "35.3 %"),
    ]  # fmt: skip
    assert "&lt;fc1&gt;" in drawn
    assert sparse_table([]) == ""


# --- histograms


def heights(path):
    return [(HEIGHT - float(y)) for y in re.findall(r"V([\d.]+)h1", path)]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_heights_are_square_roots_of_the_counts(counts):
    top = max(np.sqrt([*counts, 1]))
    drawn = heights(area(counts, top))
    assert len(drawn) == len(counts)
    assert np.abs(np.array(drawn) - HEIGHT * np.sqrt(counts) / top).max() <= 0.05 + 1e-9


def test_a_linear_height_is_seen():
    assert heights(area([1, 4], 2.0)) == [HEIGHT / 2, HEIGHT]
    assert heights(area([1, 4], 2.0)) != [HEIGHT / 4, HEIGHT]


def test_zero_is_marked_where_it_lies():
    one = {"name": "w", "low": -1.0, "high": 3.0, "before": [1, 2, 3, 4], "after": [0, 0, 1, 1]}
    assert 'class="zero" d="M1.00 0V60"' in histogram_panels([one], "a", "b")
    assert "zero" not in histogram_panels([one | {"low": 1.0}], "a", "b")
    assert "10 &rarr; 2" in histogram_panels([one], "a", "b")
    assert histogram_panels([], "a", "b") == ""
