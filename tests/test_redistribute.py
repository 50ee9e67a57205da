"""What moves across layers, by sign, by momentum: SNFS, and the options of SET and RigL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from watching import context, small_data, small_net

import minprune as mp
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.methods import SET, SNFS, RigL, set_rigl, start_sparse
from minprune.methods.drop_grow import by_sign, redistributed
from minprune.nets.model import Model

STEPS = 6
QUIET = settings(derandomize=True, database=None, phases=[Phase.generate])
FEW = settings(max_examples=max(settings().max_examples // 5, 8))


@dataclass(frozen=True)
class Run:
    """The arguments of one run."""

    kind: Callable[..., Any] = SNFS
    redistribute: str | None = "momentum"
    by: str = "abs"
    fraction: float = 0.4
    sparsity: float = 0.6
    seed: int = 0

    def method(self) -> mp.Method:
        by = {"by": self.by} if self.kind is SET else {}
        more = {"redistribute": self.redistribute, "every": 2, "stop": 1.0, **by}
        return self.kind(self.fraction, **more)  # type: ignore[no-any-return]

    def model(self) -> Model:
        return start_sparse(small_net(0.2), self.sparsity, "er", seed=self.seed)


runs = st.builds(
    lambda pair, *rest: Run(*pair, *rest),
    st.sampled_from([
        (SNFS, "momentum"), (SNFS, None), (SNFS, "gradient"), (RigL, "gradient"),
        (RigL, "magnitude"), (SET, "magnitude"), (SET, None),
    ]), st.sampled_from(["abs", "sign"]), st.sampled_from([0.3, 0.7, 1.0]), st.floats(0.05, 0.8),
    st.integers(0, 9),
)  # fmt: skip


@dataclass(frozen=True)
class Looking(mp.Method):
    """What each update begins and ends with."""

    method: mp.Method
    seen: list[Any] = field(default_factory=list)

    def start(self, model: Model, ctx: mp.Context) -> Any:
        return self.method.start(model, ctx)

    def after(self, view: mp.View) -> mp.Change | None:
        names = list(view.ctx.masks)
        change = self.method.after(view)
        now = view.ctx.masks | ((change.masks or {}) if change else {})
        arrays = [{k: d[k].copy() for k in names}
                  for d in (view.params, view.grads, view.ctx.masks, now)]  # fmt: skip
        self.seen.append(arrays)
        return change


def trained(run: Run) -> list[Any]:
    looking = Looking(run.method())
    how = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.1), "seed": run.seed}
    mp.fit(run.model(), small_data(), method=looking, progress=False, **how)
    return looking.seen


def momentum(run: Run, t: int, seen: list[Any]) -> Arrays:
    """M after t updates, from the gradients of all of them"""
    return {k: sum(0.9 ** (t - 1 - s) * 0.1 * seen[s][1][k] for s in range(t)) for k in seen[0][0]}


def share_of(run: Run, t: int) -> float:
    decay = 1.0 if run.kind is SET else (1 + np.cos(np.pi * t / STEPS)) / 2
    return run.fraction * float(decay)


def asked(run: Run, t: int, w: Arrays, live: Arrays) -> dict[str, int]:
    """How many of each layer are to go, before there must be room for them"""
    found = {}
    for k, m in live.items():
        parts = [int((w[k][m] >= 0).sum()), int((w[k][m] < 0).sum())]
        parts = parts if run.by == "sign" and run.kind is SET else [sum(parts)]
        found[k] = sum(round(share_of(run, t) * n) for n in parts)
    return found


def the_total_is_kept(run: Run) -> bool:
    """And without redistribution each layer's; no layer is left without a weight."""
    for w, _, live, now in trained(run):
        counts = [(int(live[k].sum()), int(now[k].sum())) for k in w]
        if sum(a for a, _ in counts) != sum(b for _, b in counts) or not all(b for _, b in counts):
            return False
        if run.redistribute is None and any(a != b for a, b in counts):
            return False
    return True


def layers_grow_by_their_means(run: Run) -> bool:
    """Water-filling by bisection: growth is e mean, at most the room; rounded down or up."""
    seen = trained(run)
    for t, (w, g, live, now) in enumerate(seen, 1):
        grown = {k: int((now[k] & ~live[k]).sum()) for k in w}
        if run.redistribute is None or t % 2 or t == STEPS:
            if run.redistribute is not None and any(grown.values()):
                return False
            continue
        of = {"momentum": momentum(run, t, seen), "gradient": g, "magnitude": w}[run.redistribute]
        mean = {k: float(np.abs(of[k][live[k]]).mean()) for k in w}
        room, total = {k: int((~live[k]).sum()) for k in w}, sum(grown.values())
        low, high = 0.0, 1e18
        for _ in range(200):
            e = (low + high) / 2
            much = sum(min(room[k], e * mean[k]) for k in w) > total
            low, high = (low, e) if much else (e, high)
        if any(abs(min(room[k], low * mean[k]) - n) >= 1 + 1e-6 for k, n in grown.items()):
            return False
    return True


def the_right_ones_go(run: Run) -> bool:
    """The smallest |w| of a layer, or of each sign in it."""
    for t, (w, _, live, now) in enumerate(trained(run), 1):
        if t % 2 or t == STEPS:
            continue
        want = asked(run, t, w, live)
        for k in w:
            gone, size = live[k] & ~now[k], np.abs(w[k])
            sides = [w[k] >= 0, w[k] < 0]
            signed = run.by == "sign" and run.kind is SET
            for side in sides if signed else [np.ones(w[k].shape, bool)]:
                a, b = size[gone & side], size[live[k] & now[k] & side]
                if a.max(initial=-1) > b.min(initial=np.inf):
                    return False
            if gone.sum() == want[k] and signed:
                parts = [round(share_of(run, t) * int((live[k] & side).sum())) for side in sides]
                if [int((gone & side).sum()) for side in sides] != parts:
                    return False
    return True


def the_largest_momentum_comes(run: Run) -> bool:
    if run.kind is not SNFS:
        return True
    seen = trained(run)
    for t, (w, _, live, now) in enumerate(seen, 1):
        m = momentum(run, t, seen)
        for k in w:
            size, came, left = np.abs(m[k]), now[k] & ~live[k], ~now[k] & ~live[k]
            if size[came].min(initial=np.inf) < size[left].max(initial=0) - 1e-15:
                return False
    return True


LAWS = (
    the_total_is_kept, layers_grow_by_their_means, the_right_ones_go, the_largest_momentum_comes
)  # fmt: skip


@pytest.mark.parametrize("law", LAWS)
@FEW
@given(run=runs)
def test_laws(law: Callable[[Run], bool], run: Run) -> None:
    assert law(run)


def by_sums(view: mp.View, share: float, by: str, worth: Any) -> Any:
    """In proportion to sums, so that large layers take all."""

    def whole(name: str) -> Array:
        live = view.ctx.masks[name]
        return np.asarray(worth(name) * live.sum())

    return redistributed(view, share, by, whole)


def lost(view: mp.View, share: float, by: str, worth: Any) -> Any:
    """Rounds each layer down."""
    drops, grown = redistributed(view, share, by, worth)
    return drops, {k: max(0, n - 1) for k, n in grown.items()}


def of_the_batch(self: SNFS, view: mp.View, names: Any) -> Callable[[str], Array]:
    return lambda name: np.abs(view.grads[name])


WRONG: dict[str, tuple[Callable[[Run], bool], Any, str, Any]] = {
    "sums": (layers_grow_by_their_means, set_rigl, "redistributed", by_sums),
    "lost": (the_total_is_kept, set_rigl, "redistributed", lost),
    "of the batch": (the_largest_momentum_comes, SNFS, "scores", of_the_batch),
    "one sign": (the_right_ones_go, set_rigl, "by_sign",
                 lambda w, count, share: np.arange(w.size, dtype=float)),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject(name: str) -> None:
    law, where, what, wrong = WRONG[name]
    with patch.object(where, what, wrong):
        find(runs, lambda run: not law(run), settings=QUIET)


def test_both_signs_by_hand() -> None:
    """Of 4 that are not negative 2 go, of 2 negative 1; with room for 2 in all, 2 and 0."""
    w = np.array([3.0, -0.5, 0.0, -2.0, 1.0, 4.0])
    assert by_sign(w, 3, 0.5).tolist() == [1, 0, 0, 1, 0, 1]
    assert by_sign(w, 2, 0.5).tolist() == [1, 1, 0, 1, 0, 1]


def test_two_layers_by_hand() -> None:
    """Means 3 and 1 of live weights; 2 of 4 drop in each, and 3 and 1 grow; with room 2: 2 and 2"""
    net = mp.build((8,), [("a", mp.Dense(8, 1, bias=False)), ("b", mp.Dense(1, 8, bias=False))])
    params = {"a.weight": np.full((1, 8), 3.0), "b.weight": np.full((8, 1), -1.0)}
    few = np.arange(8) < 4
    masks = {"a.weight": few[None], "b.weight": few[:, None]}
    model = mp.with_masks(mp.Model(net, params), masks)

    def grown(model: Model) -> Any:
        none: Any = None
        ctx = context(model)._replace(masks=model.masks)
        view = mp.View(ctx, model.params, {}, {}, {}, {}, none, {})
        return redistributed(view, 0.5, "abs", lambda name: model.params[name])

    assert grown(model) == ({"a.weight": 2, "b.weight": 2}, {"a.weight": 3, "b.weight": 1})
    wide = mp.Model(net, params, {}, masks | {"a.weight": (np.arange(8) < 6)[None]})
    assert grown(wide) == ({"a.weight": 3, "b.weight": 2}, {"a.weight": 2, "b.weight": 3})


MODEL = start_sparse(small_net(), 0.6, "er")
STORED = mp.sparsify(MODEL, "csr")


def fit(method: mp.Method, model: Model) -> Any:
    return mp.fit(model, small_data(), epochs=1, method=method, progress=False)


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: SET(by="size"), "SET: by must be 'abs' or 'sign', not 'size'; choose one of them"),
    (lambda: RigL(redistribute="momentum"),
     "RigL: redistribute must be None, 'magnitude' or 'gradient', not 'momentum'; choose one of "
     "them"),
    (lambda: SNFS(smoothing=1.0),
     "SNFS: smoothing must be a number from 0 to below 1, not 1.0; pass smoothing=0.5, for "
     "example"),
    (lambda: fit(RigL(redistribute="gradient", every=1), STORED),
     "RigL: redistribute must be None for sparse layers, whose arrays keep their lengths, not "
     "'gradient'; train mp.densify(model) instead"),
    (lambda: fit(SNFS(redistribute=None, every=1), STORED),
     "SNFS: the layers must be dense, since it keeps the momentum of absent weights; train "
     "mp.densify(model)"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
