"""Which methods can be compared: each one is tried on a few samples before the work starts.

With all its epochs, so that what a method spends is counted, not declared: a method that does not
spend the budget is told here.
"""

import warnings
from dataclasses import replace
from typing import Any

from minprune.core import Dataset
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning, NonFiniteError
from minprune.jobs.checks import few, reachable
from minprune.jobs.method_cells import (
    DENSE,
    Entry,
    entries,
    epochs_of,
    procedure,
    sparsities,
    spent,
)  # fmt: skip
from minprune.jobs.own import net, of_own, way
from minprune.jobs.procedures import PROCEDURES
from minprune.jobs.settings import ALL, CompareSettings, filled, named
from minprune.methods.plans import result
from minprune.nets.model import Model
from minprune.train.plan import run_plan


def method_choices(s: CompareSettings, dataset: Dataset) -> tuple[dict[str, str], CompareSettings]:
    """({what is left out: why}, settings that leave nothing open)

    Raises ArgumentError for a method that is asked for by name and cannot be compared, and for a
    sparsity that the net cannot reach.
    """
    made = filled(s, dataset.input_shape)
    base = f"compare-{dataset.name}-{made.net}-{'units' if s.unit else 'weights'}"
    out = named(base, made) if s.out is None else s.out
    model, asked = net(str(made.net), dataset, 0), s.methods or []
    reachable(model, s.unit, s.sparsities)
    own = [name for name in asked if name != ALL]
    names = list(dict.fromkeys([*PROCEDURES, *own])) if ALL in asked else own
    little = replace(
        dataset, train=few(dataset.train), test=few(dataset.test),
        val=few(dataset.val) if len(dataset.val[0]) else dataset.val,
    )  # fmt: skip
    left_out: dict[str, str] = {}
    there = entries(made, names)
    for e in there[1:]:
        try:
            tried(made, e, model, little)
        except MinpruneError as error:
            if e.criterion is None and e.method in own:
                raise
            left_out[str(e)] = str(error).removeprefix(f"{e.method}: ")
    kept = {e.method for e in there if str(e) not in left_out}
    if kept == {DENSE} and left_out:
        raise ArgumentError(f"no method could be compared: {'; '.join(left_out.values())}")
    if ALL in asked:
        names = [name for name in names if name in kept]
    return left_out, replace(made, out=out, methods=names)


def tried(s: CompareSettings, e: Entry, model: Model, data: Dataset) -> None:
    """Raises MinpruneError for an entry that cannot be compared

    data: a few samples. A training that diverges on them is no reason.
    """
    if not way(e.method).prunes:
        raise ArgumentError(f"{e.method}: must be a method that prunes; leave it out")
    try:
        with warnings.catch_warnings(), of_own(e.method, e.criterion):
            warnings.simplefilter("ignore", MinpruneWarning)  # they are of a few samples
            plans: list[Any] = [
                procedure(s, e, share, 0, model, data) for share in sparsities(s, e)
            ]
            found = result(run_plan(plans[-1], data, None, False, {"start": model}))
    except NonFiniteError:
        return
    each, total = plans[-1].updates(model, data), epochs_of(s)
    if spent(found) != each * total:
        raise ArgumentError(
            f"{e.method}: must spend {total} epochs, as the others do, not "
            f"{spent(found) / each:g}; leave it out"
        )
