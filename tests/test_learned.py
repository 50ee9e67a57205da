"""What a method learned, on the page: counts, marks and lines, as the method states them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import minprune as mp
from minprune.cli import main
from minprune.core import Arrays
from minprune.jobs import procedures
from minprune.jobs.learned import grouped, learned
from minprune.jobs.methods import Way, acting
from minprune.report.learned_figures import learned as figures
from minprune.train.history import History, Learned

PICTURES = (
    Learned("* log alpha", "log alpha", 3.0, "pruned above"),
    Learned("* score", "score", "threshold", "pruned below"),
    Learned("kept", "weights kept", over="epoch"),
    Learned("*_loss", "loss", over="step"),
    Learned("* theta", ""),
)
EXTRA: Arrays = {
    "fc1.weight log alpha": np.array([[-8.0, 2.0, 8.0]]),
    "fc1.weight score": np.array([0.0, 1.0]),
    "threshold": np.array(0.25),
    "kept": np.array([9.0, 5.0, 1.0]),
    "val_loss": np.array([1.0, np.nan]),
    "step": np.array([10, 20]),
    "fc1.weight theta": np.zeros((2, 2)),
    "of its own": np.array([True]),
}


def entries(extra: Arrays, pictures: Any = PICTURES) -> dict[str, Any]:
    found = learned({"train": History(extra=extra)}, pictures)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return {one["what"]: one for one in found}


def test_each_array_is_drawn_as_the_first_that_fits_says() -> None:
    found = entries(EXTRA)
    assert list(found) == ["log alpha", "score", "weights kept", "loss", "value"]
    assert found["log alpha"]["panels"] == [{
        "name": "fc1.weight log alpha", "n": 3, "low": -8.0, "high": 8.0, "mark": 3.0,
        "counts": [1, 0, 0, 0, 0, 1, 0, 1],
    }]  # fmt: skip
    assert found["score"]["panels"][0]["mark"] == 0.25
    assert found["weights kept"]["lines"] == [{"name": "kept", "x": [1, 2, 3], "y": [9, 5, 1]}]
    assert found["loss"]["lines"] == [{"name": "val_loss", "x": [10, 20], "y": [1, None]}]
    assert found["value"]["panels"][0]["name"] == "of its own"


def test_in_a_chain_each_part_has_its_own() -> None:
    """Names of part 1; its threshold and steps are not those of part 0."""
    chained = {f"1/{name}": a for name, a in EXTRA.items()} | {"0/threshold": np.array(7.0)}

    class Part(mp.Method):
        pictures = PICTURES

    method = mp.methods.chain(mp.Method(), Part())
    found = entries(chained, method.pictures)
    assert found["score"]["panels"][0]["mark"] == 0.25
    assert found["loss"]["lines"][0]["x"] == [10, 20]
    assert [p["name"] for p in found["value"]["panels"]] == ["1/of its own", "0/threshold"]
    assert mp.methods.Fit(epochs=1, train={"method": method}).pictures == method.pictures
    stages = mp.methods.Stages(stages=[Part(), mp.compact], epochs=1)
    assert stages.pictures == PICTURES


@example(np.array([1e-10, np.nextafter(1e-10, 1)]), None)
@example(np.array([-1e308, 1e308]), 5e-324)
@example(np.array([1e308]), 0.0)
@given(arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32)),
       st.none() | st.floats(width=32))  # fmt: skip
def test_every_finite_entry_is_in_a_bin_and_the_mark_between_the_edges(a: Any, mark: Any) -> None:
    found = entries({"a": a}, (Learned("a", "a", mark),))
    finite = int(np.isfinite(a).sum())
    if not finite:
        assert not found
        return
    (panel,) = found["a"]["panels"]
    assert sum(panel["counts"]) == panel["n"] == finite
    assert panel["mark"] is None or panel["low"] <= panel["mark"] <= panel["high"]
    assert (panel["mark"] is None) == (mark is None or not np.isfinite(mark))


def test_an_array_of_several_columns_is_as_many_lines_and_long_ones_are_thinned() -> None:
    found = entries({"keep": np.arange(2000.0).reshape(1000, 2)}, (Learned("keep", "k", over="t"),))
    first, second = found["k"]["lines"]
    assert (first["name"], second["name"]) == ("keep 0", "keep 1")
    assert first["x"][:3] == [1, 4, 7]
    assert second["y"][:3] == [1, 7, 13]
    assert grouped({}, PICTURES) == {}


def test_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason='no matplotlib: pip install "minprune[report]"')
    text = figures(learned({"train": History(extra=EXTRA)}, PICTURES))
    for words in ("pruned above 3", "pruned below 0.25", "weights kept against epoch", "val_loss"):
        assert words in text
    assert "theta" not in text
    twice = figures(learned({"a": History(extra=EXTRA), "b": History(extra=EXTRA)}, PICTURES))
    assert "b: loss against step" in twice

    class Learning(mp.Method):
        pictures = PICTURES

        def learned(self, model: Any, extra: Arrays, ctx: Any) -> Arrays:
            return EXTRA

    way = Way("", lambda *given: acting(Learning, *given))
    monkeypatch.setitem(procedures.PROCEDURES, "learning", way)
    how = ["--method", "learning", "--epochs", "1", "--net", "mlp", "--quiet"]
    assert main(["run", *how, "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h2>What was learned</h2>" in page
    assert "pruned above 3" in page
