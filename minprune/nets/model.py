"""Model = (net, params, buffers, masks): a frozen value; model(x) gives the outputs.

Longer than most files: the one forward pass of a net and its loss, and what every call that takes a
model and data checks of them, are beside it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from minprune import arguments, kernels
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array, Arrays, Dataset, Split
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.losses import LOSSES
from minprune.nets.net import INPUT, Net, Node
from minprune.nets.summary import summary

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
Watch = Callable[[str, Value], None]
Instead = Callable[[str, Layer, list[Value]], Value | None]
CHUNK = 256  # samples at a time through `model(x)`, so that memory does not grow with the data


class Predictor(ABC):
    """What `mp.evaluate` and `mp.measure` take: a Model, or what `mp.quantize` makes of it"""

    net: Net
    masks: Arrays

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype of inputs and outputs: float32 or float64."""

    @property
    @abstractmethod
    def itemsize(self) -> int:
        """Bytes of a weight."""

    @property
    @abstractmethod
    def stored(self) -> int:
        """Bytes of all arrays, without running statistics and masks."""

    @abstractmethod
    def __call__(self, x: Array) -> Array:
        """The outputs in evaluation mode.      x: (n, ...) -> (n, outputs)"""


@dataclass(frozen=True, eq=False)
class Model(Predictor):
    """A net and its arrays: a frozen value; model(x) gives the outputs.

    Functions return new Models and never change one. Arrays are by full name ("conv1.weight").

    Parameters
    ----------
    net : Net
        The description that `mp.build` makes.
    params : dict of arrays
        What is trained, all float32 or all float64.
    buffers : dict of arrays, optional
        Running statistics, and the indices of sparse layers.
    masks : dict of bool arrays, optional
        True = kept; a parameter without one is dense.

    Raises
    ------
    ShapeError
        If an array is absent, not of this net, or of another shape than the net says.
    ArgumentError
        If net is no Net, the others are no dicts of arrays, the dtypes differ, a mask is not bool,
        or indices of a sparse layer are out of range.

    Examples
    --------
    >>> import minprune as mp
    >>> net = mp.build((2,), [("fc", mp.Dense(2, 1))], loss="mse")
    >>> params = {"fc.weight": np.array([[1.0, -2.0]]), "fc.bias": np.array([0.5])}
    >>> model = mp.Model(net, params)
    >>> model(np.array([[3.0, 1.0]]))
    array([[1.5]])
    """

    net: Net
    params: Arrays
    buffers: Arrays = field(default_factory=dict)
    masks: Arrays = field(default_factory=dict)

    def __post_init__(self) -> None:
        is_net(self.net, "Model")
        for kind in ("params", "buffers", "masks"):
            hold_arrays(kind, getattr(self, kind))
        for kind in ("params", "buffers"):
            given, wanted = getattr(self, kind), getattr(self.net, kind)
            for name in sorted(given.keys() ^ wanted.keys()):
                state = "absent" if name in wanted else "not of this net"
                raise ShapeError(f"{name}: {state}; {kind} must have exactly the net's names")
            if list(given) != list(wanted):  # net order decides ties and draws, not the caller's
                object.__setattr__(self, kind, {name: given[name] for name in wanted})
            for name, shape in wanted.items():
                if given[name].shape != shape:
                    raise ShapeError(
                        f"{name}: the array must be {shape}, as in the net, not "
                        f"{given[name].shape}; reshape it, or build another net"
                    )
                if name in self.net.indices:
                    if given[name].dtype != self.net.indices[name]:
                        raise ArgumentError(
                            f"{name}: the array must be {self.net.indices[name]}, not "
                            f"{given[name].dtype}; make sparse layers with mp.sparsify"
                        )
                elif given[name].dtype != self.dtype or self.dtype not in FLOATS:
                    raise ArgumentError(
                        f"{name}: the arrays of a model must be all float32 or all float64, not "
                        f"{given[name].dtype}; convert it with astype"
                    )
        check_masks(self.masks, self.net.params)
        for name in self.net.stored:
            if name in self.masks:
                raise ArgumentError(
                    f"{name}: must have no mask beside its stored entries; mask mp.densify(model)"
                )
        if self.net.indices:
            object.__setattr__(self, "buffers", _locked(self.buffers, self.net.indices))
            arrays = self.params | self.buffers
            for node in self.net.nodes:
                node.layer.check(node.name, node.layer.own(node.name, arrays))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the parameters: float32 or float64."""
        return next(iter(self.params.values())).dtype if self.params else np.dtype(np.float32)

    @property
    def itemsize(self) -> int:
        """Bytes of a weight: 4 or 8."""
        return self.dtype.itemsize

    @property
    def stored(self) -> int:
        """Bytes of the parameters, with the indices of sparse layers."""
        indices = (self.buffers[name] for name in self.net.indices)
        return sum(a.nbytes for a in (*self.params.values(), *indices))

    def __call__(self, x: Array) -> Array:
        """The outputs in evaluation mode.      x: (n, ...) -> (n, outputs)"""
        x = checked_input(self.net, x)
        if not len(x):
            return np.empty((0, *self.net.shapes[self.net.nodes[-1].name]), self.dtype)
        arrays = self.params | self.buffers

        def outputs(x: Array) -> Array:
            x = np.ascontiguousarray(x, self.dtype)
            x = x.reshape(*x.shape[1:], 1) if len(x) == 1 else kernels.gather_last(x)
            return np.asarray(run(self.net, arrays, x).T)

        if len(x) <= CHUNK:
            return replays(self)(outputs, x, [*arrays.values()])
        return np.concatenate([outputs(x[i : i + CHUNK]) for i in range(0, len(x), CHUNK)])

    def __repr__(self) -> str:
        layers = ", ".join(n.name for n in self.net.nodes)
        return f"Model({layers}; {self.dtype})"

    def __str__(self) -> str:
        return self.summary()

    def summary(self, width: float | None = None) -> str:
        """The table that `print` shows; width: characters of a line, None: of the terminal"""
        return summary(self.net, self.params, self.masks, width)


def replays(model: Model) -> kernels.Repeats:
    """The replays of a model, which are no part of it"""
    found = _repeats.get(model)
    return _repeats.setdefault(model, kernels.Repeats()) if found is None else found


_repeats: WeakKeyDictionary[Model, kernels.Repeats] = WeakKeyDictionary()


def run(
    net: Net,
    p: Mapping[str, Value],
    x: Value,
    how: ForwardContext | None = None,
    watch: Watch | None = None,
    instead: Instead | None = None,
) -> Value:
    """The net's output for x, batch-last: (c, h, w, n) or (features, n) -> (outputs, n)

    p: parameters and buffers by full name. `how` collects the batch statistics of training mode.
    `watch(name, output)` sees every layer's output; what `instead(name, layer, inputs)` returns is
    the layer's output, unless it is None (with either, activations are not fused). Arrays in, array
    out; a Tensor among p or x, a Tensor out.
    """
    how = how or ForwardContext()
    values: dict[str, Value] = {INPUT: x}
    steps = net.steps_apart if watch or instead else net.steps
    for name, layer, inputs, to, act, spent, own in steps:
        now = how.at(name)
        xs = [values[i] for i in inputs]
        made = instead(name, layer, xs) if instead else None
        if made is None:
            made = layer.apply({kind: p[full] for kind, full in own}, xs, now, act)
        values[to] = made
        if watch:
            watch(name, values[name])
        for i in spent:
            del values[i]
    return values[net.nodes[-1].name]


def loss_of(net: Net, out: Value, y: Array) -> Value:
    """The net's loss, a scalar: the mean over samples      out: (outputs, n), y: as checked"""
    return LOSSES[net.loss].of(out, y)


def not_finite(a: Array) -> int:
    """How many entries of a are NaN or infinite."""
    return a.size - int(np.count_nonzero(np.isfinite(a)))


def all_finite(owner: str, what: str, a: Array, remedy: str) -> None:
    """Raises NonFiniteError, counting the entries, unless all are numbers."""
    good = np.isfinite(a)
    if not good.all():
        bad = a.size - np.count_nonzero(good)
        raise NonFiniteError(
            f"{owner}: {bad} of {a.size} entries of {what} are not finite, but must be numbers; "
            f"{remedy}"
        )


def blame(
    net: Net, p: Mapping[str, Any], x: Array, how: ForwardContext | None = None,
    instead: Instead | None = None,
) -> str:  # fmt: skip
    """ "layer conv2 gave 3 of 100 values that are not finite": the first one, in net order

    p: parameters and buffers by full name, x: a batch, batch-last; see `run`.
    """
    if not_finite(x):
        return f"the input has {not_finite(x)} of {x.size} values that are not finite"
    found: list[str] = []

    def watch(name: str, out: Value) -> None:
        bad = not_finite(ag.value(out))
        if bad and not found:
            total = ag.value(out).size
            found.append(f"layer {name} gave {bad} of {total} values that are not finite")

    with np.errstate(all="ignore"):
        run(net, {k: ag.value(v) for k, v in p.items()}, x, how, watch, instead)
    return found[0] if found else "all layers gave finite values, the loss overflowed"


def _locked(buffers: Arrays, names: Mapping[str, str]) -> Arrays:
    """Indices as read-only arrays, which kernels check only once."""
    found = dict(buffers)
    for name in names:
        if found[name].flags.writeable or not found[name].flags.owndata:
            found[name] = found[name].copy()
            found[name].flags.writeable = False
    return found


def hold_arrays(what: str, given: object) -> None:
    """Raises ArgumentError unless it is a dict of arrays."""
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"{what} must be a dict of arrays by full name, not {type(given).__name__}; "
            f"pass {{'fc1.weight': array, ...}}"
        )
    for name, a in given.items():
        if not isinstance(a, np.ndarray):
            raise ArgumentError(f"{name}: must be an array, not {type(a).__name__}; use np.asarray")


def check_masks(masks: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ArgumentError or ShapeError unless each mask is bool and has its parameter's shape."""
    known(shapes, masks)
    for name, mask in masks.items():
        if mask.dtype != bool:
            raise ArgumentError(f"{name}: the mask must be bool, not {mask.dtype}; use mask != 0")
        if mask.shape != shapes[name]:
            raise ShapeError(
                f"{name}: the mask must have the weight's shape {shapes[name]}, not {mask.shape}; "
                f"score and mask the same parameters you apply the mask to"
            )


def is_net(net: object, call: str) -> None:
    """Raises ArgumentError unless it is a Net."""
    arguments.instance(call, "net", net, Net, "one that mp.build made, or a model's model.net")


def is_model(model: object, call: str, kind: type = Model) -> None:
    """Raises ArgumentError unless it is a Model, or a Predictor where `kind` says so."""
    if isinstance(model, Predictor) and not isinstance(model, kind):
        raise ArgumentError(
            f"{call}: model must be a Model, not {type(model).__name__}; pass its attribute "
            f"model, and change the result again"
        )
    if not isinstance(model, kind):
        instead = "one that mp.zoo, mp.initialise or mp.load made"
        arguments.instance(call, "model", model, Model, instead)


def dense_only(model: Model, what: str, names: Iterable[str] | None = None) -> None:
    """Raises ArgumentError where the model has sparse layers, which `what` cannot work on

    names: the parameters that it works on; all unless given.
    """
    for name in model.net.stored if names is None else [k for k in names if k in model.net.stored]:
        raise ArgumentError(
            f"{name}: {what} needs the dense weight, and only its live entries are stored; "
            f"pass mp.densify(model), and mp.sparsify the result"
        )


def checked_input(net: Net, x: Array) -> Array:
    """x as an array; raises ShapeError unless it is (n, *input_shape)."""
    x = np.asarray(x)
    if x.shape[1:] != net.input_shape or x.ndim == 0:
        last = x.ndim == 4 and (x.shape[3], *x.shape[1:3]) == net.input_shape
        hint = "a batch of samples of the net's input_shape"
        hint = "x.transpose(0, 3, 1, 2), as its channels come last (NHWC)" if last else hint
        raise ShapeError(
            f"the input must be (n, {', '.join(map(str, net.input_shape))}), not {x.shape}; "
            f"pass {hint}"
        )
    return x


def checked(model: Predictor, data: Split | None, owner: str = "", kind: type = Model) -> Split:
    """(x, y) as arrays that fit the net and each other, at least one sample

    owner: the call; kind: what it takes
    """
    is_model(model, owner or "curvature", kind)
    pair = data if isinstance(data, tuple | list) and len(data) == 2 else ()
    if not pair or not np.size(pair[0]):
        found = "a Dataset" if isinstance(data, Dataset) else type(data).__name__
        raise ArgumentError(
            f"{owner + ': ' * bool(owner)}data must be a pair (x, y) of at least one sample, not "
            f"{'None' if data is None else 'empty' if pair else found}; "
            f"pass data.train, for example"
        )
    x, y = checked_input(model.net, pair[0]), np.asarray(pair[1])
    if y.shape[:1] != (len(x),):
        raise ShapeError(
            f"{owner or 'data'}: x has {len(x)} rows and y has {len(y) if y.ndim else 'none'}; "
            f"pass one target for each input"
        )
    return x, checked_targets(model.net, y, owner or "data")


def checked_targets(net: Net, y: Array, what: str) -> Array:
    """The targets in the form that the net's loss takes; raises ShapeError      what: which ones"""
    found = LOSSES[net.loss].targets(np.asarray(y), net.shapes[net.nodes[-1].name][0])
    if isinstance(found, str):
        raise ShapeError(f"{what}: the targets of {net.loss} {found}")
    return found


def names_of(model: Model, params: str) -> list[str]:
    """The parameters that "weights" or "all" means, in net order"""
    is_model(model, "curvature")
    arguments.choice("parameters", "params", params, ("weights", "all"))
    dense_only(model, "what looks at single weights")
    return list(model.net.params if params == "all" else model.net.weights)


def known(params: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names, all of which are parameters"""
    there, found = list(params), list(names)
    for name in found:
        if name not in there:
            listed = f"there are {', '.join(there)}"
            raise ArgumentError(
                f"{name}: no such parameter; {arguments.meant(name, there, listed)}"
            )
    return found


def masks_of(model: Model, names: Iterable[str]) -> Arrays:
    """The masks of these parameters, True everywhere for a dense one"""
    shapes, known = model.net.params, model.masks
    return {n: known[n] if n in known else np.ones(shapes[n], bool) for n in names}


def keeping(layers: Iterable[str], found: dict[str, Any]) -> Watch:
    """What puts the outputs of these layers into found, see `run`"""
    wanted = set(layers)

    def watch(name: str, out: Any) -> None:
        if name in wanted:
            found[name] = out

    return watch


def rebuilt(
    model: Model, nodes: Iterable[Node], params: Arrays, masks: Arrays, buffers: Arrays
) -> Model:
    """The model of these nodes, with those of the arrays that they have, in the order of the net"""
    net = replace(model.net, nodes=tuple(nodes))
    params, buffers = {k: params[k] for k in net.params}, {k: buffers[k] for k in net.buffers}
    return Model(net, params, buffers, {k: m for k, m in masks.items() if k in params})


def batch_last(x: Array, dtype: npt.DTypeLike) -> Array:
    """(n, ...) -> (..., n), contiguous, in the net's dtype"""
    return kernels.gather_last(np.ascontiguousarray(x, dtype))
