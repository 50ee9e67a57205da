"""The kit on procedures: ours and right ones pass, and each planted bug breaks a law."""

from typing import Any

import pytest
from planted_procedures import (
    COUNTED_RIGHT,
    COUNTED_WRONG,
    GROW_RIGHT,
    GROW_WRONG,
    REWIND_RIGHT,
    REWIND_WRONG,
    ROUNDS_RIGHT,
    ROUNDS_WRONG,
)

from minprune.verify import check_counted, check_drop_and_grow, check_rewind, check_rounds
from minprune.verify.verdict import Verdicts

FEW: dict[str, Any] = {"examples": 40}


def ids(row: Any) -> Any:
    return row[0] if isinstance(row, tuple) else None


def counted(row: Any) -> Verdicts:
    return check_counted(row[1], **(row[2] if len(row) > 2 else {}), **FEW)


def rounds(row: Any) -> Verdicts:
    return check_rounds(row[1], row[2], **(row[3] if len(row) > 3 else {}), **FEW)


def rewind(row: Any) -> Verdicts:
    return check_rewind(row[1], row[2], **FEW)


def grow(row: Any) -> Verdicts:
    return check_drop_and_grow(row[1], row[2], **(row[3] if len(row) > 3 else {}), **FEW)


RIGHT = [(check, row) for check, rows in (
    (counted, COUNTED_RIGHT), (rounds, ROUNDS_RIGHT), (rewind, REWIND_RIGHT), (grow, GROW_RIGHT))
    for row in rows]  # fmt: skip
WRONG = [(check, row) for check, rows in (
    (counted, COUNTED_WRONG), (rounds, ROUNDS_WRONG), (rewind, REWIND_WRONG), (grow, GROW_WRONG))
    for row in rows]  # fmt: skip


@pytest.mark.parametrize(("check", "row"), RIGHT, ids=ids)
def test_right_ones_pass(check: Any, row: Any) -> None:
    found = check(row)
    assert found.ok, found


@pytest.mark.parametrize(("check", "row"), WRONG, ids=ids)
def test_wrong_ones_are_told(check: Any, row: Any) -> None:
    assert not check(row).ok
