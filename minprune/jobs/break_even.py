"""Below which density each layer's shape is faster sparse, measured on this machine."""

from typing import Any

from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.sparse.convert import densify
from minprune.sparse.speeds import BATCHES, nanoseconds


def break_even(model: Model) -> list[dict[str, Any]]:
    """One row a weight layer: name, shape, density, format, and {"csr, batch 1": density, ...}

    The break-even density of a format is nanoseconds["dense"] / nanoseconds[format] at that shape
    and batch: with fewer live weights than that share the format is faster. Measured afresh, so
    the numbers differ a little from run to run.
    """
    dense = densify(model)
    found = []
    for count in counts(model.net, model.masks):
        name = count.name.split(".")[0]
        if count.name not in dense.net.weights:
            continue
        node = dense.net.node(name)
        shape = dense.net.shapes[node.inputs[0]]
        limits: dict[str, float] = {}
        for batch in BATCHES:
            ns = nanoseconds(node.layer, shape, batch)
            limits |= {f"{f}, batch {batch}": ns["dense"] / ns[f] for f in ns if f != "dense"}
        found.append({
            "name": name,
            "shape": list(count.shape),
            "density": count.live / count.total if count.total else 0.0,
            "format": getattr(model.net.node(name).layer, "format", "dense"),
            "break_even": limits,
        })  # fmt: skip
    return found
