"""Charts of a comparison: few criteria are curves of one chart, others have a panel each."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minprune.masking.combine import ranks
from minprune.report.curve_figures import LEVEL, Curve, curve
from minprune.report.pictures import FAINT, LINE_1, LINE_2, Picture

SIZE, LARGE = (2.2, 1.6), (3.5, 2.6)
AXES = {"sparsity": "sparsity", "macs": "multiply-adds left", "bytes": "bytes left"}
FEW = 6  # criteria, at most, as curves of one chart
PERCENTS = (0.01, 0.1, 1, 2, 5, 10, 20, 50, 100)
FLOOR = 1e-6  # of the largest value: smaller ones, and 0, are drawn at it
DENSE = "the dense nets"
Line = tuple[list[float], list[float]]  # means, standard deviations


def lines(summary: Sequence[Mapping[str, Any]], group: str, key: str) -> dict[str, Line]:
    """{criterion: (means, sds) of row[group][key] in percent, a value each sparsity}; no sd: 0"""
    found: dict[str, Line] = {}
    for row in summary:
        means, sds = found.setdefault(row["criterion"], ([], []))
        mean, sd = row[group][key]
        means.append(100 * mean)
        sds.append(100 * (sd or 0.0))
    return found


def accuracies(
    result: Mapping[str, Any], stage: str, against: str = "sparsity", *,
    what: str = "criterion", bar: str = "one standard deviation to each side",
) -> list[Picture]:  # fmt: skip
    """Mean accuracies with their standard deviations, and the dense line: one chart, or panels

    against: "sparsity", or a cost: "macs" or "bytes". what, bar: what a curve is of, and what its
    band means. Panels have one scale, which the lowest
    quarter of the criteria may leave: a control that fails would compress all others.
    """
    summary = result["summary"]
    found = lines(summary, stage, "accuracy")
    ticks = list(dict.fromkeys(row["sparsity"] for row in summary)) if against == "sparsity" else []
    x: dict[str, Sequence[float]] = dict.fromkeys(found, range(len(ticks)))
    if not ticks:
        x |= {name: means for name, (means, _) in lines(summary, "cost", against).items()}
    dense, label = 100 * result["dense"]["accuracy"][0], f"accuracy against {against}, {stage}"
    axis = partial(scale, x=x, ticks=ticks)
    if len(found) <= FEW:
        across = f"{AXES[against]} in %"
        draw = partial(chart, found=found, x=x, dense=dense, axis=axis, across=across)
        return [Picture(label, LARGE, draw)]
    panel = partial(
        accuracy_panel, found=found, x=x, dense=dense, limits=bounds(found, dense), axis=axis,
        colour=LINE_2 if stage == "pruned" else LINE_1, what=what, bar=bar,
    )  # fmt: skip
    return [
        Picture(f"{name}, {label}", SIZE, partial(panel, name=name), name, font=9.5)
        for name in found
    ]


def bounds(found: Mapping[str, Line], dense: float | None) -> tuple[float, float]:
    """The scale of all panels"""
    low = [min(m - s for m, s in zip(*line, strict=True)) for line in found.values()]
    high = [max(m + s for m, s in zip(*line, strict=True)) for line in found.values()]
    bottom, top = max(float(np.quantile(low, 0.25)), 0.0), min(max(high), 100.0)
    top = top if dense is None else max(top, dense)
    pad = 0.06 * (top - bottom) or 1.0
    return bottom - pad, top + pad


def chart(
    ax: Any, found: Mapping[str, Line], x: Mapping[str, Sequence[float]], dense: float,
    axis: Callable[[Any], None], across: str,
) -> None:  # fmt: skip
    """All criteria as curves with bars of one standard deviation."""
    drawn = [
        Curve(name, x[name], means, sds if any(sds) else None)
        for name, (means, sds) in found.items()
    ]
    curve(ax, drawn, across, "accuracy in %", (DENSE, dense))
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, -2.0), min(high, 102.0))  # an interval may be wider than that
    axis(ax)


def scale(ax: Any, x: Mapping[str, Sequence[float]], ticks: Sequence[float]) -> None:
    """Sparsities, evenly apart; without: percent, on a logarithmic axis that falls."""
    if ticks:
        ax.set_xticks(range(len(ticks)), [f"{100 * s:g}" for s in ticks])
        return
    least = min(map(min, x.values()))
    percents = [p for p in PERCENTS if p >= least / 2]
    ax.set(xscale="log", xlim=(100, max(least * 0.9, 0.01)))
    ax.set_xticks(percents, [f"{p:g}" for p in percents])
    ax.minorticks_off()


def accuracy_panel(
    ax: Any, name: str, found: Mapping[str, Line], x: Mapping[str, Sequence[float]],
    dense: float | None, limits: tuple[float, float], colour: str, axis: Callable[[Any], None],
    what: str = "criterion", bar: str = "one standard deviation to each side",
) -> None:  # fmt: skip
    """One criterion in colour, the others in grey, the dense nets dotted, triangles: below"""
    for other, (others, _) in found.items():
        if other != name:
            ax.plot(x[other], others, color=FAINT, linewidth=0.6, label="the others")
    if dense is not None:
        ax.axhline(dense, label=DENSE, **LEVEL)
    (means, sds), mine = map(np.array, found[name]), np.asarray(x[name])
    if sds.any():
        ax.fill_between(mine, means - sds, means + sds, color=colour, alpha=0.25, linewidth=0,
                        label=bar)  # fmt: skip
    ax.plot(mine, means, color=colour, marker="o", markersize=2.5, linewidth=1.6,
            label=f"the panel's {what}, mean over the seeds")  # fmt: skip
    below = mine[means < limits[0]]
    if len(below):
        floor = [limits[0]] * len(below)
        (marks,) = ax.plot(below, floor, "v", color=colour, markersize=4, linewidth=0,
                           clip_on=False, label="a mean below the panel")  # fmt: skip
        marks.set_in_layout(False)  # all panels alike
    axis(ax)
    ax.set_ylim(*limits)


def scatters(result: Mapping[str, Any]) -> list[Picture]:
    """A panel a criterion: its scores against the true changes of the loss, of the first seed."""
    first, powers = result["truth"][0], result.get("estimates", {})
    scores = {
        p["criterion"]: p["scores"] for p in result["predicted"] if p["seed"] == first["seed"]
    }
    return [
        Picture(
            f"{name}, scores and true changes", SIZE,
            partial(scatter, scores=own, change=first["change"], power=powers.get(name)),
            name, "sizes" if name in powers else "ranks", 9.5,
        )
        for name, own in scores.items()
    ]  # fmt: skip


def scatter(ax: Any, scores: Sequence[float], change: Sequence[float], power: float | None) -> None:
    """Sizes on logarithmic axes where |score|^power estimates the change; power None: ranks"""
    moved, y = np.asarray(change, float), np.asarray(scores, float)
    true = np.abs(moved)
    if power is not None:
        y = np.abs(y) ** power
        top = float(max(true.max(), y.max())) or 1.0
        x, y = (np.maximum(v, FLOOR * top) for v in (true, y))
        ax.set(xscale="log", yscale="log")
        ax.plot([FLOOR * top, top], [FLOOR * top, top], color=FAINT, linewidth=0.8, zorder=0,
                label="exact estimates")  # fmt: skip
    else:
        x, y = ranks({"v": true})["v"], ranks({"v": y})["v"]
        side = {"lim": (-0.05, 1.05), "ticks": [0, 0.5, 1]}
        ax.set(**{f"{axis}{what}": v for axis in "xy" for what, v in side.items()})
    for which, colour, mark, words in (
        (moved > 0, LINE_1, "^", "the loss rises"), (moved < 0, LINE_2, "v", "it falls"),
        (moved == 0, FAINT, "s", "it stays"),
    ):  # fmt: skip
        ax.plot(x[which], y[which], mark, color=colour, markersize=2.4, alpha=0.8, linewidth=0,
                markeredgewidth=0, label=words)  # fmt: skip
    ax.minorticks_off()
    ax.grid(False)
