"""Net: the immutable description of named layers in order, and the steps of a pass through them.

Longer than most files: the checks of a net are beside its description.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, get_args

from minprune import arguments
from minprune.errors import ArgumentError, ShapeError
from minprune.nets.layer import Layer, Shape
from minprune.nets.losses import Loss

INPUT = "input"
WORD = r"[A-Za-z0-9_]+"
NAME = rf"{WORD}(\.{WORD})*"  # of a layer: layer1.0.conv1


def layer_of(name: str) -> str:
    """The layer that owns what has this full name: "layer1.0.conv1" of "layer1.0.conv1.weight"

    Names of layers may hold dots; what a layer owns ("weight") has none. A name without dots, as
    in a dict of somebody else's arrays, is its own.
    """
    return name.rpartition(".")[0] or name


class Node(NamedTuple):
    """A layer, its name, and the names of what it reads."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


class Step(NamedTuple):
    """A layer of a forward pass, the name of what it makes, and the inputs that no later one reads.

    act: the activation inside; then `to` is that layer's name. own: what it owns, as (kind, full
    name).
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    to: str
    act: str
    spent: tuple[str, ...]
    own: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Net:
    """Named layers, each reading earlier ones; the last one is the output. Make one with `build`.

    Raises ArgumentError or ShapeError, naming the layer, where they do not fit together.
    """

    nodes: tuple[Node, ...]
    input_shape: Shape
    loss: Loss = "cross_entropy"

    def __post_init__(self) -> None:
        arguments.choice("build", "loss", self.loss, get_args(Loss))
        if not self.nodes:
            raise ArgumentError("build: layers must hold at least one, not none; add a Dense layer")
        sides = self.input_shape if isinstance(self.input_shape, tuple) else ()
        if not sides or not all(map(arguments.is_count, sides)):
            raise ArgumentError(
                f"build: input_shape must have an integer of at least 1 for each axis but the "
                f"batch, not {self.input_shape!r}; pass (784,) or (1, 28, 28), for example"
            )
        known, owned = {INPUT}, set[str]()
        for name, layer, inputs in self.nodes:
            if not isinstance(name, str) or not re.fullmatch(NAME, name):
                raise ArgumentError(
                    f"{name!r} cannot name a layer; use letters, digits and _, with dots between "
                    f"them"
                )
            if name in known:
                raise ArgumentError(f"{name}: the name is taken; give each layer its own")
            if not isinstance(layer, Layer):
                raise ArgumentError(f"{name}: {layer!r} is not a layer; pass an instance: ReLU()")
            for kind in layer.params() | layer.buffers():
                if not isinstance(kind, str) or not re.fullmatch(WORD, kind):
                    raise ArgumentError(
                        f"{name}: what {type(layer).__name__} owns must be named by letters, "
                        f"digits and _, not {kind!r}; rename it, without a dot"
                    )
                owned.add(f"{name}.{kind}")
            missing = [x for x in inputs if not isinstance(x, str) or x not in known]
            if missing:
                raise ArgumentError(
                    f"{name}: must read earlier layers, not {missing[0]!r}; name one before it"
                )
            if len(inputs) != layer.arity if layer.arity else len(inputs) < 2:
                many = "one layer" if layer.arity else "two or more layers"
                raise ArgumentError(
                    f"{name}: {type(layer).__name__} must read {many}, not {len(inputs)}; name them"
                )
            known.add(name)
        for name in known & owned:
            raise ArgumentError(
                f"{name}: the name is that of an array of {layer_of(name)}; rename the layer"
            )
        name, out = list(self.shapes.items())[-1]
        if len(out) != 1:
            raise ShapeError(f"{name}: output must be (outputs,), not {out}; use Flatten and Dense")

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The output shape of each layer, without the batch axis; "input" too."""
        shapes: dict[str, Shape] = {INPUT: self.input_shape}
        for name, layer, inputs in self.nodes:
            try:
                shapes[name] = layer.out_shape(*(shapes[x] for x in inputs))
            except ShapeError as e:
                raise ShapeError(f"{name}: {e}") from None
        return shapes

    @cached_property
    def params(self) -> dict[str, Shape]:
        """The shape of each parameter, by full name ("conv1.weight"), in net order."""
        return {f"{n.name}.{k}": s for n in self.nodes for k, s in n.layer.params().items()}

    @cached_property
    def buffers(self) -> dict[str, Shape]:
        """The shape of each running statistic, by full name."""
        return {f"{n.name}.{k}": s for n in self.nodes for k, s in n.layer.buffers().items()}

    @cached_property
    def indices(self) -> dict[str, str]:
        """The dtype of each buffer that holds indices, by full name."""
        return {f"{n.name}.{k}": d for n in self.nodes for k, d in n.layer.indices().items()}

    @cached_property
    def stored(self) -> dict[str, Shape]:
        """The full shape of each parameter of which only the live entries are stored."""
        return {f"{n.name}.{k}": s for n in self.nodes for k, s in n.layer.dense().items()}

    @cached_property
    def weights(self) -> tuple[str, ...]:
        """The parameters that "weights" means: those of dense and convolution layers, no biases."""
        return tuple(p for p, shape in self.params.items() if len(shape) > 1)

    @cached_property
    def every_weight(self) -> tuple[str, ...]:
        """`weights`, and those of which only the live entries are stored, in net order."""
        return tuple(p for p, shape in self.params.items() if len(shape) > 1 or p in self.stored)

    @cached_property
    def mixing(self) -> frozenset[str]:
        """The layers that have a weight matrix, and so make units of their own."""
        return frozenset(map(layer_of, self.every_weight))

    @cached_property
    def readers(self) -> dict[str, tuple[str, ...]]:
        """Who reads each layer's output."""
        found: dict[str, list[str]] = {name: [] for name in (INPUT, *(n.name for n in self.nodes))}
        for n in self.nodes:
            for x in n.inputs:
                found[x].append(n.name)
        return {x: tuple(names) for x, names in found.items()}

    @cached_property
    def fused(self) -> dict[str, Node]:
        """{layer: the activation that runs inside its kernel}: its only reader."""
        pairs = {}
        for n in self.nodes:
            readers = self.readers[n.name]
            if n.layer.fuses and len(readers) == 1:
                reader = self.node(readers[0])
                if reader.layer.fused:
                    pairs[n.name] = reader
        return pairs

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What a forward pass does, in order."""
        return _steps(self, self.fused)

    @cached_property
    def steps_apart(self) -> tuple[Step, ...]:
        """The same with no activation inside the layer before it."""
        return _steps(self, {})

    def owner(self, name: str) -> Node:
        """The node of a layer, or of the layer that owns an array of this full name."""
        return self.node(name if name in self.readers else layer_of(name))

    def node(self, name: str) -> Node:
        """The node of that name; raises ArgumentError where there is none."""
        for n in self.nodes:
            if n.name == name:
                return n
        known = [n.name for n in self.nodes]
        listed = f"it has {', '.join(known)}"
        raise ArgumentError(
            f"{name!r} is not a layer of this net; {arguments.meant(name, known, listed)}"
        )


def build(
    input_shape: Shape,
    layers: Sequence[tuple[str, Layer] | tuple[str, Layer, str | Sequence[str]]],
    loss: Loss = "cross_entropy",
) -> Net:
    """A net of named layers, each of which reads earlier ones.

    Parameters
    ----------
    input_shape : tuple of int
        The shape of one sample: (features,), (channels, length) or (channels, height, width).
    layers : list of (name, layer) or (name, layer, reads)
        In order; the last one is the output. reads: the name of what it reads, or several names;
        the layer before by default. The net's input is called "input".
    loss : {"cross_entropy", "binary_cross_entropy", "mse"}
        What training minimises.

    Returns
    -------
    Net
        The description, without arrays; `mp.initialise` makes a model of it.

    Raises
    ------
    ArgumentError
        If layers is no such list, a name is no identifier or taken, or loss is unknown.
    ShapeError
        If the layers do not fit together.

    Examples
    --------
    >>> import minprune as mp
    >>> net = mp.build((4,), [("fc1", mp.Dense(4, 3)), ("relu1", mp.ReLU()),
    ...     ("fc2", mp.Dense(3, 4)), ("sum", mp.Add(), ("fc2", "input"))])
    >>> net.shapes["sum"], net.params["fc1.weight"]
    ((4,), (3, 4))
    """
    nodes: list[Node] = []
    for row in _several(layers):
        if not isinstance(row, tuple | list) or len(row) not in (2, 3):
            raise ArgumentError(
                f"build: layer {len(nodes) + 1} must be (name, layer) or (name, layer, what it "
                f"reads), not {row!r}; pass [('fc1', mp.Dense(4, 3)), ...], for example"
            )
        name, layer, *reads = row
        before = nodes[-1].name if nodes else INPUT
        nodes.append(Node(name, layer, _several(reads[0] if reads else before)))
    shape = tuple(input_shape) if isinstance(input_shape, Iterable) else input_shape
    net = Net(tuple(nodes), shape, loss)
    if loss == "cross_entropy" and net.shapes[nodes[-1].name] == (1,):
        raise ShapeError(
            "build: a net with loss='cross_entropy' must have an output for each class, not 1 in "
            "all; use loss='binary_cross_entropy' for two classes, or 'mse' for numbers"
        )
    return net


def _several(given: Any) -> tuple[Any, ...]:
    """What was given, or the one thing that was."""
    many = isinstance(given, Iterable) and not isinstance(given, str)
    return tuple(given) if many else (given,)


def _steps(net: Net, fused: Mapping[str, Node]) -> tuple[Step, ...]:
    """The steps of a pass with these activations inside the layers before them"""
    left = {name: len(readers) for name, readers in net.readers.items()}
    inside = {act.name for act in fused.values()}
    steps = []
    for name, layer, inputs in net.nodes:
        if name in inside:
            continue
        for i in inputs:
            left[i] -= 1
        spent = tuple(i for i in dict.fromkeys(inputs) if not left[i])
        act = fused.get(name)
        to, kind = (act.name, act.layer.fused) if act else (name, "none")
        own = tuple((k, f"{name}.{k}") for k in layer.params() | layer.buffers())
        steps.append(Step(name, layer, inputs, to, kind, spent, own))
    return tuple(steps)
