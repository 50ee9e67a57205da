"""Pieces of HTML: one table builder, sections, and the page that holds them all.

Every value becomes escaped text; only `Html` counts as markup.
"""

import html
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from string import Template
from typing import Any

from minprune.text import cell, numeric

PAGE = Path(__file__).with_name("page.html")
DATA_LABELS = {"name": "name", "train": "training", "val": "validation", "test": "test"}


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


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, kind: str = "",
    groups: Sequence[tuple[str, int]] = (), begin: Collection[str] = (),
    right: Collection[int] = (),
) -> Html:  # fmt: skip
    """A table whose first column names its rows; columns of numbers are right aligned

    groups: (title, number of columns) of a line above the header, together all columns; a group
    without a title has no rule. begin: names of rows that are set off from those above them.
    right: columns that are right aligned whatever they hold.
    """
    cells = [[v if isinstance(v, Cell) else Cell(v) for v in row] for row in rows]
    columns = [[_shown(row[k]) for row in cells] for k in range(len(header))]
    first = [*accumulate((span for _, span in groups), initial=0)][1:]
    kinds = [
        ["n"] * (k in right or (k > 0 and numeric(column))) + ["first"] * (k in first)
        for k, column in enumerate(columns)
    ]
    lines = ["<tr>" + "".join(_group(*group) for group in groups) + "</tr>"] if groups else []
    titles = zip(header, kinds, strict=True)
    lines.append(
        "<tr>" + "".join(f'<th scope="col"{_class(k)}>{text(v)}</th>' for v, k in titles) + "</tr>"
    )
    body = []
    for row in cells:
        apart = ["begin"] if row[0].value in begin else []
        shown = [
            f"<td{_class([*k, *c.kind.split()])}{_style(c.style)}>{_shown(c)}</td>"
            for c, k in zip(row[1:], kinds[1:], strict=True)
        ]
        name = f'<th scope="row">{_shown(row[0])}</th>'
        body.append(f"<tr{_class(apart)}>{name}{''.join(shown)}</tr>")
    head = "\n".join(lines)
    return Html(
        f'<div class="wide"><table{_class([kind] if kind else [])}><thead>{head}</thead>\n'
        f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>\n"
    )


def _shown(c: Cell) -> Html:
    return c.value if isinstance(c.value, Html) else text(cell(c.value))


def _class(kinds: Sequence[str]) -> str:
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _style(style: str) -> str:
    return f' style="{style}"' if style else ""


def _group(title: str, span: int) -> str:
    if not title:
        return f'<td colspan="{span}"></td>'
    return f'<th scope="colgroup" colspan="{span}" class="first">{text(title)}</th>'


def bar(part: float, whole: float = 1.0) -> Html:
    """A bar whose length is `whole` of the column, filled up to `part` of it; shares in [0, 1]"""
    return Html(
        f'<span class="bar" style="width:{100 * whole:.2f}%">'
        f'<span style="width:{100 * part:.2f}%"></span></span>'
    )


def swing(share: float) -> Html:
    """A bar to the right of the middle for a gain, to its left for a loss; share in [-1, 1]"""
    side, kind = ("right", "loss") if share < 0 else ("left", "gain")
    width = 50 * abs(share)
    inner = f'<span class="{kind}" style="{side}:50%;width:{width:.2f}%"></span>' if width else ""
    return Html(f'<span class="swing">{inner}</span>')


def note(value: object) -> Html:
    """A paragraph of small print."""
    return Html(f'<p class="note">{text(value)}</p>\n')


def section(title: str, *parts: str, long: bool = False) -> Html:
    """A heading and its parts; nothing where they are empty. long: print may break it"""
    body = "".join(parts)
    kind = ' class="long"' if long else ""
    return Html(f"<section{kind}><h2>{text(title)}</h2>\n{body}</section>\n" if body else "")


def pairs(title: str, values: Mapping[str, Any]) -> Html:
    """A heading and a table of names and values; nothing where there are none."""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        f"<td>{text(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return section(title, f"<table><tbody>\n{rows}\n</tbody></table>" if rows else "")


def document(
    result: Mapping[str, Any], headline: str, sections: Iterable[str], seconds: Mapping[str, float]
) -> str:
    """The whole page of a job: head, its own sections, then what every job records

    result: name, command, net, settings, options, data and versions, each of which may be absent.
    """
    name, command = result.get("name", "report"), result.get("command")
    parts = [
        f"<h1>{text(name)}</h1>\n",
        f'<p class="headline">{text(headline)}</p>\n',
        f"<p><code>{text(command)}</code></p>\n" if command else "",
        *sections,
        section("Net", f"<pre>{text(result['net'])}</pre>\n" if result.get("net") else ""),
        '<div class="pairs">\n',
        pairs("Settings", result.get("settings", {})),
        pairs("Options of the criteria", result.get("options", {})),
        pairs("Data", _data(result.get("data", {}))),
        pairs("Seconds", {k: f"{v:.2f}" for k, v in seconds.items()}),
        pairs("Versions", result.get("versions", {})),
        "</div>",
    ]
    return Template(PAGE.read_text("utf-8")).substitute(title=text(name), body="".join(parts))


def _data(found: Mapping[str, Any]) -> dict[str, Any]:
    shown = {label: found[key] for key, label in DATA_LABELS.items() if key in found}
    return shown | ({"one input": _shape(found["input"])} if "input" in found else {})


def _shape(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))
