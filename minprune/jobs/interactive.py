"""`minprune page`: a page in which a net of dense layers is pruned, with the masks of mp.prune."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

from minprune.autograd.activations import ACTIVATIONS
from minprune.core import Array, Arrays, Dataset, flat
from minprune.criteria import CRITERIA
from minprune.data import digits
from minprune.deploy.program import program
from minprune.deploy.steps import Linear, View
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.files import load, write_atomic
from minprune.masking.apply import prune
from minprune.measures.quality import evaluate
from minprune.nets import zoo
from minprune.nets.model import Model
from minprune.nets.net import layer_of
from minprune.report.interactive_page import interactive_page
from minprune.train.loop import fit

NAMES = ("magnitude", "taylor", "obd", "fisher", "snip", "grasp", "lamp", "synflow", "random")
STEPS, START = 1000, 800  # positions of the slider, and the first one
POINTS = 41  # of a curve
MOST = 15_000  # weights
HIDDEN, EPOCHS = (32, 32), 30


def page(file: str | None, out: str) -> str:
    """Write the page of a saved model, or of one that is trained now; what to print

    Raises ArgumentError for a model that is not of dense layers, too large, or not for the digits.
    """
    data = digits()
    if file is None:
        start = zoo.mlp(data, hidden=HIDDEN, seed=0)
        model, _ = fit(start, data, epochs=EPOCHS, seed=0, progress=False)
        title = "A small net on the digits"
    else:
        model, title = load(file), Path(file).name
    command = f"minprune page {file or ''}".strip()
    made = interactive_page(contents(model, data), title, command)
    write_atomic(Path(out), made.encode())
    return f"{out}: {len(made.encode()):,} bytes; open it in a browser"


def contents(model: Model, data: Dataset) -> dict[str, Any]:
    """What report/interactive.js reads"""
    layers = dense_layers(model, data)
    x, y = data.test
    scale = next(s for s in (1, 16, 255) if np.array_equal(x * s, np.round(x * s)))
    orders: dict[str, Array] = {}
    curves: dict[str, list[tuple[float, float]]] = {}
    live = sum(int(model.masks[n].sum()) if n in model.masks else model.params[n].size
               for n in model.net.weights)  # fmt: skip
    total = sum(model.params[n].size for n in model.net.weights)
    most = live - len(model.net.weights)
    for name in NAMES:
        scores = score(model, data.train, name)
        orders[name] = removal_order(scores, model.masks)
        curves[name] = []
        for share in np.linspace(0, 1, POINTS):
            gone = min(max(round(float(share) * total), total - live), total - live + most)
            pruned = prune(model, scores, sparsity=gone / total)
            curves[name].append((float(share), float(evaluate(pruned, data.test).accuracy or 0)))
    return {
        "layers": layers, "x": _text(np.round(x * scale).astype(np.uint8)),
        "y": _text(y.astype(np.uint8)), "scale": scale, "side": x.shape[-1] if x.ndim > 2 else 0,
        "classes": list(data.classes) or [str(k) for k in range(int(y.max()) + 1)],
        "orders": {name: _text(order.astype(np.uint16)) for name, order in orders.items()},
        "says": {name: str(CRITERIA[name].__doc__).split("\n")[0] for name in NAMES},
        "curves": curves, "accuracy": evaluate(model, data.test).accuracy,
        "masked": total - live, "most": total - live + most, "steps": STEPS, "start": START,
    }  # fmt: skip


def removal_order(scores: Arrays, masks: Arrays) -> Array:
    """Flat indices over all layers, the first to go first: that of prune, whatever the sparsity

    Masked entries are first, then the lowest scores, of equals the higher index; the best entry of
    each layer, which stays, is last.
    """
    ranked = flat(scores, scores).astype(np.float64)
    start = 0
    for name, s in scores.items():
        part = ranked[start : start + s.size]
        live = masks[name].ravel() if name in masks else np.ones(s.size, bool)
        part[~live] = -np.inf
        part[np.argmax(part)] = np.inf
        start += s.size
    return np.lexsort((-np.arange(ranked.size), ranked))


def dense_layers(model: Model, data: Dataset) -> list[dict[str, Any]]:
    """The layers in order, weights as base64 of float32; raises ArgumentError for others"""
    steps = [s for s in program(model, "page").steps if not isinstance(s, View)]
    for step in steps:
        if not isinstance(step, Linear) or step.act not in ("none", "relu"):
            act = ACTIVATIONS[step.act].layer if isinstance(step, Linear) else type(step).__name__
            raise ArgumentError(
                f"page: {step.name}: the net must be of dense layers with ReLU, and has a {act}; "
                f"pass such a model, or none for a small one"
            )
    names = [layer_of(n) for n in model.net.weights]
    if [s.name for s in steps] != names or len(model.net.params) > 2 * len(names):
        raise ArgumentError(
            "page: the net must be of dense layers with ReLU, one after another, without "
            "normalisation; pass such a model, or none for a small one"
        )
    if model.net.input_shape != data.input_shape or steps[-1].out != (10,):
        raise ArgumentError(
            f"page: the net must read the digits, {data.input_shape}, and give 10 outputs, not "
            f"{model.net.input_shape} and {steps[-1].out[0]}; train it on them"
        )
    if (n := sum(s.weight.size for s in steps)) > MOST:  # type: ignore[attr-defined]
        raise ArgumentError(
            f"page: the net must have at most {MOST:,} weights, so that a move takes no time, not "
            f"{n:,}; pass a smaller one"
        )
    return [
        {"name": s.name, "outputs": s.out[0], "inputs": s.weight.shape[1], "relu": s.act == "relu",
         "w": _text(s.weight.astype(np.float32)), "b": _text(s.bias.astype(np.float32))}
        for s in steps if isinstance(s, Linear)
    ]  # fmt: skip


def _text(a: Array) -> str:
    """Little-endian bytes as base64"""
    return base64.b64encode(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes()).decode()
