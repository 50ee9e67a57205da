"""Plain nets as models of minprune and back, and what minprune does with them, for the kit."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune import curvature
from minprune.core import Array, Arrays
from minprune.evidence import score
from minprune.masking.apply import with_masks
from minprune.nets.activation_layers import ReLU, Sigmoid, Tanh
from minprune.nets.convolution import Conv2d
from minprune.nets.counts import counts
from minprune.nets.dense import Dense, Flatten
from minprune.nets.dropout import Dropout
from minprune.nets.layer import Layer as NetLayer
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.nets.normalisation import BatchNorm
from minprune.nets.pooling import GlobalAvgPool, MaxPool
from minprune.sparse.formats import CSR, BlockCSR
from minprune.sparse.nofm import NofM
from minprune.structure.compact import compact
from minprune.verify.networks.host import Left, by_name
from minprune.verify.networks.scorer import of_mlp as case_of
from minprune.verify.plain.layers import Layer, Layers, names
from minprune.verify.plain.net import Mlp
from minprune.verify.trees import global_state, mapped

# plain names of arrays -> ours, by kind of layer
PARAMS = {"batchnorm": {"gamma": "weight", "beta": "bias"}}
BUFFERS = {"mean": "running_mean", "var": "running_var"}


def made(layer: Layer) -> NetLayer:
    """The layer of minprune that computes what the plain one does."""
    kind = layer["kind"]
    biased = layer.get("bias") is not None
    if kind == "dense":
        o, i = layer["weight"].shape
        return Dense(i, o, biased)
    if kind == "conv":
        o, i, *sides = layer["weight"].shape
        groups = layer.get("groups", 1)
        more = layer.get("stride", 1), layer.get("padding", 0), groups, biased
        return Conv2d(i * groups, o, (sides[0], sides[1]), *more)
    simple: dict[str, Callable[[], NetLayer]] = {
        "relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "flatten": Flatten,
        "globalavgpool": GlobalAvgPool,
        "maxpool": lambda: MaxPool(layer["size"]), "dropout": lambda: Dropout(layer["rate"]),
        "batchnorm": lambda: BatchNorm(len(layer["gamma"])),
    }  # fmt: skip
    return simple[kind]()


def model_of(layers: Layers, shape: tuple[int, ...], loss: Any = "mse") -> Model:
    """The plain net as a model, with its masks."""
    built = build(shape, list(zip(names(layers), map(made, layers), strict=True)), loss)
    params: Arrays = {}
    buffers: Arrays = {}
    masks: Arrays = {}
    for name, layer in zip(names(layers), layers, strict=True):
        called = PARAMS.get(layer["kind"], {"weight": "weight", "bias": "bias"})
        params |= {f"{name}.{b}": layer[a] for a, b in called.items() if layer.get(a) is not None}
        buffers |= {f"{name}.{b}": layer[a] for a, b in BUFFERS.items() if a in layer}
        masks |= {f"{name}.weight": layer["mask"]} if "mask" in layer else {}
    model = Model(built, {n: params[n] for n in built.params}, buffers)
    return with_masks(model, masks) if masks else model


def plain_of(model: Model) -> Layers:
    """The model of a chain as plain layers."""
    found: Layers = []
    kinds: dict[type, str] = {Dense: "dense", Conv2d: "conv", BatchNorm: "batchnorm", ReLU: "relu",
             Tanh: "tanh", Sigmoid: "sigmoid", Flatten: "flatten", MaxPool: "maxpool",
             Dropout: "dropout", GlobalAvgPool: "globalavgpool"}  # fmt: skip
    for node in model.net.nodes:
        of: Any = node.layer
        layer: Layer = {"kind": kinds[type(of)]}
        called = PARAMS.get(layer["kind"], {"weight": "weight", "bias": "bias"})
        own = {a: f"{node.name}.{b}" for a, b in called.items()}
        layer |= {a: model.params[b] for a, b in own.items() if b in model.params}
        own = {a: f"{node.name}.{b}" for a, b in BUFFERS.items()}
        layer |= {a: model.buffers[b] for a, b in own.items() if b in model.buffers}
        if f"{node.name}.weight" in model.masks:
            layer["mask"] = model.masks[f"{node.name}.weight"]
        if isinstance(of, Conv2d):
            conv: Any = of
            layer |= {"stride": conv.stride[0], "padding": conv.padding[0], "groups": conv.groups}
        if isinstance(of, MaxPool):
            pool: Any = of
            layer["size"] = pool.kernel[0]
        found.append(layer)
    return found


def compacted(layers: Layers, shape: tuple[int, ...]) -> Layers:
    """mp.compact on plain layers."""
    return plain_of(compact(model_of(layers, shape)))


def ended(layers: Layers, x: Array) -> Model:
    """The model of the layers, whose outputs are flat."""
    flat: Layers = [] if layers[-1]["kind"] == "dense" else [{"kind": "flatten"}]
    return model_of([*layers, *flat], x.shape[1:])


def counted(layers: Layers, x: Array) -> tuple[int, int]:
    """(parameters, multiply-adds) of the model"""
    found = counts(ended(layers, x).net, {})
    return sum(c.total for c in found), sum(c.macs for c in found)


def counted_live(layers: Layers, x: Array) -> tuple[int, int]:
    """(live parameters, live multiply-adds) of the model"""
    model = ended(layers, x)
    found = counts(model.net, model.masks)
    return sum(c.live for c in found), sum(c.live_macs for c in found)


@dataclass(frozen=True)
class ModelHost:
    """Plain nets as models of minprune, for `check_scorer`: they have no modes and no gradients."""

    torch: bool = False

    def calling(self) -> AbstractContextManager[None]:
        return nullcontext()

    def build(
        self, layers: Layers, shape: tuple[int, ...], mode: str = "eval", stale: bool = False
    ) -> Any:
        return model_of(mapped(layers, np.copy), shape, "cross_entropy")

    def batch(self, x: Array, y: Array) -> Any:
        return x.copy(), y.copy()

    def left(self, model: Any, batch: Any) -> Left:
        weights, buffers = ({n: a.copy() for n, a in arrays.items()}
                            for arrays in (model.params, model.buffers))  # fmt: skip
        seen = [a.copy() for a in batch]
        return Left(weights, buffers, {}, {}, {}, global_state(), seen)

    def scores(self, model: Any, found: Any) -> Arrays:
        return by_name(found, lambda name: name if name in model.params else None)


def scorer(name: str, **how: Any) -> Callable[[Any, Any], Arrays]:
    """mp.score as the kit calls a scorer."""
    return lambda net, batch: score(net, batch, name, **how)


# what minprune offers for models, by criterion, of single weights and of units
SCORERS: dict[str, bool] = {
    "magnitude": False, "snip": False, "taylor": False, "fisher": False, "grasp": False,
    "norm": True, "taylor_activation": True,
}  # fmt: skip


def of_mlp(net: Mlp) -> tuple[Model, Any]:
    """(model, samples): a plain net with its loss"""
    y = net.y if net.loss_kind == "mse" else net.y.argmax(axis=1)
    model = model_of(case_of(net).layers, (net.x.shape[1],), net.loss_kind)
    return model, (net.x, y)


def by_ours(fn: Callable[..., Any], **how: Any) -> Callable[..., Any]:
    """A function of a model and samples as one of a plain net."""
    return lambda net, *args: fn(*of_mlp(net), *args, **how)


def hutchinson(net: Mlp, probes: int, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
    """As `check_curvature` calls it."""
    return curvature.hutchinson(*of_mlp(net), samples=probes, seed=rng)


CURVATURE: dict[str, Callable[..., Any]] = {
    "hvp": by_ours(curvature.hvp), "ggn_product": by_ours(curvature.ggn_product),
    "hessian": by_ours(curvature.hessian), "ggn": by_ours(curvature.ggn),
    "exact": by_ours(curvature.exact), "gauss_newton": by_ours(curvature.gauss_newton),
    "empirical_fisher": by_ours(curvature.squared_grads),
    "becker_lecun": by_ours(curvature.becker_lecun),
    "levenberg_marquardt": by_ours(curvature.becker_lecun, levenberg_marquardt=True),
    "hutchinson": hutchinson,
}  # fmt: skip


# name of a format: its class and its numbers
FORMATS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "csr": (CSR, ()),
    "2:4": (NofM, (2, 4)),
    "2x2": (BlockCSR, (2,)),
}


def stored(like: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """(encode, decode, product) of a format, as the kit calls them"""
    kind, numbers = FORMATS[like]

    def encode(dense: Array, mask: Array) -> Any:
        return kind.from_dense(dense, mask, *numbers)

    def product(parts: Any, x: Array) -> Array:
        index = tuple(getattr(parts, name) for name in kind.INDICES)
        by = kind.products(parts.shape, parts.values.size, *numbers)
        return np.asarray(by.matmul(index, parts.values, x, None, "none"))

    return encode, kind.to_dense, product
