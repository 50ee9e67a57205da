"""check_criterion: every law of criteria on one function, ours or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.arguments import choice
from minprune.core import Arrays, Chunk
from minprune.errors import ArgumentError
from minprune.verify.criterion.general import GENERAL
from minprune.verify.criterion.named import NAMED
from minprune.verify.criterion.subject import CHECK, Subject, subject, total
from minprune.verify.law import judged, picked
from minprune.verify.plain.moments import two_classes
from minprune.verify.plain.nets import ordinary
from minprune.verify.plain.twins import TWINS
from minprune.verify.search import told
from minprune.verify.trees import leaves
from minprune.verify.verdict import Verdict, Verdicts, verdict

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
    """Check a criterion against the laws of criteria.

    Parameters
    ----------
    fn : callable
        A marked criterion (Evidence, **options) -> {name: scores}; or any function whose arguments
        are named like the evidence that it needs (weights=, grads=, hess_diag=, ...) as dicts of
        arrays; or, with `needs`, an unmarked function of Evidence.
    like : str, optional
        The criterion that it should equal ("obd"). None: only what holds for any criterion.
    needs : sequence of str, optional
        The kinds of evidence of a function of Evidence.
    unit : bool or str
        Whether it scores units; a string says what a unit's arrays hold, see CriterionSpec.unit.
        True: what they hold for `like`, which may be a gate: one number for each unit.
    options : dict, optional
        Passed to fn, as far as it takes them, and to the definition: {"p": 1} for a norm.
    examples : int
        How many examples each law is tried on.
    seed : int
        The same seed tries the same examples.
    chunk : {"all", "batch", "sample"}, optional
        What one call of fn is given.
    laws : sequence of str, optional
        Only these.

    Returns
    -------
    Verdicts
        One for each law, with the smallest counterexample. A function without an answer to an
        ordinary net is asked nothing else. Nets and losses are plain NumPy (verify/plain/).

    Raises
    ------
    ArgumentError
        For an unknown name, law, option, view or kind of evidence.

    Examples
    --------
    >>> import minprune as mp
    >>> def mine(weights, hess_diag):
    ...     return {name: 0.5 * hess_diag[name] * w**2 for name, w in weights.items()}
    >>> mp.verify.check_criterion(mine, like="obd", examples=5).ok
    True
    """
    if like is not None:
        choice(CHECK, "like", like, (None, *TWINS))
    s = subject(fn, like, needs, unit, options, chunk)
    known = dict(GENERAL)
    verdicts = []
    if s.twin is not None:
        if s.view is None and not s.twin.single:
            raise ArgumentError(
                f"{CHECK}: {like} scores units alone; say unit=True (--given unit=yes)"
            )
        known |= {name: NAMED[name] for name in ("definition", "positions", *s.twin.laws)}
        if s.twin.chunk is not None and s.marked:
            verdicts.append(chunk_size(s, s.twin.chunk))
    known = {name: law for name, law in known.items() if law.when(s)}
    silent = no_answer(s)
    if silent is not None:
        return Verdicts([silent])
    wanted = picked(CHECK, [v for v in laws if v != "chunk"] if laws is not None else None, known)
    classes = OF_CLASSES & {*s.needs, *(s.twin.needs if s.twin else ())}
    verdicts = [v for v in verdicts if laws is None or v.law in laws]
    verdicts += judged(wanted, s, name=s.name, only=two_classes if classes else None,
                       examples=examples, seed=seed)  # fmt: skip
    return Verdicts(verdicts)


def again(fn: Callable[..., Any], **asked: Any) -> Arrays:
    """The scores of an ordinary net, to be compared between processes."""
    return total(subject(fn, **asked), ordinary())


def no_answer(s: Subject) -> Verdict | None:
    """What is wrong with the scores of an ordinary net; None if they are there and finite."""
    net, law = ordinary(), GENERAL["shapes"]
    clause = told(lambda p: law(s, p), net)
    if clause is None:
        return None
    how = f"unit={s.view!r}" if s.view else "single weights"
    if s.view == "gate":
        how += ": one number for each unit, unit='outgoing' gives the weights that read it"
    head = f"an ordinary net of 3-4-3-3, {how}"
    given = [f"{what} {a.shape}" for what, a in leaves(s.of(net)) if a.ndim]
    sentence = f"{s.name}: {law.sentence}"
    return verdict(
        "shapes", sentence, f"{clause}; no other law was asked", "\n".join([head, *given])
    )


def chunk_size(s: Subject, want: Chunk) -> Verdict:
    """Whether the criterion is marked with the chunk that its definition takes at once."""
    sentence = f"{s.name}: its definition takes chunk={want!r} at once"
    if s.chunk == want:
        return Verdict("chunk", True, sentence)
    return Verdict("chunk", False, f"{sentence}, but it is marked chunk={s.chunk!r}")
