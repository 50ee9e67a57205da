"""Rounds of scoring and pruning: exact targets, what is left is seen, collapse, refusals."""

import re
import sys
from typing import Any

import numpy as np
import pytest
from test_at_init import DATA, NET, TOTAL, live, net

import minprune as mp
from minprune.errors import ArgumentError
from minprune.masking.units import unit_sparsity
from minprune.methods import in_rounds
from minprune.train import progress


def test_one_round_is_score_and_prune() -> None:
    scores = mp.score(net(), DATA.train, "snip")
    want = mp.prune(net(), scores, sparsity=0.5, minimum=0)
    got = in_rounds(net(), DATA.train, "snip", sparsity=0.5, rounds=1)
    assert all(np.array_equal(got.masks[n], m) for n, m in want.masks.items())


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_the_last_round_meets_the_target_exactly(rounds: int) -> None:
    model = in_rounds(net(), None, "synflow", sparsity=0.7, rounds=rounds, progress=False)
    assert live(model) == TOTAL - round(0.7 * TOTAL)


def test_rounds_see_what_is_left() -> None:
    """Each round scores the net that the round before left, at keep (1 - s)^(k/n)."""
    model = net()
    for share in (1 - 0.2 ** (1 / 2), 0.8):
        scores = mp.score(model, None, "synflow")
        model = mp.prune(model, scores, sparsity=share, minimum=0)
    got = in_rounds(net(), None, "synflow", sparsity=0.8, rounds=2, progress=False)
    assert all(np.array_equal(got.masks[n], m) for n, m in model.masks.items())
    once = in_rounds(net(), None, "synflow", sparsity=0.8, rounds=1)
    assert any(not np.array_equal(got.masks[n], m) for n, m in once.masks.items())


def test_one_round_at_high_sparsity_collapses_layers_and_many_do_not() -> None:
    model, share = mp.zoo.mlp(((784,), 10), (300, 100), seed=0), 0.999
    assert mp.collapsed(in_rounds(model, None, "synflow", sparsity=share, rounds=1))
    many = in_rounds(model, None, "synflow", sparsity=share, rounds=100, progress=False)
    assert mp.collapsed(many) == []


def test_collapsed_names_empty_weights_while_others_could_give() -> None:
    none = {n: np.zeros(s, bool) for n, s in NET.params.items() if len(s) > 1}
    assert mp.collapsed(net()) == []
    assert mp.collapsed(mp.with_masks(net(), {"fc2.weight": none["fc2.weight"]})) == ["fc2.weight"]
    assert mp.collapsed(mp.with_masks(net(), none)) == []


def test_a_minimum_prevents_collapse() -> None:
    model = in_rounds(net(), None, "magnitude", sparsity=0.9, rounds=3, minimum=1, progress=False)
    assert mp.collapsed(model) == []


def test_rounds_prune_each_layer_alike_where_asked() -> None:
    model = in_rounds(net(), None, "magnitude", sparsity=0.7, rounds=3, scope="layer",
                      progress=False)  # fmt: skip
    for mask in model.masks.values():
        assert int((~mask).sum()) == round(0.7 * mask.size)


def test_a_sparsity_of_1_and_a_model_that_is_pruned_already() -> None:
    assert live(in_rounds(net(), None, "synflow", sparsity=1.0, progress=False)) == 0
    half = in_rounds(net(), None, "magnitude", sparsity=0.5, rounds=1)
    more = in_rounds(half, None, "magnitude", sparsity=0.9, rounds=10, progress=False)
    assert live(more) == TOTAL - round(0.9 * TOTAL)
    units = mp.prune(net(), mp.score(net(), None, "magnitude", unit=True), sparsity=0.25)
    fewer = in_rounds(units, None, "magnitude", sparsity=0.5, rounds=3, unit=True, progress=False)
    assert unit_sparsity(fewer) == 0.5
    calls: list[int] = []

    def counted(weights: Any) -> Any:
        calls.append(1)
        return {k: np.abs(w) for k, w in weights.items()}

    with pytest.raises(ArgumentError, match="below the present"):
        in_rounds(half, None, counted, sparsity=0.2, rounds=100, progress=False)
    assert len(calls) == 1  # not after a hundred rounds
    with pytest.raises(
        ArgumentError, match=r"^prune: sparsity must be a number from 0 to 1, not 'much'"
    ):
        in_rounds(half, None, counted, sparsity="much", rounds=3, progress=False)  # type: ignore[arg-type]


REFUSED: dict[str, tuple[mp.Model, Any, str]] = {
    "a sparse model": (
        mp.sparsify(in_rounds(net(), None, "magnitude", sparsity=0.5, rounds=1), "csr"), "synflow",
        "fc1.weight: what looks at single weights needs the dense weight, and only its live "
        "entries are stored; pass mp.densify(model), and mp.sparsify the result",
    ),
    "no data": (
        net(), "snip",
        "data must be a pair (x, y) of at least one sample, not None; pass data.train, for example",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_draws_no_bar(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    model, criterion, text = REFUSED[name]
    with pytest.raises(ArgumentError) as caught:
        in_rounds(model, None, criterion, sparsity=0.9, rounds=5)
    assert caught.value.args == (text,)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tqdm", [True, False])
def test_the_bar_counts_every_round(
    tqdm: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if tqdm:
        pytest.importorskip("tqdm", reason='no tqdm: pip install "minprune[report]"')
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
        monkeypatch.setattr(progress, "EVERY", 0.0)
    in_rounds(net(), None, "magnitude", sparsity=0.9, rounds=3)
    last = re.split(r"[\r\n]", capsys.readouterr().err.strip())[-1]
    assert last.startswith("rounds: 100%" if tqdm else "rounds: 3 of 3 steps")
    assert not tqdm or " 3/3 " in last
