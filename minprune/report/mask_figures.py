"""Masks of the first layer as pictures, and the inputs that a dense first layer still uses."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.report.page import Html, element, legend, prose
from minprune.report.pictures import NOTHING, Picture, figure

SHADES = 8  # of the picture of the inputs
BLUE, GREY = (0.25, 0.52, 0.87), (0.5, 0.5, 0.5, 0.3)  # pixels cannot take the page's colours
Map = Mapping[str, Any]


def masks(first: Map) -> Html:
    """A picture of each unit's mask; for a dense first layer one of the inputs before them."""
    if not first:
        return NOTHING
    c, h, w = first["image"]
    total = first["units"] * c * h * w
    if first["kept"] == total:
        return prose(f"All {total:,} weights of {first['name']} are kept.")
    kept = np.array([unpack(packed, c * h * w) for packed in first["masks"]])
    parts = inputs(first.get("used"), (c, h, w))
    of = "" if len(kept) == first["units"] else f" of {first['units']}"
    channels = f", the {c} channels side by side" if c > 1 else ""
    units = f"{first['name']}: {len(kept)}{of} units"
    said = f"{units}, a picture each{channels}."
    if not len(kept):
        return Html(parts + prose(said, "note"))
    across = min(16, max(1, 320 // (c * (w + 1))), len(kept))
    label = "; ".join(f"unit {k}: {m.sum():,} of {m.size:,} kept" for k, m in enumerate(kept))
    grid = mosaic(SHADES * kept.reshape(-1, c, h, w), across)
    key = legend([(pixel("kept"), "a weight that is kept"), (pixel(), "a pruned weight")])
    return Html(parts + figure([pixels(label, grid, 9.5)], said, key=key))


def pixel(kind: str = "") -> Html:
    """A mark of the legend: a picture's pixel; kind: "kept" or none"""
    return element("span", "", class_=f"pixel {kind}".strip())


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
    key = legend([(pixel("kept"), f"{most:,} live weight{'s' * (most > 1)}"), (pixel(), "none")])
    caption = "The inputs, in the order of the data: the more live weights, the stronger the blue."
    return said + figure([pixels(label, grid, 1.7)], caption, key=key)


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
