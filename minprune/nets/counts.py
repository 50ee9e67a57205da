"""Counts: parameters, live parameters, multiply-adds = (live) weights x positions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minprune.core import Array
from minprune.nets.net import Net


@dataclass(frozen=True)
class Count:
    """What one parameter array holds and costs; one sample, batch 1."""

    name: str
    shape: tuple[int, ...]
    live: int  # entries whose mask is True; a kept weight that happens to be 0.0 is live
    positions: int  # how often each entry multiplies on one sample; 0 for biases, normalisation

    @property
    def total(self) -> int:
        return math.prod(self.shape)

    @property
    def macs(self) -> int:
        """Multiply-adds of the dense layer."""
        return self.total * self.positions

    @property
    def live_macs(self) -> int:
        """Multiply-adds of the live weights alone."""
        return self.live * self.positions


def counts(net: Net, masks: Mapping[str, Array]) -> list[Count]:
    """One Count for each parameter, in net order.

    A convolution counts every output position, padded ones too. Biases, activations and
    normalisation count no multiply-adds.
    """
    found = []
    for node in net.nodes:
        positions = node.layer.positions(net.shapes[node.name])
        for kind, shape in node.layer.params().items():
            name = f"{node.name}.{kind}"
            live = int(np.count_nonzero(masks[name])) if name in masks else math.prod(shape)
            shape = node.layer.dense().get(kind, shape)  # of what is stored all is live
            found.append(Count(name, shape, live, positions if len(shape) > 1 else 0))
    return found


def sparsity(net: Net, masks: Mapping[str, Array]) -> float:
    """The share of the weights (no biases, no normalisation) that is masked; 0 without weights"""
    weights = [c for c in counts(net, masks) if len(c.shape) > 1]
    total = sum(c.total for c in weights)
    return 1 - sum(c.live for c in weights) / total if total else 0.0
