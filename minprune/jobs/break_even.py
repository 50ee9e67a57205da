"""Below which density each layer's shape is faster sparse, measured on this machine."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minprune.nets.counts import counts
from minprune.nets.layer import Layer, Shape
from minprune.nets.model import Model
from minprune.nets.net import layer_of
from minprune.sparse.calibrate import BATCHES, DENSE, in_turn, passes
from minprune.sparse.convert import densify, fitting

DENSITIES = (0.0, 0.1, 0.3, 0.6, 1.0)
NOFM = "2:4"


def break_even(model: Model) -> list[dict[str, Any]]:
    """One row a weight layer: name, shape, density, format, fitting, break_even, against_dense

    break_even: {"csr, batch 1": the density below which the format is faster than dense at this
    shape and batch, ...}; 0: it never is; 1: it always is. against_dense: for "2:4", whose density
    is fixed: its time over the dense one. fitting: the formats that the layer's mask fits; none if
    nothing is masked. Each call measures, so the numbers differ a little between runs.
    """
    dense = densify(model)
    found = []
    for count in counts(model.net, model.masks):
        name = layer_of(count.name)
        if count.name not in dense.net.weights:
            continue
        node = dense.net.node(name)
        mask = dense.masks.get(count.name)
        limits, ratios = measured(node.layer, dense.net.shapes[node.inputs[0]])
        found.append({
            "name": name,
            "shape": list(count.shape),
            "density": count.live / count.total if count.total else 0.0,
            "format": getattr(model.net.node(name).layer, "format", "dense"),
            "fitting": [] if mask is None or mask.all() else fitting(node.layer, mask),
            "break_even": limits,
            "against_dense": ratios,
        })  # fmt: skip
    return found


def measured(layer: Layer, shape: Shape) -> tuple[dict[str, float], dict[str, float]]:
    """({"csr, batch 1": break-even density, ...}, {"2:4, batch 1": time over dense, ...})"""
    limits, ratios = {}, {}
    for batch in BATCHES:
        runs = {key: run for key, (run, _) in passes(layer, shape, batch, DENSITIES).items()}
        times = {key: each[0] for key, each in in_turn(runs).items()}
        for form in dict.fromkeys(form for form, _ in times):
            name = f"{form}, batch {batch}"
            if form == NOFM:
                ratios[name] = times[NOFM, 0.5] / times[DENSE]
            elif form != DENSE[0]:
                line = [times[form, density] for density in DENSITIES]
                limits[name] = crossing(DENSITIES, line, times[DENSE])
    return limits, ratios


def crossing(densities: Sequence[float], times: Sequence[float], dense: float) -> float:
    """The first density at which the line through (densities, times) is as high as dense

    0 if it starts that high, 1 if it stays below.
    """
    above = np.array(times) >= dense
    if not above.any():
        return 1.0
    k = int(above.argmax())
    if k == 0:
        return 0.0
    part = (dense - times[k - 1]) / (times[k] - times[k - 1])
    return float(densities[k - 1] + part * (densities[k] - densities[k - 1]))
