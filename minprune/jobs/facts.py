"""What the page shows besides the measures: histograms, first masks, costs, layers, ties, speeds.

The speeds: below which density each layer's shape is faster sparse, measured on this machine.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.nets.net import layer_of
from minprune.nets.ties import ties
from minprune.sparse.calibrate import break_even_of
from minprune.sparse.convert import densify, fitting

BINS = 40  # of a histogram at most; fewer where a layer has few weights
UNITS = 64  # of the first layer, at most, whose masks are recorded
ROOM = UNITS * 28 * 28  # entries of those masks, or input pixels, at most


def facts(stages: Mapping[str, Model]) -> dict[str, Any]:
    """Facts about {stage: model}, in the order of the stages, as values of JSON

    "before" is the first stage, "last" the last one, "after" the last one with the net of the first
    (compaction makes another net).
    """
    before, *_, last = stages
    dense = stages[before]
    after = [name for name, m in stages.items() if m.net == dense.net][-1]
    return {
        "before": before,
        "after": after,
        "last": last,
        "histograms": histograms(dense, stages[after]),
        "first": first_layer(stages[after]),
        "costs": costs(dense, stages[after], stages[last]),
        "layers": layers(dense),
        "ties": tied(dense),
    }


def histograms(before: Model, after: Model) -> list[dict[str, Any]]:
    """counts[k] = live weights in [low + k step, low + (k + 1) step), step = (high - low) / bins

    One for each weight, both models on one axis of min(BINS, sqrt(weights)) bins, at least 8; the
    last bin holds its upper edge too.
    """
    found = []
    for name in before.net.weights:
        kept = [m.params[name][m.masks.get(name, ...)] for m in (before, after)]
        both = [w.ravel().astype(np.float64) for w in kept]
        low, high = span(np.concatenate(both))
        bins = min(BINS, max(8, math.isqrt(before.params[name].size)))
        was, now = (np.histogram(w, bins, (low, high))[0].tolist() for w in both)
        found.append({"name": name, "low": low, "high": high, "before": was, "after": now})
    return found


def span(values: Array) -> tuple[float, float]:
    """(low, high) of float64 values, further apart where BINS bins could not be told apart"""
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.clip((values.min(), values.max()), -1e300, 1e300))
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-290):
        pad = 0.5 if abs(low) < 1 else abs(low) / 2
        low, high = low - pad, high + pad
    return low, high


def first_layer(model: Model) -> dict[str, Any]:
    """The masks of the first weight, a picture (c, h, w) each unit, packed to bits, as hex

    "used": for a dense layer on the inputs, how many live weights each input has, row by row.
    Units beyond UNITS, or beyond ROOM entries, are left out; nothing for a net without weights.
    """
    net = model.net
    if not net.weights:
        return {}
    name = net.weights[0]
    units, *inner = net.params[name]
    on_inputs = inner == [math.prod(net.input_shape)]
    shape = net.input_shape if on_inputs else tuple(inner)
    image = math.prod(shape[:-2]), *(1, *shape)[-2:]
    mask = model.masks.get(name, np.ones(net.params[name], bool)).reshape(units, -1)
    pixels = mask.shape[1]
    shown = mask[: min(UNITS, ROOM // pixels)]
    return {
        "name": name,
        "units": units,
        "image": [int(side) for side in image],
        "kept": int(mask.sum()),
        "masks": [np.packbits(row).tobytes().hex() for row in shown],
        "used": mask.sum(0).tolist() if on_inputs and pixels <= ROOM else None,
    }


def costs(before: Model, after: Model, last: Model) -> list[dict[str, Any]]:
    """Entries and multiply-adds of each weight, and what is left; 0 if the layer is gone

    kept: the live entries of `after`, whose net is that of `before`; live, live_macs: of `last`.
    """
    left = {c.name: (c.live, c.live_macs) for c in counts(last.net, last.masks)}
    kept = {c.name: c.live for c in counts(after.net, after.masks)}
    found = []
    for was in counts(before.net, before.masks):
        if was.name in before.net.weights:
            live, live_macs = left.get(was.name, (0, 0))
            found.append({
                "name": was.name,
                "kind": type(before.net.node(layer_of(was.name)).layer).__name__,
                "shape": [int(side) for side in was.shape],
                "parameters": was.total, "macs": was.macs,
                "kept": kept[was.name], "live": live, "live_macs": live_macs,
            })  # fmt: skip
    return found


def layers(model: Model) -> list[dict[str, Any]]:
    """The layers that have parameters, in net order, with the shape of their first one."""
    return [
        {"name": node.name, "kind": type(node.layer).__name__,
         "shape": [int(v) for v in next(iter(node.layer.params().values()))]}
        for node in model.net.nodes if node.layer.params()
    ]  # fmt: skip


def tied(model: Model) -> list[dict[str, Any]]:
    """The tied groups: name, units, why they cannot shrink or "", members as (parameter, role)."""
    return [
        {"name": g.name, "size": int(g.size), "why": g.why,
         "members": [[member.param, member.role] for member in g.members]}
        for g in ties(model)
    ]  # fmt: skip


# --- sparse or dense


def break_even(model: Model) -> list[dict[str, Any]]:
    """One row a weight layer: name, shape, density, format, fitting, break_even, against_dense

    break_even: {"csr, batch 1": the density below which the format is faster than dense at this
    shape and batch, ...}; 0: it never is; 1: it always is. against_dense: for "2:4", whose density
    is fixed: its time over the dense one. fitting: the formats that the layer's mask fits; none if
    nothing is masked. Each call measures, so the numbers differ a little between runs.
    """
    dense = densify(model)
    found = []
    weights = [c for c in counts(model.net, model.masks) if c.name in dense.net.weights]
    for count in weights:
        node = dense.net.node(layer_of(count.name))
        mask = dense.masks.get(count.name)
        limits, ratios = break_even_of(node.layer, dense.net.shapes[node.inputs[0]])
        found.append({
            "name": node.name,
            "shape": list(count.shape),
            "density": count.live / count.total if count.total else 0.0,
            "format": getattr(model.net.node(node.name).layer, "format", "dense"),
            "fitting": [] if mask is None or mask.all() else fitting(node.layer, mask),
            "break_even": limits,
            "against_dense": ratios,
        })  # fmt: skip
    return found
