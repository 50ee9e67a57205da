"""A law holds for all examples that were tried, or here is the smallest one that breaks it."""

from __future__ import annotations

import copy
import dataclasses
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis as hyp
import numpy as np

Broken = Callable[[Any], "str | None"]  # an example -> None, or a clause that says what was wrong


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether one law holds, with the smallest counterexample that was found.

    Parameters
    ----------
    law : str
        Its short name.
    holds : bool
        Whether no example broke it.
    sentence : str
        What it asks; where it is broken, also what was found.
    example : str
        The smallest counterexample as text; empty where the law holds.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.verify.Verdict("even", True, "numbers are even").holds
    True
    """

    law: str
    holds: bool
    sentence: str
    example: str = ""


class Verdicts(tuple[Verdict, ...]):
    """The verdicts of one check: a tuple that prints as a table and its counterexamples.

    Examples
    --------
    >>> import minprune as mp
    >>> found = mp.verify.Verdicts([mp.verify.Verdict("even", True, "numbers are even")])
    >>> found.ok, len(found.broken)
    (True, 0)
    >>> print(found)
    even  holds
    1 of 1 law holds
    """

    __slots__ = ()

    @property
    def ok(self) -> bool:
        """Whether every law holds."""
        return all(v.holds for v in self)

    @property
    def broken(self) -> Verdicts:
        """Those that do not hold."""
        return Verdicts(v for v in self if not v.holds)

    def __str__(self) -> str:
        wide = max((len(v.law) for v in self), default=0)
        lines = [f"{v.law:<{wide}}  {'holds' if v.holds else 'BROKEN'}" for v in self]
        for v in self.broken:
            lines += ["", f"{v.law}: {v.sentence}"]
            lines += [f"    {line}" for line in v.example.splitlines()]
        if self.broken:
            lines.append("")
        hold = "law holds" if len(self) == 1 else "laws hold"
        return "\n".join([*lines, f"{len(self) - len(self.broken)} of {len(self)} {hold}"])

    __repr__ = __str__


class FoundError(Exception):
    """Tells hypothesis that an example breaks the law."""


class ClauseError(Exception):
    """Raised where the rest of a law makes no sense; its text is the clause."""


def find(
    law: str, sentence: str, strategy: Any, broken: Broken, *, examples: int = 200, seed: int = 0
) -> Verdict:
    """Search for an example that breaks a law, and shrink the first that is found.

    The same arguments try the same examples in the same program (hypothesis also tries numbers
    that occur in the modules that are loaded).

    Parameters
    ----------
    law : str
        Its short name.
    sentence : str
        What it asks.
    strategy : hypothesis strategy
        Makes the examples.
    broken : callable
        example -> None where the law holds, or a clause that says what is wrong. An exception
        breaks the law too; a warning does not.
    examples : int
        How many to try.
    seed : int
        The same seed tries the same examples.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import minprune as mp
    >>> from hypothesis import strategies as st
    >>> mp.verify.find("small", "numbers stay below 5", st.integers(0, 9),
    ...                lambda n: f"one is {n}" if n >= 5 else None)
    Verdict(law='small', holds=False, sentence='numbers stay below 5, but one is 5', example='5')
    """
    found: list[tuple[str, str]] = []

    def test(example: Any) -> None:
        text = described(example)  # before the call, which may change it
        clause = told(broken, example)
        if clause is not None:
            found[:] = [(clause, text)]
            raise FoundError

    try:
        _over(strategy, test, examples, seed)
    except (FoundError, hyp.errors.Flaky):  # flaky: code that answers differently the second time
        return verdict(law, sentence, *found[0])
    return Verdict(law, True, sentence)


def find_each(
    laws: Mapping[str, tuple[str, Broken]], strategy: Any, *, examples: int = 200, seed: int = 0
) -> list[Verdict]:
    """`find` for {law: (sentence, broken)}: one search for all, then one for each that is broken.

    Each law gets its own copy of an example.
    """
    if len(laws) == 1:
        ((law, (sentence, broken)),) = laws.items()
        return [find(law, sentence, strategy, broken, examples=examples, seed=seed)]
    seen: dict[str, tuple[str, str]] = {}

    def test(example: Any) -> None:
        for law, (_, broken) in laws.items():
            if law not in seen:
                clause = told(broken, copy.deepcopy(example))
                if clause is not None:
                    seen[law] = clause, described(example)

    _over(strategy, test, examples, seed)
    verdicts = []
    for law, (sentence, broken) in laws.items():
        if law not in seen:
            verdicts.append(Verdict(law, True, sentence))
            continue
        small = find(law, sentence, strategy, broken, examples=examples, seed=seed)
        verdicts.append(verdict(law, sentence, *seen[law]) if small.holds else small)
    return verdicts


def _over(strategy: Any, test: Callable[[Any], None], examples: int, seed: int) -> None:
    """Runs the test on examples of the strategy, and again on smaller ones where it raises."""
    quiet = hyp.settings(
        database=None,
        deadline=None,
        derandomize=False,
        max_examples=examples,
        phases=[hyp.Phase.generate, hyp.Phase.shrink],
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hyp.HealthCheck),
        verbosity=hyp.Verbosity.quiet,
    )
    hyp.seed(seed)(quiet(hyp.given(strategy)(test)))()


def first(law: str, sentence: str, examples: Iterable[Any], broken: Broken) -> Verdict:
    """`find` over a list of examples, the smallest first."""
    for example in examples:
        text, clause = described(example), told(broken, example)
        if clause is not None:
            return verdict(law, sentence, clause, text)
    return Verdict(law, True, sentence)


def verdict(law: str, sentence: str, clause: str, example: str) -> Verdict:
    """The verdict on a broken law."""
    return Verdict(law, False, f"{sentence}, but {clause}", example)


def told(broken: Broken, example: Any) -> str | None:
    """What `broken` says, or the exception that it raises, with its place in the user's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return broken(example)
        except hyp.errors.HypothesisException:  # hypothesis wants another example
            raise
        except ClauseError as error:
            return str(error)
        except (Exception, SystemExit) as error:  # user code may raise anything
            lines = str(error).strip().splitlines() or [""]
            return f"it raised {type(error).__name__}: {lines[0]}".rstrip(": ") + _place(error)


def _place(error: BaseException) -> str:
    """The last line of the first file outside verify/ that the error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if Path(__file__).parent not in Path(f.filename).parents]
    mine = [f for f in theirs if f.filename == theirs[0].filename]
    return f" (line {mine[-1].lineno} of {Path(mine[-1].filename).name})" if mine else ""


RAISED = ", but it raised "


def once(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Of verdicts on one exception the first tells it, and the others name that law."""
    seen: dict[str, str] = {}
    for v in verdicts:
        sentence, raised, what = v.sentence.partition(RAISED)
        if raised and what in seen:
            yield Verdict(v.law, False, f"{sentence}{RAISED}the same as under {seen[what]!r}")
        else:
            yield v
        if raised:
            seen.setdefault(what, v.law)


def described(value: Any) -> str:
    """One line for each part of an example; arrays short, with their shape and dtype"""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if type(value).__str__ is not object.__str__:
            return str(value)
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.repr}
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {short(part)}" for name, part in value.items())
    if isinstance(value, tuple):
        return "\n".join(short(part) for part in value)
    return short(value)


def short(value: Any) -> str:
    """A value on one line: [[0., 1.]] of shape (1, 2), float64"""
    if isinstance(value, np.ndarray):
        large = value.size > 12
        how: dict[str, Any] = {"precision": 4} if large else {"floatmode": "unique"}
        text = np.array2string(value, separator=", ", threshold=12, edgeitems=2, **how)
        return f"{' '.join(text.split())} of shape {value.shape}, {value.dtype}"
    if isinstance(value, Mapping):
        return "{" + "; ".join(f"{name}: {short(part)}" for name, part in value.items()) + "}"
    return repr(value)
