"""d_l = min(1, e r_l^power): the sparsity of each layer (uniform, Erdos-Renyi, ERK).

e comes from the target: a share of the weights to prune, or a budget of multiply-adds to keep.
Longer than most files: a third is the docstring of `allocate`, which reads all the ways at once.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minprune.arguments import choice, instance, is_count, number, share
from minprune.errors import ArgumentError, ShapeError, UnreachableError
from minprune.masking.allocate_measured import Curves, measured
from minprune.masking.count import Target, for_each, named, pruned_count
from minprune.nets.counts import counts
from minprune.nets.model import Model, dense_only

Shape = tuple[int, ...]
UNIT = 10**9  # remainders are compared in billionths, so that rounding errors do not decide ties


def _erk(shape: Shape) -> float:
    return sum(shape) / math.prod(shape)


RATIOS: dict[str, Callable[[Shape], float]] = {
    "uniform": lambda shape: 1.0,
    "er": lambda shape: _erk(shape[:2]),
    "erk": _erk,
    "flops": _erk,  # with a budget: on the zoo's nets it keeps more accuracy than the other ratios
}
RULES = ("uniform", "er", "erk")  # for a share of the weights


def allocate(
    layers: Model | Mapping[str, Shape],
    sparsity: Target | str | None = None,
    how: str = "erk",
    *,
    budget: float | None = None,
    bound: float | None = None,
    curves: Curves | None = None,
    power: float = 1.0,
    protect: Iterable[str] = (),
) -> dict[str, float]:
    """sparsity_l = round(n_l (1 - d_l)) / n_l, with d_l = min(1, e r_l^power), for `prune`

    With a sparsity, e is such that round(sparsity n) of all n weights are pruned. With a budget, it
    is such that the live multiply-adds are `budget` of those of the dense net, rounded (or fewer,
    where one weight has several). Each layer
    gets the whole part of n_l (1 - d_l); then one weight is added to the layers with the largest
    remainders, the earlier layer among equals, until the target is reached.

    Parameters
    ----------
    layers : Model or dict of shapes
        A dense model, or {name: shape} of weights, (o, i) or (o, i/groups, y, x).
    sparsity : float or dict
        The share of all weights to prune; a dict gives layers their own, and the others 0.
    how : {"uniform", "er", "erk", "flops"}
        The density ratio r_l: 1, (o + i) / (o i) (Erdos-Renyi), or the sum of all sides over
        their product (with the kernel), which "flops" takes too, for a budget. May stand in place
        of `sparsity`.
    budget : float
        Instead of sparsity: the share of the dense multiply-adds to keep; needs a model.
        Protected layers count.
    bound : float
        Instead of sparsity: the largest sum of the rises in `curves`. Of all choices of one point a
        layer, the one with the largest total sparsity; among equals, that of the least sum.
    curves : dict
        With bound: {layer: [(sparsity, rise of the loss), ...]}, as `mp.sensitivity` measures it;
        a layer may always stay dense at a rise of 0.
    power : float
        The exponent of the ratio: 0.5 is between "uniform" and the rule, 1 is the rule.
    protect : name or names
        Layers, or patterns such as "fc*", that are left as they are and not counted.

    Returns
    -------
    dict of float
        {weight: its sparsity}, for prune(..., sparsity=). A layer may get 1.0, which `prune`
        refuses unless minimum=0.

    Raises
    ------
    ArgumentError
        For another `how`, none or several of sparsity, budget and bound, a number out of range, or
        an unknown name.
    ShapeError
        For a shape that is not that of a weight.
    UnreachableError
        For a budget below what protected layers take.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.allocate({"fc1": (10, 40), "fc2": (5, 20)}, 0.8, "er")
    {'fc1': 0.8325, 'fc2': 0.67}
    >>> model = mp.zoo.lenet_5(((1, 28, 28), 10))
    >>> {name: round(s, 3) for name, s in mp.allocate(model, "flops", budget=0.5).items()}
    {'conv1.weight': 0.0, 'conv2.weight': 0.575, 'fc1.weight': 0.568, 'fc2.weight': 0.0}
    >>> rises = {"fc1": [(0.5, 0.01), (0.9, 0.2)], "fc2": [(0.5, 0.02)]}
    >>> mp.allocate({"fc1": (10, 40), "fc2": (5, 20)}, bound=0.05, curves=rises)
    {'fc1': 0.5, 'fc2': 0.5}

    Sources: Mocanu et al. (2018), er; Evci et al. (2020), erk; power: as in jaxpruner.
    """
    target: Any = sparsity
    if isinstance(sparsity, str):
        target, how = None, sparsity
    choice("allocate", "how", how, tuple(RATIOS))
    one_target(how, sparsity=target, budget=budget, bound=bound, curves=curves)
    positions: dict[str, int] = {}
    if isinstance(layers, Model):
        dense_only(layers, "allocation")
        positions = {c.name: c.positions for c in counts(layers.net, {})}
        layers = {k: layers.net.params[k] for k in layers.net.weights}
    else:
        instance("allocate", "layers", layers, Mapping, "a model, or {'fc1.weight': (300, 784)}")
    left = named(layers, protect)
    shapes = {name: shape for name, shape in layers.items() if name not in left}
    if layers and not shapes:
        raise ArgumentError(
            "allocate: protect must leave weights to prune, and names all layers; leave one out"
        )
    sizes = {name: size_of(name, shape) for name, shape in shapes.items()}
    if budget is not None:
        if not positions:
            raise ArgumentError(
                "allocate: layers must be a model for a budget, not a dict of shapes, which do not "
                "tell how often a weight multiplies; pass the model"
            )
        worth = {name: positions[name] for name in shapes}
        dense = sum(math.prod(layers[name]) * positions[name] for name in left)
        pruned = within_budget(shapes, budget, how, power, worth, dense)
    elif curves is not None:
        pruned = measured(sizes, curves, bound, left)
    elif isinstance(target, Mapping):
        own = for_each(shapes, target, "sparsity", "allocate")
        pruned = {name: pruned_count(own.get(name, 0), n, "allocate") for name, n in sizes.items()}
    else:
        found = densities(shapes, target, how, power)
        pruned = rounded(sizes, found, pruned_count(target, sum(sizes.values())))
    return {name: pruned[name] / n for name, n in sizes.items()}


def one_target(how: str, curves: object, **given: object) -> None:
    """Raises ArgumentError unless one target is given, with what belongs to it"""
    found = [what for what, value in given.items() if value is not None]
    if len(found) != 1:
        raise ArgumentError(
            f"allocate: one of {', '.join(given)} must be given, not "
            f"{' and '.join(found) or 'none'}; pass sparsity=0.9 alone, for example"
        )
    if how == "flops" and found != ["budget"]:
        raise ArgumentError(
            f"allocate: how='flops' needs budget, not {found[0]}; pass budget=0.5, for example"
        )
    if (curves is not None) != (found == ["bound"]):
        raise ArgumentError(
            f"allocate: bound and curves must be given together, not "
            f"{'curves' if curves is not None else 'bound'} alone; pass "
            f"curves=mp.sensitivity(model, data).curves() and a bound"
        )


def densities(
    shapes: Mapping[str, Shape], sparsity: Any, how: str = "erk", power: float = 1.0
) -> dict[str, float]:
    """d_l = min(1, e r_l^power), with e such that sum of n_l d_l = (1 - sparsity) sum of n_l

    Not rounded. Arguments, exceptions and sources are those of `allocate`.
    """
    ratio = ratios(shapes, how, power)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    n = sum(sizes.values())
    pruned_count(sparsity, n, "allocate")  # raises unless it is a share
    return capped(ratio, sizes, n * (1 - sparsity))


def within_budget(
    shapes: Mapping[str, Shape], budget: float, how: str, power: float,
    positions: Mapping[str, int], dense: int,
) -> dict[str, int]:  # fmt: skip
    """The pruned counts for which sum of live n_l c_l <= round(budget (dense + sum of n_l c_l))

    c: positions; dense: the multiply-adds of the layers that are left as they are.
    """
    share("allocate", "budget", budget)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    macs = {name: n * positions[name] for name, n in sizes.items()}
    whole = dense + sum(macs.values())
    gone = pruned_count(1 - budget, whole)
    if gone > whole - dense:
        raise UnreachableError(
            f"allocate: budget={budget} is below the share of the multiply-adds that protected "
            f"layers take; the smallest reachable is {dense / whole!r}"
        )
    found = capped(ratios(shapes, how, power), macs, max(whole * budget - dense, 0.0))
    return rounded(sizes, found, gone, positions)


def capped(ratio: Mapping[str, float], cost: Mapping[str, int], live: float) -> dict[str, float]:
    """d_l = min(1, e r_l), with e such that sum of cost_l d_l = live

    What the cap at 1 takes from a layer is given to the others in the same proportion.
    """
    dense: set[str] = set()
    while True:
        rest = [name for name in ratio if name not in dense]
        free = live - sum(cost[name] for name in dense)
        e = max(free, 0.0) / sum(cost[name] * ratio[name] for name in rest) if rest else 0.0
        over = {name for name in rest if e * ratio[name] > 1}
        if not over:  # e only grows on the way, so that what was over the cap stays over it
            return {name: 1.0 if name in dense else e * ratio[name] for name in ratio}
        dense |= over


def rounded(
    sizes: Mapping[str, int], density: Mapping[str, float], total: int,
    each: Mapping[str, int] | None = None,
) -> dict[str, int]:  # fmt: skip
    """Counts: the whole parts of n_l (1 - d_l), then one more by largest remainders, up to `total`

    each: what an entry of a layer counts (None: 1). The earlier layer is first among equals.
    """
    quota = {n: divmod(round(sizes[n] * (1 - d) * UNIT), UNIT) for n, d in density.items()}
    pruned = {name: whole for name, (whole, _) in quota.items()}
    worth = {name: each[name] if each else 1 for name in sizes}
    gone = sum(n * worth[name] for name, n in pruned.items())
    for name in sorted(quota, key=lambda name: -quota[name][1]):  # stable: the earlier layer first
        if gone >= total:
            break
        pruned[name] += 1
        gone += worth[name]
    assert gone >= total
    return pruned


def ratios(shapes: Mapping[str, Shape], how: str, power: float) -> dict[str, float]:
    """r_l^power, by the rule `how`"""
    rule = RATIOS[choice("allocate", "how", how, tuple(RATIOS))]
    power = number("allocate", "power", power, above=True)
    for name, shape in shapes.items():
        size_of(name, shape)
    return {name: rule(shape) ** power for name, shape in shapes.items()}


def size_of(name: str, shape: Shape) -> int:
    """The entries of a weight; raises ShapeError for what is not the shape of one"""
    if not isinstance(shape, tuple | list) or len(shape) < 2 or not all(map(is_count, shape)):
        found = shape if isinstance(shape, tuple | list) else type(shape).__name__
        raise ShapeError(
            f"allocate: the shape of {name} must be (o, i) or (o, i, y, x) with sides of at "
            f"least 1, not {found}; pass the shapes of weights alone"
        )
    return math.prod(shape)
