"""The search for the smallest example that breaks a law, with hypothesis."""

from __future__ import annotations

import copy
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import hypothesis as hyp

from minprune.verify.verdict import Verdict, described, verdict

Broken = Callable[[Any], "str | None"]  # an example -> None, or a clause that says what was wrong


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

    Raises
    ------
    hypothesis.errors.InvalidArgument
        For a strategy that is none.

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
