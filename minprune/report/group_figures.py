"""Layers from top to bottom with a line for each tied group beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from minprune.nets.net import layer_of
from minprune.report.page import Html, table
from minprune.report.pictures import FAINT, INK, LANES, NOTHING, PAPER, RULE, Picture, cut, figure

LONGEST = 64  # characters of a layer's name and shape
Map = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A group in the drawing; marks: (row, whether the layer makes the units), top to bottom."""

    name: str
    size: int
    why: str  # why it cannot shrink; empty where it can
    marks: list[tuple[int, bool]]
    lane: int


def groups(ties: Sequence[Map], layers: Sequence[Map]) -> Html:
    """Layers from top to bottom, a line for each tied group beside them, and a table of the groups

    ties: {"name", "size", "why", "members": [(parameter, "makes" | "reads" | "shifts"), ...]}
    layers: {"name", "shape"}, in net order.
    """
    boxes = boxes_of(ties, layers)
    lines = lines_of(ties, [name for name, _ in boxes])
    if not lines:
        return NOTHING
    lanes = 1 + max(line.lane for line in lines)
    letters = min(LONGEST, max(len(name) + len(shape) for name, shape in boxes))
    label = f"{len(lines)} tied groups of {len(boxes)} layers"
    size = (0.8 + 0.075 * letters + 0.32 * lanes, 0.15 + 0.33 * len(boxes))
    draw = partial(_groups, boxes=boxes, lines=lines, lanes=lanes, wide=0.075 * letters + 0.5)
    rows = [
        [number, line.name, line.size, f"no: it is {line.why}" if line.why else "yes"]
        for number, line in enumerate(lines, 1)
    ]
    said = "Units that share a line are pruned together; its number is that of the table."
    picture = figure([Picture(label, size, draw)], said, scroll=True)
    header = ["line", "group", "units", "can shrink"]
    return Html(picture + table("tied groups", header, rows))


def boxes_of(ties: Sequence[Map], layers: Sequence[Map]) -> list[tuple[str, str]]:
    """(layer, its shape) in net order; layers that only the groups know follow."""
    found = {str(one["name"]): " x ".join(map(str, one["shape"])) for one in layers}
    for tie in ties:
        for parameter, _ in tie["members"]:
            found.setdefault(layer_of(parameter), "")
    return list(found.items())


def lines_of(ties: Sequence[Map], layers: Sequence[str]) -> list[Line]:
    """The groups from top to bottom, each in the first lane that is free where it begins."""
    row = {name: k for k, name in enumerate(layers)}
    found = [
        (sorted({(row[layer_of(p)], role != "reads") for p, role in tie["members"]}), tie)
        for tie in ties
        if tie["members"]
    ]
    found.sort(key=lambda pair: pair[0][0])
    lines = []
    ends: list[int] = []  # the last row taken in each lane
    for marks, tie in found:
        free = [n for n, end in enumerate(ends) if end < marks[0][0]]
        lane = free[0] if free else len(ends)
        ends[lane : lane + 1] = [marks[-1][0]]
        lines.append(Line(str(tie["name"]), tie["size"], str(tie["why"]), marks, lane))
    return lines


def _groups(
    ax: Any, boxes: list[tuple[str, str]], lines: list[Line], lanes: int, wide: float
) -> None:
    """Boxes end at x = 0, lane k stands at x = k + 1; reading enters a box above making"""
    left = -wide / 0.32  # as wide as `wide` inches of lanes
    for row, (name, shape) in enumerate(boxes):
        ax.plot([left, 0, 0, left, left], [*[row - 0.38] * 2, *[row + 0.38] * 2, row - 0.38],
                color=RULE, linewidth=1)  # fmt: skip
        short = cut(name, LONGEST - len(shape))
        for x, words, side, colour in ((left, short, "left", INK), (0, shape, "right", FAINT)):
            ax.text(x + (0.25 if side == "left" else -0.25), row, words, color=colour, ha=side,
                    va="center", parse_math=False)  # fmt: skip
    for number, line in enumerate(lines, 1):
        x, colour = line.lane + 1, FAINT if line.why else LANES[(number - 1) % len(LANES)]
        heights = [row + (0.17 if made else -0.17) for row, made in line.marks]
        look: dict[str, Any] = {
            "color": colour,
            "linewidth": 1.6,
            "linestyle": "--" if line.why else "-",
        }
        ax.plot([x, x], [heights[0], heights[-1]], **look)
        for y, (_, made) in zip(heights, line.marks, strict=True):
            ax.plot([0, x], [y, y], **look)
            ax.plot(x, y, "o", color=colour, markersize=5, mfc=colour if made else PAPER)
        ax.text(x + 0.3, heights[0], number, color=colour, weight="bold", va="center")
    for words, mark in {
        "the layer makes or shifts the units": {"marker": "o", "linestyle": ""},
        "the layer reads them": {"marker": "o", "linestyle": "", "mfc": PAPER},
        "a group that can shrink (each has its colour)": {"linestyle": "-"},
        "a group that cannot": {"linestyle": "--", "color": FAINT},
    }.items():
        ax.plot([], [], label=words, **{"color": INK, "markersize": 5} | mark)
    ax.set(xlim=(left - 0.05, lanes + 0.6), ylim=(len(boxes) - 0.5, -0.6))
    ax.set_axis_off()
