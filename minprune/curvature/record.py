"""One recorded pass in evaluation mode: where the parameters enter, and where rules are exact.

d2L/dw2 = sum over ops of dL/dy y''[dx/dw, dx/dw]. A rule for single samples needs every op behind a
parameter to keep samples apart. A diagonal made of such rules is exact where, besides, y'' along
any one entry is 0 or in the table of activations: an op that is linear, or a product of which one
factor at most depends on the parameter.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from minprune.autograd import ACTIVATIONS, Op, Tensor, Value, grad, value
from minprune.autograd.tape import ancestors
from minprune.core import Array, Split
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext
from minprune.nets.losses import LOSSES
from minprune.nets.model import CHUNK, Model, Watch, batch_last, loss_of, run
from minprune.nets.net import Net

Keys = Mapping[str, Sequence[str]]  # {key: names of the parameters that move together}
ROOM = 2**25  # bytes that the gradients of several outputs may take at once: about a cache


class Use(NamedTuple):
    """An op with a batch axis that takes parameters; names: those of its inputs, or None."""

    node: Tensor
    op: Op
    names: tuple[str | None, ...]

    def need(self, wanted: Collection[str]) -> tuple[bool, ...]:
        """Which inputs are wanted parameters."""
        return tuple(name in wanted for name in self.names)

    def by(self, rule: Any, need: tuple[bool, ...], *given: Any) -> Any:
        """What a rule of its op gives, for these first arguments and the arrays of the pass."""
        inputs = tuple(map(value, self.node.inputs))
        return rule(*given, self.node.value, inputs, need, **self.node.settings)


@dataclass(frozen=True)
class Recorded:
    """out: (outputs, n), a Tensor; leaves: every parameter by name."""

    net: Net
    out: Tensor
    leaves: dict[str, Tensor]

    @cached_property
    def names(self) -> dict[Tensor, str]:
        """The name of each leaf."""
        return {t: name for name, t in self.leaves.items()}

    @cached_property
    def nodes(self) -> list[Tensor]:
        """All that out was computed from, and out, in the order of the pass."""
        return ancestors(self.out)

    def before(self, end: Tensor) -> list[Use]:
        """Where the parameters that `end` was computed from enter, in the order of the pass."""
        found = []
        for t in self.nodes if end is self.out else ancestors(end):
            if t.op is not None and t.op.each is not None:
                mine = [self.names.get(x) if isinstance(x, Tensor) else None for x in t.inputs]
                if any(mine):
                    found.append(Use(t, t.op, tuple(mine)))
        return found

    def loss(self, y: Array) -> Tensor:
        """The mean loss, recorded."""
        found: Tensor = loss_of(self.net, self.out, y)
        return found

    def factors(self) -> tuple[list[Array], Array]:
        """(seeds, weights) of the loss's Hessian in the outputs, see `LossRule`"""
        return LOSSES[self.net.loss].factors(self.out.value)

    def pull(self, y: Array) -> Array:
        """(outputs, n): dl_p/d(output) of each sample's own loss"""
        (g,) = grad(self.loss(y), [self.out])
        return np.asarray(g * g.dtype.type(g.shape[1]))


def record(model: Model, x: Array, apart: bool = False, watch: Watch | None = None) -> Recorded:
    """A pass over x: (n, ...); apart: activations stay ops of their own; watch: see `run`"""
    leaves = {name: Tensor(w) for name, w in model.params.items()}
    values: dict[str, Value] = model.params | model.buffers | leaves
    out = run(
        model.net, values, batch_last(x, model.dtype), ForwardContext(direct=True),
        watch or ((lambda *_: None) if apart else None),
    )  # fmt: skip
    return Recorded(model.net, out if isinstance(out, Tensor) else Tensor(out), leaves)


def chunks(model: Model, data: Split, seeds: int = 1) -> Iterator[Split]:
    """Parts of the data, small enough that `seeds` gradients of all layers fit in ROOM bytes."""
    size = min(CHUNK, together(model, seeds))
    for i in range(0, len(data[0]), size):
        yield data[0][i : i + size], data[1][i : i + size]


def together(model: Model, count: int) -> int:
    """How many times `count` gradients of one sample in all layers fit in ROOM bytes, at least 1"""
    entries = sum(math.prod(shape) for shape in model.net.shapes.values())
    return max(1, ROOM // (count * entries * model.dtype.itemsize))


def outputs(net: Net) -> int:
    """How many outputs the net has."""
    return net.shapes[net.nodes[-1].name][0]


def unruled(seen: Recorded, keys: Keys, curved: bool = False) -> dict[str, str]:
    """{key: the first op where its rules end}, for those keys whose parameters meet one

    curved: for second derivatives too. The ops are those of the net for so many samples, so this is
    computed once for each.
    """
    known: dict[Any, dict[str, str]] = vars(seen.net).setdefault("_unruled", {})
    case = tuple((key, *names) for key, names in keys.items()), curved, seen.out.shape[-1]
    if case in known:
        return known[case]
    moved: dict[Tensor, int] = {}  # the keys that a value depends on, as bits
    for k, names in enumerate(keys.values()):
        for leaf in map(seen.leaves.__getitem__, names):
            moved[leaf] = moved.get(leaf, 0) | 1 << k
    found = known[case] = {}
    leaves, n = set(moved), seen.out.shape[-1:]
    for t in seen.nodes:
        inputs = [x for x in t.inputs if isinstance(x, Tensor) and moved.get(x)]
        if t.op is None or not inputs:
            continue
        wrong = moved[t] = 0
        for a in inputs:
            moved[t] |= moved[a]
            if a in leaves:
                fits = bool(t.op.each) and t.inputs[t.op.samples] is not a
            else:
                fits = bool(t.op.second) and a.shape[-1:] == n
            if not fits or t.shape[-1:] != n:
                wrong |= moved[a]
        # the keys along which the op has a second derivative that no rule knows
        bent = t.op.second in (None, "apart") or not straight(t.settings.get("act", "none"))
        if curved and bent:
            wrong |= moved[t]
        elif curved and t.op.second == "product":
            for a, b in combinations(inputs, 2):
                wrong |= moved[a] & moved[b]
        for k, key in enumerate(keys) if wrong else ():
            if wrong >> k & 1:
                found.setdefault(key, t.op.name)
    return found


def straight(kind: str) -> bool:
    """Whether that activation is piecewise linear"""
    return kind == "none" or ACTIVATIONS[kind].linear


def each_alone(names: Sequence[str]) -> dict[str, list[str]]:
    """The keys of parameters that do not move together"""
    return {name: [name] for name in names}


def passes(
    what: str, model: Model, data: Split, keys: Keys, seeds: int = 1
) -> Iterator[tuple[Recorded, Array]]:
    """A pass over each chunk, and its targets; see `chunks`, and `unruled` for keys

    Raises ArgumentError, naming the op, for parameters without rules for single samples.
    """
    for x, y in chunks(model, data, seeds):
        seen = record(model, x)
        for key, op in unruled(seen, keys).items():
            raise ArgumentError(
                f"{what}: {key} goes through the op {op}, which must have rules for single "
                f"samples, not none; give the op each, squares and second, or use the diagonal "
                f"'exact' or 'hutchinson', which need none"
            )
        yield seen, y
