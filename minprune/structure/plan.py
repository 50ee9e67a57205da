"""plan(model): what `compact` would remove, and what stays and why."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from minprune.core import Array
from minprune.nets.model import Model, is_model
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, ties
from minprune.structure.constants import Fold, Sweeps, sweep
from minprune.text import table


@dataclass(frozen=True)
class Stay:
    """Units of a group that stay, and why."""

    group: str
    units: int
    why: str


@dataclass(frozen=True)
class Removal:
    """What `compact` would do; print it to see it.

    small.params[p] == big.params[p][np.ix_(...)] by the indices of `kept`, but for folded biases.

    Attributes
    ----------
    groups : tuple of Group
        The tied groups of the model.
    gone : dict of bool arrays
        {group: (units,)}, of the groups that may shrink: which units go.
    sweeps : Sweeps
        What is constant and what is needed; its `folds` go into biases.
    kept : dict of int arrays
        {(parameter, axis): indices of the original that are left}.
    stays : tuple of Stay
        Units that stay, and why.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.structure.plan(mp.zoo.mlp(((4,), 2), (3,))).empty
    True
    """

    groups: tuple[Group, ...]
    gone: dict[str, Array]
    sweeps: Sweeps
    kept: dict[tuple[str, int], Array]
    stays: tuple[Stay, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing would go."""
        return not any(g.any() for g in self.gone.values())

    def __str__(self) -> str:
        rows = []
        for g in self.groups:
            why = "; ".join(s.why for s in self.stays if s.group == g.name)
            gone = int(np.count_nonzero(self.gone[g.name])) if g.name in self.gone else 0
            rows.append([g.name, g.size, gone, g.size - gone, why or "-"])
        folded = ", ".join(f.reader for f in self.sweeps.folds) or "none"
        whole = ", ".join(self.sweeps.whole) or "none"
        return (
            table(["group", "units", "go", "stay", "why others stay"], rows)
            + f"\nconstants folded into: {folded}"
            + f"\nlayers that are constant altogether: {whole}"
        )


def plan(model: Model) -> Removal:
    """What `compact` would remove, what stays and why, and the index map back to the original.

    `compact` first cuts constant branches, then removes this, until nothing changes.

    Parameters
    ----------
    model : Model
        Any, of dense layers.

    Returns
    -------
    Removal
        Print it to see it.

    Raises
    ------
    ArgumentError
        If model is no Model, has sparse layers, or uses an op that has no tie rule.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((4,), 2), (3,))
    >>> units = mp.score(model, None, "magnitude", unit=True)
    >>> found = mp.structure.plan(mp.prune(model, units, sparsity=0.4))
    >>> int(found.gone["fc1.weight"].sum()), found.kept["fc2.weight", 1].shape
    (1, (2,))
    """
    is_model(model, "plan")
    groups, barred = tuple(ties(model)), set[str]()
    while True:
        found = _plan(model, groups, sweep(model, barred))
        more = {f.reader for f in found.sweeps.folds if _grows(model, f, found.kept)}
        if not more:
            return found
        barred |= more


def _grows(model: Model, f: Fold, kept: Mapping[tuple[str, int], Array]) -> bool:
    """Whether the fold creates a bias with more entries than its weight loses"""
    shape = model.net.params[f.reader]
    if not f.bias.any() or f"{layer_of(f.reader)}.bias" in model.params:
        return False
    left = [len(kept.get((f.reader, axis), range(n))) for axis, n in enumerate(shape)]
    return math.prod(shape) - math.prod(left) < left[0]


def _plan(model: Model, groups: tuple[Group, ...], sweeps: Sweeps) -> Removal:
    """The plan by these sweeps; rows that go take up no constant"""
    gone: dict[str, Array] = {}
    stays: list[Stay] = []
    for g in groups:
        if not g.free:
            stays.append(Stay(g.name, g.size, f"it is {g.why}"))
            continue
        needed = np.zeros(g.size, bool)
        for m in g.members:
            if m.axis == 0:
                needed |= sweeps.needed[m.param][m.index].any(axis=1)
        if not needed.any():  # a layer keeps one unit; a branch that is all constant is cut instead
            needed[0] = True
            stays.append(Stay(g.name, 1, "a layer has at least one unit"))
        for m in g.readers:
            stuck = sweeps.stuck.get(m.param, np.zeros(1 + m.index.max(), bool))
            held = int(np.count_nonzero(stuck[m.index].any(axis=1) & needed))
            if held:
                uneven = "reads them unevenly (zero padding)"
                biased = "would need a bias larger than what goes"
                reason = biased if m.param in sweeps.barred else uneven
                why = f"{held} constant: {m.param} {reason}, so they cannot be folded there"
                stays.append(Stay(g.name, held, why))
        gone[g.name] = ~needed
    kept = indices_left(model, groups, gone)
    folds = []
    for f in sweeps.folds:
        stay = np.isin(np.arange(len(f.bias)), kept.get((f.reader, 0), np.arange(len(f.bias))))
        folds.append(replace(f, bias=np.where(stay, f.bias, 0)))
    return Removal(groups, gone, replace(sweeps, folds=tuple(folds)), kept, tuple(stays))


def indices_left(
    model: Model, groups: Iterable[Group], gone: Mapping[str, Array]
) -> dict[tuple[str, int], Array]:
    """Per parameter and axis, the indices that stay once these units of these groups are gone."""
    kept: dict[tuple[str, int], Array] = {}
    for g in groups:
        for m in g.members:
            lost = m.index[gone[g.name]].ravel() if g.name in gone else np.empty(0, int)
            before = kept.get((m.param, m.axis), np.arange(model.net.params[m.param][m.axis]))
            kept[m.param, m.axis] = np.setdiff1d(before, lost)
    return kept
