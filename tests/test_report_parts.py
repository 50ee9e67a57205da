"""The parts of a run's page, each for values worked by hand, and what their pictures show."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.report.class_table import by_class, classes
from minprune.report.group_figures import Line, _groups, boxes_of, groups, lines_of
from minprune.report.mask_figures import SHADES, inputs, masks, mosaic, shades, unpack
from minprune.report.page import swing
from minprune.report.pictures import PAPER, cut

# --- classes


def stages(*rows):
    return [{"stage": f"s{k}", "per_class": list(row)} for k, row in enumerate(rows)]


def test_the_worst_class_comes_first():
    names, rows = by_class(stages([1.0, 0.9, 0.5], [0, 0, 0], [0.95, 0.5, 0.75]))
    assert names == ["s0", "s1", "s2"]
    assert [row[0] for row in rows] == [1, 0, 2]
    assert [row[2] for row in rows] == pytest.approx([-0.4, -0.05, 0.25])
    assert rows[0][1] == [0.9, 0, 0.5]


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_a_class_without_samples_has_no_change_and_is_last(gap):
    found = by_class([*stages([gap, 0.5, 1.0]), {"stage": "x"}, {"stage": "b", "per_class": [1.0]}])
    assert found == (
        ["s0", "b"], [(0, [None, 1.0], None), (1, [0.5, None], None), (2, [1.0, None], None)],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("last", "sentence"),
    [
        ([0.5, 0.8], "<p>Class 0 lost most: -50.00 percentage points; 1 of 2 classes lost "
         "nothing.</p>\n"),
        ([1.0, 0.9], "<p>No class lost accuracy.</p>\n"),
        ([None, None], ""),
    ],
)  # fmt: skip
def test_the_sentence_about_classes(last, sentence):
    assert classes(stages([1.0, 0.8], last)).partition("<ul")[0] == sentence


def test_classes_have_their_names():
    named = classes(stages([1.0, 0.8], [0.5, 0.8]), ["<cat>", "dog"])
    assert named.startswith("<p>Class &lt;cat&gt; lost most: -50.00 percentage points;")
    assert ">dog<" in named


def test_one_stage_has_no_change_and_none_no_table():
    assert "change" not in classes(stages([1.0, 0.8]))
    assert classes([{"stage": "dense"}]) == classes([]) == ""
    assert "width:50.00%" not in classes(stages([1.0, 0.8], [1.0, 0.8])).partition("<table")[2]


def test_a_bar_swings_to_the_left_for_a_loss():
    assert swing(-0.25) == (
        '<span class="swing"><span class="loss" style="right:50%;width:12.50%"></span></span>'
    )
    assert swing(1.0) == (
        '<span class="swing"><span class="gain" style="left:50%;width:50.00%"></span></span>'
    )
    assert swing(0.0) == '<span class="swing"></span>'


# --- masks


def images_of(grid, n, across, shape):
    """The images of a mosaic, read from it one by one."""
    c, h, w = shape
    found = []
    for k in range(n):
        y, x = k // across * (h + 1), k % across * c * (w + 1)
        parts = [grid[y : y + h, x + j * (w + 1) : x + j * (w + 1) + w] for j in range(c)]
        found.append(np.stack(parts))
    return np.array(found)


@given(st.data())
def test_a_mosaic_shows_each_value_where_it_belongs(data):
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)))
    n, across = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    bits = np.random.default_rng(data.draw(st.integers(0, 99))).random((n, *shape)) < 0.5
    packed = [np.packbits(one).tobytes().hex() for one in bits]
    kept = np.array([unpack(one, bits[0].size) for one in packed]).reshape(bits.shape)
    assert (kept == bits).all()
    grid = mosaic(kept, across)
    assert (images_of(grid, n, across, shape) == bits).all()
    assert np.isfinite(grid).sum() == bits.size  # all else is empty


def test_images_in_the_wrong_order_are_seen():
    bits = np.array([[[[1, 0], [0, 0]]], [[[0, 1], [0, 0]]]])
    assert (images_of(mosaic(bits, 2), 2, 2, (1, 2, 2)) == bits).all()
    assert (images_of(mosaic(bits[::-1], 2), 2, 2, (1, 2, 2)) != bits).any()


@given(st.lists(st.integers(0, 300), min_size=4, max_size=4).filter(any))
def test_used_inputs_are_never_empty_and_unused_ones_always(used):
    shown = shades(used) / SHADES
    assert ((shown > 0) == (np.array(used) > 0)).all()
    exact = np.array(used) / max(used)
    assert ((shown >= exact - 1e-12) & (shown < exact + 1 / SHADES)).all()
    said = f"<p>{sum(n > 0 for n in used)} of 4 inputs are still used.</p>"
    assert inputs(used, (1, 2, 2)).startswith(said)


FIRST = {
    "name": "conv1.weight", "units": 2, "image": [1, 2, 2], "kept": 3, "masks": ["90", "40"],
    "used": None,
}  # fmt: skip


def test_a_picture_for_each_unit():
    pytest.importorskip("matplotlib", reason="no matplotlib")
    drawn = masks(FIRST)
    assert "<figcaption>conv1.weight: 2 units, a picture each.</figcaption>" in drawn
    assert "a weight that is kept" in drawn
    assert "a pruned weight" in drawn
    assert 'aria-label="unit 0: 2 of 4 kept; unit 1: 1 of 4 kept"' in drawn
    assert drawn.count("<image") == 1
    assert "2 of 9 units" in masks(FIRST | {"units": 9})
    colour = FIRST | {"image": [2, 1, 2]}
    assert "the 2 channels side by side" in masks(colour)


def test_a_dense_layer_is_a_sentence_and_no_layer_nothing():
    assert masks(FIRST | {"kept": 8}) == "<p>All 8 weights of conv1.weight are kept.</p>\n"
    assert masks({}) == inputs(None, (1, 2, 2)) == ""
    assert inputs([0, 0, 0, 0], (1, 2, 2)) == "<p>0 of 4 inputs are still used.</p>\n"


# --- groups


def tie(name, *members, why=""):
    return {"name": name, "size": 3, "why": why, "members": [list(m) for m in members]}


def test_lines_by_hand():
    ties = [
        tie("b", ("fc2.weight", "makes"), ("fc3.weight", "reads")),
        tie("a", ("fc1.weight", "makes"), ("fc1.bias", "shifts"), ("fc2.weight", "reads")),
        tie("out", ("fc3.weight", "makes"), why="the net's output"),
        tie("none"),
    ]
    assert lines_of(ties, ["fc1", "fc2", "fc3"]) == [
        Line("a", 3, "", [(0, True), (1, False)], 0),
        Line("b", 3, "", [(1, True), (2, False)], 1),
        Line("out", 3, "the net's output", [(2, True)], 0),
    ]


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from(["makes", "reads", "shifts"])), max_size=5
        ),
        max_size=8,
    )
)
def test_two_lines_never_lie_over_one_another(groups):
    names = [f"l{k}" for k in range(10)]
    ties = [tie(f"g{n}", *((f"l{k}.weight", role) for k, role in g)) for n, g in enumerate(groups)]
    lines = lines_of(ties, names)
    assert sorted(line.name for line in lines) == sorted(t["name"] for t in ties if t["members"])
    assert apart(lines)


def apart(lines):
    """Whether groups in one lane have no row in common."""
    return all(
        a.marks[-1][0] < b.marks[0][0] or b.marks[-1][0] < a.marks[0][0]
        for a, b in itertools.combinations(lines, 2)
        if a.lane == b.lane
    )


def test_lines_over_one_another_are_seen():
    assert not apart(
        [Line("a", 1, "", [(0, True), (2, False)], 0), Line("b", 1, "", [(1, True)], 0)]
    )


def test_the_drawing_shows_every_layer_and_group():
    pytest.importorskip("matplotlib", reason="no matplotlib")
    ties = [tie("<g>", ("conv1.weight", "makes"), ("gone.weight", "reads"))]
    layers = [{"name": "conv1", "shape": [3, 1, 2, 2]}, {"name": "y" * 80, "shape": [3]}]
    assert boxes_of(ties, layers) == [("conv1", "3 x 1 x 2 x 2"), ("y" * 80, "3"), ("gone", "")]
    drawn = groups(ties, layers)
    for shown in (">conv1<", ">3 x 1 x 2 x 2<", ">gone<", f">{cut('y' * 80, 63)}<", ">1<"):
        assert shown in drawn  # a long name would not fit
    assert cut("abcdefghij", 8) == "abc...ij"
    assert cut("abcdefgh", 8) == "abcdefgh"
    assert "&lt;g&gt;" in drawn
    assert 'aria-label="1 tied groups of 3 layers"' in drawn
    assert groups([], layers) == ""


def test_a_group_s_marks_are_dots_and_rings(monkeypatch):
    figure = pytest.importorskip("matplotlib.figure", reason="no matplotlib").Figure()
    line = Line("a", 3, "", [(0, True), (2, False)], 0)
    ax = figure.subplots()
    _groups(ax, boxes=[("x", ""), ("y", ""), ("z", "")], lines=[line], lanes=1, wide=3.0)
    marks = [one for one in ax.lines if one.get_marker() == "o" and len(one.get_xdata())]
    assert [round(float(one.get_ydata()[0])) for one in marks] == [0, 2]
    assert [one.get_markerfacecolor() == PAPER for one in marks] == [False, True]
