"""check_criterion: every law of criteria on one function, of minprune or of the user."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Arrays, Chunk, Evidence
from minprune.errors import ArgumentError
from minprune.verify.criterion import exact, moves
from minprune.verify.criterion.bounds import alike, clause, rounding, steady
from minprune.verify.criterion.general import GENERAL
from minprune.verify.criterion.hints import factor
from minprune.verify.criterion.large import (
    any_numbers,
    fixed_nets,
    free,
    homogeneous,
    maps_of,
    nets_of,
    sizes,
)
from minprune.verify.criterion.subject import CHECK, Subject, reference, subject, total
from minprune.verify.law import Laws, clause_of, judged, picked
from minprune.verify.plain.evidence import OF_MAPS, two_classes
from minprune.verify.plain.net import ACTS, FILLS, maps, mlps, ordinary
from minprune.verify.plain.twin import TWINS
from minprune.verify.plain.twin import known as taken
from minprune.verify.trees import leaves
from minprune.verify.verdict import RAISED, Verdict, Verdicts, verdict

# the laws that hold for a criterion because of what it claims to measure; a twin names its own
NAMED = Laws()
OF_CLASSES = {"labels", "class_counts", "class_means", "within"}


def by_definition(s: Subject, p: Any) -> str | None:
    """A clause where total scores are not those of the definition on the same problem."""
    ref = reference(s)
    want = total(ref, p)
    if s.twin.unsure(ref.of(p), **taken(s.twin.unsure, s.options)):
        return None
    found = clause(total(s, p), want, rounding(s, ref, p), f"by the definition, {said(s)},")
    same = alike(s, ref)
    # of the same outputs a mean is of the same numbers, also where one is equal to a tolerance
    if found and not (same and ref.needs == ("activations",)):
        return found if steady(ref, p) and (same or steady(s, p)) else None
    return found


def said(s: Subject) -> str:
    """The first line of the definition's docstring."""
    text = (s.twin.score.__doc__ or "see verify/plain/").strip().splitlines()[0]
    return text.rstrip(".").split(";")[0]


def problems(s: Subject) -> st.SearchStrategy[Any]:
    """Any net; ReLU alone where incoming weights and bias stand for a gate

    Together they tell the gate's derivative where the unit is homogeneous; of others it has to be
    read from the outgoing weights.
    """
    return mlps(("relu", "linear") if homogeneous(s) else tuple(ACTS), fills=FILLS, inputs=(1, 4))


@NAMED("chunk", st.just("its spec"), lambda s: s.marked and s.twin.chunk is not None)
def takes_its_chunk(s: Subject, _: Any) -> str | None:
    """it takes at once what its definition takes at once"""
    if s.chunk == s.twin.chunk:
        return None
    return f"it is marked chunk={s.chunk!r}, and the definition takes chunk={s.twin.chunk!r}"


# other numbers of the same kind are as right
@NAMED("definition", problems, lambda s: "rng" not in s.twin.needs, nets_of)
def equals_the_definition(s: Subject, p: Any) -> str | None:
    """scores are those of the definition"""
    return by_definition(s, p)


def reads_maps(s: Subject) -> bool:
    kinds = {*s.needs, *s.twin.needs}
    return "activations" in s.needs and s.view in ("gate", "whole") and kinds <= OF_MAPS


@NAMED("positions", maps(), reads_maps, maps_of)
def at_positions(s: Subject, p: Any) -> str | None:
    """of several positions too scores are those of the definition

    On activations of any numbers, with no net behind them.
    """
    return by_definition(s, p)


@NAMED("any numbers", any_numbers, lambda s: "rng" not in s.twin.needs and free(s))
def of_any_numbers(s: Subject, ev: Evidence) -> str | None:
    """of many entries and units, and of convolutions, scores are those of the definition

    Of evidence of any numbers, with no net behind it.
    """
    ref = reference(s)
    if s.twin.unsure(ev, **taken(s.twin.unsure, s.options)):
        return None
    return clause(s(ev), ref(ev), sizes(s, ev), f"by the definition, {said(s)},")


NAMED |= exact.LAWS | moves.LAWS

# whose clause sets two scores side by side that would be equal
SIDE_BY_SIDE = {"definition", "positions", "any numbers", "exact", "exact squared",
                "slope of the gradient", "exact removal"}  # fmt: skip


def hinted(s: Subject, found: list[Verdict]) -> list[Verdict]:
    """The verdicts, with what could make all scores right where that holds for all of larger nets

    An example that has been shrunk shows too few numbers for that.
    """
    broken = [v for v in found if not v.holds and v.law in SIDE_BY_SIDE]
    broken = [v for v in broken if RAISED not in v.sentence]
    if not broken:
        return found
    hints = set()
    for p in fixed_nets(24)[:3]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hints.add(factor(total(s, p), total(reference(s), p)))
        except Exception:  # user code may raise anything
            return found
    if len(hints) > 1:
        return found
    (hint,) = hints
    return [replace(v, sentence=v.sentence + hint) if v in broken else v for v in found]


def check_criterion(
    fn: Callable[..., Any], like: str | None = None, needs: Sequence[str] | None = None,
    unit: bool | str = False, options: Mapping[str, Any] | None = None, examples: int = 25,
    seed: int = 0, *, chunk: Chunk | None = None, laws: Sequence[str] | None = None,
) -> Verdicts:  # fmt: skip
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
    if like is not None:
        if s.view is None and not s.twin.single:
            raise ArgumentError(f"{CHECK}: {like} scores units; say unit=True (--given unit=yes)")
        named = ("chunk", "definition", "positions", "any numbers", *s.twin.laws)
        known |= {name: NAMED[name] for name in named}
    wanted = picked(CHECK, laws, {name: law for name, law in known.items() if law.when(s)})
    silent = no_answer(s)
    if silent is not None:
        return Verdicts([silent])
    only = two_classes if OF_CLASSES & {*s.needs, *s.twin.needs} else None
    run: dict[str, Any] = {"examples": examples, "seed": seed}
    return Verdicts(hinted(s, judged(wanted, s, name=s.name, only=only, **run)))


def again(fn: Callable[..., Any], draw: None, **asked: Any) -> Arrays:
    """The scores of an ordinary net, to be compared between processes."""
    return total(subject(fn, **asked), ordinary())


def no_answer(s: Subject) -> Verdict | None:
    """What is wrong with the scores of an ordinary net; None if they are there and finite."""
    net, law = ordinary(), GENERAL["shapes"]
    clause = clause_of(lambda p: law(s, p), net)
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
