"""Network slimming and the criterion of scales; growing regularization: definitions and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from watching import Watching, half_masked, same, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.errors import ArgumentError, MinpruneWarning, UnreachableError
from minprune.masking.units import live_units
from minprune.methods import GrowingRegularization, Slimming, chain, prox_l1
from minprune.nets.model import Model

DATA = small_data()
HOW: dict[str, Any] = {"epochs": 2, "batch_size": 4, "optimizer": mp.SGD(0.125), "progress": False}


def scaled(gammas: list[float]) -> Model:
    """A net of two normalised layers of three units, gamma as given."""
    net = mp.build((2,), [
        ("a", mp.Dense(2, 3)), ("bn", mp.BatchNorm(3)), ("r", mp.ReLU()), ("b", mp.Dense(3, 3)),
        ("bn2", mp.BatchNorm(3)), ("t", mp.ReLU()), ("fc", mp.Dense(3, 2)),
    ])  # fmt: skip
    model = mp.initialise(net, seed=0, dtype=np.float64)
    g = {"bn.weight": np.array(gammas[:3], float), "bn2.weight": np.array(gammas[3:], float)}
    return Model(net, model.params | g, model.buffers)


# --- the criterion


def test_scales_of_each_net_are_those_of_its_normalisations() -> None:
    found = mp.score(scaled([1.0, -3, 2, 0, 5, -4]), None, "scale", unit=True)
    assert {k: s.tolist() for k, s in found.items()} == {
        "a.weight": [1, 3, 2], "b.weight": [0, 5, 4],
    }  # fmt: skip
    plain = mp.score(mp.zoo.mlp(((4,), 2), (3,)), None, "scale", unit=True)
    assert plain["fc1.weight"].tolist() == [1, 1, 1]


def test_of_tied_units_the_largest_scale_counts() -> None:
    model = mp.zoo.resnet_small(((1, 8, 8), 3), width=4)
    names = [n for n in model.params if "bn" in n and n.endswith("weight")]
    rng = np.random.default_rng(0)
    drawn = {n: rng.normal(size=model.params[n].shape).astype(np.float32) for n in names}
    model = Model(model.net, model.params | drawn, model.buffers)
    found = mp.score(model, None, "scale", unit=True)
    tied = np.maximum(abs(drawn["stem_bn.weight"]), abs(drawn["block1_conv2_bn.weight"]))
    assert np.array_equal(found["stem.weight"], tied)
    assert np.array_equal(found["block1_conv2.weight"], tied)
    assert np.array_equal(found["block1_conv1.weight"], abs(drawn["block1_conv1_bn.weight"]))


# --- slimming


XY = np.random.default_rng(0).normal(size=(8, 2)), np.arange(8) % 2
TWO = mp.Dataset(XY, XY, XY)
signed = st.permutations(range(1, 7)).flatmap(
    lambda sizes: st.tuples(*(st.sampled_from([-k / 4, k / 4]) for k in sizes))
)


class ByLayer(Slimming):
    """A threshold of each layer."""

    def _pruned(self, model: Model) -> Model:
        scores = mp.score(model, None, "scale", unit=True)
        return mp.prune(model, scores, sparsity=self.sparsity, scope="layer")


class Signed(Slimming):
    """The smallest gamma, not |gamma|."""

    def _pruned(self, model: Model) -> Model:
        gammas = {k: model.params[n] for k, n in (("a.weight", "bn.weight"),
                                                  ("b.weight", "bn2.weight"))}  # fmt: skip
        return mp.prune(model, gammas, sparsity=self.sparsity)


def takes_the_smallest(kind: type[Slimming], gammas: tuple[float, ...]) -> bool:
    """Without updates: of 6 units the 2 of the smallest |gamma| go, whichever layer they are of."""
    model, _ = mp.fit(scaled([*gammas]), TWO, epochs=0, method=kind(0.1, 1 / 3), progress=False)
    live = np.concatenate([live_units(g, model.masks) for g in mp.ties(model) if g.free])
    return bool((~live == (np.abs(gammas) < 0.75)).all())


@given(gammas=signed)
@settings(max_examples=8)
def test_one_threshold_for_all_layers(gammas: tuple[float, ...]) -> None:
    assert takes_the_smallest(Slimming, gammas)


@pytest.mark.parametrize("wrong", [ByLayer, Signed])
def test_the_law_rejects(wrong: type[Slimming]) -> None:
    case = (0.25, 0.5, 0.75, -1.0, 1.25, 1.5)
    assert takes_the_smallest(Slimming, case)
    assert not takes_the_smallest(wrong, case)


def moved(method: mp.Method) -> tuple[dict[str, Array], dict[str, Array]]:
    """The parameters after one update of plain SGD, and of the same with the method."""
    how = HOW | {"epochs": 1, "batch_size": 11}
    models = [mp.fit(small_net(), small_data(), method=m, **how)[0] for m in (mp.Method(), method)]
    return models[0].params, models[1].params


def test_an_update_by_hand() -> None:
    """gamma - lr lam sign(gamma), or soft(gamma, lr lam); nothing else moves otherwise."""
    plain, by_gradient = moved(Slimming(0.5))
    _, by_prox = moved(Slimming(0.5, step="proximal"))
    for k, w in plain.items():
        want = w - 0.125 * 0.5 * (k == "bn1.weight")  # gamma begins at 1
        assert np.abs(by_gradient[k] - want).max() <= 1e-15
        assert np.array_equal(by_prox[k], prox_l1(w, 0.0625) if k == "bn1.weight" else w)


def test_only_the_proximal_step_makes_zeros() -> None:
    how = HOW | {"epochs": 8}
    soft, found = mp.fit(small_net(), DATA, method=Slimming(4.0, step="proximal"), **how)
    rough, _ = mp.fit(small_net(), DATA, method=Slimming(4.0), **how)
    assert not soft.params["bn1.weight"].any() and rough.params["bn1.weight"].all()  # noqa: PT018
    assert not found.extra["bn1.weight scale"].any()


# --- growing regularization


class Still(mp.Method):
    """No gradient: only what acts after an update moves the weights."""

    def loss(self, outputs: Any, x: Any, y: Any, params: Any, extra: Any, ctx: Any) -> Any:
        return mp.autograd.total(outputs) * 0.0


def test_an_update_pulls_by_a_factor_that_grows() -> None:
    """w / (1 + lr lam_t), lam_t = delta floor(t / every), of the chosen alone; then masked."""
    method, seen = GrowingRegularization(0.5, delta=0.25, ceiling=0.5, every=2), Watching()
    start = small_net()
    chosen = mp.prune(start, mp.score(start, None, "magnitude"), sparsity=0.5).masks
    how = HOW | {"epochs": 2, "optimizer": mp.SGD(0.5)}
    model, history = mp.fit(start, DATA, method=chain(Still(), method, seen), **how)
    factor = 1.0
    for t, after in enumerate(seen.params, 1):
        factor /= 1 + 0.5 * 0.25 * min(t // 2, 2)
        for k, kept in chosen.items():
            w = start.params[k]
            want = np.where(kept, w, w * factor if t < method.end else 0)
            assert np.abs(after[k] - want).max() <= 1e-15
    assert method.end == 4
    assert all(np.array_equal(model.masks[k], m) for k, m in chosen.items())
    left = history.extra["1/fc1.weight pulled to"]
    assert left.max() <= np.abs(start.params["fc1.weight"]).max() / 1.125**2
    assert left.size == (~chosen["fc1.weight"]).sum()


def test_pulled_weights_are_near_0_when_they_are_masked_with_any_optimizer() -> None:
    for optimizer in (mp.SGD(0.1, momentum=0.9), mp.Adam(0.01)):
        method = GrowingRegularization(0.5, delta=5.0, ceiling=100.0)
        how = {"epochs": 8, "batch_size": 4, "progress": False}
        model, history = mp.fit(small_net(), DATA, method=method, optimizer=optimizer, **how)
        assert max(a.max() for a in history.extra.values()) < 1e-2
        gone = sum(int((~model.masks[k]).sum()) for k in model.net.weights)
        assert gone == round(0.5 * sum(model.params[k].size for k in model.net.weights))


def test_of_units_all_that_they_own_is_pulled_and_chosen_after_begin() -> None:
    method, seen = GrowingRegularization(0.25, 50.0, 100.0, begin=2, unit=True), Watching()
    model, _ = mp.fit(small_net(), DATA, method=chain(method, seen), **HOW)
    before = Model(model.net, seen.params[1], model.buffers)
    want = mp.prune(before, mp.score(before, None, "magnitude", unit=True), sparsity=0.25).masks
    assert all(np.array_equal(model.masks[k], m) for k, m in want.items())
    gone = {k for k, m in want.items() if not m.all()}
    assert any(k.endswith("bias") for k in gone)
    for k in gone:
        three, two = (np.abs(seen.params[i][k][~want[k]]).sum() for i in (2, 1))
        assert three < two or two == 0


def test_masks_that_were_there_stay_and_a_short_training_warns() -> None:
    start = half_masked(small_net())
    with pytest.warns(MinpruneWarning) as told:
        model, _ = mp.fit(start, DATA, method=GrowingRegularization(0.75), **HOW)
    assert str(told[0].message) == (
        "GrowingRegularization: the factor grows until update 100, and this training has 6; train "
        "longer, or pass a larger delta"
    )
    assert all(not model.masks[k][~m].any() for k, m in start.masks.items())
    gone = sum(int((~model.masks[k]).sum()) for k in model.net.weights)
    assert gone == round(0.75 * sum(model.params[k].size for k in model.net.weights))
    null, _ = mp.fit(start, DATA, method=GrowingRegularization(0.0), **HOW)
    assert same(null, mp.fit(start, DATA, **HOW)[0])


def fit(method: mp.Method, model: Model) -> Any:
    return mp.fit(model, DATA, method=method, **HOW)


MESSAGES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Slimming(-0.1), ArgumentError,
     "Slimming: lam must be a finite number of at least 0, not -0.1; pass lam=1, for example"),
    (lambda: Slimming(0.1, step="prox"), ArgumentError,  # type: ignore[arg-type]
     "Slimming: step must be 'subgradient' or 'proximal', not 'prox'; did you mean proximal?"),
    (lambda: fit(Slimming(0.1), mp.zoo.mlp(DATA, (4,))), ArgumentError,
     "Slimming: the net must have units that may be removed and that BatchNorm or GroupNorm "
     "scales, not none; put mp.BatchNorm behind its hidden layers"),
    (lambda: fit(Slimming(0.1, 1.0), small_net()), UnreachableError,
     "Slimming: sparsity=1.0 leaves 0 of 8 units of the net, fewer than minimum=1 for each layer; "
     "the largest reachable is 0.75"),
    (lambda: GrowingRegularization(2.0), ArgumentError,
     "GrowingRegularization: sparsity must be a number from 0 to 1, not 2.0; pass sparsity=0.5, "
     "for example"),
    (lambda: GrowingRegularization(0.5, delta=0.0), ArgumentError,
     "GrowingRegularization: delta must be a finite number above 0, not 0.0; pass delta=1, for "
     "example"),
    (lambda: fit(GrowingRegularization(1.0, unit=True, begin=3), small_net()), UnreachableError,
     "GrowingRegularization: sparsity=1.0 leaves 0 of 8 units of the net, fewer than minimum=1 for "
     "each layer; the largest reachable is 0.75"),
]  # fmt: skip


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row[2][:60])
def test_messages(row: tuple[Callable[[], Any], type[Exception], str]) -> None:
    provoke, kind, text = row
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)
