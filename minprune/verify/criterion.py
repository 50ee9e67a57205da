"""check_criterion: every law of criteria on one function, ours or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.core import Over
from minprune.errors import ArgumentError
from minprune.verify.criterion_subject import Law, subject
from minprune.verify.definitions_table import DEFINITIONS, definition
from minprune.verify.laws_criterion import GENERAL
from minprune.verify.laws_criterion_named import NAMED
from minprune.verify.plain_moments import two_classes
from minprune.verify.verdict import Verdict, Verdicts, find


def check_criterion(
    fn: Callable[..., Any],
    like: str | None = None,
    needs: Sequence[str] | None = None,
    unit: bool | str = False,
    options: Mapping[str, Any] | None = None,
    examples: int = 25,
    seed: int = 0,
    *,
    over: Over | None = None,
    laws: Sequence[str] | None = None,
) -> Verdicts:
    """Runs the laws of a criterion on fn and says which hold, with the smallest counterexample.

    fn: a marked criterion (Evidence, **options) -> {name: scores}; or any function whose arguments
    are named like the evidence it wants (weights=, grads=, hess_diag=, ...: core.KINDS) as dicts of
    arrays; or, with needs=("weights", ...), an unmarked function of Evidence.
    like: the name of the criterion that it should equal ("obd"); None: only what holds for any.
    unit: whether it scores units; a string says what the arrays of a unit hold, see Mark.unit.
    options: passed to fn.    over: "all", "batch" or "sample", what one call of fn is given.
    laws: only these. The plain nets and losses behind it are NumPy alone (verify/plain.py).

    Raises ArgumentError for an unknown name, law, reading or kind of evidence.
    """
    options = dict(options or {})
    if like is not None and like not in DEFINITIONS:
        raise ArgumentError(
            f"like is {like!r}, expected one of {', '.join(DEFINITIONS)}; "
            f"leave it out for a criterion of your own"
        )
    row = definition(like, options, bool(unit)) if like else None
    s = subject(fn, needs, unit, options, over, row)
    if row is not None and s.row is None and not row.single:
        raise ArgumentError(f"like is {like!r}, which scores units alone; say unit=True")
    found: dict[str, Law | None] = {name: law(s) for name, law in GENERAL.items()}
    if row is not None:
        for name in ("definition", "positions", *row.laws):
            found[name] = NAMED[name](s, row, options)
    verdicts = []
    if row is not None and row.over is not None and s.marked:
        verdicts.append(chunk(s.name, s.over, row.over))
    for name in laws or ():
        if name not in (*found, "chunk"):
            raise ArgumentError(
                f"laws has {name!r}, expected some of chunk, {', '.join(found)}; correct the name"
            )
    classes = {"class_counts", "class_means", "within"} & set(s.needs)
    verdicts += [
        find(
            name,
            law.sentence,
            law.examples.filter(two_classes) if classes else law.examples,
            law.broken,
            examples=examples,
            seed=seed,
        )
        for name, law in found.items()
        if law is not None and (laws is None or name in laws)
    ]
    return Verdicts(v for v in verdicts if laws is None or v.law in laws)


def chunk(name: str, found: Over, want: Over) -> Verdict:
    """Whether the criterion is marked with the chunk that its definition takes at once."""
    sentence = f"{name}: its definition takes over={want!r} at once"
    if found == want:
        return Verdict("chunk", True, sentence)
    return Verdict("chunk", False, f"{sentence}, but it is marked over={found!r}")
