"""check_layer_compaction: dead units taken out of nets that are lists of plain layers.

Longer than most files: beside the laws stand the nets, with every way to be dead.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.verify.law import ClauseError, Laws, callable_as, judged, keywords, picked
from minprune.verify.plain.layers import (
    Layers,
    chains,
    forward,
    live,
    needed,
    net,
    parameters,
    weighted,
)
from minprune.verify.trees import mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts, short

LAWS = Laws()

CHECK = "check_layer_compaction"
CLOSE = 1e-10  # of the size of the outputs, in float64
Fn = Callable[[Layers, tuple[int, ...]], Layers]  # the shape is that of a sample


@dataclass(frozen=True)
class Case:
    """A masked net, and the shape of a sample."""

    layers: Layers
    shape: tuple[int, ...]

    def batch(self) -> Array:
        return np.random.default_rng(0).standard_normal((5, *self.shape))

    def small(self, fn: Fn) -> Layers:
        """The smaller net, as a list of dicts."""
        found = fn(mapped(self.layers, np.copy), self.shape)
        if not isinstance(found, list | tuple) or not all(hasattr(x, "items") for x in found):
            raise ClauseError(f"it is of type {type(found).__name__}, no list of dicts")
        if not any("kind" in layer for layer in found):
            raise ClauseError("its layers have no kind")
        return [dict(layer) for layer in found]

    @property
    def widths(self) -> list[int]:
        """How many units of each weighted layer are needed."""
        return [int(s.sum()) for s in needed(self.layers)]

    def __str__(self) -> str:
        lines = []
        for layer in self.layers:
            parts = {
                k: v.astype(int) if k == "mask" else v for k, v in layer.items() if k != "kind"
            }
            told = "; ".join(f"{k} = {short(v)}" for k, v in parts.items())
            lines.append(f"{layer['kind']} {told}".strip())
        return "\n".join([f"samples of {self.shape}", *lines])


@st.composite
def masked(draw: Any, dead: bool = False) -> Case:
    """A net with single weights, rows and columns masked; dead: a whole layer of them."""
    layers, shape = draw(chains())
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    at = weighted(layers)
    for k in at:
        w = layers[k]["weight"]
        mask = rng.random(w.shape) < draw(st.sampled_from([1.0, 0.8, 0.5]))
        rows = rng.random(len(w)) < draw(st.sampled_from([1.0, 0.6]))
        mask &= rows.reshape(-1, *[1] * (w.ndim - 1))
        if k != at[0]:  # of a channel that is flattened, all columns
            units = len(layers[at[at.index(k) - 1]]["weight"])
            columns = rng.random(units) < draw(st.sampled_from([1.0, 0.6]))
            reads = np.repeat(columns, w[0].size // units)
            mask &= reads.reshape(w.shape[1:])
        layers[k]["mask"] = mask
    if dead:
        k = draw(st.sampled_from(at[:-1]))
        layers[k]["mask"] = np.zeros_like(layers[k]["mask"])
    return Case(layers, shape)


def alive(c: Case) -> bool:
    """Whether every layer has a unit that is needed."""
    return min(c.widths) > 0


def folding() -> list[Case]:
    """Units without live input between layers of every kind, whose constant is not 0

    The reader has no bias in two of them, and is a padded convolution in one, where it must stay.
    """
    made = [
        (net(0, 3, "sigmoid", 2), (3,)), (net(1, 3, "sigmoid", 2, biases=False), (3,)),
        (net(2, 3, "batchnorm", "relu", 2), (3,)), (net(3, 3, "tanh", 3, "sigmoid", 2), (3,)),
        (net(4, (3, 3, 0), "sigmoid", "flatten", 2, x=(1, 4, 4)), (1, 4, 4)),
        (net(5, (3, 3, 1), "batchnorm", "sigmoid", "maxpool", "flatten", 2, x=(1, 4, 4),
             biases=False), (1, 4, 4)),
        (net(6, (3, 3, 0), "sigmoid", (2, 2, 0), "relu", "flatten", 2, x=(2, 4, 4)), (2, 4, 4)),
        (net(7, (3, 3, 1), "sigmoid", (2, 3, 1), "relu", "flatten", 2, x=(2, 4, 4)), (2, 4, 4)),
    ]  # fmt: skip
    for layers, _ in made:
        layers[0]["mask"] = np.ones(layers[0]["weight"].shape, bool)
        layers[0]["mask"][1] = False
    return [Case(layers, shape) for layers, shape in made]


def large() -> list[Case]:
    """Dense layers of 40 and 30 units; a convolution of 12 channels before 40 units; half dead."""
    return [dead_half(net(9, 40, "relu", 30, "sigmoid", 5, x=(12,)), (12,)), dead_half(
        net(8, (12, 3, 1), "batchnorm", "relu", "maxpool", "flatten", 40, "tanh", 5,
            x=(3, 8, 8)), (3, 8, 8))]  # fmt: skip


def dead_half(layers: Layers, shape: tuple[int, ...]) -> Case:
    """Every second unit without live input."""
    rng = np.random.default_rng(0)
    for k in weighted(layers)[:-1]:
        mask = rng.random(layers[k]["weight"].shape) < 0.7
        mask[::2] = False
        layers[k]["mask"] = mask
    return Case(layers, shape)


EXAMPLES = masked().filter(alive)


@LAWS("same function", EXAMPLES)
def same_function(fn: Fn, c: Case) -> str | None:
    """the smaller net gives the outputs of the masked one, to 1e-10 in float64"""
    return apart(fn, c)


@LAWS("constants", folding())
def constants_fold(fn: Fn, c: Case) -> str | None:
    """a unit without live input is a constant: the next biases take it up, and are made where there
    are none; into a convolution with padding it stays
    """
    return apart(fn, c) or wider(fn, c)


@LAWS("larger", large())
def larger(fn: Fn, c: Case) -> str | None:
    """of layers of 30 and 40 units, and of a convolution with normalisation, the function is the
    same, and what is dead is gone
    """
    return apart(fn, c) or wider(fn, c)


@LAWS("dead layer", masked(dead=True))
def dead_layer(fn: Fn, c: Case) -> str | None:
    """the function is the same where a whole layer is dead, and the net a constant"""
    return apart(fn, c)


def apart(fn: Fn, c: Case) -> str | None:
    """A clause where the outputs differ."""
    x = c.batch()
    want = forward(c.layers, x)
    found = forward(c.small(fn), x)
    if found.shape != want.shape:
        return f"its outputs are {found.shape}, and were {want.shape}"
    off = float(np.abs(found - want).max(initial=0)) / (1 + float(np.abs(want).max(initial=0)))
    return None if off <= CLOSE else f"they differ by {off:.1e} of their size"


@LAWS("no dead unit stays", EXAMPLES)
def minimal(fn: Fn, c: Case) -> str | None:
    """no unit stays that nothing reads, or that is constant and folds, or serves only such units"""
    return wider(fn, c)


def wider(fn: Fn, c: Case) -> str | None:
    """A clause where a layer has more units than are needed."""
    small = c.small(fn)
    got, most = [len(small[k]["weight"]) for k in weighted(small)], c.widths
    if len(got) > len(most):
        return f"there are {len(got)} weighted layers, and were {len(most)}"
    for k, (a, b) in enumerate(zip(got, most, strict=False), 1):
        if len(got) == len(most) and a > b:
            return f"weighted layer {k} has {a} units, and {b} are needed"
    return None


@LAWS("counts", EXAMPLES)
def counts(fn: Fn, c: Case) -> str | None:
    """there are as many parameters as the units that stay have, and biases that are made"""
    small, at, stays = c.small(fn), weighted(c.layers), c.widths
    most, before = 0, None
    for k, wide in zip(at, stays, strict=True):
        w = c.layers[k]["weight"]
        each = w.shape[1] if before is None else before[1] * (w.shape[1] // before[0])
        most += wide * (each * int(np.prod(w.shape[2:])) + 1)
        before = len(w), wide
        follows = c.layers[k + 1 :]
        if follows and follows[0]["kind"] == "batchnorm":
            most += 2 * wide
    found = parameters(small)
    return None if found <= most else f"there are {found}, and {most} would do"


@LAWS("nothing to do", EXAMPLES)
def nothing_to_do(fn: Fn, c: Case) -> str | None:
    """a net without masked weights stays as it is, bit for bit"""
    layers = [{k: v for k, v in layer.items() if k != "mask"} for layer in c.layers]
    found = Case(layers, c.shape).small(fn)
    names = [[k for k, v in layer.items() if isinstance(v, np.ndarray)] for layer in layers]
    pairs = zip(found, names, strict=False)
    return moved([{k: layer[k] for k in of} for layer, of in zip(layers, names, strict=True)],
                 [{k: layer[k] for k in of if k in layer} for layer, of in pairs])  # fmt: skip


@LAWS("done at once", EXAMPLES)
def done_at_once(fn: Fn, c: Case) -> str | None:
    """done a second time it takes out nothing more"""
    one = c.small(fn)
    two = Case(one, c.shape).small(fn)
    a, b = ([np.shape(layer.get("weight", 0)) for layer in layers] for layers in (one, two))
    return None if a == b else f"the weights are {a}, then {b}"


@LAWS("masks", EXAMPLES)
def masks_hold(fn: Fn, c: Case) -> str | None:
    """no layer has more live weights than before, a mask has its weight's shape"""
    small = c.small(fn)
    old, new = weighted(c.layers), weighted(small)
    for k in new:
        mask, w = live(small[k]), np.asarray(small[k]["weight"])
        if mask.shape != w.shape:
            return f"one is {mask.shape}, its weight {w.shape}"
    for a, b in zip(old, new, strict=False):
        most, found = int(live(c.layers[a]).sum()), np.count_nonzero(forward_weight(small[b]))
        if len(old) == len(new) and found > most:
            return f"{found} weights are live, and {most} were"
    return None


def forward_weight(layer: dict[str, Any]) -> Array:
    """The weight, 0 where it is masked."""
    return np.asarray(layer["weight"]) * live(layer)


@LAWS("float32", EXAMPLES)
def keeps_float32(fn: Fn, c: Case) -> str | None:
    """of a net in float32 every array stays float32"""
    narrow = mapped(c.layers, lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a)
    for layer in Case(narrow, c.shape).small(fn):
        for name, a in layer.items():
            if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.dtype != np.float32:
                return f"the {name} of a layer of kind {layer['kind']} is {a.dtype}"
    return None


@LAWS("same bits", EXAMPLES)
def same_bits(fn: Fn, c: Case) -> str | None:
    """the same net gives the same bits"""
    return repeats(lambda: c.small(fn))


@LAWS("input untouched", EXAMPLES)
def leaves_input(fn: Fn, c: Case) -> str | None:
    """the layers given are not changed"""
    return untouched(lambda layers: fn(layers, c.shape), c.layers)


def check_layer_compaction(
    fn: Callable[..., Layers],
    *,
    laws: Collection[str] | None = None,
    examples: int = 100,
    seed: int = 0,
) -> Verdicts:
    """Check `fn(layers) -> layers`, which takes dead units out of a net of plain layers.

    Parameters
    ----------
    fn : callable
        layers: a list of dicts in the order of computation, each with its "kind": dense (weight
        (o, i), bias), conv (weight (o, i, y, x), bias, stride, padding, groups), batchnorm (gamma,
        beta, mean, var, eps), relu, tanh, sigmoid, maxpool (size), flatten. A bias may be absent.
        "mask", beside a weight, is True where it is live; masked weights count as 0 whatever they
        hold. It returns such a list. Where it has a parameter `shape`, it is given that of a
        sample, (features,) or (channels, height, width).
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def nothing(layers):
    ...     return layers
    >>> [v.law for v in mp.verify.check_layer_compaction(nothing, examples=20).broken]
    ['constants', 'larger', 'no dead unit stays', 'counts']
    """
    wanted = picked(CHECK, laws, LAWS)
    shaped = keywords(fn, ("shape",))
    callable_as(fn, "layers", given=shaped)

    def call(layers: Layers, shape: tuple[int, ...]) -> Layers:
        return fn(layers, **dict.fromkeys(shaped, shape))

    return Verdicts(judged(wanted, call, examples=examples, seed=seed))
