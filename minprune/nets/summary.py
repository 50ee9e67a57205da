"""`print(model)`: layers, shapes, parameters, multiply-adds."""

from collections.abc import Mapping

from minprune.core import Array
from minprune.nets.counts import counts
from minprune.nets.net import INPUT, Net
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
        mine = [c for c in found if c.name.split(".")[0] == node.name]
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


def _numbers(found: list, masked: bool) -> list[object]:  # type: ignore[type-arg]
    total, live = sum(c.total for c in found), sum(c.live for c in found)
    macs, live_macs = sum(c.macs for c in found), sum(c.live_macs for c in found)
    cells = [total, live, macs, live_macs] if masked else [total, macs]
    return [f"{v:,}" if v else "" for v in cells]


def _kind(layer: object) -> str:
    form = getattr(layer, "format", "")  # of sparse layers
    return f"{type(layer).__name__} {form}".strip()
