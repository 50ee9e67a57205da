"""The first layer's masks as pictures, and how many live weights each input pixel still has."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import text

SHADES = 8  # steps of the picture of the inputs


def mask_pictures(first: Mapping[str, Any]) -> str:
    """A picture a unit, kept entries filled; for a dense first layer one of the inputs before them.

    One sentence where nothing is masked; nothing where the first layer is not known.
    """
    if not first:
        return ""
    c, h, w = first["image"]
    total = first["units"] * c * h * w
    if first["kept"] == total:
        return f"<p>All {total:,} weights of {text(first['name'])} are kept.</p>"
    pictures = []
    for number, packed in enumerate(first["masks"]):
        bits = unpack(packed, c * h * w)
        rows = [bits[at : at + w] for at in range(0, len(bits), w)]
        label = f"unit {number}: {bits.count('1'):,} of {len(bits):,} kept"
        pictures.append(picture(rows, (c, h, w), [("1", 1.0)], label))
    shown = len(pictures)
    count = f"{shown} units" if shown == first["units"] else f"{shown} of {first['units']} units"
    channels = f", the {c} channels side by side" if c > 1 else ""
    return (
        used_pixels(first.get("used"), (c, h, w))
        + f'<p class="note">{text(first["name"])}: {count}, a picture each{channels}; '
        + "filled: the weight is kept.</p>"
        + f'\n<div class="masks {"big" if h * w > 100 else "small"}">\n'
        + "\n".join(pictures)
        + "\n</div>"
    )


def used_pixels(used: Sequence[int] | None, image: tuple[int, int, int]) -> str:
    """How many inputs are still used, and a picture of how many weights each of them has."""
    if not used:
        return ""
    most, w = max(used), image[2]
    left = sum(n > 0 for n in used)
    said = f"<p>{left:,} of {len(used):,} inputs are still used.</p>"
    if not most:
        return said
    shades = "".join(chr(ord("0") + -(-SHADES * n // most)) for n in used)
    rows = [shades[at : at + w] for at in range(0, len(shades), w)]
    steps = [(chr(ord("0") + k), k / SHADES) for k in range(1, SHADES + 1)]
    label = f"{left:,} of {len(used):,} inputs used"
    return (
        f'{said}<div class="inputs">{picture(rows, image, steps, label)}'
        f'<p class="note">Live weights of each input: none is empty, {most:,} is full.</p></div>'
    )


def unpack(packed: str, n: int) -> str:
    """Hex digits -> n characters 0 and 1."""
    return bin(int(f"1{packed}", 16))[3:][:n]


def picture(
    rows: Sequence[str],
    image: tuple[int, int, int],
    shades: Sequence[tuple[str, float]],
    label: str,
) -> str:
    """Rows of cells as an SVG, channels side by side; shades: (a cell's character, its opacity).

    A path each shade, made of horizontal runs: much smaller than a square each cell.
    """
    c, h, w = image
    paths = []
    for character, opacity in shades:
        runs = [
            f"M{run.start() + y // h * (w + 1)} {y % h + 0.5:g}h{run.end() - run.start()}"
            for y, row in enumerate(rows)
            for run in re.finditer(f"{re.escape(character)}+", row)
        ]
        if runs:
            faint = f' opacity="{opacity:g}"' if opacity < 1 else ""
            paths.append(f'<path d="{"".join(runs)}"{faint}/>')
    frames = "".join(
        f'<rect x="{k * (w + 1)}" width="{w}" height="{h}"/>' for k in range(c)
    )  # what is masked
    return (
        f'<svg viewBox="0 0 {c * (w + 1) - 1} {h}" style="--wide:{(c * (w + 1) - 1) / h:.4g}" '
        f'role="img" aria-label="{text(label)}">{frames}{"".join(paths)}</svg>'
    )
