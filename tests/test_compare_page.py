"""The page of a comparison: whole, safe, and true to its numbers."""

import copy
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from test_report import HOSTILE, Reader, panels, pictures, reaches_out

from minprune.report import compare_figures
from minprune.report import pictures as drawing
from minprune.report.compare_figures import FLOOR, accuracy_panel, lines, scale
from minprune.report.compare_page import alerts, compare_page, compare_tables, headline, heat, shown
from minprune.text import NUMBER

__all__ = ["pictures"]  # with matplotlib and as if it were absent


def row(name: str, s: float, mean: float, **more: Any) -> dict[str, Any]:
    tuned = {"accuracy": [mean + 0.1, 0.01], "minus_random": [0.2, 0.0]}
    return {
        "criterion": name, "sparsity": s, "pruned": {"accuracy": [mean, 0.02], **more},
        "fine-tuned": tuned if name != "random" else {"accuracy": [mean, 0.0]},
    }  # fmt: skip


def cell(name: str, s: float, *kept: float) -> dict[str, Any]:
    layers = ("conv1.weight", "fc1.weight")
    return {"criterion": name, "sparsity": s, "kept": dict(zip(layers, kept, strict=True))}


CHANGE = [0.5, -0.25, 0.0]
RESULT: dict[str, Any] = {
    "name": "compare-digits",
    "command": "minprune compare --seeds 2",
    "settings": {"seeds": 2, "unit": False, "criteria": ["random", "obd"]},
    "estimates": {"obd": 1.0, "taylor": 0.5},
    "options": {"obs": {"scale": "blocks"}},
    "left_out": [{"criterion": "oracle", "why": "38,160 passes"}],
    "data": {"name": "digits", "train": 1197, "val": 240, "test": 360, "input": [1, 8, 8]},
    "net": "layer  parameters\nconv1         160",
    "dense": {"accuracy": [0.98, 0.01], "seeds": []},
    "summary": [
        row("random", 0.5, 0.5), row("random", 0.9, 0.1),
        row("obd", 0.5, 0.6, minus_random=[0.1, 0.03]), row("obd", 0.9, 0.3),
    ],
    "agreement": [
        {"criterion": "random", "change": [-0.1, None], "size": None},
        {"criterion": "obd", "change": [0.5, 0.25], "size": [0.9, 0.01]},
    ],
    "cells": [
        cell("random", 0.5, 0.5, 0.25), cell("random", 0.5, 0.7, 0.75),
        cell("random", 0.9, 0.04, 1.0), cell("obd", 0.5, 0.1, 0.2), cell("obd", 0.9, 0.3, 0.4),
    ],
    "truth": [
        {"seed": 0, "change": CHANGE, "entries": {"conv1.weight": [1, 2], "fc1.weight": [0]}}
    ],
    "predicted": [
        {"seed": 0, "criterion": "random", "scores": [0.1, 0.2, 0.3]},
        {"seed": 0, "criterion": "obd", "scores": [0.4, -0.1, 0.0]},
        {"seed": 1, "criterion": "obd", "scores": [0.4, -0.1, 0.0]},
    ],
    "seconds": {"of": {"train": 3.21}, "scoring": {"obd": 0.512}},
    "versions": {"minprune": "0.1.0"},
}  # fmt: skip


def test_the_page_is_whole_and_keeps_to_itself(pictures: bool) -> None:
    text = compare_page(RESULT)
    assert not reaches_out(text)
    words = " ".join(" ".join(Reader(text).words).split())
    for expected in (
        "At 90 % sparsity obd 30.00 % is the best mean without fine-tuning, obd 40.00 % is the "
        "best mean with fine-tuning; dense: 98.00 %",
        "minprune compare --seeds 2",
        "Test accuracy in % without fine-tuning (dense: 98.00 (1.00))",
        "60.00 (2.00)",
        "Percentage points above random without fine-tuning, paired by seed",
        "+10.00 (3.00)",
        "0.50 (0.25)",
        "0.51",
        "2 of conv1.weight, 1 of fc1.weight",
        "38,160 passes",
        "(obd, taylor to the power 0.5)" if pictures else "",
        "conv1 160",
        "1 x 8 x 8",
        '{"scale": "blocks"}',
    ):
        assert expected in words
    assert "Percentage points above magnitude" not in words
    assert panels(text) == (1 + 1 + 2) * pictures
    assert words.count('pip install "minprune[report]"') == 3 * (not pictures)


def with_costs() -> dict[str, Any]:
    """The result, with what is left of multiply-adds and bytes."""
    found = copy.deepcopy(RESULT)
    for one in found["summary"]:
        left = 1 - one["sparsity"]
        one["cost"] = {"macs": [left / 2, None], "bytes": [min(2 * left, 1.0), None]}
    return found


def test_many_criteria_have_a_panel_each(pictures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_figures, "FEW", 1)
    text = compare_page(with_costs())
    assert not reaches_out(text)
    assert panels(text) == 5 * 2 * pictures
    assert ("the panel&#x27;s criterion, mean over the seeds" in text) == pictures


def test_accuracy_stands_against_what_it_costs(pictures: bool) -> None:
    found = with_costs()
    left = [pytest.approx(25), pytest.approx(5)]
    costs = lines(found["summary"], "cost", "macs")
    assert costs == {"random": (left, [0, 0]), "obd": (left, [0, 0])}
    text = compare_page(found)
    assert not reaches_out(text)
    words = " ".join(Reader(text).words)
    assert "Accuracy with fine-tuning, against its cost" in words
    assert "against its cost" not in compare_page(RESULT)
    assert panels(text) == (1 + 1 + 2 + 2) * pictures
    found["summary"][0]["cost"] = {"macs": [0.0, None], "bytes": [0.0, None]}  # nothing is left
    Reader(compare_page(found))


def test_a_panel_draws_its_own_costs() -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="no matplotlib").Figure()
    ax = figure.subplots()
    found = {"a": ([90.0, 50.0], [0.0, 0.0]), "b": ([80.0, 60.0], [0.0, 0.0])}
    x = {"a": [40.0, 4.0], "b": [30.0, 20.0]}
    accuracy_panel(
        ax,
        name="b",
        found=found,
        x=x,
        dense=95.0,
        limits=(0, 100),
        colour="k",
        axis=partial(scale, x=x, ticks=()),
    )
    drawn = [[v.tolist() for v in map(np.asarray, line.get_data())] for line in ax.lines]
    assert [x["a"], found["a"][0]] in drawn
    assert [x["b"], found["b"][0]] in drawn
    left, right = ax.get_xlim()
    assert left > max(map(max, x.values()))
    assert right < min(map(min, x.values()))


def test_shades_are_the_shares_kept() -> None:
    assert heat(RESULT["cells"]) == {
        "random": {"conv1.weight": [0.6, 0.04], "fc1.weight": [0.5, 1.0]},
        "obd": {"conv1.weight": [0.1, 0.3], "fc1.weight": [0.2, 0.4]},
    }
    text = compare_page(RESULT)
    found = re.findall(r'style="--k:([\d.]+)%">([\d.]+)</td>', text)
    assert [shown for _, shown in found] == ["60", "4.0", "50", "100", "10", "30", "20", "40"]
    assert [float(k) for k, _ in found] == [33.0, 2.2, 27.5, 55.0, 5.5, 16.5, 11.0, 22.0]


def test_every_part_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "drawn", lambda _: ("", {}))
    assert Reader(compare_page({})).words
    assert "<h2>" not in compare_page({})  # no heading without anything under it
    for part in ("name", "command", "settings", "options", "left_out", "data", "net", "cells",
                 "seconds", "versions", "agreement", "estimates"):  # fmt: skip
        Reader(compare_page({k: v for k, v in RESULT.items() if k != part}))


def poison(value: Any) -> Any:
    """The same structure with every text replaced by markup, names of layers and settings too."""
    if isinstance(value, dict):
        free = value.keys() & {"seeds", "obs", "conv1.weight", "fc1.weight", "minprune", "train"}
        return {(HOSTILE + k if k in free else k): poison(v) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(v) for v in value]
    return HOSTILE + value if isinstance(value, str) else value


def test_text_cannot_become_markup(pictures: bool) -> None:
    text = compare_page(poison(RESULT))
    assert not reaches_out(text)
    assert HOSTILE in " ".join(Reader(text).words)


def test_input_is_left_alone_and_the_text_is_the_same(pictures: bool) -> None:
    result = copy.deepcopy(RESULT)
    assert compare_page(result) == compare_page(result)
    assert result == RESULT


def test_colours_are_the_page_s_own_and_ids_are_not_repeated(pictures: bool) -> None:
    text = compare_page(RESULT)
    assert ("var(--line-2)" in text.partition("</style>")[2]) == pictures
    assert not re.findall(r"(?:fill|stroke): (?!none|var)", text.partition("</style>")[2])
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_one_seed_or_none_that_differ_can_be_drawn(pictures: bool) -> None:
    alone = copy.deepcopy(RESULT)
    for one in alone["summary"]:
        for stage in ("pruned", "fine-tuned"):
            one[stage] = {"accuracy": [0.98, None]}
    alone["truth"][0]["change"] = [0.0, 0.0, 0.0]
    alone["predicted"][1]["scores"] = [0.0, 0.0, 0.0]
    alone["settings"]["seeds"] = 1
    text = compare_page(alone)
    Reader(text)
    assert "One seed: no standard deviation, so small differences say nothing." in text


def test_numbers_by_hand() -> None:
    assert shown([0.97222, 0.0031]) == "97.22 (0.31)"
    assert shown([0.05, None], sign="+") == "+5.00"
    assert shown([-0.05, 0.1], sign="+") == "-5.00 (10.00)"
    assert shown(None) == "-"
    assert lines(RESULT["summary"], "pruned", "accuracy")["obd"] == ([60.0, 30.0], [2.0, 2.0])
    assert headline({}) == ""
    assert 0 < FLOOR < 1


def test_tables_are_numbers() -> None:
    titles = [title for title, _, _ in compare_tables(RESULT)]
    assert len(titles) == len(set(titles)) == 5
    for _, header, rows in compare_tables(RESULT):
        for one in rows:
            assert len(one) == len(header)
            assert all(text == "-" or NUMBER.fullmatch(text) for text in one[1:])


def test_nets_at_chance_are_said_by_stage_and_sparsity() -> None:
    result = copy.deepcopy(RESULT)
    for one, gone in zip(result["cells"], [True, False, True, False, True], strict=True):
        one |= {"pruned": {"collapsed": gone}, "fine-tuned": {"collapsed": False}}
    assert alerts(result) == [
        "COLLAPSED to chance without fine-tuning: at 50 %: random (1 of 2 seeds); "
        "at 90 %: random, obd"
    ]
    assert alerts(result)[0] in compare_page(result)
    result["dense"]["seeds"] = [{"seed": 0, "collapsed": True}, {"seed": 1, "collapsed": True}]
    assert alerts(result)[0] == "COLLAPSED to chance before pruning: the nets of seeds 0 and 1"
    assert alerts(RESULT) == alerts({}) == []
