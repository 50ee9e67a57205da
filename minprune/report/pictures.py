"""Figures of a page: panels by matplotlib under one legend, which names all that is drawn in them.

Pictures are inline SVG in one style; it takes its colours from the page's style sheet (`--ink`,
`--line-1`, ...), so one picture serves light, dark and print. They are made without pyplot: no
window, no global state. Whatever is drawn with a `label` is in the legend, drawn as it is there.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from minprune.report.page import Html, element, legend, prose, region, text

NAMES = ("ink", "faint", "rule", "paper", "line-1", "line-2")
COLOURS = {  # placeholders
    name: f"#{k:02x}{k:02x}{k:02x}"
    for k, name in enumerate((*NAMES, *map("lane-{}".format, range(1, 7))), 1)
}
INK, FAINT, RULE, PAPER, LINE_1, LINE_2, *LANES = COLOURS.values()
DROPPED = (  # what makes a file of an SVG, and ids that repeat
    r' xmlns(:\w+)?="[^"]*"', r"(?s)<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->",
    r' id="[A-Za-z]\w*?_\d+"| id="matplotlib[.\w]*"| id="legend\w*"', r"font-family: [^;\"]*;? ?",
)  # fmt: skip
SWATCH = (0.36, 0.16)  # inches
NOTHING = Html("")


@dataclass(frozen=True)
class Picture:
    """What `draw` makes of empty axes; size in inches; label: what a screen reader says

    title, beside: the line above it, to the left and to the right. Two pictures of a page have
    different labels: the ids in their SVG are derived from them.
    """

    label: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    title: str = ""
    beside: str = ""
    font: float = 8.5


def figure(
    panels: Sequence[Picture], caption: str, *, key: Html = NOTHING, scroll: bool = False
) -> Html:
    """A legend, a grid of pictures, and their caption; nothing without pictures

    What has the same `label` in several of them looks the same and is in the legend once. key: the
    legend of what is drawn without labels. scroll: the pictures keep their size and scroll.
    Where matplotlib is absent, a sentence says how to get it.
    """
    if not panels:
        return Html("")
    try:
        found = [drawn(one) for one in panels]
        handles = {name: one for _, named in found for name, one in named.items()}
        swatches = [(swatch(handles[name], f"{panels[0].label}: {name}"), name) for name in handles]
    except ImportError:
        return prose('For pictures: pip install "minprune[report]"', "note")
    shown = []
    for one, (picture, _) in zip(panels, found, strict=True):
        beside = element("span", one.beside) if one.beside else ""
        above = element("p", Html(text(one.title) + beside), class_="above") if one.title else ""
        shown.append(f"<div>{above}{picture}</div>")
    least = 72 * max(one.size[0] for one in panels)
    grid = element("div", Html("\n".join(shown)), class_="pictures", style=f"--least:{least:.0f}px")
    if scroll:
        grid = region(grid, panels[0].label)
    under = element("figcaption", caption)
    return Html(f"<figure>\n{legend(swatches)}{key}\n{grid}\n{under}\n</figure>\n")


def drawn(picture: Picture) -> tuple[Html, dict[str, Any]]:
    """(the picture as an <svg> element, {label: what is drawn with it}); same arguments, same text

    Raises ImportError where matplotlib is absent.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    out, look = io.StringIO(), Path(__file__).with_name("page.mplstyle")
    own = {"font.size": picture.font, "axes.titlesize": picture.font, "svg.hashsalt": picture.label}
    with matplotlib.style.context(["default", look, own]):
        axes = (made := Figure(figsize=picture.size, layout="constrained")).subplots()
        picture.draw(axes)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        made.savefig(out, format="svg", transparent=True, metadata=nothing)
    view, body = re.split(r'<svg [^>]*?(viewBox="[^"]*")[^>]*', out.getvalue())[1:]
    body = body.replace("xlink:href", "href")
    for pattern in DROPPED:
        body = re.sub(pattern, "", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body).strip()
    wide = f'style="--wide:{96 * picture.size[0]:.0f}px"'
    shown = Html(f'<svg {view} {wide} role="img" aria-label="{text(picture.label)}"{body}')
    handles, labels = axes.get_legend_handles_labels()
    return shown, dict(zip(labels, handles, strict=True))


def swatch(handle: Any, label: str) -> Html:
    """A small picture of something that was drawn, for the legend."""
    return drawn(Picture(label, SWATCH, partial(_swatch, handle=handle)))[0]


def _swatch(ax: Any, handle: Any) -> None:
    size = getattr(handle, "get_markersize", lambda: 4.0)()
    ax.set_axis_off()
    ax.set_position((0, 0, 1, 1))
    ax.figure.set_layout_engine("none")  # quicker
    ax.legend([handle], [""], loc="center", borderpad=0, borderaxespad=0, handletextpad=0,
              handlelength=2.2, markerscale=max(1.0, 4 / size))  # fmt: skip


def cut(name: str, most: int) -> str:
    """A name of at most that many characters, without its middle if it is longer."""
    side = (most - 3) // 2
    return name if len(name) <= most else f"{name[: most - 3 - side]}...{name[-side:]}"
