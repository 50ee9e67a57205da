"""loss + penalty_a + penalty_b, after_b . after_a, ...: several methods in one training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from minprune.arguments import filled, instance
from minprune.autograd import Value
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError
from minprune.masking.apply import apply
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.train.history import Learned
from minprune.train.method import Change, Context, Method, Values, View, changed, ended, started

ONE = "mp.methods.L1(1e-4)"


def chain(*methods: Method) -> Method:
    """Several methods as one, each acting in the order given.

    Every part has its own extra arrays, state and random stream. Each hook of a part sees what the
    parts before it have made of the model, the weights, the masks and the optimizer's state; the
    masks of all are applied. Penalties add up. Training is settled when every part is. In
    `history.extra` the arrays of part k are named "k/name", from 0.

    Parameters
    ----------
    *methods : Method
        The parts; a chain among them stands for its own parts. One alone is returned as it is.

    Returns
    -------
    Method
        For `mp.fit(..., method=)`.

    Raises
    ------
    ArgumentError
        For no methods or something else; in training, where two parts replace the loss or the
        output of the same layer.

    Examples
    --------
    >>> import minprune as mp
    >>> from functools import partial
    >>> schedule = partial(mp.schedule.cubic, final=0.9, span=30)
    >>> method = mp.methods.chain(mp.methods.L1(1e-3), mp.methods.Gradual(schedule))
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> model, history = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> round(history.steps["sparsity"][-1], 2)
    0.9
    """
    parts = [p for m in methods for p in instance("chain", "each part", m, Method, ONE).parts]
    filled("chain", "methods", parts, f"pass {ONE}, for example")
    return parts[0] if len(parts) == 1 else Chain(tuple(parts))


@dataclass(frozen=True)
class Chain(Method):
    """Methods that act one after the other; made by `chain`."""

    members: tuple[Method, ...]

    @property
    def parts(self) -> tuple[Method, ...]:
        return self.members

    def watches(self, model: Model) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.watches(model)))

    @property
    def dense(self) -> bool:  # type: ignore[override]
        return any(part.dense for part in self.parts)

    @property
    def extra_lr(self) -> Mapping[str, float]:  # type: ignore[override]
        return _joined([part.extra_lr for part in self.parts])

    @property
    def pictures(self) -> tuple[Learned, ...]:  # type: ignore[override]
        return chained([part.pictures for part in self.parts])

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        extras, states = [], []
        for k, part in enumerate(self.parts):
            now = ctx._replace(net=model.net, masks=model.masks, streams=ctx.streams[k : k + 1])
            model, extra, state = started(part, model, now)
            extras.append(extra)
            states.append(state)
        return model, _joined(extras), tuple(states)

    def weights(self, params: Values, extra: Values, ctx: Context) -> Values:
        for part, own, now in self._split(extra, ctx):
            params = part.weights(params, own, now)
        return params

    def layer(
        self, name: str, layer: Layer, x: Value, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        found = [p.layer(name, layer, x, params, *own) for p, *own in self._split(extra, ctx)]
        return self._one(f"the output of {name}", found)

    def loss(
        self, outputs: Value, x: Array, y: Array, params: Values, extra: Values, ctx: Context
    ) -> Value | None:
        found = [p.loss(outputs, x, y, params, *own) for p, *own in self._split(extra, ctx)]
        return self._one("the loss", found)

    def penalty(self, params: Values, extra: Values, ctx: Context) -> Value | None:
        found = [p.penalty(params, *own) for p, *own in self._split(extra, ctx)]
        given = [v for v in found if v is not None]
        return sum(given[1:], given[0]) if given else None

    def after(self, view: View) -> Change:
        params, masks, extra, buffers = Arrays(), Arrays(), Arrays(), Arrays()
        slots: dict[str, Arrays] = {slot: {} for slot in view.opt_state}
        states = list(view.ctx.state)
        for k, (part, extra_k, now) in enumerate(self._split(view.extra, view.ctx)):
            seen = view.params | params
            if not self.dense:
                seen = apply(seen, masks)
            own = {
                slot: {n: a for n, a in arrays.items() if n in seen} | _own(arrays, k)
                for slot, arrays in view.opt_state.items()
            }
            ctx = now._replace(masks=now.masks | masks)
            change = changed(part, replace(
                view, ctx=ctx, params=seen, buffers=view.buffers | buffers,
                extra=extra_k, opt_state=own,
            )) or Change()  # fmt: skip
            params |= change.params or {}
            masks |= change.masks or {}
            buffers |= change.buffers or {}
            extra |= {f"{k}/{name}": a for name, a in (change.extra or {}).items()}
            for slot, arrays in (change.opt_state or {}).items():
                slots[slot] |= {n if n in seen else f"{k}/{n}": a for n, a in arrays.items()}
            states[k] = states[k] if change.state is None else change.state
        return Change(params, masks, extra, slots, tuple(states), buffers)

    def settled(self, step: int, total: int) -> bool:
        return all(part.settled(step, total) for part in self.parts)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        for part, own, now in self._split(extra, ctx):
            model = ended(part, model, own, now._replace(net=model.net, masks=model.masks))
        return model

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        return _joined([p.learned(model, *own) for p, *own in self._split(extra, ctx)])

    def unpruned(self, model: Model, learned: Arrays) -> tuple[Model, Arrays] | None:
        found = (part.unpruned(model, _own(learned, k)) for k, part in enumerate(self.parts))
        return next((one for one in found if one is not None), None)

    def _split(self, extra: Mapping[str, Any], ctx: Context) -> list[Any]:
        """(part, its extra arrays, its context) of each part"""
        return [
            (part, _own(extra, k), ctx._replace(state=ctx.state[k], streams=ctx.streams[k : k + 1]))
            for k, part in enumerate(self.members)
        ]

    def _one(self, what: str, answers: list[Value | None]) -> Value | None:
        """The one answer that is not None, or None; raises ArgumentError for two."""
        given = [k for k, answer in enumerate(answers) if answer is not None]
        if len(given) > 1:
            names = " and ".join(f"part {k} ({type(self.parts[k]).__name__})" for k in given)
            raise ArgumentError(
                f"chain: one part may replace {what}, not {names}; leave out all but one"
            )
        return answers[given[0]] if given else None


def chained(parts: Sequence[tuple[Learned, ...]]) -> tuple[Learned, ...]:
    """The pictures of part k, of the arrays that it names in a chain"""
    return tuple(
        replace(one, names=f"{k}/{one.names}") for k, own in enumerate(parts) for one in own
    )


def _own(arrays: Mapping[str, Any], k: int) -> dict[str, Any]:
    """{"k/name": a, ...} -> {"name": a} of part k"""
    start = f"{k}/"
    return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}


def _joined(parts: list[Any]) -> dict[str, Any]:
    """[{"name": a}, ...] -> {"k/name": a, ...}"""
    return {f"{k}/{name}": a for k, arrays in enumerate(parts) for name, a in arrays.items()}
