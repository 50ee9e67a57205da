"""mp.criteria.list(): every criterion, nothing empty, and what is printed."""

from collections.abc import Callable
from math import inf

import pytest

import minprune as mp
from minprune import text
from minprune.core import EVIDENCE_KINDS, Evidence, criterion
from minprune.criteria import CRITERIA, Listing, listing

COLUMNS = ["name", "equation", "needs", "cost", "scores", "source"]


def is_whole(entries: Listing) -> bool:
    """Each criterion once, in the order of the table, no cell empty, an equation in each."""
    return [entry.name for entry in entries] == [*CRITERIA] and all(
        all(tuple(entry)) and ("=" in entry.equation or "~" in entry.equation) for entry in entries
    )


def test_every_criterion_is_there() -> None:
    assert is_whole(mp.criteria.list())


def cited(cite: str, doc: str) -> Listing:
    def random(ev: Evidence) -> dict[str, float]:
        return {}

    random.__doc__ = doc
    return listing(CRITERIA | {"random": criterion(needs=("rng",), cite=cite)(random)})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Listing([*mp.criteria.list()][1:]),
        lambda: Listing([*mp.criteria.list()][::-1]),
        lambda: cited("", "s = 1"),
        lambda: cited("somebody", ""),
        lambda: cited("somebody", "noise"),
    ],
)
def test_what_is_not_whole_is_seen(wrong: Callable[[], Listing]) -> None:
    assert not is_whole(wrong())


def test_each_entry_says_what_is_declared() -> None:
    for entry in mp.criteria.list():
        mark = CRITERIA[entry.name].spec  # type: ignore[attr-defined]
        assert entry.source == mark.cite
        assert tuple(entry.needs.split(", ")) == mark.asked({})[0]
        for need in entry.needs.split(", "):
            assert EVIDENCE_KINDS[need][1] in (*entry.cost.split(", "), entry.cost, "nothing")
        assert ("weights" in entry.scores) == mark.single
        assert ("units" in entry.scores) == (mark.unit is not None)


def test_printed_it_is_a_table() -> None:
    table = mp.criteria.list()
    assert str(table) == repr(table)
    assert max(map(len, str(table).splitlines())) == 100  # conftest.py
    lines = text.table(table[0]._fields, table, width=inf).splitlines()
    assert lines[0].split() == COLUMNS
    assert set(lines[1]) == {"-", " "}
    assert len(lines) == 2 + len(CRITERIA)
    assert len({line.index(row.source) for line, row in zip(lines[2:], table, strict=True)}) == 1
    assert all(line == line.rstrip() for line in lines)
    assert lines[2].startswith("random ")


def test_by_hand() -> None:
    def twice(ev: Evidence) -> dict[str, float]:
        """s = 2 w      unit of measure: that of the weight"""
        return {}

    marked = criterion(needs=("weights", "grads"), cite="nobody", single=False)(twice)
    assert str(listing({"twice": marked})) == (
        "name   equation  needs           cost          scores  source\n"
        "-----  --------  --------------  ------------  ------  ------\n"
        "twice  s = 2 w   weights, grads  one gradient  units   nobody"
    )
