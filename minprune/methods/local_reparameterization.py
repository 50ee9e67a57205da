"""y = mean + sqrt(variance) e, e ~ N(0, 1): the noise of weights, drawn at a layer's outputs.

Of W ~ N(theta, s), independent, and a linear layer: mean = theta x + b, variance = s x^2 (Kingma
et al. 2015). A convolution's outputs share their weights, and are drawn apart all the same, as
there. A layer takes it if it is linear and has one weight of two or more axes.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from minprune import kernels
from minprune.autograd import Op, Value, add, div, mul, value
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Layer
from minprune.nets.model import Model, dense_only
from minprune.nets.names import matched, of_parameters
from minprune.nets.net import layer_of
from minprune.nets.noise import quantiles, words16
from minprune.train.method import Values

EPS = 1e-8  # added to the variance, whose square root has no derivative at 0
NEEDS = ": {} must be a weight of this net, or a layer that has one"


def _noisy(mean: Array, variance: Array, *, words: Array) -> Array:
    """z = mean + sqrt(variance + EPS) e"""
    return kernels.noisy(mean, variance, words, quantiles(mean.dtype), EPS)


def _noisy_rule(g: Value, z: Value, inputs: Any, need: Any, *, words: Array) -> Any:
    return g, through(g, inputs[1], words=words) if need[1] else None


def _through(g: Array, variance: Array, *, words: Array) -> Array:
    """d = g e / (2 sqrt(variance + EPS))"""
    return kernels.noisy_grad(g, variance, words, quantiles(variance.dtype), EPS)


def _through_rule(h: Value, d: Value, inputs: Any, need: Any, *, words: Array) -> Any:
    _, v = inputs
    dv = mul(mul(h, div(d, add(v, EPS))), -0.5) if need[1] else None
    return through(h, v, words=words), dv


def _square(x: Array) -> Array:
    """z = x^2"""
    return np.square(x, out=kernels.empty(x.shape, x.dtype))


noisy, through = Op(_noisy, _noisy_rule), Op(_through, _through_rule)
square = Op(_square, lambda g, z, inputs, need: (mul(mul(g, inputs[0]), 2.0),))


def noisy_weights(owner: str, model: Model, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """The weights that these layers, weights and patterns mean; None: all

    Raises ArgumentError for one that is not there, or cannot have noise.
    """
    dense_only(model, owner)
    known = of_parameters(model.net.weights)
    names = model.net.weights if wanted is None else tuple(matched(known, wanted, owner + NEEDS))
    for name in names:
        layer = model.net.node(layer_of(name)).layer
        many = sum(layer_of(other) == layer_of(name) for other in model.net.weights)
        if layer.bent() or many > 1:
            why = "is not linear" if layer.bent() else f"has {many} weights"
            raise ArgumentError(
                f"{owner}: {layer_of(name)} must be a linear layer with one weight, and it {why}; "
                f"leave it out of layers"
            )
    return names


def outputs(
    name: str, layer: Layer, x: Value, variance: Value, params: Values, run: ForwardContext,
    rng: np.random.Generator,
) -> Value:  # fmt: skip
    """The outputs of a layer whose weight `name` has this variance      x: batch-last"""
    own, kind = layer.own(layer_of(name), params), name.rpartition(".")[2]
    mean = layer.apply(own, [x], run)
    still = {k: np.zeros_like(value(own[k])) for k in layer.shifts if k in own}
    spread = layer.apply(own | still | {kind: variance}, [square(x)], run)
    return noisy(mean, spread, words=words16(rng, mean.shape))
