"""max sum_l n_l s_l  with  sum_l rise_l(s_l) <= bound: one measured point for each layer.

Exact: layer by layer, a choice is dropped only if another prunes as much for no larger rise.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from minprune.arguments import guard, instance, is_number, number
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.masking.count import for_each, pruned_count

Curves = Mapping[str, Sequence[tuple[float, float]]]  # {layer: [(sparsity, rise of the loss), ...]}
LIMIT = 2**31  # bytes
ROUND = 2.0**-40  # of a sum of rises: choices are dropped early only where rounding cannot matter


def measured(
    sizes: Mapping[str, int], curves: Curves, bound: object, protected: Iterable[str] = ()
) -> dict[str, int]:
    """{layer: pruned count}, of the largest sum, whose rises, added in order, are at most `bound`

    sizes: {layer: n}. Every layer may also stay as it is, the point (0, 0). Of choices with equal
    sums, that with the least rise; of those, the one that prunes the later layers more. protected:
    layers that `curves` may also name.

    Raises ArgumentError for an unknown layer, and for a point that is none.
    """
    limit = number("allocate", "bound", bound)
    instance("allocate", "curves", curves, Mapping, "{'fc1': [(0.5, 0.01), (0.9, 0.2)]}")
    known = (*sizes, *protected)
    own = for_each(known, curves, "the curve", "allocate", "list of points")
    points = [_points(name, n, own.get(name, ())) for name, n in sizes.items()]
    least = [float(rises.min()) for _, rises in points]
    spare = ROUND * (limit + sum(float(np.abs(rises).max()) for _, rises in points))
    sums, rises = np.zeros(1, np.int64), np.zeros(1)
    steps: list[tuple[Array, Array]] = []  # of each choice kept: the one before it, and its point
    for k, (mine, rise) in enumerate(points, 1):
        guard(
            "allocate: its choices", 48 * sums.size * mine.size, LIMIT, "pass fewer points a layer"
        )
        total, risen = (sums[:, None] + mine).ravel(), (rises[:, None] + rise).ravel()
        order = np.lexsort((risen, -total))  # most pruned first; of equals, the least rise
        before = np.minimum.accumulate(np.concatenate([[np.inf], risen[order][:-1]]))
        within = risen[order] + sum(least[k:]) <= limit + spare
        order = order[(risen[order] < before) & within]
        steps.append((order // mine.size, order % mine.size))
        sums, rises = total[order], risen[order]
    at = int((rises <= limit).argmax())  # there is one: all layers as they are
    found = dict[str, int]()
    for name, (mine, _), (back, which) in list(zip(sizes, points, steps, strict=True))[::-1]:
        found[name] = int(mine[which[at]])
        at = int(back[at])
    return {name: found[name] for name in sizes}


def _points(name: str, n: int, curve: Sequence[tuple[float, float]]) -> tuple[Array, Array]:
    """(counts, rises) of a curve, with that of the layer as it is"""
    counts, rises = [0], [0.0]
    for point in curve:
        if not (
            isinstance(point, tuple | list)
            and len(point) == 2
            and is_number(point[0], 0, 1)
            and is_number(point[1])
        ):
            raise ArgumentError(
                f"allocate: the curve of {name} must hold pairs of a sparsity and a rise, not "
                f"{point!r}; pass [(0.5, 0.01), (0.9, 0.2)], for example"
            )
        counts.append(pruned_count(point[0], n))
        rises.append(float(point[1]))
    return np.array(counts, np.int64), np.array(rises)
