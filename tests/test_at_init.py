"""Pruning before training: tries, messages; the same bits again, stopped or not."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watching import same, small_data

import minprune as mp
from minprune.core import stream
from minprune.errors import ArgumentError
from minprune.methods import at_init, in_rounds
from minprune.methods.plans import reported
from minprune.report.method_page import method_page
from minprune.train import plan

DATA = small_data()
NET = mp.build(DATA.input_shape, [
    ("flat", mp.Flatten()), ("fc1", mp.Dense(20, 8)), ("relu1", mp.ReLU()),
    ("fc2", mp.Dense(8, 8)), ("relu2", mp.ReLU()), ("fc3", mp.Dense(8, DATA.outputs)),
])  # fmt: skip


def net(seed: int = 0) -> mp.Model:
    return mp.initialise(NET, seed=seed, dtype=np.float64)


def live(model: mp.Model) -> int:
    return sum(int(m.sum()) for m in model.masks.values())


TOTAL = sum(w.size for w in net().params.values() if w.ndim > 1)


def small(**how: Any) -> Any:
    return at_init(net(), DATA, **{"sparsity": 0.5, "epochs": 2, "progress": False, **how})


def test_masks_are_held_and_reported() -> None:
    found = small(criterion="snip")
    assert live(found.models["pruned"]) == live(found.model) == TOTAL - round(0.5 * TOTAL)
    for name, mask in found.models["pruned"].masks.items():
        assert np.array_equal(found.model.masks[name], mask)
        assert not found.model.params[name][~mask].any()
    assert len(found.history["train"].epochs["val_loss"]) == 2
    assert found.report == {"collapsed": [], "tries": []}


def test_synflow_takes_100_rounds_unless_told() -> None:
    want = in_rounds(net(), None, "synflow", sparsity=0.9, rounds=100, progress=False)
    got, once = small(sparsity=0.9).models["pruned"], small(sparsity=0.9, rounds=1).models["pruned"]
    assert all(np.array_equal(got.masks[n], m) for n, m in want.masks.items())
    assert any(not np.array_equal(got.masks[n], m) for n, m in once.masks.items())


def test_new_weights_under_the_masks_of_those_that_were_scored() -> None:
    old, new = small(criterion="snip"), small(criterion="snip", new_weights=True)
    for name, mask in old.models["pruned"].masks.items():
        assert np.array_equal(new.models["pruned"].masks[name], mask)
    fresh = mp.initialise(NET, seed=stream(0, "new weights"), dtype=np.float64)
    start = mp.with_masks(fresh, old.models["pruned"].masks)
    plain, _ = mp.fit(start, DATA, epochs=2, progress=False)
    assert same(new.model, plain)
    assert not same(new.model, old.model)


def test_layer_collapse_is_reported_and_on_the_page() -> None:
    found = small(sparsity=0.99, criterion="magnitude", epochs=0)
    gone = [n for n, m in found.model.masks.items() if not m.any()]
    assert 0 < len(gone) < 3
    assert found.report["collapsed"] == gone
    assert reported(found.report)["collapsed"] == (["collapsed"], [[name] for name in gone])
    page = method_page({"rounds": found.rounds, "report": found.report}, {})
    assert all(f">{name}</td>" in page or f">{name}</th>" in page for name in gone)


def test_the_best_of_several_tries_is_trained() -> None:
    """By its accuracy on other samples after trial_epochs, the first among equals."""
    x, y = small_data(40).train
    train = x[:20], y[:20]
    data, sgd = mp.Dataset(train, (x[20:], y[20:]), train), mp.SGD(0.1)
    found = at_init(
        net(), data, criterion="random", sparsity=0.6, tries=4, trial_epochs=2, epochs=1, seed=1,
        optimizer=sgd, progress=False,
    )  # fmt: skip
    masked = [in_rounds(net(), train, "random", sparsity=0.6, rounds=1, seed=1 + k)
              for k in range(4)]  # fmt: skip
    how: dict[str, Any] = {"optimizer": sgd, "seed": 1, "progress": False}
    tried = [mp.fit(model, data, epochs=2, **how)[0] for model in masked]
    want = [mp.evaluate(model, data.val).accuracy for model in tried]
    assert found.report["tries"] == want
    best = want.index(max(want))
    assert (best, want.count(max(want))) == (1, 2)  # neither the first nor the only one
    again, _ = mp.fit(masked[best], data, epochs=1, **how)  # from the start, not from the try's end
    for name, w in masked[best].params.items():
        assert np.array_equal(found.models["pruned"].params[name], w)
        assert np.array_equal(found.model.params[name], again.params[name])


def test_a_sparsity_of_0_is_plain_training() -> None:
    found = small(sparsity=0.0, rounds=1)
    plain, _ = mp.fit(net(), DATA, epochs=2, seed=0, progress=False)
    assert all(np.array_equal(found.model.params[n], w) for n, w in plain.params.items())


def test_stopped_between_phases_it_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = small(criterion="random", tries=3)

    class Stop(BaseException):
        pass

    fit, calls = plan.fit, []

    def stopping(*args: Any, **how: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise Stop
        return fit(*args, **how)

    monkeypatch.setattr(plan, "fit", stopping)
    with pytest.raises(Stop):
        small(criterion="random", tries=3, folder=tmp_path)
    again = small(criterion="random", tries=3, folder=tmp_path)
    assert len(calls) == 5  # try 3 again, then training: tries 1 and 2 were kept
    assert again.report == whole.report
    for name, w in whole.model.params.items():
        assert again.model.params[name].tobytes() == w.tobytes()


MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: small(tries=0),
     "at_init: tries must be an integer of at least 1, not 0; pass tries=1, for example"),
    (lambda: small(trial_epochs=True),
     "at_init: trial_epochs must be an integer of at least 1, not True; pass trial_epochs=1, for "
     "example"),
    (lambda: at_init(DATA, net(), sparsity=0.5, epochs=1),  # type: ignore[arg-type]
     "at_init: model must be a Model, not Dataset; pass one that mp.zoo, mp.initialise or "
     "mp.load made"),
    (lambda: at_init(net(), DATA.train, sparsity=0.5, epochs=1),  # type: ignore[arg-type]
     "at_init: data must be a Dataset, not tuple; pass mp.Dataset(train, val, test)"),
    (lambda: in_rounds(None, None, "synflow", sparsity=0.5),  # type: ignore[arg-type]
     "in_rounds: model must be a Model, not NoneType; pass one that mp.zoo, mp.initialise or "
     "mp.load made"),
    (lambda: small(epochs=-1), "at_init: epochs must be an integer of at least 0, not -1; pass "
     "epochs=1, for example"),
    (lambda: small(seed=None), "at_init: seed must be an integer of at least 0, not None; pass "
     "seed=1, for example"),
    (lambda: small(lr=0.1),
     "at_init: an argument must be epochs, seed, train, sparsity, criterion, rounds, tries, "
     "trial_epochs, new_weights, scheme, options, batch_size, drop_last, optimizer, rate, method, "
     "patience, every or freeze, not 'lr'; choose one of them"),
    (lambda: small(checkpoint="fit.npz"),
     "at_init: an argument must be epochs, seed, train, sparsity, criterion, rounds, tries, "
     "trial_epochs, new_weights, scheme, options, batch_size, drop_last, optimizer, rate, method, "
     "patience, every or freeze, not 'checkpoint'; choose one of them"),
    (lambda: small(options={"rounds": 3}),
     "at_init: options must not hold rounds; pass it to at_init itself, or leave it out"),
    (lambda: small(rounds=0), "at_init: rounds must be an integer of at least 1, not 0; pass "
     "rounds=1, for example"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[m[1][:30] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is trained or scored."""
    monkeypatch.setattr(plan, "fit", None)
    monkeypatch.setattr(import_module("minprune.methods.in_rounds"), "score", None)
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_the_model_given_is_not_changed() -> None:
    model = net()
    before = replace(model, params={n: w.copy() for n, w in model.params.items()})
    at_init(model, DATA, sparsity=0.5, epochs=1, criterion="grasp", progress=False)
    assert model.masks == {}
    assert all(np.array_equal(model.params[n], w) for n, w in before.params.items())


def test_the_function_synflow_takes_its_rounds_too() -> None:
    named, given = small(sparsity=0.9), small(sparsity=0.9, criterion=mp.criteria.synflow)
    assert all(
        np.array_equal(named.models["pruned"].masks[n], m)
        for n, m in given.models["pruned"].masks.items()
    )
