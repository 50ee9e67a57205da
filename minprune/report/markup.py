"""Pieces of HTML: one table builder, and the templates of this folder that hold the pieces.

Every value becomes escaped text; only `Html` counts as markup.
"""

import html
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from string import Template
from typing import Any

from minprune.text import cell, numeric

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


def pairs(values: Mapping[str, Any]) -> Html:
    """A table of names and values; nothing where there are none."""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        f"<td>{text(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return Html(f"<table><tbody>\n{rows}\n</tbody></table>" if rows else "")


def fill(template: str, **values: object) -> Html:
    """A template of this folder with its placeholders filled

    A section whose first placeholder is empty is left out.
    """
    page = Path(__file__).with_name(template).read_text("utf-8")
    filled = {name: text(value) for name, value in values.items()}

    def kept(section: re.Match[str]) -> str:
        return section[0] if filled[section[1]] else ""

    page = re.sub(r"(?s)<section[^$]*?\$(\w+).*?</section>\n", kept, page)
    return Html(Template(page).substitute(filled))


def document(
    result: Mapping[str, Any], headline: str, sections: Html, seconds: Mapping[str, float]
) -> str:
    """The whole page of a job: its own sections, then what every job records

    result: name, command, net, settings, options, data and versions, each of which may be absent.
    """
    data = {DATA_LABELS[k]: v for k, v in result.get("data", {}).items() if k in DATA_LABELS}
    if "input" in result.get("data", {}):
        data["one input"] = " x ".join(map(str, result["data"]["input"]))
    found = {k: pairs(result.get(k, {})) for k in ("settings", "options", "versions")}
    return fill(
        "page.html", title=result.get("name", "report"), headline=headline, sections=sections,
        command=result.get("command", ""), net=result.get("net", ""), data=pairs(data),
        seconds=pairs({k: f"{v:.2f}" for k, v in seconds.items()}), **found,
    )  # fmt: skip
