"""The break-even density is where the line of a format's times meets the dense time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from selection import SEARCH
from sparsely import a_mask

import minprune as mp
from minprune.jobs.facts import break_even
from minprune.nets.model import Model
from minprune.sparse.calibrate import ALONG, break_even_of, crossing

Cross = Callable[[Sequence[float], Sequence[float], float], float]


@pytest.mark.parametrize(
    ("times", "dense", "want"),
    [
        ([2, 4, 8], 6, 0.6),
        ([2, 4, 8], 4, 0.2),
        ([2, 4, 8], 3, 0.1),
        ([2, 4, 8], 2, 0.0),  # it begins there: a format has to be faster
        ([2, 4, 8], 1, 0.0),
        ([2, 4, 8], 8, 1.0),
        ([2, 4, 8], 9, 1.0),
        ([2, 2, 2], 2, 0.0),
        ([2, 9, 5], 5.5, 0.1),  # where it comes there first
    ],
)
def test_by_hand(times: list[float], dense: float, want: float) -> None:
    assert crossing((0.0, 0.2, 1.0), times, dense) == pytest.approx(want)


def divides_the_plane(fn: Cross, case: tuple[float, float, float]) -> bool:
    """Of call + slope d: below it faster than dense, above it not"""
    call, slope, dense = case
    found = fn(ALONG, [call + slope * d for d in ALONG], dense)
    shares = np.linspace(0.01, 0.99, 21)
    clear = shares[abs(call + slope * shares - dense) > 1e-6 * dense]
    return bool(0 <= found <= 1 and ((call + slope * clear < dense) == (clear < found)).all())


lines = st.tuples(*[st.floats(0.1, 10)] * 3)


@given(case=lines)
def test_below_it_the_format_is_faster(case: tuple[float, float, float]) -> None:
    assert divides_the_plane(crossing, case)


def through_zero(densities: Sequence[float], times: Sequence[float], dense: float) -> float:
    """As if the call's share shrank with the density too."""
    return min(1.0, densities[1] * dense / times[1])


def never_zero(densities: Sequence[float], times: Sequence[float], dense: float) -> float:
    return float(np.interp(dense, times, densities)) or densities[1]


@pytest.mark.parametrize("wrong", [through_zero, never_zero])
def test_the_law_rejects(wrong: Cross) -> None:
    find(lines, lambda case: not divides_the_plane(wrong, case), settings=SEARCH)


def fake(runs: Mapping[tuple[str, float], Any]) -> dict[tuple[str, float], list[float]]:
    """Dense 4, 2:4 5; CSR 1 + 6 d, blocks 1 + 2 d; the later times are noise."""
    slopes = {"csr": 6.0, "4x4": 2.0, "2:4": 8.0, "dense": 3.0}
    return {(form, d): [1 + slopes[form] * d, 1e3, 1e9] for form, d in runs}


def test_each_shape_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(break_even_of.__globals__, "in_turn", fake)
    limits, ratios = break_even_of(mp.Dense(8, 6, bias=False), (8,))
    want = {"csr": 0.5, "4x4": 1.0}
    assert limits == pytest.approx({f"{f}, batch {n}": v for n in (1, 64) for f, v in want.items()})
    assert ratios == {"2:4, batch 1": 1.25, "2:4, batch 64": 1.25}
    limits, ratios = break_even_of(mp.Conv2d(2, 3, 3, bias=False), (2, 4, 4))
    assert limits == pytest.approx({"csr, batch 1": 0.5, "csr, batch 64": 0.5})
    assert not ratios


def a_net() -> Model:
    layers: list[Any] = [
        (name, mp.Dense(i, o)) for name, i, o in (("any", 9, 8), ("half", 8, 8), ("free", 8, 3))
    ]
    return mp.initialise(mp.build((9,), layers, "mse"))


def test_a_row_says_which_formats_the_mask_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the sparse model and of the masked one alike; a layer that lacks nothing fits none."""
    monkeypatch.setitem(break_even_of.__globals__, "in_turn", fake)
    rng = np.random.default_rng(0)
    masks = {"any.weight": rng.random((8, 9)) < 0.4, "half.weight": a_mask(rng, (8, 8), "2:4")}
    model = mp.with_masks(a_net(), masks)
    for one, form in ((model, "dense"), (mp.sparsify(model, {"any": "csr"}), "csr")):
        rows = {row["name"]: row for row in break_even(one)}
        assert [row["fitting"] for row in rows.values()] == [["csr"], ["csr", "2:4"], []]
        assert rows["any"]["format"] == form
        assert rows["any"]["density"] == masks["any.weight"].mean()
        assert rows["free"]["density"] == 1
        assert rows["any"]["shape"] == [8, 9]


def test_what_is_measured_is_a_share() -> None:
    """The real measurement; no time is judged."""
    for row in break_even(a_net()):
        assert all(0 <= limit <= 1 for limit in row["break_even"].values())
        assert all(ratio > 0 for ratio in row["against_dense"].values())
        assert {name.split(",")[0] for name in row["break_even"]} == {"csr", "4x4"}
