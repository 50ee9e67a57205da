"""The curves that matplotlib draws: gaps, the page's own colours, no state left behind."""

import importlib.util
import re

import pytest
from test_report import HISTORY, RESULT, epochs

from minprune.report.pictures import figure
from minprune.report.run_figures import curves, join
from minprune.report.run_page import run_page as page

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason='no matplotlib: pip install "minprune[report]"',
)


def test_phases_stand_one_after_the_other_with_a_gap_between():
    x, y = join({"a": epochs([3.0, 2.0], [0, 0]), "b": epochs([1.0], [0])}, "train_loss")
    assert x == [1, 2, 2, 3, 3]
    assert [v for v in y if v == v] == [3.0, 2.0, 1.0]
    assert [v == v for v in y] == [True, True, False, True, False]


def test_what_was_not_recorded_is_a_gap():
    phase = {"epochs": {"epoch": [0, 1, 2], "val_loss": [1.0, None]}}
    assert [v == v for v in join({"a": phase}, "val_loss")[1]] == [True, False, False, False]
    assert [v == v for v in join({"a": phase}, "train_loss")[1]] == [False] * 4


def test_sparsity_is_drawn_only_where_it_changes():
    gradual = {"train": epochs([1.0, 0.5, 0.2], [0.0, 0.5, 0.9])}
    assert len(curves(HISTORY)) == 2
    assert len(curves(gradual)) == 3


@needs_matplotlib
@pytest.mark.parametrize(
    "losses",
    [[1.0], [0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e-30, 1e30]],
)
def test_any_losses_can_be_drawn(losses):
    assert "<svg" in figure(curves({"train": epochs(losses, [0.0] * len(losses))}), "x")


@needs_matplotlib
def test_colours_are_the_page_s_own_and_ids_are_not_repeated():
    text = page(RESULT, HISTORY)
    assert "var(--line-1)" in text
    assert not re.findall(r"(?:fill|stroke): (?!none|var)", text)
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text))


@needs_matplotlib
def test_pictures_leave_no_state_behind():
    import matplotlib as mpl

    before = mpl.rcParams.copy()
    assert figure(curves(HISTORY), "x")
    # reading "backend" is what makes matplotlib choose one
    assert [k for k in before if k != "backend" and mpl.rcParams[k] != before[k]] == []
