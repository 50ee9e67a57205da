"""What each update of a dynamic method does, written down; and the laws that this must obey."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st
from watching import small_data, small_net

import minprune as mp
from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays
from minprune.methods import SET, RigL, start_sparse
from minprune.methods.drop_grow import live_places
from minprune.nets.layer import ForwardContext
from minprune.nets.model import Model, batch_last, loss_of, run

Kind = type[SET] | type[RigL]
STEPS = 6


@dataclass(frozen=True)
class Run:
    """The arguments of one run."""

    kind: Kind = RigL
    fraction: float = 0.4
    every: int = 2
    stop: float = 1.0
    sparsity: float = 0.6
    stored: bool = False
    adam: bool = False
    lr: float = 0.1
    seed: int = 0

    def method(self) -> SET | RigL:
        return self.kind(self.fraction, self.every, self.stop)

    def model(self, dropout: float = 0.0) -> Model:
        model = start_sparse(small_net(dropout), self.sparsity, "er", seed=self.seed)
        return mp.sparsify(model, "csr") if self.stored else model

    def how(self) -> dict[str, Any]:
        sgd = mp.SGD(self.lr, momentum=0.9)
        return {
            "epochs": 2, "batch_size": 4, "seed": self.seed, "progress": False,
            "optimizer": mp.Adam(self.lr) if self.adam else sgd,
        }  # fmt: skip

    def moves(self, step: int, live: int, size: int) -> int:
        """How many weights of a layer move after this update, by hand."""
        if step % self.every or step >= self.stop * STEPS:
            return 0
        share = self.fraction
        if self.kind is RigL:
            share *= (1 + np.cos(np.pi * step / (self.stop * STEPS))) / 2
        return min(round(share * live), size - live)


plans = st.builds(
    Run, kind=st.sampled_from([SET, RigL]), every=st.integers(1, 3), seed=st.integers(0, 9),
    fraction=st.sampled_from([0.0, 0.3, 1.0]) | st.floats(0, 1), stop=st.sampled_from([0.5, 1.0]),
    sparsity=st.floats(0, 0.8), stored=st.booleans(), adam=st.booleans(),
    lr=st.sampled_from([0.0, 0.1]),  # 0: what grew stays at 0, and is live all the same
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Dense arrays of one update: what `after` found, what it changed, the gradient there."""

    step: int
    live: Arrays
    w: Arrays
    g: Arrays
    change: mp.Change | None
    now: Arrays
    new: Arrays
    slots: dict[str, Arrays]


@dataclass(frozen=True)
class Looking(mp.Method):
    """A dynamic method, and what each of its updates did."""

    method: SET | RigL
    seen: list[Seen] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return self.method.start(model, ctx)

    def after(self, view: mp.View) -> mp.Change | None:
        net, masks = view.ctx.net, view.ctx.masks
        names = [k for k in net.every_weight if k in net.stored or k in masks]
        live = {k: live_places(view, k).copy() for k in names}
        w = {k: dense(view.params[k], live[k]) for k in names}
        g = true_gradients(view)
        change = self.method.after(view)
        c = change or mp.Change()
        later = replace(
            view, ctx=view.ctx._replace(masks=view.ctx.masks | (c.masks or {})),
            params=view.params | (c.params or {}), buffers=view.buffers | (c.buffers or {}),
        )  # fmt: skip
        now = {k: live_places(later, k).copy() for k in names}
        slots = {
            slot: {k: dense((arrays | (c.opt_state or {}).get(slot, {}))[k], now[k]) for k in names}
            for slot, arrays in view.opt_state.items()
        }
        new = {k: dense(later.params[k], now[k]) for k in names}
        self.seen.append(Seen(view.ctx.step, live, w, g, change, now, new, slots))
        return change


def dense(a: Array, live: Array) -> Array:
    """A copy in the weight's full shape."""
    if a.shape == live.shape:
        return a.copy()
    out = np.zeros(live.shape, a.dtype)
    out[live] = a
    return out


def true_gradients(view: mp.View) -> Arrays:
    """dL/dW of every weight of the dense model, all at once, from the tape alone"""
    model = mp.densify(Model(view.ctx.net, view.params, view.buffers, view.ctx.masks))
    x, y = view.batch
    leaves = {k: Tensor(w) for k, w in model.params.items()}
    last, how = batch_last(x, model.dtype), ForwardContext(train=True, rng=np.random.default_rng(0))
    out = run(model.net, model.buffers | leaves, last, how, lambda *_: None)
    weights = list(model.net.weights)
    found = grad(loss_of(model.net, out, y), [leaves[k] for k in weights])
    return dict(zip(weights, found, strict=True))


def trained(plan: Run, method: SET | RigL | None = None) -> tuple[list[Seen], Model]:
    looking = Looking(method or plan.method())
    model, _ = mp.fit(plan.model(), small_data(), method=looking, **plan.how())
    return looking.seen, model


Law = Callable[[Run], bool]


def counts_are_kept(plan: Run) -> bool:
    """The live weights of each layer are as many at every step, and what is installed is live."""
    seen, model = trained(plan)
    found = mp.densify(model).masks
    first = {k: int(m.sum()) for k, m in seen[0].live.items()}
    for one in seen:
        if any(int(one.now[k].sum()) != n or one.live[k].sum() != n for k, n in first.items()):
            return False
    goes_on = all((a.now[k] == b.live[k]).all() for a, b in pairwise(seen) for k in first)
    return (
        goes_on and len(seen) == STEPS and all((found[k] == seen[-1].now[k]).all() for k in first)
    )


def so_many_move(plan: Run) -> bool:
    """Exactly as many places change as the definition says: none comes back at once."""
    for one in trained(plan)[0]:
        for k, live in one.live.items():
            moves = plan.moves(one.step, int(live.sum()), live.size)
            if (live & ~one.now[k]).sum() != moves or (one.now[k] & ~live).sum() != moves:
                return False
    return True


def the_smallest_go(plan: Run) -> bool:
    """By |w| among the live, whatever their value; among equals the higher index goes."""
    for one in trained(plan)[0]:
        for k, live in one.live.items():
            places = sorted(np.flatnonzero(live), key=lambda j: (abs(one.w[k].flat[j]), -j))
            gone = plan.moves(one.step, len(places), live.size)
            if set(places[:gone]) != set(np.flatnonzero(live & ~one.now[k])):
                return False
    return True


def the_steepest_come(plan: Run) -> bool:
    """By |dL/dw| among what was not live: RigL. The least that came against the most that did not,
    to the rounding of two ways to add up a gradient."""
    for one in trained(plan)[0]:
        for k, live in one.live.items():
            g, came = np.abs(one.g[k]), one.now[k] & ~live
            left = ~one.now[k] & ~live
            if g[came].min(initial=np.inf) < g[left].max(initial=0) - 1e-12 * g.max(initial=0):
                return False
    return True


def what_comes_is_new(plan: Run) -> bool:
    """0, with optimizer state 0; what stays is left alone; nothing is left where one went."""
    for one in trained(plan)[0]:
        for k, live in one.live.items():
            kept = live & one.now[k]
            if one.new[k][~kept].any() or not np.array_equal(one.new[k][kept], one.w[k][kept]):
                return False
            if any(a[k][~kept].any() for a in one.slots.values()):
                return False
    return True


LAWS: tuple[Law, ...] = (
    counts_are_kept, so_many_move, the_smallest_go, the_steepest_come, what_comes_is_new
)  # fmt: skip
