"""mp.why: rank, threshold and decision are those of mp.prune; sentences for what there is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import batch, models

import minprune as mp
from minprune.cli import main
from minprune.errors import ArgumentError, UnreachableError
from minprune.evidence import why as file

DIGITS = mp.data.digits()


def pruned(model: mp.Model, unit: bool, sparsity: float, scope: Any) -> tuple[mp.Model, Any]:
    """The model by magnitude, without a minimum, and its scores"""
    scores = mp.score(model, None, "magnitude", unit=unit)
    return mp.prune(model, scores, sparsity=sparsity, scope=scope, minimum=0), scores


def order(scores: Any, names: Any) -> list[tuple[str, int]]:
    """All entries, best first, by comparing them one by one"""
    every = [(-float(v), n, i) for n in names for i, v in enumerate(scores[n].ravel())]
    where = {n: k for k, n in enumerate(names)}
    return [(n, i) for _, n, i in sorted(every, key=lambda e: (e[0], where[e[1]], e[2]))]


def is_as_sorted(model: mp.Model, sparsity: float, scope: Any, pick: int, why: Any) -> bool:
    """Whether what `why` says of a weight is what a list of all says"""
    small, scores = pruned(model, False, sparsity, scope)
    names = list(scores)
    name = names[pick % len(names)]
    k = pick % scores[name].size
    index = np.unravel_index(k, scores[name].shape)
    place = f"{name}[{','.join(map(str, index))}]"
    found = why(small, None, place, before=model, others=False, scope=scope)
    best = order(scores, names if scope == "global" else [name])
    live = sum(int(small.masks[n].sum()) for n in (names if scope == "global" else [name]))
    last = best[live - 1] if live else None
    at = best.index((name, k))
    return bool(
        found.standing.rank == at + 1
        and found.kept == small.masks[name].flat[k] == found.standing.kept == (at < live)
        and (found.count, found.live, found.agree) == (len(best), live, 1)
        and (np.isnan(found.threshold) if last is None
             else found.threshold == scores[last[0]].flat[last[1]])
        and found.equal == sum(scores[n].flat[i] == scores[name].flat[k] for n, i in best)
    )  # fmt: skip


CASE = models(), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.sampled_from(["global", "layer"])


@settings(max_examples=40)
@given(*CASE, st.integers(0, 10**6), st.booleans())
def test_the_standing_of_a_weight_is_that_in_a_sorted_list(
    model: mp.Model, sparsity: float, scope: Any, pick: int, equal: bool
) -> None:
    if equal:  # many ties
        params = {n: np.sign(w) if w.ndim > 1 else w for n, w in model.params.items()}
        model = replace(model, params=params)
    assert is_as_sorted(model, sparsity, scope, pick, mp.why)


def test_the_law_rejects_ties_by_the_higher_index(monkeypatch: Any) -> None:
    model = mp.zoo.mlp(((3,), 2), (4,), seed=0)
    params = {n: np.ones_like(w) for n, w in model.params.items()}
    model = replace(model, params=params)
    assert is_as_sorted(model, 0.5, "global", 0, mp.why)
    turned = np.argsort
    monkeypatch.setattr(file.np, "argsort", lambda a, **how: turned(a[::-1], **how)[::-1])
    assert not is_as_sorted(model, 0.5, "global", 0, mp.why)


@settings(max_examples=20)
@given(models(), st.integers(0, 10**6), st.integers(0, 99))
def test_units_and_the_change_of_the_loss(model: mp.Model, pick: int, seed: int) -> None:
    data = batch(model, 4, seed)
    groups = [g for g in mp.ties(model) if g.free]
    if groups:
        group = groups[pick % len(groups)]
        k, maker = pick % group.size, group.producers[0]
        layer, row = maker.param.rpartition(".")[0], int(maker.index[k].ravel()[0])
        try:
            small, scores = pruned(model, True, 0.5, "global")
        except UnreachableError:
            return
        found = mp.why(small, data, f"{layer}:{row}", before=model, others=False)
        change = mp.curvature.unit_removal(model, data, {group.name: group})[group.name][k]
        assert np.isclose(found.change, change, rtol=1e-9, atol=1e-12)
        assert found.agree == 1
        assert found.tied
        assert found.standing.score == pytest.approx(float(scores[maker.param][row]))
    name = model.net.weights[pick % len(model.net.weights)]
    k = pick % model.params[name].size
    index = ",".join(map(str, np.unravel_index(k, model.params[name].shape)))
    found = mp.why(model, data, f"{name}[{index}]", others=False)
    change = mp.curvature.removal(model, data, {name: np.array([k])})[name][0]
    assert np.isclose(found.change, change, rtol=1e-9, atol=1e-12)


def test_what_is_printed() -> None:
    model = mp.zoo.mlp(((2,), 2), (2,), seed=0)
    w = np.array([[3, 1], [1, 2]], np.float32)
    model = replace(model, params=model.params | {"fc1.weight": w, "fc2.weight": 0 * w})
    small, _ = pruned(model, False, 0.625, "global")
    assert str(
        mp.why(small, None, "fc1.weight[1,0]", before=model, others=False, scope="global")
    ) == (
        "fc1.weight[1,0] = 1: removed\n"
        "score by magnitude: 1, rank 4 of 8 in the whole net; 3 are kept, and rank 3 has 1\n"
        "2 have exactly this score, and 1 of them are kept: among equals those of the lower index, "
        "and of the\n  earlier layer\n"
        "100 % of the weights in the whole net are as magnitude ranks them\n\n"
        "criterion  score  rank  by rank  of\n"
        "---------  -----  ----  -------  --\n"
        "magnitude      1     4  removed   8"
    )


def test_other_criteria_and_what_is_not_computed() -> None:
    model = mp.zoo.mlp(DIGITS, (6,), seed=0)
    units = mp.prune(model, mp.score(model, None, "norm", unit=True), sparsity=0.5)
    found = mp.why(units, DIGITS, "fc1:2", "norm", before=model)
    by = {s.criterion: s for s in found.others}
    assert by["magnitude"].rank == found.standing.rank
    assert by["lda"].rank >= 1
    assert by["oracle"].why == "its score is the change of the loss itself"
    assert by["obs"].why.startswith("it takes too long")
    assert "no obs: it takes too long" in str(found)
    assert "lamp" not in by  # of weights alone


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "why: one of a weight and --unit must be given; pass fc1.weight[3,5], or --unit "
         "conv1:7"),
        ("fc1", "why: the place must be a weight such as fc1.weight[3,5], or a unit such as "
         "conv1:7, not 'fc1'; minprune info lists the layers"),
        ("fc1.weight[9,0]", "why: fc1.weight[9,0] must have 2 indices below (4, 3); count from 0"),
        ("fc1.bias[0]", "why: fc1.bias must be a weight, as biases and normalisation are not "
         "ranked; weights are fc1.weight, fc2.weight"),
        ("--unit fc1:4", "why: fc1 must have a unit 4, and has none; mp.ties lists them, from 0"),
        ("--unit fc2:0", "why: fc2:0 must be a unit that can be removed, and it is the net's "
         "output; mp.ties lists those that can"),
        ("fc1.weight[0,0]", "why: fc1.weight[0,0] is removed, so its value is not in the model; "
         "pass before=, the model that was scored"),
        ("fc1.weight[0,0] --before other.npz", "why: before must be of the same shapes as the "
         "model, as it was before pruning; pass one that was not compacted"),
    ],
)  # fmt: skip
def test_what_is_refused(
    words: str, text: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    model = mp.zoo.mlp(((3,), 2), (4,), seed=0)
    masks = {"fc1.weight": np.arange(12).reshape(4, 3) > 5}
    mp.save(mp.with_masks(model, masks), "m.npz")
    mp.save(mp.zoo.mlp(((3,), 2), (5,)), "other.npz")
    assert main(["why", "m.npz", *words.split(), "--data", "digits"]) == 2
    assert capsys.readouterr().err == f"minprune: {text}\n"


def test_in_the_folder_of_a_run_its_choices_are_used(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    run = ["run", "--net", "mlp", "--epochs", "1", "--out", "out", "--quiet"]
    assert main([*run, "--criterion", "taylor", "--scope", "layer"]) == 0
    capsys.readouterr()
    for place in (["fc1.weight[3,30]"], ["--unit", "fc1:3"]):
        assert main(["why", "out/fine-tuned.npz", *place]) == 0
        said = capsys.readouterr().out
        assert "score by taylor" in said
        if len(place) == 1:
            assert "100 % of the weights in its layer are as taylor ranks them" in said
    with pytest.raises(ArgumentError, match="scope must be"):
        mp.why(mp.load("out/dense.npz"), None, "fc1:0", scope="net")
