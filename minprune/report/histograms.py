"""Weights before and after: one small histogram a layer; height = sqrt(count), so tails show."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import text

HEIGHT = 60


def histogram_panels(found: Sequence[Mapping[str, Any]], before: str, after: str) -> str:
    """A panel each layer: the live weights before as an area, after as another one in front."""
    if not found:
        return ""
    panels = "\n".join(panel(one, before, after) for one in found)
    note = (
        f'<p class="note"><span class="key was"></span> {text(before)}, '
        f'<span class="key now"></span> {text(after)}: live weights only; '
        f"heights are square roots of counts, the dotted line is 0.</p>"
    )
    return f'{note}\n<div class="panels">\n{panels}\n</div>'


def panel(one: Mapping[str, Any], before: str, after: str) -> str:
    """The layer's name, its two areas, and the range of its weights."""
    was, now, low, high = one["before"], one["after"], one["low"], one["high"]
    top = math.sqrt(max([*was, *now, 1]))
    zero = -low / (high - low) * len(was)
    line = f'<path class="zero" d="M{zero:.2f} 0V{HEIGHT}"/>' if 0 <= zero <= len(was) else ""
    label = f"{one['name']}: {sum(was):,} live weights {before}, {sum(now):,} {after}"
    return (
        f'<div><div class="over"><b>{text(one["name"])}</b> '
        f"<span>{sum(was):,} &rarr; {sum(now):,}</span></div>"
        f'<svg viewBox="0 0 {len(was)} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(label)}"><path class="was" d="{area(was, top)}"/>'
        f'<path class="now" d="{area(now, top)}"/>{line}</svg>'
        f'<div class="under"><span>{low:.3g}</span><span>{high:.3g}</span></div></div>'
    )


def area(counts: Sequence[int], top: float) -> str:
    """The outline of bars of width 1 that stand on the lower edge, as a path."""
    steps = "".join(f"V{HEIGHT * (1 - math.sqrt(count) / top):.1f}h1" for count in counts)
    return f"M0 {HEIGHT}{steps}V{HEIGHT}z"
