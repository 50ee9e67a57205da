"""The kit on scorers of torch modules: right ones pass, each law has bugs that it rejects."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch, the peer of these tests, is not installed")

from planted_scorers import RIGHT, WRONG  # noqa: E402

from minprune.verify import check_criterion, check_scorer, on_tensors  # noqa: E402
from minprune.verify.networks import scorer  # noqa: E402

TOLD = {
    "shape": ("linear_only", "one_number"), "finite": ("infinite",), "same bits": ("shuffled",),
    "weights untouched": ("absolute",), "statistics untouched": ("snip_in_mode", "buffered",
                                                                 "reset"),
    "batch untouched": ("normalised_input",), "random state untouched": ("seeded",),
    "relabelling": ("places", "sorted_units"),
    "mode restored": ("left_in_eval", "left_in_train", "root_mode"),
    "no gradients left": ("backward", "zeroed_after"), "stale gradients": ("accumulating",),
    "parts as before": ("hooks_left", "patched", "frozen", "no_grad_left"),
    "evaluation mode": ("snip_in_mode",),
    "definition": ("signed", "summed", "grasp_sign", "squared_norms"),
    "convolutions": ("unsquared", "of_mean", "last_sample", "by_layer", "cold"),
}  # fmt: skip


@pytest.mark.parametrize("row", RIGHT, ids=lambda row: f"{row[0].__name__} {row[1]}")
def test_right_ones_pass(row: Any) -> None:
    found = check_scorer(row[0], row[1], examples=8, **row[2])
    assert found.ok, found


@pytest.mark.parametrize(("law", "name"), [(law, n) for law, names in TOLD.items() for n in names])
def test_each_law_rejects_its_planted_bugs(law: str, name: str) -> None:
    fn, like, how = next(row for row in WRONG if row[0].__name__ == name)
    found = check_scorer(fn, like, examples=8, laws=[law], **how)
    assert [v.law for v in found.broken] == [law]
    assert torch.is_grad_enabled()


def test_every_law_and_every_bug_has_a_row() -> None:
    assert list(TOLD) == [*scorer.LAWS, *scorer.TORCH, *scorer.LIKE]
    assert {row[0].__name__ for row in WRONG} == {n for names in TOLD.values() for n in names}


def squares(weights: dict[str, Any], hess_diag: dict[str, Any]) -> dict[str, Any]:
    """obd of tensors."""
    return {n: torch.mul(hess_diag[n], w.square()).div(2) for n, w in weights.items()}


def test_functions_of_tensors_are_checked_through_the_adapter() -> None:
    found = check_criterion(on_tensors(squares), "obd", examples=6)
    assert found.ok, found
    assert not check_criterion(squares, "obd", examples=6).ok  # arrays are no tensors

    def doubled(weights: dict[str, Any], hess_diag: dict[str, Any]) -> dict[str, Any]:
        return {n: s.mul_(2) for n, s in squares(weights, hess_diag).items()}

    def in_place(weights: dict[str, Any], hess_diag: dict[str, Any]) -> dict[str, Any]:
        return {n: w.square_().mul_(hess_diag[n] / 2) for n, w in weights.items()}

    exact = check_criterion(on_tensors(doubled), "obd", examples=6)
    assert "exact" in [v.law for v in exact.broken]
    seen = check_criterion(on_tensors(in_place), "obd", examples=6)
    assert "purity" in [v.law for v in seen.broken], seen


def test_the_global_generator_of_torch_is_watched() -> None:
    def noisy(weights: dict[str, Any]) -> dict[str, Any]:
        torch.rand(1)
        return {n: w.abs() for n, w in weights.items()}

    found = check_criterion(on_tensors(noisy), examples=3)
    assert any("random state has moved" in v.sentence for v in found.broken), found
