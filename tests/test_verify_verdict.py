"""Verdicts as text; the search finds, shrinks and repeats counterexamples, and never raises."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from minprune import verify as kit
from minprune.verify.kinds import listing
from minprune.verify.law import ClauseError, find, find_each
from minprune.verify.verdict import Verdict, Verdicts, described, short

lists = st.lists(st.integers(0, 9), max_size=6)


def small(example: list[int]) -> str | None:
    return f"the sum is {sum(example)}" if sum(example) >= 5 else None


def test_the_smallest_counterexample_is_told() -> None:
    found = find("small", "sums stay below 5", lists, small)
    assert found == Verdict("small", False, "sums stay below 5, but the sum is 5", "[5]")
    assert find("small", "sums stay below 99", lists, lambda _: None).holds


def test_same_seed_same_verdict_and_another_seed_looks_elsewhere() -> None:
    def seen(seed: int) -> list[list[int]]:
        tried: list[list[int]] = []
        find("", "", lists, lambda example: tried.append(list(example)), seed=seed, examples=20)
        return tried

    assert seen(0) == seen(0) != seen(1)


def test_exceptions_are_told_and_warnings_are_not() -> None:
    def broken(example: list[int]) -> None:
        warnings.warn("foreign code warns", stacklevel=1)
        if len(example) > 1:
            raise KeyError("fc1")

    found = find("raise", "it answers", lists, broken)
    assert re.fullmatch(
        r"it answers, but it raised KeyError: 'fc1' \(line \d+ of test_verify_verdict.py\)",
        found.sentence,
    )
    assert found.example == "[0, 0]"


def test_a_function_that_exits_breaks_the_law() -> None:
    found = find("exit", "it answers", lists, lambda _: sys.exit(3))
    assert found.sentence.startswith("it answers, but it raised SystemExit: 3 (line ")


def test_a_clause_may_be_raised() -> None:
    def broken(example: list[int]) -> None:
        raise ClauseError("the rest makes no sense")

    assert find("", "it is", lists, broken).sentence == "it is, but the rest makes no sense"


def test_code_that_answers_at_random_breaks_the_law() -> None:
    rng = np.random.default_rng(0)
    found = find("fixed", "it answers", lists, lambda _: "no" if rng.random() < 0.1 else None)
    assert not found.holds


def test_an_example_may_be_refused() -> None:
    def broken(example: list[int]) -> str | None:
        assume(len(example) > 2)
        return small(example)

    assert find("small", "sums stay below 5", lists, broken).example == "[0, 0, 5]"


def test_laws_share_a_search_and_are_shrunk_each() -> None:
    laws = {
        "small": ("sums stay below 5", small),
        "short": ("lists stay short", lambda e: "it is long" if len(e) > 2 else None),
        "list": ("it is a list", lambda e: e.clear()),
    }
    found = Verdicts(find_each(laws, lists))
    assert [v.example for v in found] == ["[5]", "[0, 0, 0]", ""]
    assert [v.law for v in found.broken] == ["small", "short"]
    assert not found.ok
    assert found[2:] == (Verdict("list", True, "it is a list"),)


def test_the_table() -> None:
    found = Verdicts([
        find("a", "all are even", [2, 4], lambda n: None if n % 2 == 0 else "it is odd"),
        find("longer", "all are even", [2, 3, 5], lambda n: None if n % 2 == 0 else "it is odd"),
    ])  # fmt: skip
    assert str(found) == (
        "a       holds\nlonger  BROKEN\n\n"
        "longer: all are even, but it is odd\n    3\n\n"
        "1 of 2 laws hold"
    )
    assert str(Verdicts(found[:1])) == "a  holds\n1 of 1 law holds"
    assert Verdicts().ok


def test_examples_are_short() -> None:
    assert short(np.array([[0, 0.5]])) == "[[0. , 0.5]] of shape (1, 2), float64"
    assert short(np.arange(99)) == "[ 0, 1, ..., 97, 98] of shape (99,), int64"
    assert described({"w": np.ones(1), "s": 0.5}) == "w = [1.] of shape (1,), float64\ns = 0.5"
    assert described((1, {"a": 2})) == "1\n{a: 2}"
    assert (
        described(Verdict("law", True, "x"))
        == "law = 'law'\nholds = True\nsentence = 'x'\nexample = ''"
    )


def test_the_names_of_the_kit() -> None:
    for name in kit.__all__:
        assert (getattr(kit, name).__doc__ or "").strip()
    assert dir(kit) == sorted(kit.__all__)
    with pytest.raises(AttributeError) as caught:
        kit.check_mask  # noqa: B018
    assert str(caught.value) == "module 'minprune.verify' has no attribute 'check_mask'"


WITHOUT = """
import sys
sys.modules["hypothesis"] = None
import minprune
try:
    minprune.verify.check_criterion
except minprune.errors.MissingError as error:
    print(error)
from minprune.cli import main
print(main(["verify", "mypkg:mine", "--kind", "selector"]))
print(main(["verify", "--list"]))
"""


def test_without_hypothesis_the_kit_says_how_to_get_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    text = (
        "hypothesis is not installed, and minprune.verify searches for counterexamples with it; "
        "run pip install 'minprune[verify]'"
    )
    assert done.stdout.split() == f"{text} 2 {listing()} 0".split()  # lines fit the terminal
    assert done.stderr == f"minprune: {text}\n"
