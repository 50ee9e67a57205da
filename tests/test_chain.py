"""Methods composed: laws over what each part sees and makes, and wrong chains that they reject."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from checkpointing import Busy, equal
from watching import Watching, half_masked, same, small_data, small_net

import minprune as mp
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.methods import L1, L2, Gradual, chain
from minprune.methods.chain import Chain
from minprune.nets.model import Model

HOW: dict[str, Any] = {
    "epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.125, momentum=0.5), "progress": False,
}  # fmt: skip
Kind = type[Chain]


def fit(method: mp.Method, model: Model | None = None, **how: Any) -> tuple[Model, mp.History]:
    return mp.fit(model or small_net(0.5), small_data(), method=method, **HOW | how)


@dataclass(frozen=True)
class Gate(mp.Method):
    """w of one layer times a gate that is trained with a penalty; counts its updates; draws."""

    name: str
    lam: float
    factor: float = 1.0
    sparsest: int = 6  # settled from this update on
    draws: list[float] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)

    @property
    def extra_lr(self) -> dict[str, float]:  # type: ignore[override]
        return {"gate": self.factor}

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        self.draws.append(float(ctx.rng.random()))
        return model, {"gate": np.full((1, 1), 2.0)}, 0

    def weights(self, params: dict[str, Value], extra: Any, ctx: mp.Context) -> dict[str, Value]:
        return params | {self.name: params[self.name] * extra["gate"]}

    def penalty(self, params: Any, extra: Any, ctx: mp.Context) -> Value:
        return ag.total(extra["gate"]) * self.lam

    def after(self, view: mp.View) -> mp.Change:
        self.draws.append(float(view.ctx.rng.random()))
        self.seen.append({
            "names": {slot: set(arrays) for slot, arrays in view.opt_state.items()},
            "extra": {k: a.copy() for k, a in view.extra.items()}, "state": view.ctx.state,
        })  # fmt: skip
        slots = {k: {"gate": v["gate"] / 2} for k, v in view.opt_state.items()}
        return mp.Change(state=view.ctx.state + 1, opt_state=slots)

    def settled(self, step: int, total: int) -> bool:
        return step >= self.sparsest

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        assert ctx.state == ctx.step
        return replace(
            model, params=model.params | {self.name: model.params[self.name] * extra["gate"]}
        )


def gates() -> tuple[Gate, Gate]:
    return Gate("fc1.weight", 0.5), Gate("fc2.weight", 0.25, 3.0)


def each_part_acts_as_alone(kind: Kind) -> bool:
    """Gates on different layers: the chain's penalty is the sum, its extra arrays are of both."""
    _, history = fit(kind(gates()))
    alone = [fit(gate)[1] for gate in gates()]
    first = [h.steps["penalty"][0] for h in (history, *alone)]
    return (
        first[0] == first[1] + first[2] == 1.5
        and history.extra.keys() == {"0/gate", "1/gate"}
        and len(set(history.steps["penalty"])) == 6
    )


def each_has_its_own_extra_state_and_optimizer_state(kind: Kind) -> bool:
    """One update: dgate = lr (factor) (dL/dgate); the state of each counts its own updates."""
    chained = gates()
    fit(kind(chained))
    names = {"velocity": set(small_net().net.params) | {"gate"}}
    return all(
        [one["state"] for one in gate.seen] == [*range(6)]
        and all(one["names"] == names and one["extra"].keys() == {"gate"} for one in gate.seen)
        for gate in chained
    )


def each_has_its_own_stream(kind: Kind) -> bool:
    """The first draws what it would alone, the second something else, whoever is before it."""
    (a, b), alone = gates(), gates()[0]
    fit(kind((a, b)))
    fit(alone)
    d = gates()[1]
    fit(kind((Busy(), d)))
    return a.draws == alone.draws and b.draws == d.draws and not set(a.draws) & set(b.draws)


def a_part_sees_what_those_before_it_made(kind: Kind) -> bool:
    """L1 and then Gradual: the masks are of the weights that L1 shrank, and both are honoured."""
    half = partial(mp.schedule.linear, final=0.5, span=6)

    shrunk: list[bool] = []

    class Shrunk(Gradual):
        def after(self, view: mp.View) -> mp.Change | None:
            weights = [view.params[k] for k in view.ctx.net.weights]
            shrunk.append(any((w == 0).sum() > w.size / 2 for w in weights))
            return super().after(view)

    both = Shrunk(half)
    trained, history = fit(kind((L1(3.0), both)))
    want = [round(mp.schedule.linear(t, final=0.5, span=6) * 183) / 183 for t in range(1, 7)]
    zeros = all(not trained.params[k][~m].any() for k, m in trained.masks.items())
    return shrunk[0] and np.allclose(history.steps["sparsity"], want) and zeros


def masks_of_all_parts_are_kept(kind: Kind) -> bool:
    """Two methods that each mask a layer of their own, and one that looks for it afterwards."""

    @dataclass(frozen=True)
    class Masking(mp.Method):
        name: str
        mask: Array

        def after(self, view: mp.View) -> mp.Change:
            return mp.Change(masks={self.name: self.mask})

    masks = {k: m for k, m in half_masked(small_net()).masks.items() if k.startswith("fc")}
    watch, parts = Watching(), [Masking(k, m) for k, m in masks.items()]
    trained, _ = fit(kind((*parts, watch)))
    inside = all(not watch.params[0][k][~m].any() for k, m in masks.items())
    known = watch.views[0].ctx.masks.keys() == masks.keys()
    return inside and known and all(np.array_equal(trained.masks[k], masks[k]) for k in masks)


def it_is_settled_when_all_are(kind: Kind) -> bool:
    parts = Gate("fc1.weight", 0.0, sparsest=2), Gate("fc2.weight", 0.0, sparsest=5)
    found = [kind(parts).settled(t, 6) for t in range(7)]
    return found == [kind(parts[::-1]).settled(t, 6) for t in range(7)] == [False] * 5 + [True] * 2


Law = Callable[[Kind], bool]
LAWS: tuple[Law, ...] = (
    each_part_acts_as_alone, each_has_its_own_extra_state_and_optimizer_state,
    each_has_its_own_stream, a_part_sees_what_those_before_it_made, masks_of_all_parts_are_kept,
    it_is_settled_when_all_are,
)  # fmt: skip


class Loudest(Chain):
    """Forgets the penalties behind the first."""

    def penalty(self, params: Any, extra: Any, ctx: Any) -> Any:
        return Chain(self.members[:1]).penalty(params, extra, ctx)


class Shared(Chain):
    """One stream for all."""

    def start(self, model: Model, ctx: mp.Context) -> Any:
        return super().start(model, ctx._replace(streams=ctx.streams[:1] * len(self.parts)))

    def after(self, view: mp.View) -> mp.Change:
        streams = view.ctx.streams[:1] * len(self.parts)
        return super().after(replace(view, ctx=view.ctx._replace(streams=streams)))


class Mixed(Chain):
    """Shows every part the optimizer's state of all."""

    def after(self, view: mp.View) -> mp.Change:
        for k, part in enumerate(self.parts):
            own = {n.partition("/")[2]: a for n, a in view.extra.items() if n.startswith(f"{k}/")}
            ctx = view.ctx._replace(state=view.ctx.state[k], streams=view.ctx.streams[k : k + 1])
            part.after(replace(view, ctx=ctx, extra=own, opt_state={
                slot: arrays | {"gate": arrays[f"{k}/gate"]} for slot, arrays in
                view.opt_state.items()} if own else view.opt_state))  # fmt: skip
        return mp.Change(state=tuple(s + 1 for s in view.ctx.state))


class Apart(Chain):
    """Shows every part what was there before all of them, and takes the last one's masks."""

    def after(self, view: mp.View) -> mp.Change | None:
        changes = [
            Chain((part,)).after(replace(view, ctx=view.ctx._replace(
                state=view.ctx.state[k : k + 1], streams=view.ctx.streams[k : k + 1])))
            for k, part in enumerate(self.parts)
        ]  # fmt: skip
        return replace(changes[-1], state=view.ctx.state)


class Hasty(Chain):
    """Settled when one part is."""

    def settled(self, step: int, total: int) -> bool:
        return any(part.settled(step, total) for part in self.parts)


WRONG: dict[Law, Kind] = {
    each_part_acts_as_alone: Loudest, each_has_its_own_extra_state_and_optimizer_state: Mixed,
    each_has_its_own_stream: Shared, a_part_sees_what_those_before_it_made: Apart,
    masks_of_all_parts_are_kept: Apart, it_is_settled_when_all_are: Hasty,
}  # fmt: skip


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_laws(law: Law) -> None:
    assert law(Chain)
    assert not law(WRONG[law])


def test_a_chain_of_one_is_that_one_and_chains_in_chains_are_flat() -> None:
    a, b, c = L1(0.1), L2(0.1), Watching()
    assert chain(a) is a
    assert chain(chain(a, b), c).parts == chain(a, chain(b, c)).parts == (a, b, c)


@pytest.mark.parametrize("method", [L1(0.5), L2(0.5), Busy(), gates()[0]], ids=str)
def test_a_part_that_does_nothing_changes_no_bit(method: mp.Method) -> None:
    """In the model; the first part's stream is that of the method alone."""
    alone, history = fit(method)
    for other in (chain(method, mp.Method()), chain(method, Watching())):
        trained, more = fit(other)
        assert same(trained, alone)
        assert more.steps == history.steps
        assert {f"0/{k}": a.tolist() for k, a in history.extra.items()} == {
            k: a.tolist() for k, a in more.extra.items()
        }
    if isinstance(method, L1 | L2):  # which draw nothing, nor name anything
        assert same(fit(chain(mp.Method(), method))[0], alone)


class Answering(mp.Method):
    """Replaces the output of a layer, and the loss."""

    def layer(self, name: str, layer: Any, x: Any, params: Any, extra: Any, ctx: Any) -> Any:
        return layer.apply(layer.own(name, params), [x], ctx.forward) if name == "fc1" else None


class Losing(mp.Method):
    def loss(self, outputs: Any, x: Any, y: Any, params: Any, extra: Any, ctx: Any) -> Any:
        return ag.cross_entropy(outputs, labels=y)


def test_one_answer_of_a_chain_is_taken() -> None:
    plain = fit(mp.Method())[0]
    assert same(fit(chain(Watching(), Answering(), Losing()))[0], plain)


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: fit(chain(Answering(), L1(0.1), Answering())),
     "chain: one part may replace the output of fc1, not part 0 (Answering) and part 2 "
     "(Answering); leave out all but one"),
    (lambda: fit(chain(Losing(), Losing())),
     "chain: one part may replace the loss, not part 0 (Losing) and part 1 (Losing); leave out all "
     "but one"),
    (lambda: chain(), "chain: methods must not be empty; pass mp.methods.L1(1e-4), for example"),
    (lambda: chain(L1),  # type: ignore[arg-type]
     "chain: each part must be a Method, not the class L1; pass mp.methods.L1(1e-4)"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_fits_of_a_chain_are_equal_to_the_bit() -> None:
    assert equal(fit(chain(*gates(), Busy())), fit(chain(*gates(), Busy())))


class Reading(mp.Method):
    """Keeps the gradients of the first update."""

    def __init__(self) -> None:
        self.grads: Arrays = {}

    def after(self, view: mp.View) -> None:
        self.grads = self.grads or {k: g.copy() for k, g in view.grads.items()}


def test_gradients_that_methods_see_are_of_the_data_loss() -> None:
    """A penalty moves the weights, and does not tell a criterion what the loss would say."""
    alone, beside = Reading(), Reading()
    for method in (alone, chain(L2(10.0), beside)):
        model, _ = mp.fit(
            small_net(), small_data(), epochs=1, method=method, optimizer=mp.SGD(0.01),
            progress=False,
        )  # fmt: skip
    assert all((alone.grads[k] == beside.grads[k]).all() for k in alone.grads)
    plain, _ = mp.fit(small_net(), small_data(), epochs=1, optimizer=mp.SGD(0.01), progress=False)
    assert any((plain.params[k] != model.params[k]).any() for k in plain.params)
