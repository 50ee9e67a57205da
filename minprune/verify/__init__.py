"""Laws, oracles and generators, for any code: `check_*` functions return Verdicts.

They need the extra `verify` (hypothesis); without it a check raises MissingError.
"""

import sys
from importlib import import_module
from typing import Any

from minprune.errors import MissingError

NAMES = {
    "Verdict": "verdict",
    "Verdicts": "verdict",
    "find": "law",
    "check_criterion": "criterion.check",
    "check_selector": "selection.check",
    "check_pattern": "selection.check",
    "check_allocation": "selection.allocation",
    "check_curvature": "numeric.curvature",
    "check_gradient": "numeric.gradient",
    "check_hvp": "numeric.gradient",
    "check_kernel": "numeric.kernel",
    "check_kl": "numeric.kl",
    "check_obs": "numeric.obs",
    "check_prox": "numeric.prox",
    "check_gate": "training.gate",
    "check_schedule": "training.schedule",
    "check_shuffle": "training.shuffle",
    "check_steps": "training.masks",
    "check_counted": "procedures.counted",
    "check_drop_and_grow": "procedures.drop_and_grow",
    "check_rewind": "procedures.rewind",
    "check_rounds": "procedures.rounds",
    "check_scorer": "networks.scorer",
    "check_layer_compaction": "networks.layer_compaction",
    "check_counter": "networks.counter",
    "check_sparse_format": "networks.sparse_format",
    "on_tensors": "tensors",
    "check_compaction": "ours.compaction",
}
__all__ = list(NAMES)


def part(name: str) -> Any:
    """A module of this package, by its name in it; raises MissingError without hypothesis."""
    try:
        return import_module(f"minprune.verify.{name}")
    except ModuleNotFoundError as absent:
        if str(absent.name).partition(".")[0] != "hypothesis":
            raise
        raise MissingError(
            "hypothesis is not installed, and minprune.verify searches for counterexamples with "
            "it; run pip install 'minprune[verify]'"
        ) from absent


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        said = f"module 'minprune.verify' has no attribute {name!r}"
        raise AttributeError(said, name=name, obj=sys.modules[__name__])  # Python adds the nearest
    found = getattr(part(NAMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
