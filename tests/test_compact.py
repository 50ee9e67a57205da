"""compact(model) is the same function, smaller: laws, planted bugs, every net of the zoo."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from compaction import WRONG
from hypothesis import find, given, settings
from hypothesis import strategies as st
from randomnets import batch, filled
from selection import SEARCH
from structures import LARGE, NETS, ZOO, apart, pieces, silent, thinned, without

import minprune as mp
from minprune.measures.cost import size
from minprune.nets.model import Model
from minprune.structure import plan
from minprune.verify.law import clause_of
from minprune.verify.ours.compaction import LAWS, Case, cases

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # 1 is as far as one unit a group lets it


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=100)
@given(case=cases([*NETS.values()]) | cases())
def test_compact_keeps_the_laws(law: str, case: Case) -> None:
    assert LAWS[law](mp.compact, case) is None


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject(name: str) -> None:
    law, net, fn = WRONG[name]
    find(cases([NETS[net]]), lambda case: clause_of(partial(LAWS[law], fn), case), settings=SEARCH)


@pytest.mark.parametrize("name", WRONG)
def test_the_nets_of_self_find_it(name: str) -> None:
    law, _, fn = WRONG[name]
    find(cases(), lambda case: clause_of(partial(LAWS[law], fn), case), settings=SEARCH)


def test_each_law_has_a_wrong_variant() -> None:
    assert {law for law, *_ in WRONG.values()} == set(LAWS)


@pytest.mark.parametrize("name", ZOO)
def test_every_net_of_the_zoo_stays_the_same_function(name: str) -> None:
    """At every unit sparsity, and with everything pruned."""
    model = filled(ZOO[name]().net, 0)
    before = size(model)
    for share in SHARES:
        pruned = thinned(model, share, seed=1)
        small = mp.compact(pruned)
        after = size(small)
        assert apart(pruned, small) <= LARGE, share
        assert after.parameters <= before.parameters
        assert after.macs <= before.macs
        before = after
    everything = thinned(model, 1, minimum=0)
    small = mp.compact(everything)
    assert apart(everything, small) <= LARGE
    assert not any(small.params[n].any() for n in small.net.weights)


def beside(path: Path, model: Model) -> int:
    return path.stat().st_size - sum(a.nbytes for a in (model.params | model.buffers).values())


@pytest.mark.parametrize("name", ZOO)
def test_parameters_work_and_bytes_really_fall(name: str, tmp_path: Path) -> None:
    model = filled(ZOO[name]().net, 0)
    pruned = thinned(model, 0.5)
    small = mp.compact(pruned)
    assert small.params.keys() == model.params.keys()
    big, now = size(model), size(small)
    assert now.parameters < big.parameters
    assert now.macs < big.macs
    assert now.live == now.parameters  # nothing is masked: all that was silenced is gone
    assert now.macs == size(pruned).live_macs
    mp.save(model, tmp_path / "big")
    mp.save(small, tmp_path / "small")
    assert (tmp_path / "small").stat().st_size < (tmp_path / "big").stat().st_size
    assert beside(tmp_path / "small", small) <= 2048  # names and shapes
    again = mp.load(tmp_path / "small")
    assert again.net == small.net
    assert apart(small, again) == 0


@given(
    name=st.sampled_from(sorted(NETS.keys() - {"unread"})),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_it_is_the_net_without_the_silenced_units(name: str, share: float, seed: int) -> None:
    """Deleted by hand, axis by axis: the same bits, from an index map that says which."""
    pruned = thinned(filled(NETS[name], seed), share, seed)
    gone = {
        piece
        for g in mp.ties(pruned)
        for u in range(g.size if g.free else 0)
        if all(masked(pruned, *piece) for piece in pieces(g, u))
        for piece in pieces(g, u)
    }
    by_hand, small = without(pruned, gone), mp.compact(pruned)
    assert small.net == by_hand.net
    kept = plan(pruned).kept
    for n, w in small.params.items():
        assert np.array_equal(w, by_hand.params[n]), n
        for axis in range(min(w.ndim, 2)):
            lost = {k for p, at, k in gone if (p, at) == (n, axis)}
            whole = range(pruned.params[n].shape[axis])
            assert kept.get((n, axis), np.array(whole)).tolist() == sorted(set(whole) - lost)
    assert apart(silent(pruned, gone), pruned) == 0


def masked(model: Model, param: str, axis: int, index: int) -> bool:
    at = (slice(None),) * axis + (index,)
    return param in model.masks and not model.masks[param][at].any()


@given(case=cases([*NETS.values()]) | cases())
def test_the_model_given_stays_as_it_is(case: Case) -> None:
    model = case.model
    before = {n: a.copy() for n, a in (model.params | model.buffers).items()}
    masks, net = {n: m.copy() for n, m in model.masks.items()}, model.net
    mp.compact(model)
    assert model.net is net
    assert all(np.array_equal(a, before[n]) for n, a in (model.params | model.buffers).items())
    assert model.masks.keys() == masks.keys()
    assert all(np.array_equal(m, masks[n]) for n, m in model.masks.items())


@pytest.mark.parametrize("name", ["sigmoid", "residual", "depthwise", "grouped"])
def test_what_is_left_of_single_weight_masks_is_held_by_fit(name: str) -> None:
    model = thinned(filled(NETS[name], 0), 0.4)
    scores = mp.score(model, None, "random", seed=3)
    dead = 1 - size(model).live / size(model).parameters
    model = mp.prune(model, scores, sparsity=(1 + dead) / 2)
    small = mp.compact(model)
    assert small.masks
    x, y = batch(small, 20)
    data = mp.Dataset((x, y), (x, y), (x, y))
    trained, _ = mp.fit(small, data, epochs=2, batch_size=5, seed=0)
    assert any(not np.array_equal(w, small.params[n]) for n, w in trained.params.items())
    for n, m in small.masks.items():
        assert not trained.params[n][~m].any(), n
    assert plan(small).empty


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype: Callable[..., object]) -> None:
    pruned = thinned(filled(NETS["sigmoid"], 0, dtype), 0.5)  # type: ignore[arg-type]
    dead = mp.compact(thinned(pruned, 1, minimum=0))
    small = mp.compact(pruned)
    assert small.dtype == dead.dtype == dtype
    # float32: the sums of four layers of at most five terms
    assert apart(pruned, small) <= (1e-5 if dtype is np.float32 else LARGE)


def test_a_silent_sigmoid_unit_is_folded_by_hand() -> None:
    """Weight and bias 0, outgoing weights live: it puts out 0.5, and so it is no dead unit."""
    model = filled(mp.build((3,), [("a", mp.Dense(3, 4)), ("r", mp.Sigmoid()),
                                   ("fc", mp.Dense(4, 2))]), 0)  # fmt: skip
    silenced = {"a.weight": np.ones((4, 3), bool), "a.bias": np.ones(4, bool)}
    for mask in silenced.values():
        mask[1] = False
    masked = mp.with_masks(model, silenced)
    small = mp.compact(masked)
    assert small.net.params["a.weight"] == (3, 3)
    want = masked.params["fc.bias"] + 0.5 * masked.params["fc.weight"][:, 1]
    assert np.array_equal(small.params["fc.bias"], want)
    assert np.array_equal(small.params["fc.weight"], masked.params["fc.weight"][:, [0, 2, 3]])
    assert apart(masked, small) <= LARGE
    dropped = WRONG["constants not folded"][2](masked)
    assert apart(masked, dropped) > 0.05  # what a project that drops constants is wrong by
