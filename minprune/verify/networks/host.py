"""A plain net as a model of somebody: torch modules here, those of minprune in verify/ours/.

A host builds the model of a list of layers, calls a scorer on it, and says what scoring changed.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from minprune.core import Array, Arrays
from minprune.verify.law import ClauseError
from minprune.verify.plain.layers import Layer, Layers, names, weighted
from minprune.verify.tensors import array, torch_module
from minprune.verify.trees import global_state

MODES = ("eval", "train", "mixed")  # mixed: normalisation and dropout in eval mode, the rest train


class Left(NamedTuple):
    """What a scorer may not change, each by name."""

    weights: Arrays
    statistics: Arrays
    gradients: Arrays
    modes: Mapping[str, bool]
    parts: Mapping[str, str]
    random: str
    batch: list[Array]


class Host(Protocol):
    """How plain nets become models."""

    @property
    def torch(self) -> bool:
        """Whether they have modes and gradients, as modules of torch have."""

    def calling(self) -> AbstractContextManager[None]:
        """Puts back, after a call, what a scorer may change of the library itself."""

    def build(
        self, layers: Layers, shape: tuple[int, ...], mode: str = "eval", stale: bool = False
    ) -> Any:
        """The model, for samples of that shape; stale: with gradients of another batch in it."""

    def batch(self, x: Array, y: Array) -> Any:
        """A batch as the scorer is given it."""

    def left(self, model: Any, batch: Any) -> Left:
        """What is there to be left as it is."""

    def scores(self, model: Any, found: Any) -> Arrays:
        """{"fc1.weight": array} of what the scorer returns."""


def by_name(found: Any, key: Any) -> Arrays:
    """{name: array}: key(part) names what scores are given for; a list goes by the weights' order.

    Raises ClauseError for what is neither.
    """
    if not isinstance(found, Mapping):
        raise ClauseError(f"it is of type {type(found).__name__}, no dict of scores")
    named = {}
    for part, score in found.items():
        name = key(part)
        if name is None:
            raise ClauseError(f"it has scores of {part!r}, which is no part of the net")
        named[name] = np.asarray(array(score) if hasattr(score, "detach") else score)
    return named


@dataclass(frozen=True)
class TorchHost:
    """Modules of float64 in a torch.nn.Sequential, named fc1, conv2, ...; classes as int64."""

    torch: bool = True

    @contextmanager
    def calling(self) -> Iterator[None]:
        torch = torch_module()
        gradients, kind = torch.is_grad_enabled(), torch.get_default_dtype()
        try:
            yield
        finally:
            torch.set_grad_enabled(gradients)
            torch.set_default_dtype(kind)

    def build(
        self, layers: Layers, shape: tuple[int, ...], mode: str = "eval", stale: bool = False
    ) -> Any:
        torch = torch_module()
        made = [(n, module(layer)) for n, layer in zip(names(layers), layers, strict=True)]
        net = torch.nn.Sequential(OrderedDict(made)).double()
        net.train(mode != "eval")
        if mode == "mixed":
            for part in net.children():
                if not list(part.parameters()) or hasattr(part, "running_mean"):
                    part.eval()
        for p in net.parameters():
            if stale:
                p.grad = torch.full_like(p, 3.0)
        return net

    def batch(self, x: Array, y: Array) -> Any:
        torch = torch_module()
        return torch.from_numpy(x.copy()), torch.from_numpy(y.astype(np.int64))

    def left(self, model: Any, batch: Any) -> Left:
        torch = torch_module()
        grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        weights, statistics, gradients = (
            {n: array(t).copy() for n, t in part.items()}
            for part in (dict(model.named_parameters()), dict(model.named_buffers()), grads)
        )
        modes = {n or "net": m.training for n, m in model.named_modules()}
        parts = {n or "net": described(m) for n, m in model.named_modules()}
        parts["torch"] = f"grad {torch.is_grad_enabled()}, {torch.get_default_dtype()}"
        seen = [array(t).copy() for t in batch]
        return Left(weights, statistics, gradients, modes, parts, global_state(), seen)

    def scores(self, model: Any, found: Any) -> Arrays:
        every = {id(p): n for n, p in model.named_parameters()}
        every |= {id(m): f"{n}.weight" for n, m in model.named_modules() if n}
        known = set(every.values())

        def key(part: Any) -> str | None:
            if not isinstance(part, str):
                return every.get(id(part))
            return next((n for n in (part, f"{part}.weight") if n in known), None)

        if isinstance(found, tuple | list):
            weights = [n for n, p in model.named_parameters() if p.ndim > 1]
            found = dict(zip(weights, found, strict=False))
        return by_name(found, key)


def module(layer: Layer) -> Any:
    """The module of torch that computes what the plain layer does."""
    nn, kind = torch_module().nn, layer["kind"]
    made: Any
    if kind == "dense":
        o, i = layer["weight"].shape
        made = nn.Linear(i, o, layer.get("bias") is not None)
    elif kind == "conv":
        o, i, y, x = layer["weight"].shape
        groups = layer.get("groups", 1)
        made = nn.Conv2d(i * groups, o, (y, x), layer.get("stride", 1), layer.get("padding", 0),
                         groups=groups, bias=layer.get("bias") is not None)  # fmt: skip
    elif kind == "batchnorm":
        made = nn.BatchNorm2d(len(layer["gamma"]), eps=layer["eps"])
    else:
        simple = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "flatten": nn.Flatten}
        made = simple[kind]() if kind in simple else None
        if kind == "maxpool":
            made = nn.MaxPool2d(layer["size"])
        if kind == "dropout":
            made = nn.Dropout(layer["rate"])
    called = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
              "mean": "running_mean", "var": "running_var"}  # fmt: skip
    made = made.double()
    for name, a in layer.items():
        if name in called and a is not None:
            getattr(made, called[name]).data.copy_(torch_module().from_numpy(a.copy()))
    return made


def described(m: Any) -> str:
    """The type of a module, what hangs on it, and which of its parameters take gradients."""
    hooks = {n: len(v) for n, v in vars(m).items() if n.endswith("_hooks") and v}
    own = [n for n in ("forward", "__call__") if n in vars(m)]
    takes = {n: p.requires_grad for n, p in m.named_parameters(recurse=False)}
    return f"{type(m).__name__}, hooks {hooks}, replaced {own}, takes gradients {takes}"


def hidden(layers: Layers) -> dict[str, int]:
    """{"fc1.weight": units} of every weighted layer but the last."""
    at = weighted(layers)[:-1]
    return {f"{names(layers)[k]}.weight": len(layers[k]["weight"]) for k in at}
