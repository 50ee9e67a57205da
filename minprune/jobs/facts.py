"""What the page shows besides the measures: histograms, first masks, costs, layers and ties."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.nets.net import layer_of
from minprune.nets.ties import ties

BINS = 40  # of a histogram at most; fewer where a layer has few weights
UNITS = 64  # of the first layer, at most, whose masks are recorded
ROOM = UNITS * 28 * 28  # entries of those masks, or input pixels, at most


def facts(stages: Mapping[str, Model]) -> dict[str, Any]:
    """Facts about {stage: model}, in the order of the stages, as values of JSON

    "before" is the first stage, "last" the last one, "after" the last one with the net of the first
    (compaction makes another net). Nothing without stages.
    """
    if not stages:
        return {}
    before, last = (list(stages)[at] for at in (0, -1))
    dense, small = stages[before], stages[last]
    after = [name for name, m in stages.items() if m.net == dense.net][-1]
    return {
        "before": before,
        "after": after,
        "last": last,
        "histograms": histograms(dense, stages[after]),
        "first": first_layer(stages[after]),
        "costs": costs(dense, small),
        "layers": layers(dense),
        "ties": tied(dense),
    }


def live(model: Model, name: str) -> Array:
    """The entries of a parameter that are not masked: (live,) in float64."""
    w, mask = model.params[name], model.masks.get(name)
    return (w.ravel() if mask is None else w[mask]).astype(np.float64)


def histograms(before: Model, after: Model) -> list[dict[str, Any]]:
    """counts[k] = live weights in [low + k step, low + (k + 1) step), step = (high - low) / bins

    One for each weight, both models on one axis of min(BINS, sqrt(weights)) bins, at least 8; the
    last bin holds its upper edge too.
    """
    found = []
    for name in before.net.weights:
        both = [live(before, name), live(after, name)]
        whole = np.concatenate(both)
        low, high = (float(whole.min()), float(whole.max())) if whole.size else (0.0, 0.0)
        if not low < high:  # one value, or none
            low, high = low - 0.5, high + 0.5
        bins = min(BINS, max(8, math.isqrt(before.params[name].size)))
        was, now = (np.histogram(w, bins, (low, high))[0].tolist() for w in both)
        found.append({"name": name, "low": low, "high": high, "before": was, "after": now})
    return found


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
    image = [math.prod(shape[:-2]), *shape[-2:]] if len(shape) > 1 else [1, 1, *shape]
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


def costs(before: Model, after: Model) -> list[dict[str, Any]]:
    """Entries and multiply-adds of each weight, and what is left; 0 if the layer is gone."""
    left = {c.name: c for c in counts(after.net, after.masks)}
    found = []
    for was in counts(before.net, before.masks):
        if was.name in before.net.weights:
            now = left.get(was.name)
            found.append(
                {
                    "name": was.name,
                    "kind": type(before.net.node(layer_of(was.name)).layer).__name__,
                    "parameters": was.total,
                    "macs": was.macs,
                    "live": now.live if now else 0,
                    "live_macs": now.live_macs if now else 0,
                }
            )
    return found


def layers(model: Model) -> list[dict[str, Any]]:
    """The layers that have parameters, in net order, with the shape of their first one."""
    found = []
    for node in model.net.nodes:
        shapes = list(node.layer.params().values())
        if shapes:
            kind = type(node.layer).__name__
            found.append({"name": node.name, "kind": kind, "shape": [int(v) for v in shapes[0]]})
    return found


def tied(model: Model) -> list[dict[str, Any]]:
    """The tied groups: name, units, why they cannot shrink or "", members as (parameter, role)."""
    return [
        {
            "name": group.name,
            "size": int(group.size),
            "why": group.why,
            "members": [[member.param, member.role] for member in group.members],
        }
        for group in ties(model)
    ]
