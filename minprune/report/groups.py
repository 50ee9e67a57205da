"""The tied groups as a drawing: layers from top to bottom, a line for each group beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minprune.report.markup import rows_table, text

BOX, TALL, PITCH, LANE = 270, 24, 32, 30  # width and height of a box, distance of rows, of lines
COLOURS = 6
Tie = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A group in the drawing; marks: (row, whether the layer makes the units), top to bottom."""

    number: int
    name: str
    free: bool
    marks: list[tuple[int, bool]]
    lane: int


def group_drawing(ties: Sequence[Tie], layers: Sequence[Mapping[str, Any]]) -> str:
    """The drawing and a table of the groups; nothing without groups."""
    if not ties:
        return ""
    boxes = boxes_of(ties, layers)
    lines = lines_of(ties, [name for name, _ in boxes])
    wide = BOX + LANE * (2 + max(line.lane for line in lines))
    tall = PITCH * len(boxes)
    drawn = [box(row, *found) for row, found in enumerate(boxes)]
    drawn += [draw(line) for line in lines]
    rows = [
        [n, tie["name"], tie["size"], bool(tie["free"]), tie.get("why") or ""]
        for n, tie in enumerate(ties, 1)
    ]
    return (
        f'<p class="note">What shares a line is pruned together. '
        f"A dot: the layer makes the units, or hands them on; a ring: it reads them.</p>\n"
        f'<svg class="groups" viewBox="0 0 {wide} {tall}" style="max-width:{wide}px" role="img" '
        f'aria-label="{len(ties)} tied groups of {len(boxes)} layers">\n'
        f"{chr(10).join(drawn)}\n</svg>\n"
        + rows_table(["line", "group", "units", "can shrink", "because"], rows)
    )


def boxes_of(ties: Sequence[Tie], layers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(layer, its shape) in net order; layers that only the groups know follow."""
    found = {str(one["name"]): " x ".join(map(str, one["shape"])) for one in layers}
    for tie in ties:
        for parameter, _ in tie["members"]:
            found.setdefault(layer_of(parameter), "")
    return list(found.items())


def layer_of(parameter: str) -> str:
    """conv1.weight -> conv1."""
    return str(parameter).rpartition(".")[0] or str(parameter)


def lines_of(ties: Sequence[Tie], layers: Sequence[str]) -> list[Line]:
    """The groups with the lanes they run in: the first lane that is free from top to bottom."""
    row = {name: k for k, name in enumerate(layers)}
    marks = [
        sorted({(row[layer_of(p)], axis == 0) for p, axis in tie["members"]}) for tie in ties
    ]
    lanes: list[int] = []  # the last row taken in each
    place = [0] * len(ties)
    for k in sorted(range(len(ties)), key=lambda k: (marks[k][:1], k)):
        if not marks[k]:
            continue
        fits = [n for n, end in enumerate(lanes) if end < marks[k][0][0]]
        place[k] = fits[0] if fits else len(lanes)
        lanes[place[k] : place[k] + 1] = [marks[k][-1][0]]
    return [
        Line(k + 1, str(tie["name"]), bool(tie["free"]), marks[k], place[k])
        for k, tie in enumerate(ties)
    ]


def box(row: int, name: str, shape: str) -> str:
    """A layer: its name to the left, the shape of its weight to the right."""
    y = row * PITCH + (PITCH - TALL) / 2
    shown = name if len(name) <= 22 else f"{name[:21]}..."
    return (
        f'<rect x="0.5" y="{y:g}" width="{BOX}" height="{TALL}" rx="3"/>'
        f'<text x="8" y="{y + 16:g}">{text(shown)}</text>'
        f'<text x="{BOX - 8}" y="{y + 16:g}" class="faint" text-anchor="end">{text(shape)}</text>'
    )


def draw(line: Line) -> str:
    """A group's line, its marks, and its number at the top; reading enters a box above making."""
    if not line.marks:
        return ""
    x = BOX + LANE * (line.lane + 1)
    heights = [(row * PITCH + PITCH / 2 + (6 if made else -6), made) for row, made in line.marks]
    path = f"M{x} {heights[0][0]:g}V{heights[-1][0]:g}"
    path += "".join(f"M{BOX + 1} {y:g}H{x}" for y, _ in heights)
    dots = "".join(
        f'<circle cx="{x}" cy="{y:g}" r="3.5" class="{"made" if made else "read"}"/>'
        for y, made in heights
    )
    colour = f"var(--lane-{(line.number - 1) % COLOURS + 1})" if line.free else "var(--faint)"
    dashes = "" if line.free else ' stroke-dasharray="3 3"'
    return (
        f'<g style="--lane:{colour}"><title>{text(line.name)}</title>'
        f'<path d="{path}"{dashes}/>{dots}'
        f'<text x="{x + 6}" y="{heights[0][0] + 4:g}">{line.number}</text></g>'
    )
