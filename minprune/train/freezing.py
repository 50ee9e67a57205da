"""freeze: w_{t+1} = w_t for what is frozen; what a name or a pattern of `fit`'s freeze means."""

from collections.abc import Iterable
from typing import NamedTuple

from minprune.nets.names import matched, of_parameters
from minprune.nets.net import Net, layer_of

NEEDS = (
    "fit: freeze: {} must be a layer that has parameters, a parameter, or a pattern of either, of "
    "this net"
)


class Frozen(NamedTuple):
    """names: parameters and buffers; layers: those that run in evaluation mode"""

    names: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()


def frozen(net: Net, wanted: str | Iterable[str]) -> Frozen:
    """What `wanted` freezes: a layer with a frozen buffer runs in evaluation mode, so all are

    Raises ArgumentError for a name that means nothing.
    """
    names = set(matched(of_parameters((*net.params, *net.buffers)), wanted, NEEDS))
    layers = {layer_of(name) for name in names if name in net.buffers}
    names |= {name for name in net.buffers if layer_of(name) in layers}
    return Frozen(frozenset(names), frozenset(layers))
