"""The parts of the page with a row or a panel a layer: costs, break-even densities, histograms."""

import re
from dataclasses import asdict
from html import unescape

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minprune.report.page import bar
from minprune.report.pictures import INK, LINE_1, figure
from minprune.report.run_figures import _histogram, histograms
from minprune.report.run_page import costs, run_page, sparse_table
from minprune.sparse import Speeds

# --- costs


def cost(kind, was, now, name="x"):
    keys = ("parameters", "macs", "live", "live_macs")
    found = {"name": name, "kind": kind, "shape": [2, 2], "kept": now[0]}
    return found | dict(zip(keys, [*was, *now], strict=True))


def test_bars_are_shares_of_the_whole_net():
    assert bar(0.5, 0.25) == (
        '<span class="bar" style="width:25.00%"><span style="width:50.00%"></span></span>'
    )
    assert "nan" not in costs([cost("dense", (0, 0), (0, 0))], "a", "b", "c")


def test_the_longest_bar_fills_its_column():
    drawn = costs([cost("dense", (3, 1), (3, 1)), cost("dense", (1, 1), (0, 0))], "a", "b", "c")
    key, _, body = drawn.partition("<table")
    widths = re.findall(r'bar" style="width:([\d.]+)%"><span style="width:([\d.]+)%', body)
    assert "the layer's share of the a net" in unescape(key)
    assert "left (c)" in key
    assert widths == [
        ("100.00", "100.00"), ("66.67", "100.00"), ("33.33", "0.00"), ("66.67", "0.00"),
    ]  # fmt: skip


def test_no_sentence_about_a_net_of_one_kind():
    assert "<p>" not in costs([cost("dense", (4, 2), (4, 2))], "a", "b", "c")
    assert costs([], "a", "b", "c") == ""


# --- sparse or dense

LAYERS = [
    {"name": "conv1", "shape": [4, 1, 3, 3], "density": 1.0, "format": "dense", "fitting": [],
     "break_even": {"csr, batch 1": 0.0, "csr, batch 64": 1.0}, "against_dense": {}},
    {"name": "<fc1>", "shape": [64, 512], "density": 0.05, "format": "csr", "fitting": ["csr"],
     "break_even": {"csr, batch 1": 0.0499, "4x4, batch 1": 0.4, "csr, batch 64": 0.353},
     "against_dense": {"2:4, batch 1": 0.9}},
    {"name": "fc2", "shape": [8, 8], "density": 0.5, "format": "2:4",
     "fitting": ["csr", "4x4", "2:4"],
     "break_even": {"csr, batch 1": 0.5, "4x4, batch 1": 0.501, "csr, batch 64": 1.0},
     "against_dense": {"2:4, batch 1": 0.994}},
    {"name": "fc3", "shape": [8, 8], "density": 0.5, "format": "dense", "fitting": ["csr", "2:4"],
     "break_even": {"csr, batch 1": 0.0, "csr, batch 64": 0.0},
     "against_dense": {"2:4, batch 1": 1.0}},
]  # fmt: skip
CELLS = [
    [("", "100 %"), (" first", "never"), ("", "-"), ("", "-"), (" first", "always")],
    [("", "5 %"), (" first", "4.99 %"), ("", "40 %"), ("", "0.90x"), (" first wins", "35.3 %")],
    [("", "50 %"), (" first", "50 %"), (" wins", "50.1 %"), (" wins", "0.99x"),
     (" first wins", "always")],
    [("", "50 %"), (" first", "never"), ("", "-"), ("", "1.00x"), (" first", "never")],
]  # fmt: skip


def test_break_evens_stand_under_batch_and_format():
    """In colour only where the layer's own mask fits the format and is thin enough."""
    drawn = sparse_table(LAYERS)
    groups = re.findall(r'colspan="(\d)"[^>]*>([^<]*)</th>', drawn)
    assert groups == [("3", "batch 1"), ("1", "batch 64")]
    assert re.findall(r'<th scope="col" class="n(?: first)?">([A-Za-z0-9:]+)</th>', drawn) == [
        "live", "csr", "4x4", "2:4", "csr",
    ]  # fmt: skip
    rows = drawn.partition("<tbody>")[2].split("</tr>")[: len(LAYERS)]
    assert [re.findall(r'<td class="n([^"]*)">([^<]*)</td>', row) for row in rows] == CELLS
    assert "&lt;fc1&gt;" in drawn
    assert sparse_table([]) == ""


def test_the_speeds_that_chose_are_a_table():
    found = Speeds(
        "a <machine>", {"csr, batch 1": 0.25}, {"csr, batch 1": 4321.4}, {}, "then", "in x"
    )
    drawn = run_page({"speeds": asdict(found)}, {})
    assert '<td class="n">0.2500</td><td class="n">0.000</td><td class="n">4321</td>' in drawn
    assert "a &lt;machine&gt;; measured then. Time of a layer = call" in drawn
    assert "Time of a layer" not in run_page({}, {})


# --- histograms

ONE = {"name": "w", "low": -1.0, "high": 3.0, "before": [1, 2, 3, 4], "after": [0, 0, 1, 1]}


def drawn(one):
    """The axes of a histogram: {colour: heights}, edges, places of vertical lines."""
    figure = pytest.importorskip("matplotlib.figure", reason="no matplotlib").Figure()
    ax = figure.subplots()
    _histogram(ax, one, "was", "now")
    steps = {patch.get_label(): patch for patch in ax.patches}
    colours = pytest.importorskip("matplotlib.colors").to_rgba
    assert steps["was"].get_edgecolor() == colours(INK)
    assert steps["now"].get_facecolor() == colours(LINE_1)
    assert [steps[name].get_fill() for name in ("was", "now")] == [False, True]  # told apart
    areas = [steps[name].get_data() for name in ("was", "now")]
    return [a.values for a in areas], areas[0].edges, [x.get_xdata()[0] for x in ax.lines]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_heights_are_square_roots_of_the_counts(counts):
    heights, edges, _ = drawn(ONE | {"before": counts, "after": counts[::-1]})
    assert np.allclose(heights[0], np.sqrt(counts))
    assert np.allclose(heights[1], np.sqrt(counts[::-1]))
    assert np.allclose(edges, np.linspace(-1, 3, len(counts) + 1))


def test_a_linear_height_is_seen():
    heights, _, _ = drawn(ONE)
    assert not np.allclose(heights[0], ONE["before"])


def test_zero_is_marked_where_it_lies():
    assert drawn(ONE)[2] == [0]
    assert drawn(ONE | {"low": 1.0})[2] == []
    shown = figure(histograms([ONE], "a", "b"), "weights")
    assert "10 \u2192 2" in shown
    assert 'aria-label="w: 10 live weights a, 2 b"' in shown
    assert histograms([], "a", "b") == []
