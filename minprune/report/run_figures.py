"""Pictures of a run's training and of its weights: curves against epochs, histograms."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minprune.report.curve_figures import LEVEL
from minprune.report.pictures import INK, LINE_1, LINE_2, Picture, cut

TRAINING = {"color": LINE_1, "linestyle": "-", "marker": "o"}
VALIDATION = {"color": LINE_2, "linestyle": "--", "marker": "s"}
PANELS = {  # title: (label, key in the history, look)
    "loss": [("training", "train_loss", TRAINING), ("validation", "val_loss", VALIDATION)],
    "accuracy": [("validation", "val_accuracy", VALIDATION)],
    "sparsity": [("sparsity", "sparsity", {"color": INK, "linestyle": "-.", "marker": "^"})],
}
PHASE, NAMED = 20, 3  # characters of a phase's name; how many of them are written
Map = Mapping[str, Any]
Curve = tuple[list[float], list[float]]


# --- training curves


def join(history: Map, key: str) -> Curve:
    """(epochs run so far, values) over all phases; what was not recorded is a gap (NaN)

    A gap also separates two phases: the model changes between them.
    """
    x: list[float] = []
    y: list[float] = []
    for phase in history.values():
        n = len(phase["epochs"]["epoch"])
        before = int(x[-1]) if x else 0
        values = [*phase["epochs"].get(key, []), *[None] * n][:n]
        x += [*range(before + 1, before + n + 1), before + n]
        y += [math.nan if value is None else float(value) for value in (*values, None)]
    return x, y


def curves(history: Map) -> list[Picture]:
    """Panels of loss, accuracy and, where it changes during training, sparsity, against epochs

    history: {phase: {"epochs": {"epoch", "train_loss", "val_loss", "val_accuracy", "sparsity"}}}
    """
    drawn = []
    sparsities = [phase["epochs"].get("sparsity") or [0] for phase in history.values()]
    changes = any(min(values) < max(values) for values in sparsities)
    for title, lines in PANELS.items():
        found: list[Any] = [(label, join(history, key), look) for label, key, look in lines]
        recorded = any(math.isfinite(v) for _, (_, y), _ in found for v in y)
        if recorded and (title != "sparsity" or changes):
            draw = partial(_curves, title=title, lines=found, history=history)
            drawn.append(Picture(f"{title} against epochs", (3.4, 2.4), draw, title))
    return drawn


def _curves(ax: Any, title: str, lines: list[Any], history: Map) -> None:
    lengths = {name: len(phase["epochs"]["epoch"]) for name, phase in history.items()}
    values = [v for _, (_, y), _ in lines for v in y if math.isfinite(v)]
    every = max(1, sum(lengths.values()) // 15)  # points with a marker
    for label, (x, y), look in lines:
        ax.plot(x, y, label=label, markersize=3.5, markevery=every, **look)
    if title == "loss" and min(values) > 0 and max(values) > 5 * min(values):
        ax.set_yscale("log")
        ax.yaxis.get_minor_locator().set_params(subs=(2, 5))  # more labels would overlap
        ax.yaxis.set_major_formatter("{x:.3g}")
        ax.yaxis.set_minor_formatter("{x:.2g}" if max(values) < 20 * min(values) else "")
    else:
        ax.ticklabel_format(axis="y", useOffset=False)  # two ticks would look the same
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epochs")
    begin = 0.5
    for name, n in lengths.items():
        if n and len(lengths) <= NAMED:
            ax.annotate(cut(name, PHASE), (begin, 1), (2, 3), ("data", "axes fraction"),
                        "offset points", parse_math=False)  # fmt: skip
        if n:
            ax.axvline(begin, label="start of a phase", **LEVEL)
        begin += n


# --- weights before and after


def histograms(found: Sequence[Map], before: str, after: str) -> list[Picture]:
    """height = sqrt(count), so that tails show; a panel each layer, `after` in front of `before`"""
    label = "{}: {:,} live weights {}, {:,} {}"
    drawn = []
    for one in found:
        was, now = sum(one["before"]), sum(one["after"])
        drawn.append(
            Picture(
                label.format(one["name"], was, before, now, after), (2.2, 1.4),
                partial(_histogram, one=one, before=before, after=after),
                one["name"], f"{was:,} \u2192 {now:,}", 9.5,
            )
        )  # fmt: skip
    return drawn


def _histogram(ax: Any, one: Map, before: str, after: str) -> None:
    low, high = one["low"], one["high"]
    filled: dict[str, Any] = {"fill": True, "color": LINE_1}
    for key, name, look in (("after", after, filled), ("before", before, {"color": INK})):
        edges = np.linspace(low, high, len(one[key]) + 1)
        ax.stairs(np.sqrt(one[key]), edges, label=name, **look)
    if low <= 0 <= high:
        ax.axvline(0, label="a weight of 0", **LEVEL)
    ax.set(xlim=(low, high), ylim=(0, None), yticks=[])
    ax.set_xticks([low, high], [f"{low:.3g}", f"{high:.3g}"])
    for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
    ax.spines["left"].set_visible(False)
