"""Pieces of a page: one table builder, pictures by matplotlib, and the templates of this folder.

Every value becomes escaped text; only `Html` counts as markup. Pictures are inline SVG in one
style; it takes its colours from the page's style sheet (`--ink`, `--line-1`, ...), so one picture
serves light, dark and print. Figures are made without pyplot: no window, no global state.
"""

import html
import io
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from string import Template
from typing import Any

from minprune.text import cell, numeric

DATA_LABELS = {"train": "training", "val": "validation", "input": "one input"}
NAMES = ("ink", "faint", "rule", "paper", "half", "line-1", "line-2")
COLOURS = {  # placeholders
    name: f"#{k:02x}{k:02x}{k:02x}"
    for k, name in enumerate((*NAMES, *map("lane-{}".format, range(1, 7))), 1)
}
INK, FAINT, RULE, PAPER, HALF, LINE_1, LINE_2, *LANES = COLOURS.values()
DROPPED = (  # what makes a file of an SVG, and ids that repeat
    r' xmlns(:\w+)?="[^"]*"', r"(?s)<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->",
    r' id="[A-Za-z]\w*?_\d+"| id="matplotlib[.\w]*"| id="legend\w*"', r"font-family: [^;\"]*;? ?",
)  # fmt: skip


class Html(str):
    """Text that is markup already."""


@dataclass(frozen=True)
class Cell:
    """A table cell with a CSS class or a style of its own."""

    value: object
    kind: str = ""
    style: str = ""


@dataclass(frozen=True)
class Picture:
    """What `draw` makes of empty axes; size in inches; label: what a screen reader says

    Two pictures of a page have different labels: the ids in their SVG are derived from them.
    """

    label: str
    size: tuple[float, float]
    draw: Callable[[Any], None]
    font: float = 8.5


def text(value: object) -> Html:
    """A value as HTML; what is not Html already cannot become markup."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def element(name: str, content: object, **attributes: object) -> Html:
    """<name key="value" ...>content</name>; without empty attributes; class_: the class"""
    given = "".join(f' {key.strip("_")}="{v}"' for key, v in attributes.items() if v)
    return Html(f"<{name}{given}>{text(content)}</{name}>")


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, kind: str = "",
    groups: Sequence[tuple[str, int]] = (), begin: Collection[str] = (),
    right: Collection[int] = (),
) -> Html:  # fmt: skip
    """A table whose first column names its rows; columns of numbers are right aligned

    groups: (title, number of columns) of a line above the header, together all columns; a group
    without a title has no rule. begin: names of rows that are set off from those above them.
    right: columns that are right aligned whatever they hold. Nothing without rows.
    """
    if not rows:
        return Html("")
    cells = [[v if isinstance(v, Cell) else Cell(v) for v in row] for row in rows]
    shown = [[_shown(c.value) for c in row] for row in cells]
    first = set(accumulate(span for _, span in groups))
    kinds = [
        " ".join(["n"] * (k in right or (k > 0 and numeric(column))) + ["first"] * (k in first))
        for k, column in enumerate(zip(*shown, strict=True))
    ]
    head = [element("th", v, scope="col", class_=k) for v, k in zip(header, kinds, strict=True)]
    lines = [element("tr", Html("".join(head)))]
    if groups:
        above = [
            element("th", title, scope="colgroup", colspan=span, class_="first")
            if title
            else element("td", "", colspan=span)
            for title, span in groups
        ]
        lines.insert(0, element("tr", Html("".join(above))))
    body = []
    for row, words in zip(cells, shown, strict=True):
        made = [
            element("td", word, class_=f"{k} {c.kind}".strip(), style=c.style)
            for c, word, k in zip(row, words, kinds, strict=True)
        ]
        made[0] = element("th", words[0], scope="row")
        apart = "begin" if row[0].value in begin else ""
        body.append(element("tr", Html("".join(made)), class_=apart))
    parts = "<thead>{}</thead>\n<tbody>\n{}\n</tbody>".format("\n".join(lines), "\n".join(body))
    return Html(f'<div class="wide">{element("table", Html(parts), class_=kind)}</div>\n')


def _shown(value: object) -> Html:
    return value if isinstance(value, Html) else text(cell(value))


def bar(part: float, whole: float = 1.0) -> Html:
    """A bar whose length is `whole` of the column, filled up to `part` of it; shares in [0, 1]"""
    inner = element("span", "", style=f"width:{100 * part:.2f}%")
    return element("span", inner, class_="bar", style=f"width:{100 * whole:.2f}%")


def swing(share: float) -> Html:
    """A bar to the right of the middle for a gain, to its left for a loss; share in [-1, 1]"""
    side, kind = ("right", "loss") if share < 0 else ("left", "gain")
    style = f"{side}:50%;width:{50 * abs(share):.2f}%"
    inner = element("span", "", class_=kind, style=style) if share else ""
    return element("span", inner, class_="swing")


def prose(value: object, kind: str = "") -> Html:
    """A paragraph; kind "note": small print"""
    return Html(element("p", value, class_=kind) + "\n")


def pairs(values: Mapping[str, Any]) -> Html:
    """A table of names and values; nothing where there are none."""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        f"<td>{text(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return Html(f"<table><tbody>\n{rows}\n</tbody></table>" if rows else "")


def pictures(drawn: Sequence[Picture], said: str = "") -> Html:
    """A note and a grid of pictures; how to get them where matplotlib is absent; may be empty."""
    if not drawn:
        return Html("")
    try:
        shown = "\n".join(f"<div>{svg(one)}</div>" for one in drawn)
    except ImportError:
        return prose('For pictures: pip install "minprune[report]"', "note")
    least = 72 * max(one.size[0] for one in drawn)
    grid = f'<div class="pictures" style="--least:{least:.0f}px">\n{shown}\n</div>\n'
    return Html((prose(said, "note") if said else "") + grid)


def svg(picture: Picture) -> Html:
    """The picture as an <svg> element; same arguments, same text. ImportError: no matplotlib."""
    import matplotlib.style
    from matplotlib.figure import Figure

    out, look = io.StringIO(), Path(__file__).with_suffix(".mplstyle")
    own = {"font.size": picture.font, "axes.titlesize": picture.font, "svg.hashsalt": picture.label}
    with matplotlib.style.context(["default", look, own]):
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure.subplots())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    view, body = re.split(r'<svg [^>]*?(viewBox="[^"]*")[^>]*', out.getvalue())[1:]
    body = body.replace("xlink:href", "href")
    for pattern in DROPPED:
        body = re.sub(pattern, "", body)
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body).strip()
    wide = f'style="max-width:{96 * picture.size[0]:.0f}px"'
    return Html(f'<svg {view} {wide} role="img" aria-label="{text(picture.label)}"{body}')


def fill(template: str, **values: object) -> Html:
    """A template of this folder with its placeholders filled

    A section whose first placeholder is empty is left out.
    """
    page = Path(__file__).with_name(template).read_text("utf-8")
    filled = {name: text(value) for name, value in values.items()}
    section = r"(?s)<section[^$]*?\$(\w+).*?</section>\n"
    page = re.sub(section, lambda found: found[0] if filled[found[1]] else "", page)
    return Html(Template(page).substitute(filled))


def document(
    result: Mapping[str, Any], headline: str, sections: Html, seconds: Mapping[str, float]
) -> str:
    """The whole page of a job: its own sections, then what every job records

    result: name, command, net, settings, options, data, versions and notes, each of which may be
    absent.
    """
    sections = Html("".join(prose(words, "note") for words in result.get("notes", [])) + sections)
    data = {
        DATA_LABELS.get(k, k): " x ".join(map(str, v)) if isinstance(v, list) else v
        for k, v in result.get("data", {}).items()
    }
    found = {k: pairs(result.get(k, {})) for k in ("settings", "options", "versions")}
    return fill(
        "page.html", title=result.get("name", "report"), headline=headline, sections=sections,
        command=result.get("command", ""), net=result.get("net", ""), data=pairs(data),
        seconds=pairs({k: f"{v:.2f}" for k, v in seconds.items()}), **found,
    )  # fmt: skip
