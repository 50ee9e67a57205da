"""check_obs: the steps of Optimal Brain Surgeon, one function each, against dense solutions.

An adapter of a few lines puts anybody's function to the test. A new kind is one row of STEP_LAWS.
"""

from __future__ import annotations

from collections.abc import Collection

from minprune.errors import ArgumentError
from minprune.verify import laws_obs as steps
from minprune.verify.calling import callable_as
from minprune.verify.verdict import Verdicts, find

STEP_LAWS: dict[str, dict[str, steps.LawOf]] = {
    "update": {
        "gone": steps.gone,
        "least rise": steps.best_update,
        "exact": steps.exact_update,
        "uncoupled": steps.uncoupled,
        "any order": steps.any_order,
        "input untouched": steps.untouched,
    },
    "score": {
        "exact": steps.set_score,
        "below zeroing": steps.below_zeroing,
        "input untouched": steps.untouched,
    },
    "downdate": {"exact": steps.reduced},
    "inverse": {
        "exact": steps.damped_inverse,
        "small inputs": steps.scale_free,
        "batches": steps.of_all_samples,
    },
    "sweep": {"greedy": steps.greedy_steps},
}


TAKES = {
    "update": ("w", "inverse", "q"),
    "score": ("w", "inverse", "q"),
    "downdate": ("inverse", "q"),
    "inverse": ("batches", "damp"),
    "sweep": ("w", "inverse"),
}


def check_obs(
    fn: steps.Fn,
    like: str = "update",
    *,
    laws: Collection[str] | None = None,
    examples: int = 100,
    seed: int = 0,
) -> Verdicts:
    """Runs the laws of one step of Optimal Brain Surgeon on fn, in float64.

    like: "update": fn(w, inverse, q) -> the new w, (n,), without the set q of places, H^-1 given;
    "score": fn(w, inverse, q) -> the rise of the loss; "downdate": fn(inverse, q) -> the inverse of
    H without q, (n, n), 0 on q; "inverse": fn(batches, damp) -> inv(alpha I + (2/P) sum x x^T),
    batches: [(m, n), ...]; "sweep": fn(w, inverse) -> (order, losses) of greedy removal to the end.
    laws: only these. Raises ArgumentError for another `like` or law, and for a function that cannot
    be called so.
    """
    if like not in STEP_LAWS:
        raise ArgumentError(
            f"like is {like!r}, expected one of {', '.join(STEP_LAWS)}; "
            f"say what the function claims"
        )
    for law in laws or ():
        if law not in STEP_LAWS[like]:
            raise ArgumentError(
                f"{law!r} is no law of {like}; there are {', '.join(STEP_LAWS[like])}"
            )
    callable_as(fn, *TAKES[like])
    name = getattr(fn, "__name__", like)
    found = {law: make(fn) for law, make in STEP_LAWS[like].items() if laws is None or law in laws}
    return Verdicts(
        find(law, f"{name}: {of.sentence}", of.examples, of.broken, examples=examples, seed=seed)
        for law, of in found.items()
    )
