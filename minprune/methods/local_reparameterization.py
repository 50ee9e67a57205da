"""y = mean + sqrt(variance) e, e ~ N(0, 1): the noise of weights, drawn at a layer's outputs.

Of W ~ N(theta, s), independent, and a linear layer: mean = theta x + b, variance = s x^2 (Kingma
et al. 2015). A convolution's outputs share their weights, and are drawn apart all the same, as
there. A layer takes it if it is linear and has one weight of two or more axes.
"""

from collections.abc import Iterable, Iterator
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
from minprune.nets.noise import normal
from minprune.train.method import Values

EPS = 1e-8  # added to the variance, whose square root has no derivative at 0
PIECE = 32768  # entries
NEEDS = ": {} must be a weight of this net, or a layer that has one"


def pieces(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Parts of contiguous arrays of one shape, small enough to stay in the cache for some passes"""
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, PIECE):
        yield tuple(a[start : start + PIECE] for a in flat)


def _noisy(mean: Array, variance: Array, *, noise: Array) -> Array:
    """z = mean + sqrt(variance + EPS) noise"""
    mean, variance = map(np.ascontiguousarray, (mean, variance))
    z = kernels.empty(mean.shape, mean.dtype)
    for out, m, v, e in pieces(z, mean, variance, noise):
        np.sqrt(np.add(v, EPS, out=out), out=out)
        np.add(np.multiply(out, e, out=out), m, out=out)
    return z


def _noisy_rule(g: Value, z: Value, inputs: Any, need: Any, *, noise: Array) -> Any:
    return g, mul(g, slope(inputs[1], noise=noise)) if need[1] else None


def _slope(variance: Array, *, noise: Array) -> Array:
    """d = noise / (2 sqrt(variance + EPS))"""
    d = kernels.empty(variance.shape, variance.dtype)
    for out, v, e in pieces(d, np.ascontiguousarray(variance), noise):
        np.sqrt(np.add(v, EPS, out=out), out=out)
        np.multiply(np.divide(e, out, out=out), 0.5, out=out)
    return d


def _slope_rule(g: Value, d: Value, inputs: Any, need: Any, *, noise: Array) -> Any:
    return (mul(mul(g, div(d, add(inputs[0], EPS))), -0.5),)


def _square(x: Array) -> Array:
    """z = x^2"""
    return np.square(x, out=kernels.empty(x.shape, x.dtype))


noisy, slope = Op(_noisy, _noisy_rule), Op(_slope, _slope_rule)
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
    noise = normal(rng, mean.shape, value(mean).dtype)
    return noisy(mean, spread, noise=noise)
