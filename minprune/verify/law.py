"""A law: what it asks, in words, where to look for a counterexample, and a test of one example."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import isfunction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.errors import ArgumentError
from minprune.verify.search import Broken, find_each
from minprune.verify.verdict import Verdict, once


def always(subject: Any) -> bool:
    """Every subject."""
    return True


@dataclass(frozen=True)
class Law:
    """sentence: what is asked    broken: (subject, example) -> None, or a clause

    examples: a strategy, a function subject -> strategy, or None: those of the check.
    when: which subjects the law applies to.
    """

    sentence: str
    broken: Callable[[Any, Any], str | None]
    examples: Any = None
    when: Callable[[Any], bool] = always

    def __call__(self, subject: Any, example: Any) -> str | None:
        """None where the law holds for the example, or a clause that says what was wrong."""
        return self.broken(subject, example)


def law(examples: Any = None, when: Callable[[Any], bool] = always) -> Callable[..., Law]:
    """Makes a function (subject, example) -> clause | None a Law; its docstring is the sentence."""

    def declare(broken: Callable[..., str | None]) -> Law:
        sentence = " ".join((broken.__doc__ or "").partition("\n\n")[0].split())
        return Law(sentence, broken, examples, when)

    return declare


def picked(owner: str, laws: Collection[str] | None, known: Mapping[str, Law]) -> dict[str, Law]:
    """The known laws, or those that are named; raises ArgumentError for another name."""
    for name in laws or ():
        choice(owner, "laws", name, list(known))
    return {name: of for name, of in known.items() if laws is None or name in laws}


def judged(
    laws: Mapping[str, Law],
    subject: Any,
    strategy: Any = None,
    *,
    name: str = "",
    only: Callable[[Any], bool] | None = None,
    examples: int,
    seed: int,
) -> list[Verdict]:
    """The verdict on each law that applies; laws of the same strategy share one search.

    strategy: instead of the laws' own. name: what sentences begin with. only: a filter of examples.
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
        where = own(subject) if isfunction(own) else own
        where = where if only is None else where.filter(only)
        found |= {v.law: v for v in find_each(table, where, examples=examples, seed=seed)}
    return list(once(found[key] for key in laws if key in found))


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
