"""The kit on scorers of torch modules: right ones pass, and each planted bug breaks a law."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch, the peer of these tests, is not installed")

from planted_scorers import RIGHT, WRONG  # noqa: E402

from minprune.verify import check_scorer  # noqa: E402


@pytest.fixture(autouse=True)
def gradients_on() -> Any:
    yield
    torch.set_grad_enabled(True)


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: f"{row[0].__name__} {row[1]}")
def test_right_ones_pass(row: Any) -> None:
    found = check_scorer(row[0], row[1], examples=8, **row[2])
    assert found.ok, found


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row[0].__name__)
def test_wrong_ones_are_told(row: Any) -> None:
    assert not check_scorer(row[0], row[1], examples=8, **row[2]).ok
