"""Pieces of a page: one table builder, legends, paths made short, and the templates of this folder.

Every value becomes escaped text; only `Html` counts as markup.
"""

import html
import json
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath, PureWindowsPath
from string import Template
from typing import Any

from minprune.text import cell, numeric

DATA_LABELS = {"train": "training", "val": "validation", "input": "one input"}
CONTENTS = '<nav aria-label="Contents"></nav>'  # of page.html


class Html(str):
    """Text that is markup already."""


@dataclass(frozen=True)
class Cell:
    """A table cell with a CSS class or a style of its own."""

    value: object
    kind: str = ""
    style: str = ""


def text(value: object) -> Html:
    """A value as HTML; what is not Html already cannot become markup."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def element(name: str, content: object, **attributes: object) -> Html:
    """<name key="value" ...>content</name>; without empty attributes; class_: the class"""
    given = "".join(f' {key.strip("_")}="{v}"' for key, v in attributes.items() if v)
    return Html(f"<{name}{given}>{text(content)}</{name}>")


def table(
    label: str, header: Sequence[str], rows: Sequence[Sequence[object]], *, kind: str = "",
    groups: Sequence[tuple[str, int]] = (), begin: Collection[str] = (),
    right: Collection[int] = (),
) -> Html:  # fmt: skip
    """A table whose first column names its rows; columns of numbers are right aligned

    label: what a screen reader calls it. groups: (title, number of columns) of a line above the
    header, together all columns; a group without a title has no rule. begin: names of rows that are
    set off from those above them. right: columns that are right aligned whatever they hold. Nothing
    without rows.
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
    return region(element("table", Html(parts), class_=kind), label)


def _shown(value: object) -> Html:
    return value if isinstance(value, Html) else text(cell(value))


def region(content: Html, label: str) -> Html:
    """What scrolls by itself where it is wider than the page, with the keyboard too."""
    opened = f'<div class="wide" role="region" aria-label="{text(label)}" tabindex="0">'
    return Html(f"{opened}{content}</div>\n")


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


def legend(entries: Sequence[tuple[Html, str]]) -> Html:
    """What each mark of a figure or table means; entries: (the mark as it is drawn there, words)"""
    items = [
        element("li", Html(f'<span class="sample" aria-hidden="true">{mark}</span>{text(words)}'))
        for mark, words in entries
    ]
    return element("ul", Html("".join(items)), class_="legend") if items else Html("")


def prose(value: object, kind: str = "") -> Html:
    """A paragraph; kind "note": small print"""
    return Html(element("p", value, class_=kind) + "\n")


def pairs(label: str, values: Mapping[str, Any]) -> Html:
    """A table of names and values; nothing where there are none."""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        f"<td>{text(near(value) if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return region(Html(f"<table><tbody>\n{rows}\n</tbody></table>"), label) if rows else Html("")


# --- paths


def near(value: str) -> str:
    """A path without the folders above it: /home/me/runs/x -> x; what is relative stays

    Pages are passed on, and such folders tell whose machine made them.
    """
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(value)
        if path.anchor or value.startswith("~") or ".." in path.parts:
            return path.name
    return value


def near_command(words: str) -> str:
    """A command with its paths made short; nothing if it is no list of words."""
    try:
        given = shlex.split(words)
    except ValueError:
        return ""
    pairs = [re.match(r"(?s)(--[\w-]+=)?(.*)", word) for word in given]
    return shlex.join(f"{found[1] or ''}{near(found[2])}" for found in pairs if found)


# --- the whole page


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
    result: Mapping[str, Any], title: str, headline: str, sections: Html,
    seconds: Mapping[str, float], alerts: Sequence[str] = (),
) -> str:  # fmt: skip
    """The whole page of a job: its own sections, then what every job records

    result: name, command, net, settings, options, data, versions and notes, each of which may be
    absent. title: what was done; the name where it is empty. alerts: what must not be overlooked.
    """
    sections = Html("".join(prose(words, "note") for words in result.get("notes", [])) + sections)
    data = {
        DATA_LABELS.get(k, k): (" x " if k == "input" else ", ").join(map(str, v))
        if isinstance(v, list)
        else v
        for k, v in result.get("data", {}).items()
    }
    found = {k: pairs(k, result.get(k, {})) for k in ("settings", "options", "versions")}
    command, net = near_command(result.get("command", "")), result.get("net", "")
    longest = max(map(len, net.split("\n")))
    page = fill(
        "page.html", title=title or result.get("name", "report"), headline=headline,
        alerts=Html("".join(element("p", words, class_="alert", role="note") for words in alerts)),
        command=Html(f"<p><code>{text(command)}</code></p>") if command else "",
        sections=sections, data=pairs("data", data), **found,
        net=region(element("pre", net, style=f"--longest:{longest}"), "net") if net else "",
        seconds=pairs("seconds", {k: f"{v:.2f}" for k, v in seconds.items()}),
    )  # fmt: skip
    return with_contents(page)


def with_contents(page: str) -> str:
    """The page with a list of its sections, each of which has an id of its own."""
    links = []

    def named(found: re.Match[str]) -> str:
        slug = re.sub(r"\W+", "-", found[2].lower())
        links.append(f'<li><a href="#{slug}">{found[2]}</a></li>')
        return f'<section id="{slug}"{found[1]}><h2>{found[2]}</h2>'

    page = re.sub(r"<section([^>]*)><h2>([^<]*)</h2>", named, page)
    listed = f"<ul>{''.join(links)}</ul>" if links else ""
    return page.replace(CONTENTS, CONTENTS.replace("></", f">{listed}</"), 1)
