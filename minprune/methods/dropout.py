"""x' = x e, e of mean 1: dropout on the inputs of layers, Bernoulli or Gaussian."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from minprune.arguments import choice, filled, share
from minprune.autograd import Value, mul, value
from minprune.core import Arrays
from minprune.methods.during import one_call
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.names import listed, matched
from minprune.nets.net import INPUT, Net
from minprune.nets.noise import bernoulli, gaussian
from minprune.train.method import Context, Method, Values

NOISE = {"bernoulli": bernoulli, "gaussian": gaussian}
Names = str | Iterable[str] | None


@dataclass(frozen=True)
class Dropout(Method):
    """Multiplies the inputs of layers by noise in training: x e, e of mean 1.

    e = m / (1 - rate), m ~ Bernoulli(1 - rate), or e ~ N(1, rate / (1 - rate)), which has the same
    variance. The model at the end is as the weights are, without noise. Null setting: rate = 0.

    Parameters
    ----------
    rate : float, default 0.5
        The share of the entries that are set to 0, below 1; of Gaussian noise, the alpha that it
        stands for is rate / (1 - rate).
    layers : name or names, optional
        The layers whose input has noise, or patterns of them. None: those with a weight matrix
        (outputs, inputs) that read what other layers with weights made.
    noise : {"bernoulli", "gaussian"}
        Which noise.

    Raises
    ------
    ArgumentError
        For settings out of their range; in `fit`, for a layer that the net does not have, or reads
        several, and a net without such layers.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(32,))
    >>> method = mp.methods.Dropout(0.2, noise="gaussian")
    >>> trained, _ = mp.fit(model, data, epochs=5, method=method, progress=False)
    >>> bool(mp.evaluate(trained, data.test).accuracy > 0.5)
    True

    Source: Srivastava et al. (2014), Dropout; the inverted form, and section 10 for the Gaussian.
    """

    rate: float = 0.5
    layers: Names = None
    noise: str = "bernoulli"
    reads_total = False

    def __post_init__(self) -> None:
        share("Dropout", "rate", self.rate, below=True)
        choice("Dropout", "noise", self.noise, tuple(NOISE))
        if self.layers is not None:  # an iterator is read once
            object.__setattr__(self, "layers", tuple(listed(self.layers)))
            filled("Dropout", "layers", self.layers, "name one, or leave it out")

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        return model, {}, noisy_layers("Dropout", model.net, self.layers)

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        if not self.rate or name not in ctx.state:
            return None
        a = value(x)
        e = NOISE[self.noise](ctx.rng, a.shape, a.dtype, self.rate)
        return layer.apply(layer.own(name, params), [mul(x, e)], ctx.forward)


def noisy_layers(owner: str, net: Net, given: Names) -> list[str]:
    """The layers that these names and patterns mean; None: dense ones on the outputs of others"""
    if given is None:
        found = hidden(net)
        filled(owner, "layers", found, "no dense layer reads another's outputs; name some")
        return found
    goes_by = {node.name: (node.name,) for node in net.nodes if len(node.inputs) == 1}
    return matched(goes_by, given, owner + ": {} must be a layer of this net that reads one input")


def hidden(net: Net) -> list[str]:
    """The layers with a weight (o, i) that read, maybe through others, a layer with weights"""
    beyond = {INPUT: False}
    for node in net.nodes:
        beyond[node.name] = node.name in net.mixing or any(beyond[i] for i in node.inputs)
    return [
        node.name
        for node in net.nodes
        if len(node.inputs) == 1 and beyond[node.inputs[0]]
        and any(len(s) == 2 for s in (node.layer.params() | node.layer.dense()).values())
    ]  # fmt: skip


dropout = one_call(Dropout, "dropout", "rate=0.2")
