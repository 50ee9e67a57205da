"""oracles.json: small nets, and what minprune computes for them, for code in any language.

Plain JSON: numbers as the shortest decimals that round to the same float64, arrays as {"shape",
"values"}, row-major. Masks are 1 = kept. Nothing in it needs minprune to be read.

Every number of the nets is a formula, so that anybody can rebuild them. k is the flat index, from
0: a weight is 0.7 sin(1 + k) in the first layer and 0.7 cos(1 + k) in the second, a bias
0.1 cos(1 + k) and 0.1 sin(1 + k), an input cos(1 + k). Weights are (out, in).
"""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minprune.autograd import grad
from minprune.core import Array, Arrays, CriterionSpec, Split
from minprune.criteria import CRITERIA
from minprune.curvature import diagonal, hessian
from minprune.curvature.record import record
from minprune.curvature.removal import loss
from minprune.errors import ArgumentError, MinpruneWarning
from minprune.evidence import score
from minprune.files import write_atomic
from minprune.masking.choose import choose
from minprune.nets.activation_layers import Activation, ReLU, Tanh
from minprune.nets.dense import Dense
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.verify.plain.hessian import best_subset

FORMAT, VERSION = "minprune-oracles", 1
SPARSITIES = (0.25, 0.5, 0.9)
CONVENTIONS = {
    "weights": "(out, in), y = W x + b",
    "loss": "cross_entropy: mean over samples of -log softmax(f)[y], in natural logarithms; mse: "
    "mean over samples of the sum over outputs of (f - y)^2, without 1/2",
    "gradients": "of that mean loss",
    "scores": "higher = kept longer; default options, all samples as one batch, weights only; "
    "of OBD negative where the second derivative is",
    "masks": "1 = kept; round(sparsity * n) pruned, half to even; global over all weights, no "
    "minimum; of equal scores the lower flat index is kept, earlier layers first",
}


LABELS = np.array([0, 1, 1, 0, 1])


def steps(*shape: int) -> Array:
    """1, 2, 3, ... in that shape"""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


def formula_nets() -> dict[str, tuple[Model, Split]]:
    """{name: (model, (x, y))}: three nets of 3-4-2 in float64 with five samples

    tanh and ReLU with mean softmax cross-entropy; ReLU without biases, with the mean over samples
    of the summed squares to targets sin(1 + k).
    """
    x = np.cos(steps(5, 3))
    rows: dict[str, tuple[Activation, Literal["cross_entropy", "mse"], bool, Array]] = {
        "tanh, cross-entropy": (Tanh(), "cross_entropy", True, LABELS),
        "relu, cross-entropy": (ReLU(), "cross_entropy", True, LABELS),
        "relu without biases, mse": (ReLU(), "mse", False, np.sin(steps(5, 2))),
    }
    found = {}
    for name, (act, kind, bias, y) in rows.items():
        layers = [("fc1", Dense(3, 4, bias)), ("act", act), ("fc2", Dense(4, 2, bias))]
        net = build((3,), layers, kind)
        params = {
            "fc1.weight": 0.7 * np.sin(steps(4, 3)), "fc1.bias": 0.1 * np.cos(steps(4)),
            "fc2.weight": 0.7 * np.cos(steps(2, 4)), "fc2.bias": 0.1 * np.sin(steps(2)),
        }  # fmt: skip
        found[name] = Model(net, {n: params[n] for n in net.params}), (x, y)
    return found


def array(a: Any) -> dict[str, Any]:
    """{"shape": [...], "values": [...]}, row-major"""
    a = np.asarray(a)
    values = a.astype(int) if a.dtype == bool else a
    return {"shape": list(a.shape), "values": values.ravel().tolist()}


def arrays(many: Arrays) -> dict[str, Any]:
    """Each by its name."""
    return {name: array(a) for name, a in many.items()}


def scores(model: Model, data: Split) -> dict[str, Arrays]:
    """{criterion: scores}, of units ("... of units") where it scores no single weights.

    Without those that draw numbers, and those that refuse the net (LDA without classes). Negative
    scores of OBD are no news here: no net is at a minimum.
    """
    found = {}
    for name, criterion in CRITERIA.items():
        spec: CriterionSpec = criterion.spec
        if "rng" in spec.asked({})[0]:
            continue
        label = name if spec.single else f"{name} of units"
        with suppress(ArgumentError), warnings.catch_warnings():
            warnings.simplefilter("ignore", MinpruneWarning)
            found[label] = score(model, data, name, unit=not spec.single)
    return found


def net(model: Model, data: Split) -> dict[str, Any]:
    """All there is to know of one net."""
    x, y = data
    seen = record(model, x)
    gradients = dict(zip(seen.leaves, grad(seen.loss(y), list(seen.leaves.values())), strict=True))
    judged = scores(model, data)
    masks = {
        name: {str(p): arrays(choose(s, {}, sparsity=p, minimum=0)) for p in SPARSITIES}
        for name, s in judged.items()
        if "units" not in name
    }
    return {
        "layers": [
            {"name": n.name, "kind": type(n.layer).__name__, "inputs": list(n.inputs)}
            for n in model.net.nodes
        ],
        "loss_kind": model.net.loss,
        "params": arrays(model.params),
        "inputs": array(x),
        "targets": array(y),
        "outputs": array(model(x)),
        "loss": loss(model, model.params, data),
        "gradients": arrays(gradients),
        "hessian_diagonal": arrays(diagonal(model, data, "exact", params="all")),
        "gauss_newton_diagonal": arrays(diagonal(model, data, "gauss_newton", params="all")),
        "scores": {name: arrays(s) for name, s in judged.items()},
        "masks": masks,
    }


def subsets() -> dict[str, Any]:
    """1/2 d^T H d around five weights w = cos(1 + k): the best subset of each size, exhaustively"""
    places = np.arange(1.0, 36.0).reshape(7, 5)
    root = np.cos(places) + 0.3 * np.sin(places**2)
    H, w = 2 * root.T @ root / 7, np.cos(np.arange(1.0, 6.0))
    best = []
    for size in range(6):
        keep, rise = best_subset(H, w, size)
        best.append({"kept": size, "mask": array(keep), "rise": rise})
    return {"hessian": array(H), "weights": array(w), "best": best}


def oracles() -> dict[str, Any]:
    """The whole file as values of JSON."""
    dense: Array = hessian(*formula_nets()["tanh, cross-entropy"])
    return {
        "format": FORMAT,
        "version": VERSION,
        "conventions": CONVENTIONS,
        "nets": {name: net(*pair) for name, pair in formula_nets().items()},
        "dense_hessian": {"net": "tanh, cross-entropy", "of": "fc1.weight, then fc2.weight"}
        | array(dense),
        "best_subsets": subsets(),
    }


def export(path: str | Path) -> str:
    """Writes the file, whole or not at all, and says what is in it."""
    import json

    found = oracles()
    text = json.dumps(found, indent=1, allow_nan=False)
    write_atomic(path, text)
    names = ", ".join(found["nets"])
    return f"wrote {path}: {len(found['nets'])} nets ({names}), {len(text):,} bytes"
