"""Pictures of what a method learned: histograms with its mark, and lines over the training.

Nothing here knows a method. A method states how its arrays of `history.extra` are drawn in
`pictures`, a tuple of `mp.Learned`, a class attribute, or a property where it depends on settings:

    pictures = (
        Learned("* log alpha", "log alpha", mark=3.0, says="pruned above"),  # a panel each array
        Learned("expected L0", "weights kept", over="epoch"),  # a line against 1, 2, ...
        Learned("val_loss", "validation loss", over="step"),  # against the array "step"
        Learned("* scores", "score", mark="threshold", says="pruned below"),  # array of one value
        Learned("* theta", ""),  # not drawn
    )

The first whose pattern fits an array draws it; an array that none names has a histogram without a
mark; one that others are drawn against, or marked by, has no picture of its own. A plan that learns
without a method has the same property. jobs/learned.py counts; what is drawn here is JSON.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minprune.report.curve_figures import LEVEL, Curve, curve
from minprune.report.page import Html
from minprune.report.pictures import LINE_1, Picture, cut, figure

PANEL, CHART = (2.2, 1.4), (4.2, 2.6)  # inches
LONGEST = 34  # characters of a title
Map = Mapping[str, Any]


def learned(found: Sequence[Map]) -> Html:
    """A figure for each entry; see jobs/learned.py for what they hold"""
    several = len({one["phase"] for one in found}) > 1
    parts = []
    for one in found:
        where = f"{one['phase']}: " if several else ""
        if "panels" in one:
            drawn = [histogram(one, panel, where) for panel in one["panels"]]
            caption = f"{where}{one['what']} at the end. Heights are square roots of counts."
        else:
            drawn = [chart(one, where)]
            caption = f"{where}{one['what']} against {one['over']}."
        parts.append(figure(drawn, caption))
    return Html("".join(parts))


def marked(one: Map, mark: float | None) -> str:
    """ "pruned above 3"; without the number where the panels differ"""
    marks = {panel["mark"] for panel in one.get("panels", ())} | {mark}
    words = one["says"] or "mark"
    return words if len(marks) > 1 or mark is None else f"{words} {mark:.4g}"


def histogram(one: Map, panel: Map, where: str) -> Picture:
    """height = sqrt(count), so that tails show, and the mark as a dotted line"""
    name, mark = panel["name"], panel["mark"]
    draw = partial(_histogram, panel=panel, label=one["what"], says=marked(one, mark))
    about = f"{where}{name}: {panel['n']:,} values from {panel['low']:.3g} to {panel['high']:.3g}"
    return Picture(about, PANEL, draw, cut(name, LONGEST), f"{panel['n']:,}", 9.5)


def _histogram(ax: Any, panel: Map, label: str, says: str) -> None:
    low, high, mark = panel["low"], panel["high"], panel["mark"]
    edges = np.linspace(low, high, len(panel["counts"]) + 1)
    ax.stairs(np.sqrt(panel["counts"]), edges, label=label, fill=True, color=LINE_1)
    if mark is not None:
        ax.axvline(mark, label=says, **LEVEL)
    ax.set(xlim=(low, high), ylim=(0, None), yticks=[])
    ax.set_xticks([low, high], [f"{low:.3g}", f"{high:.3g}"])
    for text, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
        text.set_horizontalalignment(side)
    ax.spines["left"].set_visible(False)


def chart(one: Map, where: str) -> Picture:
    """All lines of an entry in one chart; a value that is absent is a gap"""
    lines = [
        Curve(line["name"], line["x"], [np.nan if v is None else v for v in line["y"]])
        for line in one["lines"]
    ]
    level = None if one["mark"] is None else (marked(one, one["mark"]), one["mark"])
    draw = partial(curve, curves=lines, across=one["over"], up=one["what"], level=level)
    return Picture(f"{where}{one['what']} against {one['over']}", CHART, draw)
