"""s_k = 1 - (1 - s_0) ((1 - s) / (1 - s_0))^(k/n): the sparsity of round k of n.

s_0 is the share of what `prune` counts that is masked already: entries, units or blocks, without
what is protected; of all together, or of each layer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minprune.core import Array
from minprune.masking.choose import Scope
from minprune.masking.count import SCORED, Target, named
from minprune.masking.patterns import Given, blocks, parse
from minprune.masking.units import OWNED, is_unit_score, live_units, names_of, scored_groups
from minprune.nets.model import Model
from minprune.nets.names import of_parameters, values_of
from minprune.schedule import exponential


@dataclass(frozen=True)
class Present:
    """What is counted: {parameter, or group of units: (n, masked)}, and the names each goes by."""

    counted: Mapping[str, tuple[int, int]]
    goes_by: Mapping[str, Sequence[str]]
    needs: str  # what a name must be

    @property
    def share(self) -> float:
        """s_0 of all together; 0 of none."""
        n, masked = (sum(pair[at] for pair in self.counted.values()) for at in (0, 1))
        return masked / n if n else 0.0


def present(
    model: Model, scores: Mapping[str, Array], *, protect: Iterable[str] = (),
    pattern: Given = None,
) -> Present:  # fmt: skip
    """What `prune` counts with these scores; raises as it does for a name that is not known"""
    if is_unit_score(scores, model.net.params):
        groups = scored_groups(model, scores, protect)
        live = {name: live_units(group, model.masks) for name, group in groups.items()}
        return Present(_counted(live), names_of(groups), OWNED)
    left, form = named(scores, protect), parse(pattern)
    names = [name for name in model.net.params if name in scores and name not in left]
    live = {n: model.masks.get(n, np.ones(model.net.params[n], bool)) for n in names}
    if form is not None and form.kept is None:
        live = {n: blocks(n, scores[n], m, form)[1] for n, m in live.items()}
    return Present(_counted(live), of_parameters(names), SCORED)


def on_the_way(found: Present, final: Target, scope: Scope, k: int, n: int) -> Target:
    """The sparsity of round k of n, of all together, or a dict: of each layer from its own s_0

    final: as `sparsity` of `prune`, in the last round.
    """
    if not isinstance(final, Mapping) and scope == "global":
        return after(found.share, final, k, n)
    if isinstance(final, Mapping):
        final = values_of(found.goes_by, final, "prune: sparsity", found.needs)
    else:
        final = dict.fromkeys(found.counted, final)
    each = {name: found.counted[name] for name in final}
    return {name: after(m / (of or 1), final[name], k, n) for name, (of, m) in each.items()}


def after(before: float, final: float, k: int, n: int) -> float:
    """s_k; the final share itself where it is 1, which takes one round, or below `before`"""
    if k >= n or final == 1 or final < before:  # the latter is refused by `prune`
        return final
    return exponential(k, final=final, initial=before, span=n)


def _counted(live: Mapping[str, Array]) -> dict[str, tuple[int, int]]:
    return {name: (m.size, m.size - int(np.count_nonzero(m))) for name, m in live.items()}
