"""minprune compare as its user runs it: numbers, budgets, what is left out, sentences."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import COMPARE, STEPS
from test_compare_stats import close, recomputed

import minprune as mp
from minprune.cli import main
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.jobs import compare
from minprune.jobs.compare_cells import TRUTH, Compare, drawn
from minprune.jobs.settings import CompareSettings
from minprune.report.compare_page import compare_tables
from minprune.text import table
from minprune.train.step import Training

TWO = ["--criteria", "magnitude,random"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a comparison of two criteria, as its folder holds it."""
    out = tmp_path_factory.mktemp("compared") / "out"
    assert main([*COMPARE, *TWO, "--out", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["compare.html", "result.json", "runs.db"]
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def test_a_cell_for_each_seed_criterion_and_sparsity(result: dict[str, Any]) -> None:
    assert [(c["seed"], c["criterion"], c["sparsity"]) for c in result["cells"]] == [
        (seed, name, s) for seed in (0, 1) for name in ("magnitude", "random") for s in (0.5, 0.9)
    ]
    assert result["settings"]["criteria"] == ["magnitude", "random"]
    assert result["left_out"] == []
    assert sum(result["seconds"]["of"].values()) == 2 * result["seconds"]["of"]["total"]


def test_the_numbers_are_those_of_the_cells(result: dict[str, Any]) -> None:
    want = recomputed(result["cells"])
    for row in copy.deepcopy(result["summary"]):
        for stage in ("pruned", "fine-tuned"):
            cells = [
                c[stage]
                for c in result["cells"]
                if (c["criterion"], c["sparsity"]) == (row["criterion"], row["sparsity"])
            ]
            assert row[stage].pop("collapsed", 0) == sum(c["collapsed"] for c in cells)
            for figure, value in row[stage].items():
                key = (row["criterion"], row["sparsity"], stage, figure)
                assert all(map(close, value, want[key]))
    ((_, header, rows), (title, _, differences), *_) = compare_tables(result)
    mean, sd = want["magnitude", 0.9, "pruned", "accuracy"]
    assert header == ["criterion", "50 %", "90 %"]
    shown = [cell.removesuffix(" !") for cell in rows[0][::2]]  # the mark of one at chance
    assert shown == ["magnitude", f"{100 * mean:.2f} ({100 * sd:.2f})"]
    mean, sd = want["random", 0.5, "pruned", "minus_magnitude"]
    assert title == "Percentage points above magnitude without fine-tuning, paired by seed"
    assert differences[0][:2] == ["random", f"{100 * mean:+.2f} ({100 * sd:.2f})"]
    assert len(differences) == 1


def test_a_cell_is_what_the_library_makes_of_it(result: dict[str, Any]) -> None:
    data, cell = mp.data.digits(), result["cells"][5]
    assert (cell["seed"], cell["criterion"], cell["sparsity"]) == (1, "magnitude", 0.9)
    how = {
        "optimizer": mp.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
        "rate": mp.rates.cosine(), "epochs": 1, "seed": 1, "progress": False,
    }  # fmt: skip
    dense, _ = mp.fit(mp.zoo.mlp(data, seed=1), data, **how)
    pruned = mp.prune(dense, mp.score(dense, None, "magnitude"), sparsity=0.9)
    tuned, _ = mp.fit(pruned, data, **how)
    for model, found in ((pruned, cell["pruned"]), (tuned, cell["fine-tuned"])):
        quality = mp.evaluate(model, data.test)
        assert found == {
            name: getattr(quality, name) for name in ("accuracy", "loss", "chance", "collapsed")
        }
    weights, biases, rows = 646, 64 + 32 + 10, 65 + 33 + 11  # what is live; where CSR rows begin
    assert cell["cost"] == {
        "macs": weights / 6464, "bytes": (8 * weights + 4 * (biases + rows)) / (4 * (6464 + biases))
    }  # fmt: skip
    assert cell["kept"] == {name: float(mask.mean()) for name, mask in pruned.masks.items()}
    assert result["dense"]["seeds"][1]["accuracy"] == mp.evaluate(dense, data.test).accuracy


def test_budgets_are_equal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, float]] = []
    real = Training.step

    def step(self: Training, x: Any, y: Any) -> float:
        loss = real(self, x, y)
        seen.append((y.tobytes(), self.lr))
        return loss

    monkeypatch.setattr(Training, "step", step)
    assert main([*COMPARE, *TWO, "--out", "out"]) == 0
    fits = [seen[at : at + STEPS] for at in range(1, len(seen), STEPS)]  # the first one warms up
    assert [len(fit) for fit in fits] == [STEPS] * 2 * (1 + 4)
    assert fits[0] != fits[1]  # another seed, another order
    assert all(fits[k] == fits[0] for k in range(2, 6))
    assert all(fits[k] == fits[1] for k in range(6, 10))


def test_the_truth_is_the_change_of_the_loss(result: dict[str, Any]) -> None:
    truth = result["truth"][0]
    assert [len(at) for at in truth["entries"].values()] == [67, 67, 66]
    data = mp.data.digits()
    plan = Compare(net="mlp", samples=60)
    x, y = plan.calibration(data, 0)
    assert len(x) == 60
    part = mp.Dataset((x, y), (x, y), (x, y))
    optimizer = mp.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    dense, _ = mp.fit(
        mp.zoo.mlp(data, seed=0), data, epochs=1, seed=0, optimizer=optimizer,
        rate=mp.rates.cosine(), progress=False,
    )  # fmt: skip
    at = truth["entries"]["fc3.weight"][-1]
    mask = np.ones(320, bool)
    mask[at] = False
    wide = mp.Model(dense.net, {k: w.astype(float) for k, w in dense.params.items()})
    gone = mp.with_masks(wide, {"fc3.weight": mask.reshape(10, 32)})
    change = mp.evaluate(gone, part.test).loss - mp.evaluate(wide, part.test).loss
    assert change == pytest.approx(truth["change"][-1], abs=1e-13)
    scores = next(p["scores"] for p in result["predicted"] if p["criterion"] == "magnitude")
    assert scores[-1] == abs(float(dense.params["fc3.weight"].ravel()[at]))


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 30), min_size=1), st.integers(0, 60))
def test_entries_are_drawn_evenly(sizes: dict[str, int], most: int) -> None:
    found = drawn(sizes, most, np.random.default_rng(0))
    counts = {name: len(at) for name, at in found.items()}
    assert list(found) == list(sizes)
    assert sum(counts.values()) == min(most, sum(sizes.values()))
    for name, at in found.items():
        assert (np.diff(at) > 0).all()
        assert ((at >= 0) & (at < sizes[name])).all()
        if counts[name] < sizes[name]:  # none has more than one beyond it
            assert max(counts.values()) <= counts[name] + 1


@pytest.mark.parametrize("unit", [False, True])
def test_all_criteria_that_can_are_compared(
    unit: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["--seeds", "1", "--sparsities", "0.6", "--fine-tune", "0", "--json", "--out", "out"]
    assert main([*COMPARE[:-1], *short, *(["--unit"] if unit else [])]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    compared = {cell["criterion"] for cell in found["cells"]}
    left = {one["criterion"]: one["why"] for one in found["left_out"]}
    marks = {name: fn.spec for name, fn in CRITERIA.items()}
    able = {name for name, m in marks.items() if (m.unit is not None if unit else m.single)}
    assert compared == able
    assert left.keys() == CRITERIA.keys() - able
    if not unit:
        why = "scores units only; pass --unit"
        assert left["geometric_median"] == why
        names = ", ".join(one["criterion"] for one in found["left_out"])  # of one reason
        assert f"left out: {names}: {why}\n" in printed.err
    assert found["cells"][0]["pruned"] == found["cells"][0]["fine-tuned"]


def test_units_count_units(folder: Path) -> None:
    command = [*COMPARE, "--unit", "--criteria", "magnitude,oracle", "--out", "out"]
    assert main(command) == 0
    found = json.loads((folder / "out" / "result.json").read_text())
    kept = found["cells"][1]["kept"]
    assert found["cells"][1]["sparsity"] == 0.9
    assert kept.keys() == {"fc1.weight", "fc2.weight"}
    assert 64 * kept["fc1.weight"] + 32 * kept["fc2.weight"] == 96 - round(0.9 * 96)
    sizes = [len(at) for at in found["truth"][0]["entries"].values()]
    assert sizes == [64, 32]
    assert sum(sizes) <= TRUTH
    rho = {row["criterion"]: row["change"][0] for row in found["agreement"]}
    assert rho["oracle"] > 0.999  # it is the truth, but for float32


@mp.criterion(needs=("weights",))
def refuses(ev: mp.Evidence) -> dict[str, Any]:
    """It cannot score a net that has been trained."""
    new = mp.zoo.mlp(mp.data.digits(), seed=0).params
    if any((w != new[name]).any() for name, w in ev.of("weights").items()):
        raise ArgumentError("refuses: it never scores; choose another")
    weights: dict[str, Any] = ev.of("weights")
    return weights


def test_one_that_cannot_score_does_not_stop_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CRITERIA, "refuses", refuses)
    assert main([*COMPARE, "--criteria", "refuses,magnitude", "--out", "out"]) == 0
    printed = capsys.readouterr().out
    assert "\n\nleft out: refuses: it never scores; choose another\n\n" in printed
    found = json.loads((folder / "out" / "result.json").read_text())
    assert {cell["criterion"] for cell in found["cells"]} == {"magnitude"}
    assert main([*COMPARE, "--criteria", "refuses", "--out", "none"]) == 2
    assert capsys.readouterr().err == (
        "minprune: no criterion could be compared: it never scores; choose another\n"
    )


def test_what_is_printed(result: dict[str, Any]) -> None:
    text = compare.text(result)
    for title, header, rows in compare_tables(result):
        assert f"{title}\n\n{table(header, rows)}\n\n" in text
    assert text.endswith(f"written to {result['out']}; open compare.html there")
    assert "Test accuracy in % with fine-tuning (dense: " in text


def test_progress_is_on_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMPARE[:-1], *TWO]) == 0
    told = capsys.readouterr().err
    assert re.search(r"6/6: random, seed 1: accuracy 0[.]\d+ at 0[.]5, fine-tuned 0[.]\d+, ", told)
    assert re.search(r"\n5/6: .*; about 1 second to go\n", told)
    name = "compare-digits-mlp-weights-magnitude+random-at0.5+0.9-seeds2-epochs1-tune1-samples60"
    assert (folder / "runs" / name / "result.json").exists()


def test_settings_are_frozen_and_equal_what_json_gives_back() -> None:
    made = CompareSettings()
    assert json.loads(json.dumps(vars(made))) == vars(made)
    assert CompareSettings().sparsities is not made.sparsities
