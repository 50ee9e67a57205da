"""One chart of several curves with error bars, each told apart by colour, marker and dash."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minprune.report.pictures import INK, LANES

DASHES = ("-", "--", "-.", (0, (1, 1.2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # 6 colours, 4 dashes, 7 markers: 84 looks
MARKED = 20  # points of a curve that have a marker, about
LEVEL = {"color": INK, "linewidth": 0.9, "linestyle": ":"}


@dataclass(frozen=True)
class Curve:
    """y against x under a name; error: the length of its bar to each side, a value a point

    Points without a value (NaN) are gaps.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    error: Sequence[float] | None = None


def curve(
    ax: Any, curves: Sequence[Curve], across: str, up: str, level: tuple[str, float] | None = None
) -> None:
    """Draw the curves on matplotlib axes; all of them are in the legend

    across, up: what the axes show. level: (name, value) of a dotted line to compare them with.

    >>> from minprune.report.pictures import Picture, figure
    >>> accuracy = [Curve("magnitude", [0.5, 0.9], [98, 95], [0.2, 0.9]),
    ...             Curve("random", [0.5, 0.9], [97, 61], [0.3, 4.0])]
    >>> picture = Picture("accuracy against sparsity", (3.5, 2.5), lambda ax: curve(
    ...     ax, accuracy, "sparsity", "accuracy in %", ("dense", 98.6)))
    >>> page = figure([picture], "Means over 3 seeds; bars: one standard deviation.")
    """
    for k, one in enumerate(curves):
        name = f"\u2060{one.name}" if one.name.startswith("_") else one.name  # else hidden
        ax.errorbar(
            one.x, one.y, one.error, label=name, color=LANES[k % len(LANES)],
            linestyle=DASHES[k % len(DASHES)], marker=MARKERS[k % len(MARKERS)], markersize=4,
            markevery=max(1, len(one.x) // MARKED), capsize=2.5, elinewidth=1,
        )  # fmt: skip
    if level is not None:
        name, value = level
        ax.axhline(value, label=name, **LEVEL)
    if all(isinstance(v, int) for one in curves for v in one.x):  # no ticks between rounds
        ax.locator_params(axis="x", integer=True)
    ax.set_xlabel(across)
    ax.set_ylabel(up)
