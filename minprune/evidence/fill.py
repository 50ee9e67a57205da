"""Where the evidence for single weights comes from: a row for each kind."""

import numpy as np

from minprune.autograd import Tensor, grad
from minprune.core import Arrays, Split
from minprune.curvature import diagonal, hvp, squared_grads
from minprune.curvature.removal import removal
from minprune.errors import ArgumentError
from minprune.evidence.asked import Asked, Source
from minprune.evidence.inverses import inverse_diag, sweep_loss
from minprune.evidence.paths import path_grads
from minprune.nets.forward import loss_of, run
from minprune.nets.model import CHUNK, Model, batch_last

# How evidence is gathered: option of `score` -> the kinds that it belongs to.
OPTIONS: dict[str, tuple[str, ...]] = {
    "diagonal": ("hess_diag",),
    "samples": ("hess_diag",),
    "levenberg_marquardt": ("hess_diag",),
    "damp": ("inverse_diag", "inverse_block", "sweep_loss"),
    "block": ("inverse_diag",),
    "nonlinearity": (
        "activations", "act_grads", "act_mean", "act_gram", "act_hist", "class_means", "within",
    ),
}  # fmt: skip


def mean_gradients(model: Model, data: Split, names: list[str]) -> Arrays:
    """g = dL/dw, L the mean loss over data, in evaluation mode; chunks add up in float64"""
    x, y = data
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for i in range(0, len(x), CHUNK):
        leaves = {name: Tensor(model.params[name]) for name in names}
        part = batch_last(x[i : i + CHUNK], model.dtype)
        loss = loss_of(
            model.net, run(model.net, model.params | model.buffers | leaves, part), y[i : i + CHUNK]
        )
        grads = grad(loss, list(leaves.values()), free=True)
        for name, g in zip(names, grads, strict=True):
            total[name] += g.astype(np.float64) * len(x[i : i + CHUNK])
    return {name: (t / len(x)).astype(model.dtype) for name, t in total.items()}


def hess_diag(asked: Asked, data: Split) -> Arrays:
    """The diagonal that asked.gather names"""
    how = dict(asked.gather)
    kind = how.pop("diagonal", "exact")
    if kind == "hutchinson":
        how["seed"] = asked.rng
    elif "samples" in how:
        raise ArgumentError(
            f"samples belongs to diagonal='hutchinson', and diagonal is {kind!r}; leave it out"
        )
    if "levenberg_marquardt" in how and kind != "becker_lecun":
        raise ArgumentError(
            f"levenberg_marquardt belongs to diagonal='becker_lecun', and diagonal is {kind!r}; "
            f"leave it out"
        )
    return diagonal(asked.model, data, kind, params=asked.params, **how)


def hess_grad(asked: Asked, data: Split) -> Arrays:
    """H g, both over the scored parameters, of the same samples"""
    return hvp(asked.model, data, mean_gradients(asked.model, data, asked.names))


def masks(asked: Asked) -> Arrays:
    """True = kept, of every scored parameter: a dense one has a mask of True"""
    shapes, known = asked.model.net.params, asked.model.masks
    return {n: known[n] if n in known else np.ones(shapes[n], bool) for n in asked.names}


def weights(asked: Asked) -> Arrays:
    """w of every scored parameter"""
    return {name: asked.model.params[name] for name in asked.names}


FILL: dict[str, Source] = {
    "weights": Source(lambda a, _: weights(a), looks=False),
    "masks": Source(lambda a, _: masks(a), looks=False),
    "labels": Source(lambda a, chunk: chunk[1]),
    "grads": Source(lambda a, chunk: mean_gradients(a.model, chunk, a.names)),
    "squared_grads": Source(lambda a, chunk: squared_grads(a.model, chunk, params=a.params)),
    "hess_diag": Source(hess_diag),
    "hess_grad": Source(hess_grad),
    "hess_weight": Source(lambda a, chunk: hvp(a.model, chunk, weights(a))),
    "inverse_diag": Source(inverse_diag),
    "sweep_loss": Source(sweep_loss),
    "path_grads": Source(lambda a, _: path_grads(a.model, a.names), looks=False),
    "removal": Source(
        lambda a, chunk: {
            name: changes.reshape(a.model.net.params[name])
            for name, changes in removal(
                a.model, chunk, {n: np.arange(a.model.params[n].size) for n in a.names}
            ).items()
        }
    ),
}
