"""d_l = min(1, e r_l^power): the sparsity of each layer (uniform, Erdos-Renyi, ERK)."""

import math
from collections.abc import Iterable, Mapping

from minprune.arguments import choice, instance, is_count, number
from minprune.errors import ShapeError
from minprune.masking.count import named, pruned_count
from minprune.nets.model import Model, dense_only

Shape = tuple[int, ...]
UNIT = 10**9  # remainders are compared in billionths, so that rounding errors do not decide ties
RULES = ("uniform", "er", "erk")


def allocate(
    layers: Model | Mapping[str, Shape],
    sparsity: float,
    how: str = "erk",
    *,
    power: float = 1.0,
    protect: Iterable[str] = (),
) -> dict[str, float]:
    """sparsity_l = round(n_l (1 - d_l)) / n_l, with d_l = min(1, e r_l^power), for `prune`

    e is such that round(sparsity n) of all n weights are pruned. Each layer gets the whole part of
    n_l (1 - d_l); the rest is added by one to the layers with the largest remainders, the earlier
    layer among equals.

    Parameters
    ----------
    layers : Model or dict of shapes
        A dense model, or {name: shape} of weights, (o, i) or (o, i/groups, y, x).
    sparsity : float
        The share of all weights to prune.
    how : {"uniform", "er", "erk"}
        The density ratio r_l: 1, (o + i) / (o i) (Erdos-Renyi), or the sum of all sides over
        their product (with the kernel).
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
        For another `how`, a power or a sparsity out of range, or an unknown name.
    ShapeError
        For a shape that is not that of a weight.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.allocate({"fc1": (10, 40), "fc2": (5, 20)}, 0.8, "er")
    {'fc1': 0.8325, 'fc2': 0.67}

    Sources: Mocanu et al. (2018), er; Evci et al. (2020), erk; power: as in jaxpruner.
    """
    if isinstance(layers, Model):
        dense_only(layers, "allocation")
        layers = {k: layers.net.params[k] for k in layers.net.weights}
    else:
        instance("allocate", "layers", layers, Mapping, "a model, or {'fc1.weight': (300, 784)}")
    left = named(layers, protect)
    shapes = {name: shape for name, shape in layers.items() if name not in left}
    found = densities(shapes, sparsity, how, power)
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    quota = {name: divmod(round(sizes[name] * (1 - d) * UNIT), UNIT) for name, d in found.items()}
    counts = {name: whole for name, (whole, _) in quota.items()}
    total = pruned_count(sparsity, sum(sizes.values()))
    missing = total - sum(counts.values())
    for name in sorted(quota, key=lambda name: -quota[name][1])[:missing]:  # stable: earlier first
        counts[name] += 1
    assert sum(counts.values()) == total
    return {name: counts[name] / sizes[name] for name in shapes}


def densities(
    shapes: Mapping[str, Shape], sparsity: float, how: str = "erk", power: float = 1.0
) -> dict[str, float]:
    """d_l = min(1, e r_l^power), with e such that sum of n_l d_l = (1 - sparsity) sum of n_l

    What the cap at 1 takes from a layer is given to the others in the same proportion. Not
    rounded. Arguments, exceptions and sources are those of `allocate`.
    """
    choice("allocate", "how", how, RULES)
    power = number("allocate", "power", power, above=True)
    ratio = {name: _ratio(name, shape, how) ** power for name, shape in shapes.items()}
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    n = sum(sizes.values())
    pruned_count(sparsity, n, "allocate")  # raises unless it is a share
    dense: set[str] = set()
    while True:
        rest = [name for name in shapes if name not in dense]
        live = n * (1 - sparsity) - sum(sizes[name] for name in dense)
        e = max(live, 0.0) / sum(sizes[name] * ratio[name] for name in rest) if rest else 0.0
        over = {name for name in rest if e * ratio[name] > 1}
        if not over:  # e only grows on the way, so that what was over the cap stays over it
            return {name: 1.0 if name in dense else e * ratio[name] for name in shapes}
        dense |= over


def _ratio(name: str, shape: Shape, how: str) -> float:
    if not isinstance(shape, tuple | list) or len(shape) < 2 or not all(map(is_count, shape)):
        found = shape if isinstance(shape, tuple | list) else type(shape).__name__
        raise ShapeError(
            f"allocate: the shape of {name} must be (o, i) or (o, i, y, x) with sides of at "
            f"least 1, not {found}; pass the shapes of weights alone"
        )
    sides = shape[:2] if how == "er" else shape
    return 1.0 if how == "uniform" else sum(sides) / math.prod(sides)
