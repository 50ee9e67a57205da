"""check_criterion: every law of criteria on one function, ours or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.core import Arrays, Chunk
from minprune.errors import ArgumentError
from minprune.verify.criterion_bounds import once
from minprune.verify.criterion_calling import subject
from minprune.verify.criterion_subject import Law, Subject, total
from minprune.verify.definitions_table import DEFINITIONS, definition
from minprune.verify.laws_criterion import GENERAL, each_array
from minprune.verify.laws_criterion_named import NAMED
from minprune.verify.plain_evidence import plain_evidence
from minprune.verify.plain_moments import two_classes
from minprune.verify.plain_nets import ordinary
from minprune.verify.verdict import Verdict, Verdicts, find, told, verdict

OF_CLASSES = {"labels", "class_counts", "class_means", "within"}


def check_criterion(
    fn: Callable[..., Any],
    like: str | None = None,
    needs: Sequence[str] | None = None,
    unit: bool | str = False,
    options: Mapping[str, Any] | None = None,
    examples: int = 25,
    seed: int = 0,
    *,
    chunk: Chunk | None = None,
    laws: Sequence[str] | None = None,
) -> Verdicts:
    """Runs the laws of a criterion on fn and says which hold, with the smallest counterexample.

    fn: a marked criterion (Evidence, **options) -> {name: scores}; or any function whose arguments
    are named like the evidence it wants (weights=, grads=, hess_diag=, ...) as dicts of arrays;
    or, with needs=("weights", ...), an unmarked function of Evidence.
    like: the name of the criterion that it should equal ("obd"); None: only what holds for any.
    unit: whether it scores units; a string says what a unit's arrays hold: CriterionSpec.unit.
    True: what they hold for `like`, which may be a gate: one number for each unit.
    options: passed to fn, as far as it takes them, and to the definition: {"p": 1} for a norm.
    chunk: "all", "batch" or "sample", what one call of fn is given.    laws: only these.

    A function without an answer to an ordinary net is asked nothing else. The plain nets and losses
    are NumPy alone (verify/plain.py). Raises ArgumentError for an unknown name, law, option,
    reading or kind of evidence.
    """
    options = dict(options or {})
    if like is not None and like not in DEFINITIONS:
        raise ArgumentError(
            f"like is {like!r}, expected one of {', '.join(DEFINITIONS)}; "
            f"leave it out for a criterion of your own"
        )
    row = definition(like, options, bool(unit)) if like else None
    s = subject(fn, needs, unit, options, chunk, row)
    if row is not None and s.row is None and not row.single:
        raise ArgumentError(
            f"like is {like!r}, which scores units alone; say unit=True (--given unit=yes)"
        )
    made = {name: law(s) for name, law in GENERAL.items()}
    if row is not None:
        made |= {
            name: NAMED[name](s, row, options) for name in ("definition", "positions", *row.laws)
        }
    found = {name: law for name, law in made.items() if law is not None}
    verdicts = []
    if row is not None and row.chunk is not None and s.marked:
        verdicts.append(chunk_size(s.name, s.chunk, row.chunk))
    known = [*(v.law for v in verdicts), *found]
    for name in laws or ():
        if name not in known:
            raise ArgumentError(
                f"laws has {name!r}, expected some of {', '.join(known)}; correct the name"
            )
    silent = no_answer(s, found["shapes"])
    if silent is not None:
        return Verdicts([silent])
    classes = OF_CLASSES & {*s.needs, *(row.needs if row else ())}
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
        if laws is None or name in laws
    ]
    return Verdicts(once(v for v in verdicts if laws is None or v.law in laws))


def again(
    fn: Callable[..., Any],
    like: str | None = None,
    needs: Sequence[str] | None = None,
    unit: bool | str = False,
    options: Mapping[str, Any] | None = None,
    chunk: Chunk | None = None,
) -> Arrays:
    """The scores of an ordinary net, to be compared between processes."""
    options = dict(options or {})
    row = definition(like, options, bool(unit)) if like else None
    return total(subject(fn, needs, unit, options, chunk, row), ordinary())


def no_answer(s: Subject, law: Law) -> Verdict | None:
    """What is wrong with the scores of an ordinary net; None if they are there and finite."""
    net = ordinary()
    clause = told(law.broken, net)
    if clause is None:
        return None
    how = f"unit={s.row!r}" if s.row else "single weights"
    if s.row == "gate":
        how += ": one number for each unit, unit='outgoing' gives the weights that read it"
    head = f"an ordinary net of 3-4-3-3, {how}"
    given = [f"{what} {a.shape}" for what, a in each_array(plain_evidence(net, s.needs, s.row))]
    return verdict(
        "shapes", law.sentence, f"{clause}; no other law was asked", "\n".join([head, *given])
    )


def chunk_size(name: str, found: Chunk, want: Chunk) -> Verdict:
    """Whether the criterion is marked with the chunk that its definition takes at once."""
    sentence = f"{name}: its definition takes chunk={want!r} at once"
    if found == want:
        return Verdict("chunk", True, sentence)
    return Verdict("chunk", False, f"{sentence}, but it is marked chunk={found!r}")
