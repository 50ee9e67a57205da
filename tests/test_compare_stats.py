"""Means, standard deviations, paired differences and rank correlations, against slow definitions.

Each law also meets the slips that it must reject.
"""

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.jobs import compare_stats
from minprune.jobs.compare_stats import agreement, paired, spearman, spread, summary

ULPS = 1e-12  # of figures below 1, from sums of fewer than ten terms: some thousand roundings


def close(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=0, abs_tol=ULPS)


def test_spread_by_hand() -> None:
    assert spread([0.25, 0.75, 0.5]) == [0.5, 0.25]
    assert spread([0.25]) == [0.25, None]
    assert paired([0.9, 0.8], [0.4, 0.3]) == [0.5, 0.0]


CELLS = [
    {"seed": seed, "criterion": name, "sparsity": s,
     "pruned": {"accuracy": a}, "fine-tuned": {"accuracy": b}}
    for seed, name, s, a, b in [
        (0, "random", 0.5, 0.2, 0.7), (0, "obd", 0.5, 0.9, 0.8), (0, "magnitude", 0.5, 0.8, 0.9),
        (0, "random", 0.9, 0.1, 0.2), (0, "obd", 0.9, 0.7, 0.9), (0, "magnitude", 0.9, 0.3, 0.6),
        (1, "random", 0.5, 0.4, 0.6), (1, "obd", 0.5, 0.5, 0.7), (1, "magnitude", 0.5, 0.5, 0.8),
        (1, "random", 0.9, 0.3, 0.3), (1, "obd", 0.9, 0.6, 0.8), (1, "magnitude", 0.9, 0.2, 0.6),
        (2, "random", 0.5, 0.6, 0.5), (2, "obd", 0.5, 0.8, 0.6), (2, "magnitude", 0.5, 0.6, 0.8),
        (2, "random", 0.9, 0.2, 0.1), (2, "obd", 0.9, 0.9, 0.7), (2, "magnitude", 0.9, 0.7, 0.5),
    ]
]  # fmt: skip


def recomputed(cells: list[dict[str, Any]]) -> dict[tuple[str, float, str, str], list[float]]:
    """{(criterion, sparsity, stage, figure): [mean, sd]}, straight from the cells."""

    def values(name: str, s: float, stage: str) -> list[float]:
        mine = [c for c in cells if (c["criterion"], c["sparsity"]) == (name, s)]
        return [c[stage]["accuracy"] for c in sorted(mine, key=lambda c: c["seed"])]

    found = {}
    for name, s in {(c["criterion"], c["sparsity"]) for c in cells}:
        for stage in ("pruned", "fine-tuned"):
            of = {"accuracy": values(name, s, stage)}
            for control in ("magnitude", "random"):
                if control != name and values(control, s, stage):
                    both = zip(of["accuracy"], values(control, s, stage), strict=True)
                    of[f"minus_{control}"] = [a - b for a, b in both]
            for figure, v in of.items():
                found[name, s, stage, figure] = [statistics.mean(v), statistics.stdev(v)]
    return found


def summary_is_right(cells: list[dict[str, Any]]) -> bool:
    want = recomputed(cells)
    have = {
        (row["criterion"], row["sparsity"], stage, figure): value
        for row in compare_stats.summary(cells)
        for stage in ("pruned", "fine-tuned")
        for figure, value in row[stage].items()
    }
    return have.keys() == want.keys() and all(
        close(a, b) for key in want for a, b in zip(have[key], want[key], strict=True)
    )


def test_the_summary_is_what_the_cells_say() -> None:
    assert summary_is_right(CELLS)
    assert summary_is_right(CELLS[::-1])  # pairs are those of a seed, not of a place in the list
    assert summary_is_right([c for c in CELLS if c["criterion"] != "magnitude"])


def population(values: list[float]) -> list[float]:
    """Divides by n: too small for a sample of nets."""
    return [statistics.mean(values), statistics.pstdev(values)]


def unpaired(a: list[float], b: list[float]) -> list[float]:
    """Adds the variances, as if the nets had nothing to do with each other."""
    return [
        statistics.mean(a) - statistics.mean(b),
        math.hypot(statistics.stdev(a), statistics.stdev(b)),
    ]


def turned(a: list[float], b: list[float]) -> list[float]:
    """The control's accuracy minus one's own."""
    return compare_stats.spread([y - x for x, y in zip(a, b, strict=True)])


def shifted(a: list[float], b: list[float]) -> list[float]:
    """Pairs a seed with the next one."""
    return compare_stats.spread([x - y for x, y in zip(a, b[1:] + b[:1], strict=True)])


@pytest.mark.parametrize(
    ("name", "slip"),
    [("spread", population), ("paired", unpaired), ("paired", turned), ("paired", shifted)],
)
def test_a_wrong_summary_is_seen(
    name: str, slip: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_stats, name, slip)
    assert not summary_is_right(CELLS)


def test_costs_are_means_over_the_seeds() -> None:
    cells = [c | {"cost": {"macs": 0.1 * (c["seed"] + 1)}} for c in CELLS]
    assert all(close(v, w) for row in summary(cells)
               for v, w in zip(row["cost"]["macs"], [0.2, 0.1], strict=True))  # fmt: skip
    assert all(row["cost"] == {} for row in summary(CELLS))


def test_one_seed_has_no_standard_deviation() -> None:
    rows = summary([c for c in CELLS if c["seed"] == 0])
    assert rows[1]["pruned"] == {
        "accuracy": [0.9, None],
        "minus_magnitude": [0.9 - 0.8, None],
        "minus_random": [0.9 - 0.2, None],
    }


# --- rank correlation


def slow(x: list[float], y: list[float]) -> float | None:
    """corr of ranks, each counted: how many are below, and half of the others that are equal."""

    def ranks(v: list[float]) -> list[float]:
        return [sum(b < a for b in v) + (sum(b == a for b in v) - 1) / 2 for a in v]

    a, b = ranks(x), ranks(y)
    if len(set(a)) < 2 or len(set(b)) < 2:
        return None
    return statistics.correlation(a, b)


Rho = Callable[[Any, Any], float | None]
tied = st.integers(2, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.sampled_from([-2.0, 0.0, 0.5, 1e30]), min_size=n,
                                   max_size=n)] * 2)
)  # fmt: skip


@given(tied)
def test_spearman_is_the_slow_one(pair: tuple[list[float], list[float]]) -> None:
    assert close(spearman(*map(np.array, pair)), slow(*pair))


def test_spearman_by_hand() -> None:
    assert close(spearman(np.array([1, 2, 3]), np.array([1, 8, 27])), 1.0)
    assert close(spearman(np.array([1, 2, 3]), np.array([3.0, 2, 1])), -1.0)
    # ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5)
    assert close(spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4])), math.sqrt(0.9))
    assert spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None


def without_averages(x: Any, y: Any) -> float | None:
    """Equal values get the ranks of their places."""
    return statistics.correlation(*(np.argsort(np.argsort(v, kind="stable")) for v in (x, y)))


def of_values(x: Any, y: Any) -> float | None:
    """Pearson's, of the values themselves."""
    return statistics.correlation(x, y)


def of_sizes(x: Any, y: Any) -> float | None:
    """Forgets the signs."""
    return spearman(np.abs(x), np.abs(y))


@pytest.mark.parametrize("wrong", [without_averages, of_values, of_sizes])
def test_a_wrong_rho_is_seen(wrong: Rho) -> None:
    x, y = np.array([-3.0, 1.0, 2.0, 2.0, 9.0]), np.array([1.0, 2.0, 2.0, 3.0, 4.0])
    assert close(spearman(x, y), slow(list(x), list(y)))
    assert not close(wrong(x, y), slow(list(x), list(y)))


def test_agreement_is_of_each_seed_with_its_own_truth() -> None:
    truth = [{"seed": 0, "change": [1.0, 2.0, -3.0]}, {"seed": 1, "change": [3.0, 2.0, 1.0]}]
    predicted = [
        {"seed": seed, "criterion": name, "scores": np.array(scores)}
        for seed, name, scores in [
            (0, "a", [1, 2, 3]), (1, "a", [1, 2, 3]), (0, "b", [1, 2, 0]), (1, "b", [7, 7, 7]),
        ]
    ]  # fmt: skip
    a, b = agreement(truth, predicted)
    half = slow([1, 2, 3], [1.0, 2.0, -3.0])
    assert a["criterion"] == "a"
    assert half is not None
    assert all(map(close, a["change"], spread([half, -1.0])))
    assert all(map(close, a["size"], spread([1.0, -1.0])))
    assert b == {"criterion": "b", "change": None, "size": None}
