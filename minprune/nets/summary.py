"""print(model): a table of its layers, with what they read, put out and cost."""

from collections.abc import Mapping

from minprune.core import Array
from minprune.nets.counts import Count, counts
from minprune.nets.net import INPUT, Net, layer_of
from minprune.text import table


def summary(
    net: Net, params: Mapping[str, Array], masks: Mapping[str, Array], width: float | None = None
) -> str:
    """A table with one row a layer; the live columns appear once something is masked

    width: characters of a line at most; None: those of the terminal
    """
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
        kind = f"{type(node.layer).__name__} {getattr(node.layer, 'format', '')}"  # of sparse ones
        rows.append([node.name, kind.strip(), reads, shape, *_numbers(mine, some)])
        before = node.name
    dtype = next((a.dtype.name for a in params.values()), "")
    start = " x ".join(map(str, net.input_shape))
    rows.append(["total", "", "", "", *_numbers(found, some)])
    title = f"input {start}, loss {net.loss}, {dtype}"
    return title + "\n" + table(header, rows, total=True, width=width)


def _numbers(found: list[Count], masked: bool) -> list[object]:
    """Parameters and multiply-adds, with the live ones if masked; blank where there are none"""
    cells: list[object] = []
    for every, live in (("total", "live"), ("macs", "live_macs")):
        pair = [sum(getattr(c, what) for c in found) for what in (every, live)]
        cells += (pair if pair[0] else ["", ""])[: 1 + masked]
    return cells
