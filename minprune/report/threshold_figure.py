"""Accuracy without what scores below a threshold, against what is left, beside other scores."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from minprune.report.curve_figures import Curve, curve
from minprune.report.page import Html
from minprune.report.pictures import NOTHING, Picture, figure

MARKS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100)  # percent
CAPTION = (
    "The net of the one training, without the weights that score below a threshold, for many "
    "thresholds; none of these nets was trained further, so the curve is a lower bound of the best "
    "that these samples allow, and usually below what training for a sparsity reaches. Magnitude "
    "and random scores prune the same net to the same sparsities."
)


def draw(
    ax: Any, sparsities: Sequence[float], values: Mapping[str, Sequence[float]],
    unpruned: float | None, of: str,
) -> None:  # fmt: skip
    """On an axis of what is left, logarithmic and falling, since the ends of the curves differ"""
    factor = 100 if of == "accuracy" else 1
    left = [100 * (1 - s) for s in sparsities]
    lines = [Curve(name, left, [factor * v for v in row]) for name, row in values.items()]
    level = None if unpruned is None else ("unpruned", factor * unpruned)
    curve(ax, lines, "left in %", f"{of} in %" if of == "accuracy" else of, level)
    least = max(min(left), 0.01)
    ax.set(xscale="log", xlim=(100, 0.9 * least))
    marks = [p for p in (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100) if p >= least / 2]
    ax.set_xticks(marks, [f"{p:g}" for p in marks])
    ax.minorticks_off()


def traced(found: Mapping[str, Any]) -> Html:
    """The figure on a page; found: see traced in jobs/learned.py; nothing without it"""
    if not found:
        return NOTHING
    draws = partial(
        draw, sparsities=found["sparsities"], values=found["values"], unpruned=found["unpruned"],
        of=found["of"],
    )  # fmt: skip
    label = f"{found['of']} against what a threshold leaves"
    many = f" Of {found['samples']:,} samples of the test part." if found.get("samples") else ""
    return figure([Picture(label, (4.6, 2.9), draws)], CAPTION + many)
