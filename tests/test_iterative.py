"""Rounds of pruning and retraining: what returns, what stays, how much goes, what is refused."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procedures import DATA, HOW, UPDATES, iterative, net
from watching import Watching, same

import minprune as mp
from minprune.core import Arrays, stream
from minprune.errors import ArgumentError
from minprune.methods import RETRAIN, Before, Retraining, Start
from minprune.methods.retrain import weight_rewind
from minprune.train.loop import fit_part

TOTAL = 4 * UPDATES


def watched(retrain: Any, to: int, optimizer: Any, sparsity: float = 0.5) -> list[Watching]:
    """What `after` saw in training and in retraining."""
    seen: list[Watching] = []

    class Noting(mp.Method):
        def start(self, model: mp.Model, ctx: mp.Context) -> tuple[mp.Model, Arrays, Any]:
            seen.append(Watching())
            return model, {}, None

        def after(self, view: mp.View) -> None:
            seen[-1].after(view)

    iterative(
        retrain=retrain, rewind_to=to, epochs=4, sparsity=sparsity, optimizer=optimizer,
        method=Noting(),
    )  # fmt: skip
    joined, again = Watching(), seen[3]
    for part in seen[1:3]:  # after the start that is a check: to the point, and on
        for name in ("params", "opt_state", "batches", "views"):
            getattr(joined, name).extend(getattr(part, name))
    return [joined, again]


def returns(retrain: Any, to: int, optimizer: Any) -> bool:
    """Whether retraining at sparsity 0 repeats every update from `to` on, to the bit."""
    first, again = watched(retrain, to, optimizer, 0.0)
    same_bits = [
        np.array_equal(a, b)
        for old, new in (
            *zip(first.params[to:], again.params, strict=True),
            *(
                (a[slot], b[slot])
                for a, b in zip(first.opt_state[to:], again.opt_state, strict=True)
                for slot in a
            ),
        )
        for a, b in zip(old.values(), new.values(), strict=True)
    ]
    order = [
        np.array_equal(a[0], b[0]) for a, b in zip(first.batches[to:], again.batches, strict=True)
    ]
    rates = [v.ctx.lr for v in first.views[to:]] == [v.ctx.lr for v in again.views]
    return all(same_bits) and all(order) and rates


OPTIMIZERS = (mp.SGD(0.1), mp.SGD(0.1, momentum=0.9, weight_decay=0.01), mp.Adam(0.01))
POINTS = st.integers(0, TOTAL - 1)


@given(to=POINTS, optimizer=st.sampled_from(OPTIMIZERS))
def test_weight_rewinding_restores_the_bits(to: int, optimizer: Any) -> None:
    """Weights, optimizer state, dropout, data order and rates of update `to`."""
    assert returns("weight_rewind", to, optimizer)


def forgetful(part: str, key: str) -> Retraining:
    """Weight rewinding that leaves a part as it is at the end."""

    def start(b: Before) -> Start:
        found = weight_rewind(b)
        begin = {**found.begin, part: found.begin[part] | {key: b.end[part][key]}}
        return Start(found.model, found.epochs, found.rate, begin)

    return Retraining(start, rewinds=True, first=True)


def unordered(b: Before) -> Start:
    """Weight rewinding with another order of the data."""
    found = weight_rewind(b)
    shuffle = np.random.default_rng(9).bit_generator.state
    begin = {**found.begin, "place": found.begin["place"] | {"shuffle": shuffle}}
    return Start(found.model, found.epochs, found.rate, begin)


WRONG = {
    "weights": forgetful("training", "params"),
    "optimizer state": forgetful("training", "opt_state"),
    "streams": forgetful("training", "streams"),
    "order": Retraining(unordered, rewinds=True, first=True),
}


@pytest.mark.parametrize("name", WRONG)
def test_rewinding_that_forgets_a_part_is_seen(name: str) -> None:
    assert not returns(WRONG[name], 4, OPTIMIZERS[1])


@given(to=POINTS, optimizer=st.sampled_from(OPTIMIZERS))
def test_lr_rewinding_replays_the_schedule_and_keeps_the_weights(to: int, optimizer: Any) -> None:
    first, again = watched("lr_rewind", to, optimizer)
    assert [v.ctx.lr for v in again.views] == [v.ctx.lr for v in first.views[to:]]
    assert [v.ctx.step for v in again.views] == [v.ctx.step for v in first.views[to:]]
    for a, b in zip(first.batches[to:], again.batches, strict=True):
        assert np.array_equal(a[0], b[0])


def test_a_schedule_that_goes_on_is_seen() -> None:
    """Learning-rate rewinding that leaves the schedule where it ended replays nothing."""

    def late(b: Before) -> Start:
        found = RETRAIN["lr_rewind"].start(b)
        training = found.begin["training"] | {"done": b.end["training"]["done"] - 3}
        return Start(found.model, found.epochs, found.rate, found.begin | {"training": training})

    first, again = watched(Retraining(late, rewinds=True, first=True), 3, OPTIMIZERS[1])
    assert [v.ctx.lr for v in again.views] != [v.ctx.lr for v in first.views[3:]]


def test_lr_rewinding_keeps_the_optimizers_count_of_updates() -> None:
    """Adam's means are those of all updates, so their bias is corrected as such."""
    part = fit_part(net(), DATA, epochs=2, until=3, **HOW | {"optimizer": mp.Adam(0.01)})
    whole = fit_part(net(), DATA, epochs=2, **HOW | {"optimizer": mp.Adam(0.01)})
    none: Any = None
    before = Before(none, none, part.point, whole.point, 1, 2, 1, None, None, 0, "he")
    begin = RETRAIN["lr_rewind"].start(before).begin
    assert begin is not None
    assert begin["training"]["done"] == part.point["training"]["done"] == 3
    assert begin["training"]["taken"] == whole.point["training"]["taken"] > 3


def test_lr_rewinding_begins_with_the_trained_weights() -> None:
    """At a rate of 0 after the last update, all that is left is the mask."""
    still = partial(iterative, retrain="lr_rewind", optimizer=mp.SGD(0.0))
    found = still()
    trained, _ = mp.fit(net(), DATA, epochs=2, **HOW | {"optimizer": mp.SGD(0.0)})
    assert same(found.model, mp.with_masks(trained, found.model.masks))
    moved = iterative(retrain="lr_rewind", rewind_to=5)
    restored = iterative(retrain="weight_rewind", rewind_to=5)
    assert not same(moved.model, restored.model)


PATIENT: dict[str, Any] = {**HOW, "optimizer": mp.SGD(1.0, momentum=0.9), "patience": 2}


def best_update(history: mp.History) -> int:
    """The update after which the validation loss was least; before the last one."""
    losses = history.epochs["val_loss"]
    best = UPDATES * (1 + int(np.argmin(losses)))
    assert best < UPDATES * len(losses)
    return best


def retrained_by_hand(retrain: str, at_best: bool = True) -> mp.Model:
    """Training that patience stops, and that again from its best epoch, or from its last one."""
    whole = fit_part(net(), DATA, epochs=8, **PATIENT)
    best = best_update(whole.history)
    plain = {k: v for k, v in PATIENT.items() if k != "patience"}
    end = fit_part(net(), DATA, epochs=8, until=best, **plain) if at_best else whole
    pruned = mp.prune(whole.model, mp.score(whole.model, None, "magnitude"), sparsity=0.5)
    point = fit_part(net(), DATA, epochs=8, until=1, **PATIENT).point
    before = Before(
        net(), pruned, point, end.point, 8 * UPDATES, 8, 2, HOW["rate"], None, 1, "he", whole.model
    )
    how = RETRAIN[retrain].start(before)
    given = {**PATIENT, "epochs": how.epochs, "rate": how.rate, "begin": how.begin}
    given |= {"method": how.method}
    return fit_part(how.model, DATA, **given).model


@pytest.mark.parametrize("retrain", RETRAIN)
def test_patience_goes_on_from_the_best_epoch(retrain: str) -> None:
    """All of it: weights, optimizer state, generators; those of the last epoch give other bits."""
    rewinds = RETRAIN[retrain].rewinds
    own: dict[str, Any] = {"rewind_to": 1} if rewinds else {"retrain_epochs": 2}
    found = iterative(**{**PATIENT, "epochs": 8, "sparsity": 0.5, "retrain": retrain, **own})
    assert same(found.model, retrained_by_hand(retrain))
    assert same(found.model, retrained_by_hand(retrain, False)) == (retrain != "lr_rewind")


def test_a_point_that_patience_did_not_reach_is_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        iterative(**PATIENT, epochs=8, retrain="weight_rewind", rewind_to=23)
    assert caught.value.args == (
        "iterative: the update to return to must be at most 12, after which patience stopped "
        "training, not 23; pass a smaller rewind_to, or more patience",
    )


def test_scratch_is_weight_rewinding_to_the_start() -> None:
    a, b = iterative(retrain="scratch", rounds=2), iterative(retrain="weight_rewind", rounds=2)
    assert same(a.model, b.model)


def test_reinit_has_the_masks_and_other_weights() -> None:
    new = iterative(retrain="reinit", epochs=0, retrain_epochs=0)
    for name, mask in new.model.masks.items():
        seed = stream(1, "new weights")
        want = mp.initialise(net().net, seed=seed, dtype=np.float64).params[name]
        assert np.array_equal(new.model.params[name], np.where(mask, want, 0))


def test_fine_tuning_is_at_the_last_rate() -> None:
    found = iterative(rounds=1, epochs=4, retrain_epochs=2)
    assert set(found.history["retrain 1"].steps["lr"]) == {0.1 * 0.5**2}
    assert found.history["train"].steps["lr"][-1] == 0.1 * 0.5**2
    other = iterative(rounds=1, retrain_epochs=1, retrain_rate=mp.rates.constant())
    assert set(other.history["retrain 1"].steps["lr"]) == {0.1}


@given(
    sparsity=st.floats(0, 0.95), rounds=st.integers(1, 4),
    scope=st.sampled_from(["global", "layer"]),
)  # fmt: skip
def test_counts_of_each_round_are_of_the_original(sparsity: float, rounds: int, scope: Any) -> None:
    found = iterative(
        sparsity=sparsity, rounds=rounds, scope=scope, epochs=0, retrain_epochs=0, minimum=0
    )
    sizes = {k: net().params[k].size for k in net().net.weights}
    for k, row in enumerate(found.rounds):
        share = sparsity if k == rounds else 1 - (1 - sparsity) ** (k / rounds)
        groups = [sizes] if scope == "global" else [{name: n} for name, n in sizes.items()]
        for of in groups:
            n = sum(of.values())
            live = sum(row["live"][name] for name in of)
            assert live == n - round(share * n) or abs(n * share % 1 - 0.5) < 1e-9


def test_counts_of_what_is_left_would_drift() -> None:
    """So the law above can tell the two: 165 weights, a tenth of what is left four times."""
    left = n = 165
    for _ in range(4):
        left -= round(0.1 * left)
    assert left != n - round((1 - 0.9**4) * n)


SHARES: dict[str, tuple[dict[str, Any], list[float]]] = {
    "list": ({"sparsity": [0.2, 0.6]}, [0.2, 0.6]),
    "function": ({"sparsity": partial(mp.schedule.iterative, fraction=0.5), "rounds": 3},
                 [0.5, 0.75, 0.875]),
    "one round to all but none": ({"sparsity": 1.0, "minimum": 0, "rounds": 2}, [1.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHARES)
def test_a_schedule_of_rounds(name: str) -> None:
    how, want = SHARES[name]
    found = iterative(epochs=0, retrain_epochs=0, **how)
    n = sum(net().params[k].size for k in net().net.weights)
    assert [sum(row["live"].values()) for row in found.rounds[1:]] == [
        n - round(s * n) for s in want
    ]


def test_layers_have_their_own_shares() -> None:
    found = iterative(
        sparsity={"fc1": 0.75, "fc2.weight": 0.5}, rounds=2, epochs=0, retrain_epochs=0
    )
    assert [row["live"] for row in found.rounds[1:]] == [
        {"fc1.weight": 60, "fc2.weight": 30 - round(30 * (1 - 0.5**0.5)), "fc3.weight": 15},
        {"fc1.weight": 30, "fc2.weight": 15, "fc3.weight": 15},
    ]


def test_a_threshold_is_a_multiple_of_each_layers_deviation() -> None:
    found = iterative(sparsity=None, threshold=[0.5, {"fc1": 1.0}], protect="fc3", epochs=0,
                      retrain_epochs=0)  # fmt: skip
    w = net().params
    first = {n: np.abs(w[n]) >= 0.5 * w[n].std() for n in ("fc1.weight", "fc2.weight")}
    live = w["fc1.weight"][first["fc1.weight"]]
    second = first["fc1.weight"] & (np.abs(w["fc1.weight"]) >= live.std())
    assert all(np.array_equal(found.masks[1][n], m) for n, m in first.items())
    assert np.array_equal(found.masks[2]["fc1.weight"], second)
    assert np.array_equal(found.masks[2]["fc2.weight"], first["fc2.weight"])
    assert "fc3.weight" not in found.model.masks


def test_a_pattern_needs_no_sparsity() -> None:
    found = iterative(sparsity=None, pattern="1:2", epochs=0, retrain_epochs=0)
    assert found.rounds[1]["live"]["fc1.weight"] == 60


def test_a_criterion_of_ones_own() -> None:
    def largest_goes(weights: Arrays, grads: Arrays) -> Arrays:
        return {n: -np.abs(w) for n, w in weights.items()}

    found = iterative(criterion=largest_goes, epochs=0, retrain_epochs=0)
    kept = np.abs(found.model.params["fc1.weight"]).max()
    assert kept < np.abs(net().params["fc1.weight"]).max()


def test_units_are_counted_as_units() -> None:
    found = iterative(unit=True, sparsity=0.5, rounds=2, criterion="taylor")
    assert [row["unit_sparsity"] for row in found.rounds] == [0, 1 - 8 / 11, 1 - 5 / 11]
    assert mp.compact(found.model).net.params["fc1.weight"][0] < 6


def test_regression_has_no_accuracy() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    data = mp.Dataset((x, x[:, :1]), (x, x[:, :1]), (x, x[:, :1]))
    model = mp.initialise(mp.build(data.input_shape, [("fc", mp.Dense(3, 1))], "mse"))
    found = mp.methods.iterative(model, data, sparsity=0.3, epochs=1, progress=False)
    assert found.rounds[1]["val_accuracy"] is None


KINDS = "finetune, distil, lr_rewind, weight_rewind, scratch or reinit"
MESSAGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"retrain": "fine_tune"},
     f"iterative: retrain must be {KINDS}, not 'fine_tune'; did you mean finetune?"),
    ({"retrain": None},
     f"iterative: retrain must be {KINDS}, not None; choose one of them"),
    ({"epochs": 0, "retrain": "lr_rewind"},
     "iterative: retrain must not be 'lr_rewind' with epochs=0, since a model that is trained "
     "already does not tell its earlier weights; pass the untrained model and its epochs, or "
     "retrain='finetune'"),
    ({"epochs": 0},
     "iterative: retrain_epochs must be given with epochs=0; pass retrain_epochs=5, for example"),
    ({"retrain": "weight_rewind", "retrain_epochs": 1},
     "iterative: retrain_epochs must not be given with retrain='weight_rewind', which repeats the "
     "epochs and rates that it rewinds; leave it out"),
    ({"rewind_to": 2},
     "iterative: rewind_to must be given with a rewind, and alone; pass retrain='weight_rewind', "
     "and either rewind_to or rewind_to_epoch"),
    ({"rewind_to": 6, "retrain": "lr_rewind"},
     "iterative: the update to return to must be before the last one, 6, not 6; pass a smaller "
     "rewind_to, or more epochs"),
    ({"threshold": 1.0},
     "iterative: one of sparsity, threshold and a pattern N:M must say how much is pruned; pass "
     "sparsity=0.9 alone, for example"),
    ({"threshold": 1.0, "sparsity": None, "criterion": "taylor"},
     "iterative: threshold must be with criterion='magnitude' of single weights, whose standard "
     "deviation it is a multiple of; pass sparsity instead"),
    ({"sparsity": [0.5, 0.7], "rounds": 3},
     "iterative: rounds must be 2, as many as the list has shares, not 3; leave rounds out"),
    ({"sparsity": 1.5},
     "iterative: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for example"),
    ({"sparsity": lambda k: 2.0},
     "iterative: sparsity must give a share from 0 to 1 in round 1, not 2.0; pass a function of "
     "the round, or a list of shares"),
    ({"sparsity": [0.5, 0.3]},
     f"prune: sparsity=0.3 is below the present {82 / 165!r} of the net, and pruned weights are "
     "not restored; pass at least the present sparsity"),
    ({"sparsity": {"fc9": 0.5}},
     "'fc9' must be a scored parameter, or a layer of one; choose among "
     "fc1.weight, fc2.weight, fc3.weight"),
    ({"threshold": {"fc9": 0.5}, "sparsity": None},
     "'fc9' must be a scored parameter, or a layer of one; choose among "
     "fc1.weight, fc2.weight, fc3.weight"),
    ({"threshold": 1.0, "sparsity": None, "normalize": "l2"},
     "iterative: normalize must be None with threshold, not 'l2'; leave it out, or pass sparsity "
     "instead"),
    ({"threshold": 1.0, "sparsity": None, "pattern": (2, 2)},
     "iterative: pattern must be None with threshold, not (2, 2); leave it out, or pass sparsity "
     "instead"),
    ({"unit": True, "pattern": "2:4", "sparsity": None},
     "prune: pattern must be None for scores of units, not '2:4'; score with unit=False, or leave "
     "the pattern out"),
    ({"criterion": "snip", "options": {"bins": 3}},
     "snip: got an unexpected keyword argument 'bins'; its options are none"),
    ({"criterion": "apoz"}, "apoz: scores units, not single weights; pass unit=True"),
    ({"rewind": 3},
     "iterative: an argument must be one of 28 names, not 'rewind'; did you mean rewind_to?"),
)  # fmt: skip


@pytest.mark.parametrize(("how", "text"), MESSAGES, ids=[m[1][11:50] for m in MESSAGES])
def test_messages(how: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained."""
    monkeypatch.setattr("minprune.train.plan.fit_part", None)
    with pytest.raises(ArgumentError) as caught:
        iterative(**how)
    assert caught.value.args == (text,)


def test_a_last_rate_near_0_is_worth_a_warning() -> None:
    with pytest.warns(mp.errors.MinpruneWarning) as caught:
        iterative(rate=lambda t, total: 1e-6, retrain_epochs=0)
    assert str(caught[0].message) == (
        "finetune: the last rate of the schedule is 1e-06 of the learning rate, which hardly moves "
        "a weight; pass retrain_rate, such as mp.rates.cosine(), or a schedule with a floor"
    )


def test_the_model_given_is_not_changed() -> None:
    model = net()
    before = {n: w.copy() for n, w in model.params.items()}
    mp.methods.iterative(model, DATA, sparsity=0.5, epochs=1, retrain="weight_rewind", **HOW)
    assert model.masks == {}
    assert all(np.array_equal(model.params[n], w) for n, w in before.items())


def test_every_kind_of_retraining_is_listed() -> None:
    assert list(RETRAIN) == [
        "finetune",
        "distil",
        "lr_rewind",
        "weight_rewind",
        "scratch",
        "reinit",
    ]


def test_new_weights_are_not_those_that_a_net_began_with() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=1)
    how = Before(model, model, None, None, 1, 1, 1, None, None, 1, "he")
    new = RETRAIN["reinit"].start(how).model
    assert not np.array_equal(new.params["fc1.weight"], model.params["fc1.weight"])
