"""The tied groups as a drawing: layers from top to bottom, a line for each group beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minprune.nets.net import layer_of
from minprune.report.markup import rows_table, text

BOX, TALL, PITCH, LANE = 270, 24, 32, 30  # width and height of a box, distance of rows, of lines
COLOURS = 6
Tie = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A group in the drawing; marks: (row, whether the layer makes the units), top to bottom."""

    name: str
    size: int
    why: str  # why it cannot shrink; empty where it can
    marks: list[tuple[int, bool]]
    lane: int


def group_drawing(ties: Sequence[Tie], layers: Sequence[Mapping[str, Any]]) -> str:
    """The drawing and a table of the groups; nothing without groups

    ties: {"name", "size", "why", "members": [(parameter, "makes" | "reads" | "shifts"), ...]}
    layers: {"name", "shape"}, in net order.
    """
    if not ties:
        return ""
    boxes = boxes_of(ties, layers)
    lines = lines_of(ties, [name for name, _ in boxes])
    wide = BOX + LANE * (2 + max((line.lane for line in lines), default=0))
    tall = PITCH * len(boxes)
    drawn = [box(row, *found) for row, found in enumerate(boxes)]
    drawn += [draw(number, line) for number, line in enumerate(lines, 1)]
    rows = [
        [number, line.name, line.size, f"no: it is {line.why}" if line.why else "yes"]
        for number, line in enumerate(lines, 1)
    ]
    return (
        f'<p class="note">What shares a line is pruned together. '
        f"A dot: the layer makes the units, or shifts them; a ring: it reads them.</p>\n"
        f'<svg class="groups" viewBox="0 0 {wide} {tall}" style="max-width:{wide}px" role="img" '
        f'aria-label="{len(lines)} tied groups of {len(boxes)} layers">\n'
        f"{chr(10).join(drawn)}\n</svg>\n"
        + rows_table(["line", "group", "units", "can shrink"], rows)
    )


def boxes_of(ties: Sequence[Tie], layers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(layer, its shape) in net order; layers that only the groups know follow."""
    found = {str(one["name"]): " x ".join(map(str, one["shape"])) for one in layers}
    for tie in ties:
        for parameter, _ in tie["members"]:
            found.setdefault(layer_of(parameter), "")
    return list(found.items())


def lines_of(ties: Sequence[Tie], layers: Sequence[str]) -> list[Line]:
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


def box(row: int, name: str, shape: str) -> str:
    """A layer: its name to the left, the shape of its weight to the right."""
    y = row * PITCH + (PITCH - TALL) / 2
    shown = name if len(name) <= 22 else f"{name[:21]}..."
    return (
        f'<rect x="0.5" y="{y:g}" width="{BOX}" height="{TALL}" rx="3"/>'
        f'<text x="8" y="{y + 16:g}">{text(shown)}</text>'
        f'<text x="{BOX - 8}" y="{y + 16:g}" class="faint" text-anchor="end">{text(shape)}</text>'
    )


def draw(number: int, line: Line) -> str:
    """A group's line, its marks, and its number at the top; reading enters a box above making."""
    x = BOX + LANE * (line.lane + 1)
    heights = [(row * PITCH + PITCH / 2 + (6 if made else -6), made) for row, made in line.marks]
    path = f"M{x} {heights[0][0]:g}V{heights[-1][0]:g}"
    path += "".join(f"M{BOX + 1} {y:g}H{x}" for y, _ in heights)
    dots = "".join(
        f'<circle cx="{x}" cy="{y:g}" r="3.5" class="{"made" if made else "read"}"/>'
        for y, made in heights
    )
    colour = f"var(--lane-{(number - 1) % COLOURS + 1})" if not line.why else "var(--faint)"
    dashes = ' stroke-dasharray="3 3"' if line.why else ""
    return (
        f'<g style="--lane:{colour}"><title>{text(line.name)}</title>'
        f'<path d="{path}"{dashes}/>{dots}'
        f'<text x="{x + 6}" y="{heights[0][0] + 4:g}">{number}</text></g>'
    )
