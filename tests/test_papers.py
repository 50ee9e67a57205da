"""Each benchmark of benchmarks/papers/ runs; verdicts are of the intervals."""

import importlib
import json
from math import inf
from pathlib import Path

import pytest

from benchmarks.__main__ import names
from benchmarks.papers import _cells
from benchmarks.papers._cells import FAILS, HOLDS, OPEN, Claim, cells, verdict
from minprune.jobs.job import as_json


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("papers.")])
def test_quick(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = importlib.import_module(f"benchmarks.{name}").run(True, None)
    assert found
    assert all(row.ok is None and row.ours is not None for row in found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted(_cells.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_kept_verdicts_are_those_of_the_values(path: Path) -> None:
    record = json.loads(path.read_text("utf-8"))
    for told in record["claims"]:
        claim = Claim(told["claim"], told["values"], told["bound"], told["unit"])
        assert json.loads(as_json(claim.told)) == told  # as it is written: of one seed, nulls


@pytest.mark.parametrize(
    ("low", "high", "bound", "want"),
    [(0.0, 1.0, 0.0, HOLDS), (-2.0, -1.0, -1.0, OPEN), (-2.0, -1.5, -1.0, FAILS),
     (-inf, inf, 0.0, OPEN), (-1.0, 1.0, 0.0, OPEN)],
)  # fmt: skip
def test_a_verdict(low: float, high: float, bound: float, want: str) -> None:
    assert verdict(low, high, bound) == want


def test_a_cell_is_measured_once(tmp_path: Path) -> None:
    path, done = tmp_path / "x.json", []

    def work(name: str) -> dict[str, str]:
        done.append(name)
        return {"name": name}

    works = {name: (lambda name=name: work(name)) for name in "ab"}
    for _ in range(2):
        assert cells(path, {"epochs": 1}, works) == {"a": {"name": "a"}, "b": {"name": "b"}}
    assert done == ["a", "b"]
    cells(path, {"epochs": 2}, works)  # another protocol: all anew
    assert done == ["a", "b", "a", "b"]
