"""Procedures of minprune as the kit calls them: rounds, rewinding, drop and grow, gradual masks."""

from io import BytesIO
from typing import Any

import numpy as np

from minprune.autograd import Tensor, grad, mul, total
from minprune.core import Array, Arrays, Evidence, criterion
from minprune.criteria import CRITERIA
from minprune.files.container import write
from minprune.files.reader import read
from minprune.masking.choose import choose
from minprune.masking.count import pruned_count
from minprune.methods.concrete_gates import gate, gate_at_test, kept_chance
from minprune.methods.drop_grow import carried, rewire
from minprune.methods.in_rounds import in_rounds
from minprune.methods.learned_masks import straight_mask
from minprune.methods.retrain import RETRAIN, Before
from minprune.nets.dense import Dense
from minprune.nets.model import Model
from minprune.nets.net import build
from minprune.train.state import KIND, content, pack, unpack


def dense_chain(weights: Arrays) -> Model:
    """Dense layers without biases."""
    shapes = {n.removesuffix(".weight"): w.shape for n, w in weights.items()}
    layers = [(n, Dense(i, o, False)) for n, (o, i) in shapes.items()]
    net = build((next(iter(weights.values())).shape[1],), layers, "mse")
    return Model(net, dict(weights))


def rounds_of(name: str) -> Any:
    """`in_rounds` by that criterion, with the masks that each round has left."""
    known: Any = CRITERIA[name]

    def run(weights: Arrays, sparsity: float, rounds: int) -> list[Arrays]:
        seen: list[Arrays] = []

        def recorded(ev: Evidence) -> Arrays:
            seen.append({n: np.array(m) for n, m in ev.of("masks").items()})
            scores: Arrays = known(ev)
            return scores

        scored = criterion(needs=(*known.spec.needs, "masks"))(recorded)
        how: dict[str, Any] = {"sparsity": sparsity, "rounds": rounds, "progress": False}
        model = in_rounds(dense_chain(weights), None, scored, **how)
        return [*seen[1:], {n: model.masks[n] for n in weights}]

    return run


def gradual(weights: list[Arrays], sparsities: list[float]) -> list[Arrays]:
    """The masks of gradual magnitude pruning: `choose` at each step, from the masks before."""
    masks: Arrays = {}
    seen = []
    for now, sparsity in zip(weights, sparsities, strict=True):
        masks = choose({n: np.abs(w) for n, w in now.items()}, masks, sparsity=sparsity)
        seen.append(masks)
    return seen


def rewound_by(kind: str) -> Any:
    """A retraining of `mp.methods.iterative` that rewinds, from a state that was in a file."""

    def run(saved: dict[str, Any], now: dict[str, Any], masks: Arrays) -> dict[str, Any]:
        point, end = (tree_of(filed(state)) for state in (saved, now))
        none: Any = None
        before = Before(none, none, point, end, 1, 1, 1, None, None, 0, "")
        tree: Any = RETRAIN[kind].start(before).begin
        training = tree["training"]
        weights = {n: np.where(masks[n], w, 0) for n, w in training["params"].items()}
        return {"weights": weights, "optimizer": training["opt_state"],
                "order": tree["place"]["shuffle"], "step": training["done"]}  # fmt: skip

    return run


def tree_of(state: dict[str, Any]) -> dict[str, Any]:
    """The kit's state under the names of a point of `fit`."""
    names = {"params": "weights", "opt_state": "optimizer", "done": "step"}
    training = {ours: state[theirs] for ours, theirs in names.items()}
    return {"training": training, "place": {"shuffle": state["order"]}}


def filed(state: dict[str, Any]) -> dict[str, Any]:
    """The state, written into a file of `fit` and read again."""
    file = BytesIO()
    arrays, meta = pack(state, "filed")
    write(KIND, file, {"meta": meta}, arrays)
    file.seek(0)
    found: dict[str, Any] = unpack(*read(KIND, file, content))
    return found


def moved_to(weights: Arrays, masks: Arrays, fraction: float, grow: Arrays,
             state: Arrays) -> tuple[Arrays, Arrays, Arrays]:  # fmt: skip
    """What `SET` and `RigL` do to each layer, given the scores by which weights grow"""
    w, new, slots = Arrays(), Arrays(), Arrays()
    for n, live in masks.items():
        count = min(pruned_count(fraction, int(live.sum())), int((~live).sum()))
        kept, come = rewire(live, np.abs(weights[n][live]), grow[n], count)
        new[n] = kept | come
        w[n], slots[n] = (carried(a[n], live, kept, new[n]) for a in (weights, state))
    return w, new, slots


def rigl(weights: Arrays, masks: Arrays, fraction: float, grads: Arrays, state: Arrays) -> Any:
    """Grows where the gradient is largest."""
    return moved_to(weights, masks, fraction, {n: np.abs(g) for n, g in grads.items()}, state)


def set_(weights: Arrays, masks: Arrays, fraction: float, rng: np.random.Generator,
         state: Arrays) -> Any:  # fmt: skip
    """Grows at random."""
    grow = {n: rng.random(m.shape) for n, m in masks.items()}
    return moved_to(weights, masks, fraction, grow, state)


def gate_slope(log_alpha: Array, u: Array) -> Array:
    """dz/dlog_alpha, by autograd."""
    a = Tensor(log_alpha)
    found: Array = grad(total(gate(a, u=u)), [a])[0]
    return found


def through_mask(scores: Array, g: Array) -> Array:
    """The gradient of the scores of masks with this one, by autograd."""
    s = Tensor(scores)
    found: Array = grad(total(mul(straight_mask(s, mask=scores >= 0), g)), [s])[0]
    return found


GATES = {
    "sample": lambda log_alpha, u: gate(log_alpha, u=u), "expected": kept_chance,
    "test": gate_at_test, "slope": gate_slope, "straight_through": through_mask,
}  # fmt: skip
