"""Laws of compaction, and the cases they run on: masked nets of every structure, and random ones.

A law takes compact(model) -> model and a Case, and gives None where it holds, or a clause.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Arrays
from minprune.errors import UnreachableError
from minprune.evidence import score
from minprune.masking.apply import prune, with_masks
from minprune.nets.model import Model
from minprune.nets.net import Net
from minprune.nets.ties import ties
from minprune.structure.compact import compact
from minprune.structure.plan import plan
from minprune.verify.law import Laws, judged, picked
from minprune.verify.ours.nets import filled, models, stacks
from minprune.verify.verdict import Verdicts

LAWS = Laws()

LARGE = 1e-10  # what two float64 outputs of order 1 may differ by
Compact = Callable[[Model], Model]


def thinned(
    model: Model, share: float, seed: int = 0, minimum: int = 1, unit: bool = True, **how: Any
) -> Model:
    """The model pruned by random scores to that sparsity, or the largest that can be reached."""
    scores = score(model, None, "random", unit=unit, seed=seed, **how)
    try:
        return prune(model, scores, sparsity=share, minimum=minimum)
    except UnreachableError as e:
        return prune(model, scores, sparsity=float(str(e).split()[-1]), minimum=minimum)


def apart(a: Model, b: Model, seed: int = 0) -> float:
    """The largest difference of their outputs on five inputs, to the scale of the outputs"""
    x = np.random.default_rng(seed).standard_normal((5, *a.net.input_shape))
    want = a(x)
    return float(np.abs(want - b(x)).max() / (1 + np.abs(want).max()))


def removable(model: Model) -> bool:
    """Whether it has units that may be removed."""
    return any(g.free and g.size > 1 for g in ties(model))


@dataclass(frozen=True)
class Case:
    """A masked model, and how it came about."""

    model: Model
    how: str

    def __str__(self) -> str:
        n, size = self.model.net, sum(w.size for w in self.model.params.values())
        dead = sum(int((~m).sum()) for m in self.model.masks.values())
        layers = ", ".join(f"{x.name} {x.layer} of {' and '.join(x.inputs)}" for x in n.nodes)
        return f"{dead} of {size} parameters masked ({self.how})\nlayers: {layers}"


@st.composite
def cases(draw: st.DrawFn, nets: Sequence[Net] = ()) -> Case:
    """Units, single weights, or rows of one layer whose biases stay, so that its units are
    constant, or two of these; up to everything; of these nets, or of random ones.
    """
    named = st.builds(filled, st.sampled_from(nets), st.integers(0, 99))
    model = draw(named if nets else models(most=8) | stacks())
    ways = ["weights", "all", *["rows"] * 3]
    ways += ["units", "units", "units to 0"] if removable(model) else []
    chosen = draw(st.lists(st.sampled_from(ways), min_size=1, max_size=2))
    masks: Arrays = {}
    for how in chosen:
        seed = draw(st.integers(0, 999))
        if how == "rows":
            name = draw(st.sampled_from(model.net.weights))
            units, *entries = model.net.params[name]
            stay = np.random.default_rng(seed).random(units) < draw(st.sampled_from([0, 0.5]))
            new = {name: np.repeat(stay, np.prod(entries)).reshape(units, *entries)}
        else:
            share = draw(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.9, 1.0]))
            least, params = int(how == "units"), "all" if how == "all" else "weights"
            new = thinned(model, share, seed, least, "units" in how, params=params).masks
        masks |= {n: m & masks.get(n, True) for n, m in new.items()}
    return Case(with_masks(model, masks), " and ".join(chosen))


@LAWS("same function")
def keeps_the_function(fn: Compact, c: Case) -> str | None:
    """the smaller net gives the outputs of the masked one, to 1e-10 in float64"""
    off = apart(c.model, fn(c.model))
    return None if off <= LARGE else f"they differ by {off:.1e} of their size"


@LAWS("done at once")
def is_done_at_once(fn: Compact, c: Case) -> str | None:
    """done a second time it changes nothing"""
    once = fn(c.model)
    twice = fn(once)
    if once.net != twice.net:
        return "the second net is another"
    changed = [n for n, w in once.params.items() if not np.array_equal(w, twice.params[n])]
    return f"{', '.join(changed)} changes" if changed else None


@LAWS("minimal")
def is_minimal(fn: Compact, c: Case) -> str | None:
    """no unit of the result could go, and no mask masks nothing"""
    small = fn(c.model)
    gone = {n: int(g.sum()) for n, g in plan(small).gone.items() if g.any()}
    full = [n for n, m in small.masks.items() if m.all()]
    if gone:
        return "; ".join(f"{k} units of {n} could go" for n, k in gone.items())
    return f"the masks of {', '.join(full)} are all True" if full else None


@LAWS("masks")
def holds_the_masks(fn: Compact, c: Case) -> str | None:
    """what was masked and is left is masked and 0.0, and no layer has more live weights"""
    small, big = fn(c.model), c.model
    for n, m in small.masks.items():
        if small.params[n][~m].any():
            return f"masked entries of {n} are not 0"
    for n in (n for n in small.net.weights if n in big.net.weights):
        sizes = [np.count_nonzero(model.masks.get(n, np.ones(model.net.params[n], bool)))
                 for model in (small, big)]  # fmt: skip
        if sizes[0] > sizes[1]:
            return f"{n} has {sizes[0]} live weights and had {sizes[1]}"
    return None


@LAWS("smaller")
def shrinks(fn: Compact, c: Case) -> str | None:
    """no parameter grows, and there are fewer where units can go

    But for a constant net, which is rebuilt, and parameters that take up constants.
    """
    small, big = fn(c.model).net.params, c.model.net.params
    found = plan(c.model)
    if c.model.net.nodes[-1].name in found.sweeps.whole:
        return None
    for n, shape in small.items():
        if n in big and np.prod(shape) > np.prod(big[n]):
            return f"{n} grows from {big[n]} to {shape}"
    sizes = [sum(int(np.prod(net.get(n, 0))) for n in big) for net in (small, big)]
    if sizes[0] < sizes[1] or found.empty:
        return None
    return f"there are {sizes[0]} parameters and were {sizes[1]}"


@LAWS("no larger")
def does_not_grow(fn: Compact, c: Case) -> str | None:
    """there are at most as many parameters as before, biases that take up constants included"""
    small, big = (sum(w.size for w in m.params.values()) for m in (fn(c.model), c.model))
    return None if small <= big else f"there are {small} parameters and were {big}"


def check_compaction(
    fn: Compact = compact, *, nets: Sequence[Net] = (), laws: Collection[str] | None = None,
    examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `fn(model) -> model`, which takes dead units out of masked nets of minprune.

    Parameters
    ----------
    fn : callable
        A Model to a smaller one; mp.compact by default.
    nets : sequence of Net, optional
        The nets that are tried, with random numbers; by default random nets.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many models each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another law.

    Examples
    --------
    >>> import minprune as mp
    >>> def nothing(model):
    ...     return model
    >>> chain = mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.ReLU()), ("fc", mp.Dense(4, 2))])
    >>> [v.law for v in mp.verify.check_compaction(nothing, nets=[chain]).broken]
    ['minimal', 'smaller']
    """
    table = picked("check_compaction", laws, LAWS)
    return Verdicts(judged(table, fn, cases(nets), examples=examples, seed=seed))
