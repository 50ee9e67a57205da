"""Random weights before training: the schemes of He, Glorot and LeCun."""

import numpy as np
import numpy.typing as npt

from minprune import arguments
from minprune.arguments import float_type
from minprune.core import Arrays, Seed, stream
from minprune.nets.model import Model, is_net
from minprune.nets.net import Net

SCHEMES = ("he", "glorot", "lecun")


def initialise(
    net: Net, *, seed: Seed = 0, scheme: str = "he", dtype: npt.DTypeLike = np.float32
) -> Model:
    """A model with random weights; biases and beta are 0, gamma and running variances 1.

    he: N(0, 2 / fan_in); lecun: N(0, 1 / fan_in);
    glorot: U(-a, a), a = sqrt(6 / (fan_in + fan_out))

    Draws in float64, parameter by parameter in net order.

    Parameters
    ----------
    net : Net
        The description that `mp.build` makes.
    seed : int or numpy.random.Generator, default 0
        Same seed, same weights.
    scheme : {"he", "glorot", "lecun"}
        The distribution of the weights.
    dtype : float32 or float64
        Of all arrays.

    Returns
    -------
    Model
        Without masks.

    Raises
    ------
    ArgumentError
        If net is no Net, or seed, scheme or dtype is another.

    References
    ----------
    He et al. (2015), for ReLU; Glorot & Bengio (2010), for tanh; LeCun et al. (1998).

    Examples
    --------
    >>> import minprune as mp
    >>> mp.initialise(mp.build((784,), [("fc", mp.Dense(784, 10))]), seed=0)
    Model(fc; float32)
    """
    is_net(net, "initialise")
    arguments.choice("initialise", "scheme", scheme, SCHEMES)
    dtype = float_type("initialise", dtype)
    rng = stream(seed, "initialisation")
    params: Arrays = {}
    for node in net.nodes:
        for kind, shape in node.layer.params().items():
            if len(shape) > 1:
                fan_in, fan_out = node.layer.fan()
                if scheme == "glorot":
                    a = np.sqrt(6 / (fan_in + fan_out))
                    drawn = rng.uniform(-a, a, shape)
                else:
                    gain = 2 if scheme == "he" else 1
                    drawn = rng.standard_normal(shape) * np.sqrt(gain / fan_in)
            else:
                drawn = np.ones(shape) if kind in node.layer.ones else np.zeros(shape)
            params[f"{node.name}.{kind}"] = drawn.astype(dtype)
    buffers = {
        f"{node.name}.{kind}": np.full(shape, kind in node.layer.ones, dtype)
        for node in net.nodes
        for kind, shape in node.layer.buffers().items()
    }
    return Model(net, params, buffers)
