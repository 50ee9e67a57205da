"""A law: what it asks, in words, and the search for the smallest example that breaks it.

Longer than most files: every kind of function is searched in this one way.
"""

import copy
import inspect
import traceback
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis as hyp
import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.errors import ArgumentError, MissingError
from minprune.verify.verdict import Verdict, described, once, raised, verdict

Broken = Callable[[Any], "str | None"]  # an example -> None, or a clause that says what was wrong


@dataclass(frozen=True)
class Law:
    """sentence: what is required    broken: (subject, example) -> None, or a clause

    examples: a strategy, a function subject -> strategy, or None: those of the check.
    when: which subjects the law applies to. also: a function subject -> fixed examples, larger
    than the others, that are tried where no other breaks the law.
    """

    sentence: str
    broken: Callable[[Any, Any], str | None]
    examples: Any = None
    when: Callable[[Any], bool] = lambda subject: True
    also: Callable[[Any], Sequence[Any]] = lambda subject: ()

    def __call__(self, subject: Any, example: Any) -> str | None:
        """None where the law holds for the example, or a clause that says what was wrong."""
        return self.broken(subject, example)


class Laws(dict[str, Law]):
    """A table of laws by name; as a decorator it adds one."""

    def __call__(
        self, name: str, examples: Any = None, when: Callable[[Any], bool] = Law.when,
        also: Callable[[Any], Sequence[Any]] = Law.also,
    ) -> Callable[[Callable[..., str | None]], Law]:  # fmt: skip
        """Makes a function (subject, example) -> clause | None a law; its docstring is the
        sentence.
        """

        def declare(broken: Callable[..., str | None]) -> Law:
            sentence = " ".join((broken.__doc__ or "").partition("\n\n")[0].split())
            self[name] = Law(sentence, broken, examples, when, also)
            return self[name]

        return declare


def picked(owner: str, laws: Collection[str] | None, known: Mapping[str, Law]) -> dict[str, Law]:
    """The known laws, or those that are named; raises ArgumentError for another name."""
    for name in laws or ():
        choice(owner, "laws", name, list(known))
    return {name: of for name, of in known.items() if laws is None or name in laws}


def judged(
    laws: Mapping[str, Law], subject: Any, strategy: Any = None, *, name: str = "",
    only: Callable[[Any], bool] | None = None, also: Sequence[Any] = (), examples: int, seed: int,
) -> list[Verdict]:  # fmt: skip
    """The verdict on each law that applies; laws of the same strategy share one search.

    strategy: instead of the laws' own; a list is tried from first to last. name: what sentences
    begin with. only: a filter of drawn examples. also: fixed examples besides each law's own.
    """
    tables: dict[int, tuple[Any, dict[str, tuple[str, Broken]]]] = {}
    for key, of in laws.items():
        if of.when(subject):
            own = of.examples if strategy is None else strategy
            sentence = f"{name}: {of.sentence}" if name else of.sentence
            table = tables.setdefault(id(own), (own, {}))[1]
            table[key] = sentence, partial(of.broken, subject)
    found: dict[str, Verdict] = {}
    for own, table in tables.values():
        where = own(subject) if inspect.isfunction(own) else own
        where = where.filter(only) if only else where
        found |= {v.law: v for v in find_each(table, where, examples=examples, seed=seed)}
        for key, row in table.items():
            large = [*also, *laws[key].also(subject)]
            if large and found[key].holds:
                found[key] = find(key, row[0], large, row[1])
    return list(once(found[key] for key in laws if key in found))


def keywords(fn: Callable[..., Any], wanted: Sequence[str]) -> list[str]:
    """Those of the wanted names that are parameters of fn; none where it has no signature."""
    try:
        names = inspect.signature(fn).parameters
    except (TypeError, ValueError):  # a builtin
        return []
    return [name for name in wanted if name in names]


def callable_as(fn: Any, *names: str, given: Sequence[str] = ()) -> None:
    """Raises ArgumentError unless fn can be called with so many arguments, and these by name."""
    if not callable(fn):
        raise ArgumentError(f"{fn!r} must be a function, not of type {type(fn).__name__}")
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):  # a builtin: the laws will show
        return
    try:
        signature.bind(*names, **dict.fromkeys(given))
    except TypeError as error:
        name = getattr(fn, "__name__", "the function")
        raise ArgumentError(
            f"{name}({', '.join(signature.parameters)}) is called as {name}({', '.join(names)}): "
            f"{error}; wrap it in a function that takes these"
        ) from error


def drawn(owner: str, what: str, source: Any) -> Any:
    """A strategy: `source` itself, or the answers of a function of a numpy Generator."""
    if isinstance(source, st.SearchStrategy):
        return source
    if not callable(source):
        raise ArgumentError(
            f"{owner}: {what} must be a hypothesis strategy or a function of a numpy Generator, "
            f"not {type(source).__name__}; pass lambda rng: ..., for example"
        )
    return st.integers(0, 2**32 - 1).map(lambda seed: source(np.random.default_rng(seed)))


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
    strategy : hypothesis strategy or list
        Makes the examples; a list holds them, the smallest first, and all are tried.
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
        clause = clause_of(broken, example)
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
    """`find` for {law: (sentence, broken)}: one search for all, then one for each that is broken
    by an example that can be smaller.

    Each law gets its own copy of an example.
    """
    if len(laws) == 1:
        ((law, (sentence, broken)),) = laws.items()
        return [find(law, sentence, strategy, broken, examples=examples, seed=seed)]
    seen: dict[str, tuple[str, str]] = {}

    def test(example: Any) -> None:
        for law, (_, broken) in laws.items():
            if law not in seen:
                clause = clause_of(broken, copy.deepcopy(example))
                if clause is not None:
                    seen[law] = clause, described(example)
        if len(seen) == len(laws):
            raise FoundError  # nothing is left to be found

    with suppress(FoundError, hyp.errors.Flaky):
        _over(strategy, test, examples, seed, smaller=False)
    verdicts = []
    for law, (sentence, broken) in laws.items():
        if law not in seen:
            verdicts.append(Verdict(law, True, sentence))
            continue
        first = verdict(law, sentence, *seen[law])
        if not isinstance(strategy, list):  # a list holds the smallest first
            small = find(law, sentence, strategy, broken, examples=examples, seed=seed)
            first = first if small.holds else small
        verdicts.append(first)
    return verdicts


def _over(
    strategy: Any, test: Callable[[Any], None], examples: int, seed: int, smaller: bool = True
) -> None:
    """Runs the test on examples of the strategy until it raises, and then on smaller ones."""
    if isinstance(strategy, list):
        for example in strategy:
            test(copy.deepcopy(example))
        return
    quiet = hyp.settings(
        database=None, deadline=None, derandomize=False, max_examples=examples,
        phases=[hyp.Phase.generate, *[hyp.Phase.shrink] * smaller], print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hyp.HealthCheck), verbosity=hyp.Verbosity.quiet,
    )  # fmt: skip
    hyp.seed(seed)(quiet(hyp.given(strategy)(test)))()


def clause_of(broken: Broken, example: Any) -> str | None:
    """What `broken` says, or the exception that it raises, with its place in the user's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return broken(example)
        except (hyp.errors.HypothesisException, MissingError):  # it wants another example; torch
            raise
        except ClauseError as error:
            return str(error)
        except (Exception, SystemExit) as error:  # user code may raise anything
            return f"it raised {raised(error)}".rstrip(": ") + _place(error)


def _place(error: BaseException) -> str:
    """The last line of the first file outside verify/ that the error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if Path(__file__).parent not in Path(f.filename).parents]
    mine = [f for f in theirs if f.filename == theirs[0].filename]
    return f" (line {mine[-1].lineno} of {Path(mine[-1].filename).name})" if mine else ""
