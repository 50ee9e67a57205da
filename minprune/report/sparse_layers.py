"""Each layer's density beside the densities below which sparse formats are faster."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import text

NOTE = (
    "Under each batch and format, its break-even density: with fewer live weights than that it is "
    "faster than the dense layer, as measured now on this machine, at this shape, by random masks; "
    "in colour where the layer has fewer. What it runs as was chosen by the speeds in the cache "
    "folder, for batches of 64 and with a quarter to spare, so near its break-even a layer stays "
    "dense."
)


def sparse_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """One row a layer, a column each batch and format; nothing without layers

    layers: {"name", "shape", "density", "format", "break_even": {"csr, batch 1": density, ...}}
    """
    if not layers:
        return ""
    columns: dict[str, list[str]] = {}  # {"batch 1": ["csr", "blocks", ...]}
    for kind in dict.fromkeys(kind for layer in layers for kind in layer["break_even"]):
        form, _, batch = kind.partition(", ")
        columns.setdefault(batch, []).append(form)
    first = "".join(
        f'<th scope="colgroup" colspan="{len(there)}">{text(batch)}</th>'
        for batch, there in columns.items()
    )
    second = "".join(
        f'<th scope="col" class="n{begins(at)}">{text(form)}</th>'
        for there in columns.values()
        for at, form in enumerate(there)
    )
    body = "\n".join(row(layer, columns) for layer in layers)
    return (
        f'<div class="wide"><table class="sparse"><thead><tr><td colspan="4"></td>{first}</tr>\n'
        f'<tr><th scope="col">layer</th><th scope="col">shape</th>'
        f'<th scope="col" class="n">live</th><th scope="col">runs as</th>{second}</tr></thead>\n'
        f'<tbody>\n{body}\n</tbody></table></div><p class="note">{NOTE}</p>'
    )


def row(layer: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> str:
    """A layer: what it is, then its break-even densities, marked where it is below them."""
    cells = ""
    for batch, formats in columns.items():
        for at, form in enumerate(formats):
            limit = layer["break_even"].get(f"{form}, {batch}")
            wins = " wins" if limit is not None and layer["density"] < limit else ""
            cells += f'<td class="n{begins(at)}{wins}">{limited(limit)}</td>'
    shape = "\u00a0x\u00a0".join(map(str, layer["shape"]))
    return (
        f'<tr><th scope="row">{text(layer["name"])}</th><td>{text(shape)}</td>'
        f'<td class="n">{100 * layer["density"]:.3g} %</td><td>{text(layer["format"])}</td>'
        f"{cells}</tr>"
    )


def begins(at: int) -> str:
    """The class of a group's first column."""
    return "" if at else " first"


def limited(share: float | None) -> str:
    """0.123 -> 12.3 %; from 1 on the format is faster with any mask; None: there is no such form"""
    if share is None:
        return "-"
    return f"{100 * share:.3g} %" if share < 1 else "always"
