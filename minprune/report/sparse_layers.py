"""Each layer's density beside the densities below which sparse formats are faster; the speeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import rows_table, text
from minprune.sparse.speeds import HEADER, Speeds

NOTE = (
    "Under csr and 4x4, for each batch: the break-even density. With fewer live weights than that "
    "the format is faster than the dense layer, as measured now on this machine, at this shape, by "
    "random masks, those of 4x4 in whole blocks. Under 2:4, where half is always live: its time "
    "over the dense one. In colour: the layer's mask fits the format, and it is faster so. What it "
    "runs as was chosen by the speeds of this machine, for batches of 64 and with a tenth to "
    "spare, so near its break-even a layer stays dense."
)
HOW = (
    "Time of a layer = call + values moved x their speed + multiply-adds of its live weights x "
    "theirs: fitted to the times of a few layers, and what the formats were chosen by. Moved are "
    "outputs and inputs, which a dense convolution unfolds and a sparse one copies."
)


def sparse_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """One row a layer, a column each batch and format; nothing without layers

    layers: {"name", "shape", "density", "format", "fitting": [formats of the mask], "break_even":
    {"csr, batch 1": density, ...}, "against_dense": {"2:4, batch 1": time over dense, ...}}
    """
    if not layers:
        return ""
    columns: dict[str, list[str]] = {}  # {"batch 1": ["csr", "blocks", ...]}
    kinds = (kind for how in ("break_even", "against_dense") for x in layers for kind in x[how])
    for kind in dict.fromkeys(kinds):
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
    """A layer: what it is, then its break-evens, marked where its mask fits and it is faster so."""
    cells = ""
    for batch, formats in columns.items():
        for at, form in enumerate(formats):
            name = f"{form}, {batch}"
            limit, ratio = layer["break_even"].get(name), layer["against_dense"].get(name)
            faster = layer["density"] < (limit or 0) if ratio is None else ratio < 1
            wins = " wins" if faster and form in layer["fitting"] else ""
            shown = limited(limit) if ratio is None else f"{ratio:.2f}x"
            cells += f'<td class="n{begins(at)}{wins}">{shown}</td>'
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
    """0.123 -> 12.3 %; 0: the format is never faster, 1: with any mask; None: there is no such"""
    if share is None:
        return "-"
    return {0.0: "never", 1.0: "always"}.get(share, f"{100 * share:.3g} %")


def speeds_table(found: Mapping[str, Any]) -> str:
    """The fields of Speeds as a table, and what was measured, when, where it is kept"""
    if not found:
        return ""
    known = Speeds(**found)
    return (
        f'{rows_table(HEADER, known.rows())}\n<p class="note">{text(known.machine)}; measured '
        f"{text(known.when)}, {text(known.where)}. {HOW}</p>"
    )
