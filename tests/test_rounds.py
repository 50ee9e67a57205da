"""Rounds of scoring and pruning: exact targets, what is left is seen, collapse, refusals."""

import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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


# --- a model that is pruned already: each round is on the way from what is masked of what counts

SIZES = {"fc1.weight": 160, "fc2.weight": 64, "fc3.weight": 24}
CASES = st.fixed_dictionaries({
    "before": st.fixed_dictionaries(dict.fromkeys(SIZES, st.floats(0, 0.5))),
    "protect": st.sampled_from([(), ("fc2",), ("fc1", "fc3")]),
    "kind": st.sampled_from(["global", "layer", "dict"]),
    "rounds": st.integers(1, 4), "final": st.floats(0.55, 0.95),
})  # fmt: skip


def begun(before: dict[str, float]) -> mp.Model:
    return mp.prune(net(), mp.score(net(), None, "magnitude"), sparsity=before, minimum=0)


def wanted(case: dict[str, Any], start: mp.Model, whole_net: bool = False) -> list[dict[str, int]]:
    """{what is pruned together: how many are masked} after each round, by hand

    whole_net: the wrong variant, from the share of all weights of the net.
    """
    masked = {name: int((~m).sum()) for name, m in start.masks.items()}
    names = [name for name in SIZES if name.partition(".")[0] not in case["protect"]]
    groups = [names] if case["kind"] == "global" else [[name] for name in names]
    found = []
    for k in range(1, case["rounds"] + 1):
        now = {}
        for group in groups:
            n, gone = (sum(of[name] for name in group) for of in (SIZES, masked))
            s0 = sum(masked.values()) / TOTAL if whole_net else gone / n
            s = 1 - (1 - s0) * ((1 - case["final"]) / (1 - s0)) ** (k / case["rounds"])
            now["+".join(group)] = round((s if k < case["rounds"] else case["final"]) * n)
        found.append(now)
    return found


def pruned(case: dict[str, Any], start: mp.Model) -> list[dict[str, int]]:
    """The same, of the plan without training."""
    names = [name for name in SIZES if name.partition(".")[0] not in case["protect"]]
    final = case["final"]
    how = mp.methods.iterative(
        start, DATA, sparsity=dict.fromkeys(names, final) if case["kind"] == "dict" else final,
        scope="layer" if case["kind"] == "layer" else "global", protect=case["protect"],
        rounds=case["rounds"], epochs=0, retrain_epochs=0, minimum=0, progress=False,
    )  # fmt: skip
    groups = ["+".join(names)] if case["kind"] == "global" else names
    return [
        {g: sum(int((~masks[name]).sum()) for name in g.split("+")) for g in groups}
        for masks in how.masks[1:]
    ]


@settings(max_examples=15)
@given(case=CASES)
def test_rounds_of_a_pruned_model_are_on_the_way_from_what_is_masked(case: dict[str, Any]) -> None:
    start = begun(case["before"])
    got, want = pruned(case, start), wanted(case, start)
    assert got == want
    if not case["protect"] and case["kind"] != "dict":
        assert of_in_rounds(case, start) == want


def of_in_rounds(case: dict[str, Any], start: mp.Model) -> list[dict[str, int]]:
    """The same, of `in_rounds`: what each scoring found to be 0, and the end."""
    seen: list[dict[str, int]] = []

    def noting(weights: Any) -> Any:
        seen.append({name: int((w == 0).sum()) for name, w in weights.items()})
        return {k: np.abs(w) for k, w in weights.items()}

    last = in_rounds(start, None, noting, sparsity=case["final"], rounds=case["rounds"],
                     scope=case["kind"], progress=False)  # fmt: skip
    seen.append({name: int((~m).sum()) for name, m in last.masks.items()})
    together = case["kind"] == "global"
    return [{"+".join(SIZES): sum(now.values())} if together else now for now in seen[1:]]


@pytest.mark.parametrize("kind", ["global", "layer", "dict"])
def test_counting_the_whole_net_is_another_law(kind: str) -> None:
    case = {"protect": ("fc2",), "kind": kind, "rounds": 3, "final": 0.9,
            "before": {"fc1.weight": 0.5, "fc2.weight": 0.0, "fc3.weight": 0.0}}  # fmt: skip
    start = begun(case["before"])  # type: ignore[arg-type]
    assert pruned(case, start) == wanted(case, start) != wanted(case, start, True)


@pytest.mark.parametrize("how", [{"unit": True, "criterion": "taylor"}, {"pattern": (2, 2)}])
def test_units_and_blocks_are_on_the_way_as_they_are_counted(how: dict[str, Any]) -> None:
    """fc1 and fc2 have 8 units, of which half and none are masked; as many rows and blocks."""
    start = net()
    masks = {name: np.ones(start.params[name].shape, bool) for name in ("fc1.weight", "fc2.weight")}
    masks["fc1.weight"][:4] = masks["fc2.weight"][:, :4] = False
    if how.get("unit"):
        masks["fc1.bias"] = np.arange(8) >= 4
    found = mp.methods.iterative(
        mp.with_masks(start, masks), DATA, sparsity=0.75, rounds=2, scope="layer",
        epochs=0, retrain_epochs=0, minimum=0, progress=False, **how,
    )  # fmt: skip
    rows = [int(m["fc1.weight"].any(1).sum()) for m in found.masks[1:]]
    blocks = [int(m["fc1.weight"].sum()) // 4 for m in found.masks[1:]]
    n, half = (8, rows) if how.get("unit") else (40, blocks)
    assert half == [n - round((1 - 0.5 * 0.5**0.5) * n), n // 4]
