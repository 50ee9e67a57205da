"""`print(model)`: layers, shapes, parameters, multiply-adds."""

from collections.abc import Mapping

from minprune.core import Array
from minprune.nets.counts import Count, counts
from minprune.nets.net import INPUT, Net, layer_of
from minprune.text import table


def summary(net: Net, params: Mapping[str, Array], masks: Mapping[str, Array]) -> str:
    """A table with one row a layer; the live columns appear once something is masked."""
    found = counts(net, masks)
    header = ["layer", "kind", "reads", "output", "parameters"]
    some = bool(masks) or bool(net.stored)
    header += ["live"] * some + ["multiply-adds"] + ["live"] * some
    rows: list[list[object]] = []
    before = INPUT
    for node in net.nodes:
        mine = [c for c in found if layer_of(c.name) == node.name]
        reads = "" if node.inputs == (before,) else ", ".join(node.inputs)
        shape = " x ".join(map(str, net.shapes[node.name]))
        row: list[object] = [node.name, _kind(node.layer), reads, shape]
        rows.append(row + _numbers(mine, some))
        before = node.name
    dtype = next((a.dtype.name for a in params.values()), "")
    start = " x ".join(map(str, net.input_shape))
    rows.append(["total", "", "", "", *_numbers(found, some)])
    title = f"input {start}, loss {net.loss}, {dtype}"
    return title + "\n" + table(header, rows, total=True)


def _numbers(found: list[Count], masked: bool) -> list[object]:
    """Parameters and multiply-adds, with the live ones if masked; blank where there are none"""
    cells: list[object] = []
    for every, live in (
        (sum(c.total for c in found), sum(c.live for c in found)),
        (sum(c.macs for c in found), sum(c.live_macs for c in found)),
    ):
        pair: list[object] = [every, live] if every else ["", ""]
        cells += pair if masked else pair[:1]
    return cells


def _kind(layer: object) -> str:
    form = getattr(layer, "format", "")  # of sparse layers
    return f"{type(layer).__name__} {form}".strip()
