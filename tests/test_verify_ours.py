"""The kit on minprune itself, and the file of oracles that it writes."""

import json
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune.core import Arrays, Evidence
from minprune.errors import ArgumentError
from minprune.verify import check_compaction
from minprune.verify.criterion.general import GENERAL
from minprune.verify.ours.checks import checks, ours
from minprune.verify.ours.export import export, formula_nets, oracles
from minprune.verify.plain.twin import TWINS


def test_ours_holds() -> None:
    for start in ("selector", "pattern", "schedule", "steps", "allocation", "kernel", "gradient",
                  "hvp", "compaction", "obs"):  # fmt: skip
        for name, found in ours(10, only=start).items():
            assert found.ok, (name, found)
    assert len({name for name, _ in checks()}) == len(list(checks()))


def test_the_formula_net_is_that_of_the_page(tmp_path: Path) -> None:
    found = oracles()
    net = found["nets"]["tanh, cross-entropy"]
    assert net["loss"] == pytest.approx(0.7526966241546514, rel=1e-15)
    assert net["params"]["fc1.weight"]["shape"] == [4, 3]
    assert net["params"]["fc1.weight"]["values"][:2] == [0.7 * np.sin(1), 0.7 * np.sin(2)]
    synflow = found["nets"]["relu without biases, mse"]["scores"]["synflow"]
    for scores in synflow.values():
        assert sum(scores["values"]) == pytest.approx(4.683040952299719, rel=1e-14)


def test_every_criterion_that_draws_no_numbers_is_in_the_file() -> None:
    every = {*mp.criteria.CRITERIA} - {"random"}
    for name, net in oracles()["nets"].items():
        refused = {"lda", "lda_joint"} if "mse" in name else set()  # which want classes
        found = {label.removesuffix(" of units") for label in net["scores"]}
        assert found == every - refused, name


def test_every_criterion_is_checked_against_its_definition() -> None:
    names = {name for name, _ in checks()}
    for name, fn in mp.criteria.CRITERIA.items():
        mark = fn.spec  # type: ignore[attr-defined]
        assert (f"criterion {name}" in names) == mark.single
        assert (f"criterion {name} of units" in names) == (mark.unit is not None)
        assert name in TWINS


def sizes(ev: Evidence) -> Arrays:
    return {name: ev.sum(np.abs(w)) for name, w in ev.of("weights").items()}


def test_a_criterion_without_a_twin_keeps_the_general_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = mp.criterion(needs=("weights",))(sizes)
    monkeypatch.setitem(mp.criteria.CRITERIA, "fresh", fresh)
    found = ours(8, only="criterion fresh")
    assert list(found) == [
        f"criterion fresh{unit} (it has no twin: general laws alone)" for unit in ("", " of units")
    ]
    for verdicts in found.values():
        assert verdicts.ok, verdicts
        assert {v.law for v in verdicts} == set(GENERAL)


def test_a_row_that_fails_loses_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = mp.criterion(needs=("nonsense",))(sizes)
    monkeypatch.setitem(mp.criteria.CRITERIA, "obs", wrong)
    found = ours(1, only="criterion o")
    assert found["criterion oracle"].ok
    assert [v.sentence for v in found["criterion obs"]] == [
        "the check runs, but it raised ArgumentError: sizes: needs 'nonsense', of which verify/ "
        "makes no arrays; it must be one of weights, squared_grads, hess_diag, path_grads, "
        "removal, inverse_diag, sweep_loss, masks, grads, hess_grad, hess_weight, labels, rng"
    ]


def test_the_file_is_plain_and_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "oracles.json"
    assert export(path).startswith(f"wrote {path}: 3 nets (")
    read = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert (read["format"], read["version"]) == ("minprune-oracles", 1)
    for name, (model, data) in formula_nets().items():
        given = read["nets"][name]
        x = np.array(given["inputs"]["values"]).reshape(given["inputs"]["shape"])
        assert np.array_equal(x, data[0])
        outputs = np.array(given["outputs"]["values"]).reshape(given["outputs"]["shape"])
        assert np.array_equal(outputs, model(x))
        for share, masks in given["masks"]["magnitude"].items():
            scores = mp.score(model, data, "magnitude")
            pruned = mp.prune(model, scores, sparsity=float(share), minimum=0)
            for key, mask in masks.items():
                assert pruned.masks[key].ravel().astype(int).tolist() == mask["values"]


def test_best_subsets_are_no_worse_than_greedy_ones() -> None:
    found = oracles()["best_subsets"]
    H = np.array(found["hessian"]["values"]).reshape(5, 5)
    w, inverse = np.array(found["weights"]["values"]), np.linalg.inv(H)
    rise, gone = 0.0, np.zeros(5, bool)
    assert found["best"][5]["rise"] == 0
    for kept in (4, 3, 2, 1):  # OBS, one weight at a time
        scores = np.where(gone, np.inf, w**2 / (2 * np.where(gone, 1, np.diag(inverse))))
        q = int(np.argmin(scores))
        rise, gone = rise + scores[q], gone | (np.arange(5) == q)
        column = inverse[:, q] / inverse[q, q]
        w = w - w[q] * column
        inverse = inverse - np.outer(column, inverse[q])
        assert found["best"][kept]["rise"] <= rise * (1 + 1e-9)
    assert found["best"][4]["rise"] == pytest.approx(
        min(np.array(found["weights"]["values"]) ** 2 / (2 * np.diag(np.linalg.inv(H))))
    )


def test_another_law_of_compaction_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        check_compaction(laws=["small"])
    assert caught.value.args == (
        "check_compaction: laws must be 'same function', 'done at once', 'minimal', 'masks', "
        "'smaller' or 'no larger', not 'small'; did you mean smaller?",
    )
