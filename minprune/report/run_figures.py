"""The pictures of a run: training curves, histograms, masks of the first layer, tied groups.

Longer than most files: four kinds of picture, each worked out and drawn here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.nets.net import layer_of
from minprune.report import page
from minprune.report.page import FAINT, HALF, INK, LINE_1, LINE_2, Html, Picture, pictures, prose

PANELS = {  # title: (label, key in the history, colour, dashes)
    "loss": [("training", "train_loss", LINE_1, "-"), ("validation", "val_loss", LINE_2, "--")],
    "accuracy": [("validation", "val_accuracy", LINE_2, "--")],
    "sparsity": [("weights", "sparsity", LINE_1, "-")],
}
SHADES = 8  # of the picture of the inputs
BLUE, GREY = (0.25, 0.52, 0.87), (0.5, 0.5, 0.5, 0.18)  # pixels cannot take the page's colours
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
    """Loss, accuracy and, where it changes during training, sparsity against epochs

    history: {phase: {"epochs": {"epoch", "train_loss", "val_loss", "val_accuracy", "sparsity"}}}
    """
    drawn = []
    sparsities = [phase["epochs"].get("sparsity") or [0] for phase in history.values()]
    changes = any(min(values) < max(values) for values in sparsities)
    for title, lines in PANELS.items():
        found: list[Any] = [(label, join(history, key), *look) for label, key, *look in lines]
        recorded = any(math.isfinite(v) for _, (_, y), *_ in found for v in y)
        if recorded and (title != "sparsity" or changes):
            draw = partial(_curves, title=title, lines=found, history=history)
            drawn.append(Picture(f"{title} against epochs", (4.6, 3.1), draw, 10))
    return drawn


def _curves(ax: Any, title: str, lines: list[Any], history: Map) -> None:
    lengths = {name: len(phase["epochs"]["epoch"]) for name, phase in history.items()}
    values = [v for _, (_, y), *_ in lines for v in y if math.isfinite(v)]
    marker = "o" if sum(lengths.values()) <= 30 else None
    for label, (x, y), colour, dash in lines:
        ax.plot(x, y, color=colour, linestyle=dash, label=label, marker=marker, markersize=3)
    if title == "loss" and min(values) > 0 and max(values) > 5 * min(values):
        ax.set_yscale("log")
        ax.yaxis.get_minor_locator().set_params(subs=(2, 5))  # more labels would overlap
    ax.yaxis.set_major_formatter("{x:.3g}")
    ax.yaxis.set_minor_formatter("{x:.2g}" if max(values) < 20 * min(values) else "")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epochs")
    ax.set_title(title if len(lines) > 1 else f"{title}, {lines[0][0]}", pad=20)
    if len(lines) > 1:
        ax.legend(loc="best")
    begin = 0.5
    for name, n in lengths.items():
        if n:
            ax.annotate(name, (begin, 1), (2, 3), ("data", "axes fraction"), "offset points",
                        fontsize=8, parse_math=False)  # fmt: skip
            ax.axvline(begin, color=FAINT, linewidth=0.8, linestyle=":")
        begin += n


# --- weights before and after


def histograms(found: Sequence[Map], before: str, after: str) -> list[Picture]:
    """height = sqrt(count), so that tails show; a panel each layer, `after` in front of `before`"""
    label = "{}: {:,} live weights {}, {:,} {}"
    return [
        Picture(
            label.format(one["name"], sum(one["before"]), before, sum(one["after"]), after),
            (2.2, 1.5), partial(_histogram, one=one),
        )
        for one in found
    ]  # fmt: skip


def _histogram(ax: Any, one: Map) -> None:
    low, high = one["low"], one["high"]
    for counts, colour in ((one["before"], HALF), (one["after"], LINE_1)):
        edges = np.linspace(low, high, len(counts) + 1)
        ax.stairs(np.sqrt(counts), edges, fill=True, color=colour)
    if low <= 0 <= high:
        ax.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    ax.set(xlim=(low, high), ylim=(0, None), yticks=[])
    ax.set_xticks([low, high], [f"{low:.3g}", f"{high:.3g}"])
    for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
    ax.spines["left"].set_visible(False)
    ax.set_title(one["name"], parse_math=False)
    ax.set_title(f"{sum(one['before']):,} \u2192 {sum(one['after']):,}", loc="right", color=FAINT)


# --- masks of the first layer


def masks(first: Map) -> Html:
    """A picture of each unit's mask; for a dense first layer one of the inputs before them."""
    if not first:
        return Html("")
    c, h, w = first["image"]
    total = first["units"] * c * h * w
    if first["kept"] == total:
        return prose(f"All {total:,} weights of {first['name']} are kept.")
    kept = np.array([unpack(packed, c * h * w) for packed in first["masks"]])
    parts = inputs(first.get("used"), (c, h, w))
    of = "" if len(kept) == first["units"] else f" of {first['units']}"
    channels = f", the {c} channels side by side" if c > 1 else ""
    units = f"{first['name']}: {len(kept)}{of} units"
    said = f"{units}, a picture each{channels}; filled: the weight is kept."
    if not len(kept):
        return Html(parts + prose(said, "note"))
    across = min(16, max(1, 320 // (c * (w + 1))), len(kept))
    label = "; ".join(f"unit {k}: {m.sum():,} of {m.size:,} kept" for k, m in enumerate(kept))
    grid = mosaic(SHADES * kept.reshape(-1, c, h, w), across)
    return Html(parts + pictures([pixels(label, grid, 9.5)], said))


def inputs(used: Sequence[int] | None, image: tuple[int, int, int]) -> str:
    """How many inputs are still used, and a picture of how many live weights each of them has."""
    if not used:
        return ""
    most, left = max(used), sum(n > 0 for n in used)
    said = prose(f"{left:,} of {len(used):,} inputs are still used.")
    if not most:
        return said
    grid = mosaic(shades(used).reshape(1, *image), 1)
    label = f"{left:,} of {len(used):,} inputs used"
    key = f"Live weights of each input: none is grey, {most:,} is the strongest blue."
    return said + pictures([pixels(label, grid, 1.7)], key)


def shades(used: Sequence[int]) -> Array:
    """ceil(SHADES * used / most): 0 only where an input has no weight"""
    return -(-SHADES * np.array(used) // max(used))


def unpack(packed: str, n: int) -> Array:
    """Hex digits -> n bits."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(packed), np.uint8), count=n)


def mosaic(images: Array, across: int) -> Array:
    """(n, c, h, w) -> one array, `across` images a row, channels side by side, NaN between them"""
    n, c, h, w = images.shape
    down = -(-n // across)
    framed = np.full((down * across, h + 1, c, w + 1), np.nan)
    framed[:n, :h, :, :w] = images.transpose(0, 2, 1, 3)
    rows = framed.reshape(down, across, h + 1, c * (w + 1)).transpose(0, 2, 1, 3)
    return rows.reshape(down * (h + 1), across * c * (w + 1))[:-1, :-1]


def pixels(label: str, grid: Array, wide: float) -> Picture:
    """Values 0 to SHADES from grey to blue; NaN is left empty; at most `wide` inches"""
    tall, across = grid.shape
    wide = min(wide, across / 6)
    return Picture(label, (wide, wide * tall / across), partial(_pixels, grid=grid))


def _pixels(ax: Any, grid: Array) -> None:
    from matplotlib.colors import ListedColormap

    colours = [GREY, *((*BLUE, k / SHADES) for k in range(1, SHADES + 1))]
    ax.imshow(grid, ListedColormap(colours), vmin=0, vmax=SHADES, interpolation="none")
    ax.set_axis_off()
    ax.set_position((0, 0, 1, 1))


# --- tied groups


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
        return Html("")
    lanes = 1 + max(line.lane for line in lines)
    label = f"{len(lines)} tied groups of {len(boxes)} layers"
    size = (3.2 + 0.32 * lanes, 0.15 + 0.33 * len(boxes))
    draw = partial(_groups, boxes=boxes, lines=lines, lanes=lanes)
    rows = [
        [number, line.name, line.size, f"no: it is {line.why}" if line.why else "yes"]
        for number, line in enumerate(lines, 1)
    ]
    picture = pictures([Picture(label, size, draw)])
    return Html(picture + page.table(["line", "group", "units", "can shrink"], rows))


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


def _groups(ax: Any, boxes: list[tuple[str, str]], lines: list[Line], lanes: int) -> None:
    """Boxes end at x = 0, lane k stands at x = k + 1; reading enters a box above making"""
    left = -9.0
    for row, (name, shape) in enumerate(boxes):
        ax.plot([left, 0, 0, left, left], [*[row - 0.38] * 2, *[row + 0.38] * 2, row - 0.38],
                color=page.RULE, linewidth=1)  # fmt: skip
        short = name if len(name) <= 22 else f"{name[:21]}..."
        for x, words, side, colour in ((left, short, "left", INK), (0, shape, "right", FAINT)):
            ax.text(x + (0.25 if side == "left" else -0.25), row, words, color=colour, ha=side,
                    va="center", parse_math=False)  # fmt: skip
    for number, line in enumerate(lines, 1):
        x, colour = line.lane + 1, FAINT if line.why else page.LANES[(number - 1) % len(page.LANES)]
        heights = [row + (0.17 if made else -0.17) for row, made in line.marks]
        look = {"color": colour, "linewidth": 1.6, "linestyle": "--" if line.why else "-"}
        ax.plot([x, x], [heights[0], heights[-1]], **look)
        for y, (_, made) in zip(heights, line.marks, strict=True):
            ax.plot([0, x], [y, y], **look)
            ax.plot(x, y, "o", color=colour, markersize=5, mfc=colour if made else page.PAPER)
        ax.text(x + 0.3, heights[0], number, color=colour, weight="bold", fontsize=8, va="center")
    ax.set(xlim=(left - 0.05, lanes + 0.6), ylim=(len(boxes) - 0.5, -0.6))
    ax.set_axis_off()
