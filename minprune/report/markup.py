"""Pieces of HTML; every text from outside goes through `text`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from minprune.text import cell, numeric


def text(value: object) -> str:
    """A value as HTML text that cannot become markup."""
    import html

    return html.escape(str(value), quote=True)


def rows_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], begin: Collection[str] = ()
) -> str:
    """A table whose first column names its rows; columns of numbers are right aligned

    begin: names of rows that are set off from those above them.
    """
    shown = [[cell(value) for value in row] for row in rows]
    columns = list(zip(*shown, strict=True)) or [()] * len(header)
    marks = [' class="n"' if numeric(column) and at else "" for at, column in enumerate(columns)]
    head = "".join(
        f'<th scope="col"{mark}>{text(title)}</th>'
        for title, mark in zip(header, marks, strict=True)
    )
    body = []
    for row in shown:
        first, *rest = row
        cells = "".join(
            f"<td{mark}>{text(value)}</td>" for value, mark in zip(rest, marks[1:], strict=True)
        )
        apart = ' class="begin"' if first in begin else ""
        body.append(f'<tr{apart}><th scope="row">{text(first)}</th>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>"
    )


def pairs(title: str, values: Mapping[str, Any]) -> str:
    """A heading and a table of names and values; nothing where there are none."""
    if not values:
        return ""
    import json

    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        f"<td>{text(value if isinstance(value, str) else json.dumps(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<section><h2>{text(title)}</h2>\n<table><tbody>\n{rows}\n</tbody></table></section>"


def layer_bars(layers: Sequence[Mapping[str, Any]]) -> str:
    """Kept / total of each layer as a bar and as numbers."""
    rows = []
    for layer in layers:
        kept, total = layer["kept"], layer["total"]
        share = 100 * kept / total if total else 0.0
        shape = " x ".join(map(str, layer["shape"]))
        rows.append(
            f'<tr><th scope="row">{text(layer["name"])}</th><td class="shape">{text(shape)}</td>'
            f'<td class="bar"><span class="track"><span style="width:{share:.2f}%"></span></span>'
            f'</td><td class="n">{kept:,} of {total:,}</td><td class="n">{share:.1f} %</td></tr>'
        )
    head = (
        '<th scope="col">layer</th><th scope="col">shape</th><th></th>'
        '<th scope="col" class="n">kept</th><th scope="col" class="n">share</th>'
    )
    return (
        f'<div class="wide"><table class="layers"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def section(title: str, body: str, long: bool = False) -> str:
    """A heading and what stands under it; nothing where there is nothing. long: print may cut it"""
    kind = ' class="long"' if long else ""
    return f"<section{kind}><h2>{text(title)}</h2>\n{body}</section>" if body else ""
