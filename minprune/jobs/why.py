"""`minprune why`: why a weight or a unit of a saved model was removed or kept."""

import json
from pathlib import Path
from typing import Any

from minprune.errors import ArgumentError
from minprune.evidence.why import why as found
from minprune.files import load
from minprune.jobs.data import load_data
from minprune.jobs.job import RESULT, options
from minprune.jobs.own import check_criterion, criterion, of_own

DENSE = "dense.npz"  # of a run: the model before pruning


def why(
    file: str, place: str | None, unit: str | None, before: str | None, data: str | None,
    by: str | None,
) -> str:  # fmt: skip
    """What is known of it, as text; raises MinpruneError for a place or a file that there is not

    What is not given is that of the run, in whose folder the file is: the data and the criterion of
    its result.json, and dense.npz as the model before pruning.
    """
    if (place is None) == (unit is None):
        raise ArgumentError(
            "why: one of a weight and --unit must be given; pass fc1.weight[3,5], or --unit conv1:7"
        )
    run, path = _settings(Path(file)), Path(file)
    if before is None and path.name != DENSE and path.with_name(DENSE).exists():
        before = str(path.with_name(DENSE))
    by = by or run.get("criterion") or "magnitude"
    check_criterion("why", "--criterion", by)
    source = data or run.get("data")
    with of_own(by):
        how: dict[str, Any] = options(by) | ({"seed": run["seed"]} if "seed" in run else {})
        return str(
            found(
                load(file), load_data(source or "digits"), str(place or unit), criterion(by),
                before=None if before is None else load(before), **how,
            )
        )  # fmt: skip


def _settings(file: Path) -> dict[str, Any]:
    """Those of the run in the file's folder, if there is one"""
    try:
        found: dict[str, Any] = json.loads(file.with_name(RESULT).read_text("utf-8"))["settings"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return found
