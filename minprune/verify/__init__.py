"""Laws, oracles and generators, for other people's code too: `check_*` functions give Verdicts.

Needs the extra `verify` (hypothesis); without it the import raises MissingError.
"""

from importlib import import_module
from typing import Any

from minprune.errors import MissingError

try:
    import hypothesis  # noqa: F401
except ImportError as absent:
    raise MissingError(
        "hypothesis is not installed, and minprune.verify searches for counterexamples with it; "
        "run pip install 'minprune[verify]'"
    ) from absent

NAMES = {
    "Verdict": "verdict",
    "Verdicts": "verdict",
    "find": "verdict",
    "check_criterion": "criterion",
    "check_curvature": "criterion_curvature",
    "check_obs": "obs",
    "check_selector": "selector",
    "check_pattern": "pattern",
    "check_steps": "steps",
    "check_shuffle": "shuffle",
    "check_allocation": "allocation",
    "check_schedule": "schedule",
    "check_gradient": "gradient",
    "check_hvp": "gradient",
    "check_kernel": "kernel",
    "check_compaction": "ours_compaction",
}
__all__ = list(NAMES)


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module 'minprune.verify' has no attribute {name!r}")
    found = getattr(import_module(f"minprune.verify.{NAMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
