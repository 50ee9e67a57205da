"""Which units are constant, and which are needed: two sweeps over one traced pass; and folding.

Forwards: a row is constant if nothing that depends on the input reaches it through a weight that is
not 0. Backwards: a row is needed if a needed row reads it through a weight that is not 0, and it
cannot be folded there. Folding adds a constant's contribution to the reader's bias; it is exact for
dense layers, and for a convolution where the row is one value everywhere and nothing is padded, or
where it is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from minprune.autograd import Tensor
from minprune.core import Array, Arrays
from minprune.nets.model import Model, rebuilt
from minprune.nets.net import Node, layer_of
from minprune.nets.ties import follow, trace
from minprune.nets.unit_labels import parameter


@dataclass(frozen=True)
class Fold:
    """Rows of what `reader` reads that are constant, and what they add to its bias.

    rows: (inputs of the layer,) bool; bias: (outputs,) to add once those columns are 0.
    """

    reader: str
    rows: Array
    bias: Array
    groups: int


@dataclass(frozen=True)
class Sweeps:
    """needed: per parameter, whether each row of its output axis is needed. folds: in net order.

    whole: the values, without the batch axis, of the layers whose outputs are constant altogether.
    stuck: the columns that read a constant, which cannot be folded there. barred: see `sweep`.
    """

    needed: dict[str, Array]
    whole: dict[str, Array]
    folds: tuple[Fold, ...]
    stuck: dict[str, Array]
    barred: frozenset[str] = frozenset()


def sweep(model: Model, barred: Collection[str] = ()) -> Sweeps:
    """The two sweeps over the model, in evaluation mode

    barred: weights whose layers must not take up a constant, since they would need a bias for it.
    """
    links = _Links(barred)
    outputs: dict[str, Tensor] = {}
    x, end = trace(model, links.leaf, outputs.__setitem__)
    links.constant[x] = np.zeros(x.shape[0], bool)
    follow(end, links)
    links.needed[end] = np.ones(end.shape[0], bool)
    for t, out, reads in reversed(links.back):
        links.needed[t] = links.of(t) | reads(links.of(out))
    needed = {name: links.of(t) for t, name in links.names.items()}
    whole = {
        name: t.value[..., 0]
        for name, t in outputs.items()
        if t in links.constant and links.constant[t].all()
    }
    return Sweeps(needed, whole, tuple(links.folds), links.stuck, frozenset(barred))


class _Links:
    """Follows the trace forwards, and leaves in `back`: input, output, its rows -> those needed."""

    def __init__(self, barred: Collection[str]) -> None:
        self.barred = barred
        self.names: dict[Tensor, str] = {}
        self.constant: dict[Tensor, Array] = {}
        self.needed: dict[Tensor, Array] = {}
        self.folds: list[Fold] = []
        self.stuck: dict[str, Array] = {}
        self.back: list[tuple[Tensor, Tensor, Callable[[Array], Array]]] = []

    def leaf(self, name: str, t: Tensor) -> None:
        self.names[t] = name
        self.constant[t] = np.ones(t.shape[0], bool)

    def of(self, t: Tensor) -> Array:
        return self.needed.get(t, np.zeros(t.shape[0], bool))

    def same(self, out: Tensor, *xs: Tensor) -> None:
        constant = np.logical_and.reduce([self.constant[x] for x in xs])
        # a bias is linked after the layer's own weights: both must be constant
        self.constant[out] = constant & self.constant.get(out, True)
        self.back += [(x, out, np.asarray) for x in xs]

    def scale(self, out: Tensor, x: Tensor, s: Tensor) -> None:
        passes = s.value != 0
        self.constant[out] = self.constant[x] | ~passes
        self.back += [(x, out, lambda rows: rows & passes), (s, out, np.asarray)]

    def spread(self, out: Tensor, x: Tensor, times: int) -> None:
        self.constant[out] = np.repeat(self.constant[x], times)
        self.back.append((x, out, lambda rows: np.logical_or.reduce(rows.reshape(-1, times), 1)))

    def stack(self, out: Tensor, *xs: Tensor) -> None:
        self.constant[out] = np.concatenate([self.constant[x] for x in xs])
        for x, stop in zip(xs, np.cumsum([x.shape[0] for x in xs]).tolist(), strict=True):
            self.back.append((x, out, itemgetter(slice(stop - x.shape[0], stop))))

    def bind(self, out: Tensor, x: Tensor, groups: int) -> None:
        def runs(rows: Array, some: Callable[..., Array]) -> Array:
            return np.repeat(some(rows.reshape(groups, -1), axis=1), len(rows) // groups)

        self.constant[out] = runs(self.constant[x], np.all)
        self.back.append((x, out, lambda rows: runs(rows, np.any)))

    def mix(self, out: Tensor, w: Tensor, x: Tensor, groups: int, padded: bool) -> None:
        name = parameter(self.names, out, w)
        fixed = self.constant[x].reshape(groups, -1)
        taps = w.value.reshape(groups, w.shape[0] // groups, w.shape[1], -1)
        reads = (taps != 0).any(axis=3)  # (groups, outputs, inputs)
        self.constant[out] = ~(reads & ~fixed[:, None, :]).any(axis=2).ravel()
        values = x.value.reshape(x.shape[0], -1)
        level = values[:, 0]
        even = (values == level[:, None]).all(axis=1)
        no_level = padded or name in self.barred
        foldable = self.constant[x] & even & ((level == 0) if no_level else True)
        if foldable.any():
            share = np.where(foldable, level, 0).reshape(groups, -1)
            bias = (taps.sum(axis=3) * share[:, None, :]).sum(axis=2).ravel()
            self.folds.append(Fold(name, foldable, bias, groups))
        held = self.constant[x] & ~foldable & reads.any(axis=1).ravel()
        if held.any():
            self.stuck[name] = held.reshape(groups, -1).any(axis=0)

        def hit(rows: Array) -> Array:
            found = (reads & rows.reshape(groups, -1)[:, :, None]).any(axis=1).ravel()
            return np.asarray(found & ~foldable)

        self.back += [(w, out, np.asarray), (x, out, hit)]


def fold(model: Model, folds: Iterable[Fold]) -> Model:
    """The same function with each constant that can be folded in its reader's bias."""
    params, masks, nodes = dict(model.params), dict(model.masks), list(model.net.nodes)
    for f in folds:
        outputs = len(params[f.reader]) // f.groups
        closed = np.repeat(f.rows.reshape(f.groups, -1), outputs, axis=0)
        for arrays in (params, masks):  # 0, and False
            if f.reader in arrays:
                arrays[f.reader] = arrays[f.reader].copy()
                arrays[f.reader][closed] = 0
        if f.bias.any():
            add_to_bias(nodes, params, masks, layer_of(f.reader), f.bias)
    return rebuilt(model, nodes, params, masks, model.buffers)


def add_to_bias(nodes: list[Node], params: Arrays, masks: Arrays, name: str, amount: Array) -> None:
    """bias += amount, in place      amount: (outputs,)

    A bias that takes something up is live. Where the layer has none it is created, masked where
    nothing else makes the unit, so that a silenced unit stays one.
    """
    weight, key = f"{name}.weight", f"{name}.bias"
    if key not in params:
        at = [n.name for n in nodes].index(name)
        shapes = nodes[at].layer.params() | {"bias": (len(amount),)}
        nodes[at] = nodes[at]._replace(layer=nodes[at].layer.resized(shapes))
        params[key] = np.zeros(len(amount), params[weight].dtype)
        if weight in masks:
            masks[key] = np.asarray(masks[weight].reshape(len(amount), -1).any(axis=1))
    params[key] = (params[key] + amount).astype(params[key].dtype)
    if key in masks:
        masks[key] = masks[key] | (amount != 0)
