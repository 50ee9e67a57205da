"""Which units go together: from one traced forward pass, by the tie rule of each op.

A unit is what one index of a layer's output axis stands for: a neuron, a filter. Where a sum adds
two layers, where BatchNorm scales one, where a flattened channel becomes a run of columns, removing
the unit means removing all of that at once. Source: Fang et al. (2023), DepGraph, for the idea of
reading it off a trace.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minprune.autograd import Tensor
from minprune.autograd.tape import Links, ancestors
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.model import Model, Watch, dense_only, is_model, run
from minprune.nets.net import layer_of
from minprune.nets.unit_labels import Labels
from minprune.text import table

INPUT, OUTPUT = "the net's input", "the net's output"
WHOLE = "normalised as a whole, each unit by all"


@dataclass(frozen=True)
class Member:
    """A parameter's part in a group: unit u owns index[u] along this axis.      index: (units, k)

    role: "makes" (the output axis of a weight), "reads" (its input axis) or "shifts" (a bias,
    gamma, beta).
    """

    param: str
    axis: int
    role: str
    index: Array


@dataclass(frozen=True)
class Group:
    """Units that are removed together, one row of each member's index at a time.

    name: the weight that makes the units first, in net order, or what they reach; where the rows of
    one weight are in several groups, with its first row from the second group on. members: what
    makes the units, in net order, then what reads them. free: they may be removed; otherwise `why`
    says what they reach.
    """

    name: str
    size: int
    members: tuple[Member, ...]
    why: str = ""

    @property
    def free(self) -> bool:
        """Whether its units may be removed."""
        return not self.why

    @property
    def producers(self) -> tuple[Member, ...]:
        """The weights whose output axis the units are."""
        return tuple(m for m in self.members if m.role == "makes")

    @property
    def readers(self) -> tuple[Member, ...]:
        """The weights whose input axis the units are."""
        return tuple(m for m in self.members if m.role == "reads")


@dataclass(frozen=True)
class Ties:
    """All groups of a model, in net order; print it to see them."""

    groups: tuple[Group, ...]

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups)

    def __str__(self) -> str:
        rows = [
            [g.name, g.size, "yes" if g.free else f"no: it is {g.why}", *_words(g)]
            for g in self.groups
        ]
        return table(["group", "units", "may shrink", "made by", "read by", "with"], rows)


def ties(model: Model) -> Ties:
    """The groups of units of a model that must be removed together.

    Groups that reach the net's input or output cannot shrink. A grouped convolution bundles the
    t-th channel of every group; a depthwise one ties its input to its output.

    Parameters
    ----------
    model : Model
        Any, of dense layers.

    Returns
    -------
    Ties
        The groups in net order; print it to see them.

    Raises
    ------
    ArgumentError
        If model is no Model, has sparse layers, or uses an op that has no tie rule.

    References
    ----------
    Fang et al. (2023), DepGraph.

    Examples
    --------
    >>> import minprune as mp
    >>> print(mp.ties(mp.zoo.mlp(((4,), 2), (3,))))
    group            units  may shrink                  made by     read by     with
    ---------------  -----  --------------------------  ----------  ----------  --------
    fc1.weight           3  yes                         fc1.weight  fc2.weight  fc1.bias
    fc2.weight           2  no: it is the net's output  fc2.weight  -           fc2.bias
    the net's input      4  no: it is the net's input   -           fc1.weight  -
    """
    is_model(model, "ties")
    found, _, x, out = _labelled(model)
    return Ties(tuple(_groups(found, x, out)))


def carriers(model: Model, groups: Iterable[Group]) -> dict[str, dict[str, Array]]:
    """{group: {layer: (units, k) the rows of its output that each unit is}}, in net order"""
    found, outputs, _, _ = _labelled(model)
    leaves = {name: t for t, name in found.names.items()}
    rows: dict[str, dict[int, list[int]]] = {}
    for layer, t in outputs.items():
        rows[layer] = {}
        for row, label in enumerate(found.rows[t].tolist() if t in found.rows else ()):
            rows[layer].setdefault(found.root(label), []).append(row)
    made: dict[str, dict[str, Array]] = {}
    for g in groups:
        m = g.producers[0]
        units = [found.root(a) for a in found.rows[leaves[m.param]][m.index[:, 0]].tolist()]
        made[g.name] = {
            layer: np.array([at[u] for u in units]) for layer, at in rows.items() if units[0] in at
        }
    return made


def _labelled(model: Model) -> tuple[Labels, dict[str, Tensor], Tensor, Tensor]:
    """The labels of a pass, the output of each layer, the net's input and output."""
    found = Labels()
    outputs: dict[str, Tensor] = {}
    x, out = trace(model, found.leaf, outputs.__setitem__)
    for name, end in outputs.items():
        if not model.net.readers[name]:  # the net's output, and layers without a reader
            follow(end, found)
    return found, outputs, x, out


def trace(
    model: Model, leaf: Callable[[str, Tensor], None], watch: Watch | None = None
) -> tuple[Tensor, Tensor]:
    """(input, output) of one recorded pass in evaluation mode, on one sample of zeros

    leaf(name, tensor) is called with every parameter, watch(name, output) with the output of every
    layer.
    """
    dense_only(model, "a pass over units")
    leaves = {name: Tensor(w) for name, w in model.params.items()}
    for name, t in leaves.items():
        leaf(name, t)
    x = Tensor(np.zeros((*model.net.input_shape, 1), model.dtype))
    return x, run(model.net, leaves | model.buffers, x, watch=watch)


def follow(out: Tensor, links: Links) -> None:
    """Call links with the tie of every op that made out, in the order of the pass."""
    for t in ancestors(out):
        if t.op is None:
            continue
        if t.op.tie is None:
            raise ArgumentError(
                f"the op {t.op.name} must have a tie rule, which says how its rows depend on those "
                f"of its inputs; add one beside its derivative"
            )
        t.op.tie(links, t, t.inputs, t.settings)


def _groups(found: Labels, x: Tensor, out: Tensor) -> Iterator[Group]:
    """The classes of labels, gathered where they touch the same axes equally often."""
    axes = [
        ((name, 0, "makes" if t.ndim > 1 else "shifts"), found.rows[t])
        for t, name in found.names.items()
    ]
    axes += [((found.names[t], 1, "reads"), labels) for t, labels in found.columns.items()]
    owned: dict[int, dict[tuple[str, int, str], list[int]]] = {}
    for place, labels in axes:
        for index, label in enumerate(labels.tolist()):
            owned.setdefault(found.root(label), {}).setdefault(place, []).append(index)
    reached = {found.root(a): WHOLE for a in found.whole}
    reached |= {found.root(a): OUTPUT for a in found.of(out).tolist()}
    reached |= {found.root(a): INPUT for a in found.of(x).tolist()}
    gathered: dict[object, list[int]] = {}
    for root, places in owned.items():
        kind = tuple((key, len(places[key])) for key in places), reached.get(root, "")
        gathered.setdefault(kind, []).append(root)
    taken: set[str] = set()
    for roots in gathered.values():
        members = tuple(
            Member(*place, np.array([owned[r][place] for r in roots])) for place in owned[roots[0]]
        )
        why = reached.get(roots[0], "")
        maker = next((m for m in members if m.role == "makes"), None)
        name = maker.param if maker else why
        if name in taken:
            name = f"{name} from row {(maker or members[0]).index[0, 0]}"
        taken.add(name)
        yield Group(name, len(roots), members, why)


def _words(g: Group) -> list[str]:
    roles = ("makes", "reads", "shifts")
    named = [[m.param for m in g.members if m.role == role] for role in roles]
    return [", ".join(names) or "-" for names in named]


def incoming(arrays: Mapping[str, Array], group: Group, bias: bool = False) -> Array:
    """Each unit's incoming entries, (units, entries), of arrays of the parameters' shapes

    Those of all its producers; then, with bias, the producers' biases.
    """
    members = list(group.producers)
    if bias:
        owners = {layer_of(m.param) for m in members}
        members += [m for m in group.members if m.param in {f"{o}.bias" for o in owners}]
    return _entries(arrays, members, group.size)


def outgoing(arrays: Mapping[str, Array], group: Group) -> Array:
    """The entries, (units, entries), of the weights that read each unit"""
    return _entries(arrays, group.readers, group.size)


def scaling(model: Model, group: Group) -> list[Member]:
    """The scales (gamma) of the normalisation layers that the units pass, in net order"""
    gammas = {f"{n.name}.weight" for n in model.net.nodes if n.layer.normalises}
    return [m for m in group.members if m.role == "shifts" and m.param in gammas]


def _entries(arrays: Mapping[str, Array], members: Sequence[Member], size: int) -> Array:
    rows = [np.moveaxis(arrays[m.param], m.axis, 0)[m.index].reshape(size, -1) for m in members]
    return np.concatenate(rows, axis=1) if rows else np.zeros((size, 0))  # no readers
