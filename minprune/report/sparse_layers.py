"""Each layer's density beside the densities below which sparse formats are faster."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import rows_table

NOTE = (
    "Under each format and batch, its break-even density: the share of live weights below which it "
    "is faster than the dense layer, measured on this machine at this shape, by random masks. The "
    "form that was chosen is for batches of 64."
)


def sparse_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """One row a layer; nothing without layers."""
    if not layers:
        return ""
    kinds = list(dict.fromkeys(kind for layer in layers for kind in layer["break_even"]))
    header = ["layer", "shape", "live", "runs as", *kinds]
    rows = [
        [
            str(layer["name"]),
            "\u00a0x\u00a0".join(map(str, layer["shape"])),
            percent(layer["density"]),
            str(layer["format"]),
            *(percent(layer["break_even"].get(kind)) for kind in kinds),
        ]
        for layer in layers
    ]
    return rows_table(header, rows) + f'<p class="note">{NOTE}</p>'


def percent(share: float | None) -> str:
    """0.123 -> 12.3 %; above 1 a format always wins; None: there is no such form"""
    if share is None:
        return "-"
    return f"{100 * share:.3g} %" if share < 1 else "always"
