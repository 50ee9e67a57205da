"""The pages of `minprune explain`: one for each subject, and an index by the four questions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from minprune.report.page import Html, document, element, prose, region, table
from minprune.report.pictures import LANES, NOTHING, Picture, figure

SIZE = (3.6, 2.6)
STYLES = {"line": "-", "dash": "--", "points": "o"}


@dataclass(frozen=True)
class Drawing:
    """{name: (style, x, y)} on one pair of axes; style: a key of STYLES"""

    caption: str
    across: str
    up: str
    series: Mapping[str, tuple[str, Sequence[float], Sequence[float]]]


def explain_page(
    kind: str, name: str, parts: Sequence[tuple[str, str, str]], drawings: Sequence[Drawing],
    index: str = "",
) -> str:  # fmt: skip
    """The page of one subject

    parts: (title, text, shape), shape: "words", "formula" or "code". index: a link to it.
    """
    made = [section(title, body(title, text, shape)) for title, text, shape in parts]
    seen = [figure([picture(d, f"{name}: {d.up} {k}")], d.caption) for k, d in enumerate(drawings)]
    at = [title for title, _, _ in parts].index("Code") + 1
    if seen:
        made.insert(at, section("Picture", Html("".join(seen))))
    back = element("a", "All explanations", href=index) if index else NOTHING
    head = Html(f"{kind}. {back}") if index else Html(kind)
    words = f"minprune explain '{name}' --kind {kind}"
    return document({"command": words}, name, head, Html("".join(made)), {})


def section(title: str, content: Html) -> Html:
    """A section, which the contents list"""
    return Html(f"<section>{element('h2', title)}\n{content}</section>\n")


def body(title: str, text: str, shape: str) -> Html:
    """Prose as paragraphs, what is set in below in small print; code as it stands"""
    if shape == "code":
        longest = max(map(len, text.split("\n")))
        return region(element("pre", text, style=f"--longest:{longest}"), title)
    lines = text.split("\n")
    if shape == "formula":  # wide gaps separate an equation from what its letters mean
        each = [part for line in lines for part in re.split(r" {4,}", line)]
        return Html("".join(element("p", element("code", part)) for part in each))
    return Html("".join(prose(line.strip(), "note" if line[:1] == " " else "") for line in lines))


def picture(one: Drawing, label: str) -> Picture:
    """The drawing as a picture"""
    return Picture(label, SIZE, partial(draw, one=one))


def draw(ax: Any, one: Drawing) -> None:
    """All series, told apart by colour, and by style"""
    for k, (name, (style, x, y)) in enumerate(one.series.items()):
        ax.plot(x, y, STYLES[style], label=name, color=LANES[k % len(LANES)], markersize=5)
    ax.set_xlabel(one.across)
    ax.set_ylabel(one.up)


def slug(kind: str, name: str) -> str:
    """The file of a page"""
    return re.sub(r"\W+", "-", f"{kind}-{name}".lower()).strip("-") + ".html"


def index_page(
    questions: Mapping[str, str], entries: Sequence[tuple[str, str, str]], course: Sequence[Html],
) -> str:  # fmt: skip
    """All pages, below the question of their kind

    entries: (kind, name, first line). course: links to the lessons.
    """
    lessons = Html("".join(element("li", each) for each in course))
    made = [section("The course: lessons in order", element("ul", lessons, class_="words"))]
    for question in dict.fromkeys(questions.values()):
        kinds = [kind for kind, asked in questions.items() if asked == question]
        rows = [
            [element("a", name, href=slug(kind, name)), line]
            for kind, name, line in entries if kind in kinds
        ]  # fmt: skip
        title, _, rest = question.partition(":")
        label = f"{title}: {', '.join(kinds)}"
        shown = table(label, ["name", "what"], rows)
        made.append(section(label, Html(prose(rest.strip()) + shown)))
    words = "Criteria, schedules, methods, plans, sparse formats and laws."
    return document({}, "Pruning, explained", words, Html("".join(made)), {})
