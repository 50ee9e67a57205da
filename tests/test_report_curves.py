"""Curves of one chart: all named, told apart without colour, with their error bars."""

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

from minprune.report.compare_figures import chart, scale
from minprune.report.curve_figures import Curve, curve
from minprune.report.pictures import LANES, Picture, figure

mpl_figure = pytest.importorskip(
    "matplotlib.figure", reason='no matplotlib: pip install "minprune[report]"'
)


def drawn(*curves: Curve, **how: Any) -> Any:
    """Axes with the curves."""
    ax = mpl_figure.Figure().subplots()
    curve(ax, curves, "across", "up", **how)
    return ax


def looks(ax: Any) -> list[tuple[Any, ...]]:
    """(marker, dash) of each curve: how it is told apart in print"""
    lines = [container.lines[0] for container in ax.containers]
    return [(one.get_marker(), str(one._dash_pattern)) for one in lines]


def test_points_bars_and_the_level_are_where_they_belong() -> None:
    ax = drawn(Curve("a", [1, 2], [3.0, 5.0], [0.5, 1.0]), Curve("b", [1, 4], [9.0, float("nan")]),
               level=("dense", 7.0))  # fmt: skip
    first, second = ax.containers
    assert np.array(first.lines[0].get_data()).tolist() == [[1, 2], [3, 5]]
    assert [s.tolist() for s in first.lines[2][0].get_segments()] == [
        [[1, 2.5], [1, 3.5]], [[2, 4], [2, 6]],
    ]  # fmt: skip
    assert not second.has_yerr
    (level,) = [one for one in ax.lines if one.get_label() == "dense"]
    assert list(level.get_ydata()) == [7, 7]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("across", "up")


def test_curves_are_told_apart_without_colour() -> None:
    many = [Curve(str(k), [0, 1], [k, k]) for k in range(20)]
    ax = drawn(*many)
    assert len(set(looks(ax))) == len(many)
    colours = {container.lines[0].get_color() for container in ax.containers}
    assert colours == set(LANES)


def test_the_legend_has_every_name() -> None:
    names = ["_mine", "a $x$ <b>", "c"]
    curves = [Curve(name, [0, 1], [1, 2], [0.1, 0.1]) for name in names]
    picture = Picture("x", (3, 2), lambda ax: curve(ax, curves, "a", "b", ("dense", 1.5)))
    found = re.findall(r"([^<>]*)</li>", figure([picture], "caption"))
    assert [one.strip("\u2060") for one in found] == ["dense", "_mine", "a $x$ &lt;b&gt;", "c"]


def test_whole_numbers_have_no_ticks_between_them() -> None:
    ticks = drawn(Curve("a", [1, 2], [1, 2])).get_xticks()
    assert all(tick == round(tick) for tick in ticks)
    halves = drawn(Curve("a", [1.0, 2.0], [1, 2])).get_xticks()
    assert any(tick != round(tick) for tick in halves)


def test_a_comparison_of_few_criteria_is_one_chart() -> None:
    ax = mpl_figure.Figure().subplots()
    found = {"a": ([90.0, 50.0], [1.0, 2.0]), "b": ([80.0, 60.0], [0.0, 0.0])}
    x: dict[str, list[float]] = {"a": [0, 1], "b": [0, 1]}
    chart(ax, found, x, 95.0, partial(scale, x=x, ticks=[0.5, 0.9]), "sparsity in %")
    assert [container.has_yerr for container in ax.containers] == [True, False]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["50", "90"]
    x = {"a": [40.0, 4.0], "b": [30.0, 20.0]}
    chart(ax, found, x, 95.0, partial(scale, x=x, ticks=()), "bytes left in %")
    left, right = ax.get_xlim()
    assert left == 100 > right
