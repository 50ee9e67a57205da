"""(units, entries): what each unit of a group owns in arrays of the parameters' shapes."""

from collections.abc import Mapping

import numpy as np

from minprune.core import Array
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, Member


def incoming(arrays: Mapping[str, Array], group: Group, bias: bool = False) -> Array:
    """Each unit's incoming entries, of all its producers, then, with bias, the producers' biases"""
    members = list(group.producers)
    if bias:
        owners = {layer_of(m.param) for m in members}
        members += [m for m in group.members if m.param in {f"{o}.bias" for o in owners}]
    return _rows(arrays, members, group.size)


def outgoing(arrays: Mapping[str, Array], group: Group) -> Array:
    """The entries of the weights that read each unit"""
    return _rows(arrays, list(group.readers), group.size)


def _rows(arrays: Mapping[str, Array], members: list[Member], size: int) -> Array:
    rows = [np.moveaxis(arrays[m.param], m.axis, 0)[m.index].reshape(size, -1) for m in members]
    return np.concatenate(rows, axis=1) if rows else np.zeros((size, 0))  # nobody reads them
