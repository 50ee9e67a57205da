"""The kit on nets of plain layers: ours and right ones pass, and each planted bug breaks a law."""

from typing import Any

import pytest
from planted_networks import (
    COMPACT_RIGHT,
    COMPACT_WRONG,
    COUNTER_RIGHT,
    COUNTER_WRONG,
    SPARSE_RIGHT,
    SPARSE_WRONG,
)

from minprune.verify import check_counter, check_layer_compaction, check_sparse_format
from minprune.verify.verdict import Verdicts

FEW: dict[str, Any] = {"examples": 40}


def ids(row: Any) -> Any:
    return row[0] if isinstance(row, tuple) else None


def compaction(row: Any) -> Verdicts:
    return check_layer_compaction(row[1], **FEW)


def counter(row: Any) -> Verdicts:
    return check_counter(row[1], **row[2], **FEW)


def sparse(row: Any) -> Verdicts:
    encode, decode, *product = row[1]
    return check_sparse_format(encode, decode, *product, like=row[2], **FEW)


RIGHT = [(check, row) for check, rows in (
    (compaction, COMPACT_RIGHT), (counter, COUNTER_RIGHT), (sparse, SPARSE_RIGHT))
    for row in rows]  # fmt: skip
WRONG = [(check, row) for check, rows in (
    (compaction, COMPACT_WRONG), (counter, COUNTER_WRONG), (sparse, SPARSE_WRONG))
    for row in rows]  # fmt: skip


@pytest.mark.parametrize(("check", "row"), RIGHT, ids=ids)
def test_right_ones_pass(check: Any, row: Any) -> None:
    found = check(row)
    assert found.ok, found


@pytest.mark.parametrize(("check", "row"), WRONG, ids=ids)
def test_wrong_ones_are_told(check: Any, row: Any) -> None:
    assert not check(row).ok
