"""What a comparison of methods says: intervals by pairs, and its page, true to its numbers."""

import copy
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_report import HOSTILE, Reader, panels, pictures, reaches_out

from minprune.jobs import method_result
from minprune.jobs.method_result import against, gathered, summary
from minprune.measures.intervals import t_quantile
from minprune.report import compare_figures
from minprune.report import methods_page as methods_page_module
from minprune.report import pictures as drawing
from minprune.report.method_tables import headline, method_alerts, method_tables
from minprune.report.methods_page import methods_page
from minprune.text import NUMBER

__all__ = ["pictures"]  # with matplotlib and as if it were absent
N = 20  # test samples


def net(method: str, seed: int, s: float, right: list[bool], **more: Any) -> dict[str, Any]:
    return {
        "seed": seed, "method": method, "criterion": None, "sparsity": s, "reached": s,
        "updates": 38, "samples": N, "accuracy": sum(right) / N, "loss": 0.5, "chance": 0.1,
        "collapsed": sum(right) < 3, "right": np.packbits(right).tobytes().hex(),
        "curve": [[19, 0.5], [38, sum(right) / N]], "cost": {"macs": 1 - s, "bytes": 1 - s}, **more,
    }  # fmt: skip


def answers(*right: int) -> list[bool]:
    """Samples 0, 1, ... up to `right`, and others, are right"""
    return [k < right[0] or k in right[1:] for k in range(N)]


NETS = [
    net(name, seed, s, answers(right + seed, *more))
    for name, s, right, more in [
        ("dense", 0.0, 16, ()), ("finetune", 0.5, 14, ()), ("finetune", 0.9, 8, (19,)),
        ("set", 0.5, 10, (18, 19)), ("set", 0.9, 1, ()),
    ]
    for seed in (0, 1)
]  # fmt: skip
SETTINGS = {
    "net": "mlp", "sparsities": [0.5, 0.9], "methods": ["finetune", "set"], "epochs": 1, "lr": 0.05,
    "fine_tune": 1, "rounds": 1, "last_rate": 0.01, "unit": False,
}  # fmt: skip
ABOUT: dict[str, Any] = {
    "name": "compare-digits", "command": "minprune compare --methods finetune,set",
    "settings": SETTINGS, "left_out": {"sequence": "stages must be a list"},
    "data": {"name": "digits", "train": 9, "val": 9, "test": N, "input": [1, 8, 8]},
    "net": "layer  parameters", "versions": {"minprune": "0.1.0"},
}  # fmt: skip


def rows(nets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As the database has them."""
    keys = dict.fromkeys(("method", n["seed"], n["method"], n["criterion"]) for n in nets)
    return [
        {"key": list(key), "error": None, "seconds": 1.0, "made": {"nets": [
            n for n in nets if (n["seed"], n["method"], n["criterion"]) == key[1:]
        ]}}
        for key in keys
    ]  # fmt: skip


def result(nets: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return gathered(copy.deepcopy(ABOUT), rows(NETS if nets is None else nets), {})


# --- numbers


accuracies = st.lists(st.tuples(*[st.integers(0, N)] * 2), min_size=1, max_size=4)


def is_right(given: list[tuple[int, int]]) -> bool:
    """mean and s t / sqrt(n), of the accuracies and of their differences, by hand"""
    nets = [
        net(name, seed, 0.5, answers(k))
        for seed, pair in enumerate(given)
        for name, k in zip(("finetune", "set"), pair, strict=True)
    ]
    found = {row["label"]: row for row in summary(nets, "finetune", [0.5])}
    mine, theirs = [b / N for _, b in given], [a / N for a, _ in given]

    def fits(values: list[float], got: Any) -> bool:
        n = len(values)
        if n == 1:
            return got == [pytest.approx(values[0]), None]
        half = t_quantile(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n)
        return got == pytest.approx([statistics.mean(values), half], abs=1e-12)

    differences = [a - b for a, b in zip(mine, theirs, strict=True)]
    return fits(mine, found["set"]["accuracy"]) and fits(differences, found["set"]["minus"])


@given(accuracies)
def test_intervals_are_those_of_pairs(given: list[tuple[int, int]]) -> None:
    assert is_right(given)


def turned(values: list[float]) -> list[float | None]:
    return method_result_interval([-v for v in values])


def of_normal(values: list[float]) -> list[float | None]:
    mean, half = method_result_interval(values)
    return [mean, None if half is None else half * 1.96 / t_quantile(0.975, len(values) - 1)]


def of_population(values: list[float]) -> list[float | None]:
    mean, half = method_result_interval(values)
    return [mean, None if half is None else half * math.sqrt(1 - 1 / len(values))]


method_result_interval = method_result.interval


@pytest.mark.parametrize("wrong", [turned, of_normal, of_population])
def test_a_wrong_interval_is_seen(
    wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_result, "interval", wrong)
    assert not is_right([(3, 10), (5, 9), (8, 1)])


def test_seeds_are_paired_though_some_are_missing() -> None:
    """As when machines have finished some of them"""
    found = result([n for n in NETS if (n["method"], n["seed"]) != ("set", 0)])
    row = next(r for r in found["summary"] if (r["label"], r["sparsity"]) == ("set", 0.5))
    assert row["minus"] == [pytest.approx((13 - 15) / N), None]
    assert row["images"] == [2, 4]
    assert "set: 1 of 2 seeds" in found["notes"]


def test_samples_one_by_one() -> None:
    a, b = net("a", 0, 0.5, answers(3, 8, 9)), net("b", 0, 0.5, answers(5))
    assert against(a, b) == [2, 2]
    assert against(a, a) == [0, 0]


def test_what_is_told_apart() -> None:
    """0.3 points over two seeds, t(0.975, 1) = 12.7: not, unless both differ by the same"""
    found = {(r["label"], r["sparsity"]): r for r in result()["summary"]}
    assert found["finetune", 0.5]["minus"] is found["finetune", 0.5]["apart"] is None
    assert found["set", 0.5]["apart"] is True
    uneven = copy.deepcopy(NETS)
    uneven[6] |= {"accuracy": 0.1}
    again = {(r["label"], r["sparsity"]): r for r in result(uneven)["summary"]}
    assert again["set", 0.5]["apart"] is False
    least = [  # one test sample, by both seeds
        n | {"accuracy": n["accuracy"] + 0.25 * (n["method"] == "set")} if n["sparsity"] == 0.5
        else n for n in NETS
    ]  # fmt: skip
    near = {(r["label"], r["sparsity"]): r for r in result(least)["summary"]}["set", 0.5]
    assert near["minus"] == pytest.approx([3 / N, 0.0], abs=1e-12)
    assert near["apart"] is True
    for n in least:
        n["accuracy"] -= 0.1 * (n["method"] == "set")
    near = {(r["label"], r["sparsity"]): r for r in result(least)["summary"]}["set", 0.5]
    assert near["minus"] == pytest.approx([1 / N, 0.0], abs=1e-12)
    one = {(r["label"], r["sparsity"]): r for r in result(NETS[::2])["summary"]}
    assert one["set", 0.9]["images"] == [0, 8]
    assert one["set", 0.9]["apart"] is True  # p = 2 / 256
    assert one["set", 0.5]["images"] == [2, 4]
    assert one["set", 0.5]["apart"] is False


# --- words


def test_what_is_said() -> None:
    found = result()
    assert headline(found) == ("At 90 % sparsity finetune 47.50 % is the best mean; dense: 82.50 %")
    assert method_alerts(found) == ["COLLAPSED to chance: at 90 %: set"]
    assert found["notes"] == [
        "Each net is trained for 38 updates, 2 epochs: 1, then a pruning with 1 after it, or as "
        "its method divides them; the learning rate falls from 0.05 to 0.0005 by a cosine in each "
        "training, and finetune continues at the last",
        "One test sample of 20 is 5.00 points; =: the 95 % t interval of the differences over the "
        "seeds, or one test sample if that is wider, holds 0; two seeds may differ alike by "
        "chance, and the interval is then far too narrow: take 3 or more",
    ]
    one = result(NETS[::2])
    assert one["notes"][1] == (
        "One test sample of 20 is 5.00 points; finetune at 90 % is between 25.8 and 65.8 % (95 %, "
        "binomial); =: McNemar's test tells no difference at 95 % (one seed)"
    )
    (_, _, _), (title, _, lines) = method_tables(one)
    assert title == (
        "Test samples that it alone has right, and that finetune alone has right; =: not told apart"
    )
    assert lines == [["dense", "+2 -0 =", "+8 -1"], ["set", "+2 -4 =", "+0 -8"]]


def test_a_sparsity_that_is_not_reached_is_said_and_wins_nothing() -> None:
    found = result([n | {"reached": 0.0} if n["method"] == "finetune" else n for n in NETS])
    assert "finetune has a sparsity of 0.0 % where 90 % was asked" in found["notes"]
    assert headline(found).startswith("At 90 % sparsity set ")


def test_first_trainings_that_fail_are_said() -> None:
    failed = {"key": ["first", 1, "l1", None], "error": "no", "made": None, "seconds": 0.0}
    found = gathered(copy.deepcopy(ABOUT), [*rows(NETS), failed], {})
    assert found["left_out"][-1] == {"criterion": "all that trains as l1, seed 1", "why": "no"}
    assert found["notes"][-1] == "1 cell failed; --retry runs it again"


def test_tables_are_numbers() -> None:
    for nets in (NETS, NETS[::2]):
        for _, header, lines in method_tables(result(nets)):
            for line in lines:
                assert len(line) == len(header)
                assert all(NUMBER.fullmatch(cell) for cell in line[1:])


# --- the page


def test_the_page_is_whole_and_keeps_to_itself(pictures: bool) -> None:
    text = methods_page(result())
    assert not reaches_out(text)
    words = " ".join(" ".join(Reader(text).words).split())
    for expected in (
        "COLLAPSED to chance: at 90 %: set", "stages must be a list", "sequence",
        "Percentage points above finetune, paired by seed (half of the 95 % interval)",
        "47.50 (31.77)", "38 updates, 2 epochs", "Accuracy against updates",
    ):  # fmt: skip
        assert expected in words
    assert panels(text) == (1 + 2 + 2) * pictures


def test_many_methods_have_a_panel_each(pictures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (compare_figures, methods_page_module):
        monkeypatch.setattr(module, "FEW", 1)
    text = methods_page(result())
    assert not reaches_out(text)
    assert panels(text) == 4 * 2 * pictures
    words = " ".join(" ".join(Reader(text).words).split())
    for cost in ("multiply-adds that are left", "bytes that are left"):
        assert f"Against {cost}" in words or not pictures
        assert f"up: test accuracy in %; across: {cost}" in words or not pictures
    assert ("the panel&#x27;s method, mean over the seeds" in text) == pictures


def test_every_part_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "drawn", lambda _: ("", {}))
    found = result()
    assert Reader(methods_page({})).words
    for part in ("name", "command", "settings", "left_out", "data", "net", "nets", "summary",
                 "seconds", "versions", "notes"):  # fmt: skip
        Reader(methods_page({k: v for k, v in found.items() if k != part}))


def test_text_cannot_become_markup(pictures: bool) -> None:
    strange = [n | {"method": HOSTILE} if n["method"] == "set" else n for n in NETS[::2]]
    found = result([n | {"curve": []} for n in strange])
    text = methods_page(found | {"name": HOSTILE, "command": HOSTILE})
    assert not reaches_out(text)
    assert HOSTILE in " ".join(Reader(text).words)
    assert methods_page(result()) == methods_page(result())
