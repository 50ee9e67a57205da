"""Pictures as inline SVG, drawn by matplotlib where it is installed, all in one style.

The SVG takes its colours from the page's style sheet (`--ink`, `--line-1`, ...), so one picture
serves light, dark and print. Figures are made without pyplot: no window, no global state.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minprune.report.markup import Html, note, text

HOW_TO_GET_PICTURES = Html('<p class="note">For pictures: pip install "minprune[report]"</p>\n')
LOOK = Path(__file__).with_name("page.mplstyle")
NAMES = (
    "ink",
    "faint",
    "rule",
    "paper",
    "half",
    "line-1",
    "line-2",
    *map("lane-{}".format, range(1, 7)),
)
COLOURS = {name: f"#{k:02x}{k:02x}{k:02x}" for k, name in enumerate(NAMES, 1)}  # placeholders
INK, FAINT, RULE, PAPER, HALF, LINE_1, LINE_2, *LANES = COLOURS.values()
DROPPED = (  # what makes a file of an SVG, and ids that repeat
    r' xmlns(:\w+)?="[^"]*"', r"(?s)<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->",
    r' id="[A-Za-z]\w*?_\d+"| id="matplotlib[.\w]*"| id="legend\w*"', r"font-family: [^;\"]*;? ?",
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """What `draw` makes of empty axes; size in inches; label: what a screen reader says

    Two pictures of a page have different labels: the ids in their SVG are derived from them.
    """

    label: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    font: float = 8.5


def pictures(drawn: Sequence[Picture], said: str = "") -> Html:
    """A note and a grid of pictures; how to get them where matplotlib is absent; may be empty."""
    if not drawn:
        return Html("")
    try:
        shown = "\n".join(f"<div>{svg(one)}</div>" for one in drawn)
    except ImportError:
        return HOW_TO_GET_PICTURES
    least = 72 * max(one.size[0] for one in drawn)
    grid = f'<div class="pictures" style="--least:{least:.0f}px">\n{shown}\n</div>\n'
    return Html((note(said) if said else "") + grid)


def svg(picture: Picture) -> Html:
    """The picture as an <svg> element; same arguments, same text. ImportError: no matplotlib."""
    import matplotlib.style
    from matplotlib.figure import Figure

    out = io.StringIO()
    own = {"font.size": picture.font, "axes.titlesize": picture.font, "svg.hashsalt": picture.label}
    with matplotlib.style.context(["default", LOOK, own]):
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure.subplots())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    view, body = re.split(r'<svg [^>]*?(viewBox="[^"]*")[^>]*', out.getvalue())[1:]
    wide = f'style="max-width:{96 * picture.size[0]:.0f}px"'
    body = body.replace("xlink:href", "href")
    for pattern in DROPPED:
        body = re.sub(pattern, "", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body).strip()
    return Html(f'<svg {view} {wide} role="img" aria-label="{text(picture.label)}"{body}')
