"""Evidence for single weights: arrays in the shapes of the parameters."""

import numpy as np

from minprune.autograd import Tensor, grad
from minprune.core import Arrays, Split
from minprune.criteria.options import only_with
from minprune.curvature import diagonal
from minprune.curvature.removal import removal
from minprune.evidence.request import Request
from minprune.nets.forward import loss_of, run
from minprune.nets.model import CHUNK, Model, batch_last


def weights(asked: Request, _: object = None) -> Arrays:
    """w of every scored parameter"""
    return {name: asked.model.params[name] for name in asked.names}


def masks(asked: Request, _: object) -> Arrays:
    """True = kept, of every scored parameter: a dense one has a mask of True"""
    shapes, known = asked.model.net.params, asked.model.masks
    return {n: known[n] if n in known else np.ones(shapes[n], bool) for n in asked.names}


def grads(asked: Request, data: Split) -> Arrays:
    """g = dL/dw: those that a training step holds, or those of the data"""
    held = asked.held.get("grads")
    if held is None:
        return mean_gradients(asked.model, data, asked.names)
    return {name: held[name] for name in asked.names}


def mean_gradients(model: Model, data: Split, names: list[str]) -> Arrays:
    """g = dL/dw, L the mean loss over data, in evaluation mode; chunks add up in float64"""
    x, y = data
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for i in range(0, len(x), CHUNK):
        leaves = {name: Tensor(model.params[name]) for name in names}
        part = batch_last(x[i : i + CHUNK], model.dtype)
        out = run(model.net, model.params | model.buffers | leaves, part)
        loss = loss_of(model.net, out, y[i : i + CHUNK])
        found = grad(loss, list(leaves.values()), free=True)
        for name, g in zip(names, found, strict=True):
            total[name] += g.astype(np.float64) * part.shape[-1]
    return {name: (t / len(x)).astype(model.dtype) for name, t in total.items()}


# {option of the diagonal: the kind that takes it}
ONLY = {"limit": "exact", "samples": "hutchinson", "levenberg_marquardt": "becker_lecun"}


def hess_diag(asked: Request, data: Split) -> Arrays:
    """The diagonal that the options name"""
    how = dict(asked.how)
    kind = how.pop("diagonal", "exact")
    if kind == "hutchinson":
        how["seed"] = asked.rng
    for option, only in ONLY.items():
        if option in how and kind != only:
            only_with("hess_diag", option, f"diagonal={only!r}", kind)
    return diagonal(asked.model, data, kind, params=asked.params, **how)


def removed(asked: Request, data: Split) -> Arrays:
    """L(w | entry removed) - L(w) of every entry"""
    entries = {name: np.arange(asked.model.params[name].size) for name in asked.names}
    changes = removal(asked.model, data, entries)
    return {name: c.reshape(asked.model.params[name].shape) for name, c in changes.items()}
