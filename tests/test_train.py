"""fit: its steps by hand, what it keeps, the data it sees, its history."""

import numpy as np
import pytest
from watching import Watching, half_masked, same, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.nets.model import Model
from minprune.train.optim import Optimizer, OptState

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": mp.SGD(0.1, weight_decay=0.1),
    "momentum": mp.SGD(0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": mp.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": mp.Adam(0.1, weight_decay=0.1),
    "adamw": mp.AdamW(0.1, weight_decay=0.1),
}


class Forgetful(mp.SGD):
    """Forgets the masks: what the law of masks must notice."""

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        super().update(name, w, g, state, None, lr, t)


def masks_hold(optimizer: Optimizer) -> bool:
    """A masked weight and all that the optimizer keeps of it is +0.0 after every step."""
    model, watching = half_masked(small_net()), Watching()
    how = {"epochs": 2, "batch_size": 4, "method": watching, "progress": False}
    mp.fit(model, small_data(), optimizer=optimizer, **how)
    assert len(watching.params) == 6
    kept = [*watching.params, *(s for state in watching.opt_state for s in state.values())]
    return all(
        arrays[k][~mask].tobytes() == bytes(8 * int((~mask).sum()))
        for arrays in kept
        for k, mask in model.masks.items()
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_masked_weights_stay_exactly_zero(name: str) -> None:
    assert masks_hold(OPTIMIZERS[name])


def test_the_law_of_masks_rejects_an_optimizer_that_forgets_them() -> None:
    assert not masks_hold(Forgetful(0.1))
    assert not masks_hold(Forgetful(0.1, momentum=0.9))


def test_nothing_that_is_given_changes() -> None:
    model, data, rng = half_masked(small_net(dropout=0.5)), small_data(), np.random.get_state()[1]  # noqa: NPY002
    for arrays in (model.params, model.buffers, model.masks):
        for a in arrays.values():
            a.flags.writeable = False
    before = Model(model.net, *({k: a.copy() for k, a in arrays.items()} for arrays in
                                (model.params, model.buffers, model.masks)))  # fmt: skip
    trained, _ = mp.fit(model, data, epochs=1, batch_size=4, progress=False)
    assert same(model, before)
    assert not same(trained, before)
    assert np.array_equal(data.train[0], small_data().train[0])
    assert np.array_equal(np.random.get_state()[1], rng)  # type: ignore[arg-type] # noqa: NPY002
    assert all(w.flags.writeable for w in trained.params.values())
    zero, history = mp.fit(model, data, epochs=0, progress=False)
    assert same(zero, model)
    assert not history.steps["loss"]


def test_masked_inner_product() -> None:
    """open_lth, test_pruned_model.py: 0..9 on ones with every second masked; 20.0, then 22.0"""
    net = mp.build((10,), [("fc", mp.Dense(10, 1, bias=False))], "mse")
    mask = np.arange(10) % 2 == 0
    model = mp.Model(net, {"fc.weight": np.arange(10.0)[None]}, masks={"fc.weight": mask[None]})
    x, y = np.ones((1, 10)), np.array([[40.0]])
    data = mp.Dataset((x, y), (x, y), (x, y))
    assert mp.with_masks(model, {})(x)[0, 0] == 20.0
    trained, history = mp.fit(model, data, epochs=1, optimizer=mp.SGD(0.01), progress=False)
    assert history.steps["loss"] == [400.0]
    want = np.array([0.4, 0, 2.4, 0, 4.4, 0, 6.4, 0, 8.4, 0])
    # the product with lr and the difference round once each, and 0.01 and the row were rounded
    assert abs(trained.params["fc.weight"][0] - want).max() <= 4 * 8.4 * 2.0**-53
    assert abs(trained(x)[0, 0] - 22) <= 10 * 22 * 2.0**-53


def test_gradient_descent_by_hand() -> None:
    """dL/dW = 2/n (W x + b - y) x^T, with numbers that are exact in float64."""
    net = mp.build((2,), [("fc", mp.Dense(2, 1))], "mse")
    w, b = np.array([[1.0, -1.0]]), np.array([0.5])
    model = mp.Model(net, {"fc.weight": w, "fc.bias": b})
    x, y = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[1.0], [3.0]])
    trained, history = mp.fit(
        model, mp.Dataset((x, y), (x, y), (x, y)), epochs=3, optimizer=mp.SGD(0.25), progress=False
    )
    losses = []
    for _ in range(3):
        error = x @ w.T + b - y
        losses.append(float((error**2).sum() / 2))
        w, b = w - 0.25 * error.T @ x, b - 0.25 * error.sum(0)
    assert history.steps["loss"] == losses
    assert np.array_equal(trained.params["fc.weight"], w)
    assert np.array_equal(trained.params["fc.bias"], b)


def every_sample_once(batches: list[Array], n: int, size: int) -> bool:
    """One epoch: n // size full batches and the rest, every sample in exactly one."""
    seen = [int(k) for x in batches for k in x[:, 0, 0, 0]]
    want = [size] * (n // size) + [n % size] * (n % size > 0)
    return [len(x) for x in batches] == want and sorted(seen) == list(range(n))


def test_an_epoch_sees_every_sample_once_the_last_short_batch_too() -> None:
    watching, data = Watching(), small_data(11)
    mp.fit(small_net(), data, epochs=2, batch_size=4, method=watching, progress=False)
    first, second = ([x for x, _ in watching.batches[i : i + 3]] for i in (0, 3))
    for epoch in (first, second):
        assert every_sample_once(epoch, 11, 4)
        assert not every_sample_once(epoch[:2], 11, 4)  # the short batch dropped
    order = [np.concatenate(epoch)[:, 0, 0, 0].tolist() for epoch in (first, second)]
    assert order[0] != order[1] != sorted(order[1])
    for x, y in watching.batches:
        assert np.array_equal(y, data.train[1][x[:, 0, 0, 0].astype(int)])


def test_history_has_a_value_for_each_step_and_epoch() -> None:
    model, watching = half_masked(small_net()), Watching()
    how = {"epochs": 3, "batch_size": 4, "method": watching, "progress": False}
    trained, history = mp.fit(model, small_data(), optimizer=mp.SGD(0.25), **how)
    assert {k: len(v) for k, v in history.steps.items()} == dict.fromkeys(history.steps, 9)
    assert {k: len(v) for k, v in history.epochs.items()} == dict.fromkeys(history.epochs, 3)
    assert history.steps["step"] == list(range(1, 10)) == [v.ctx.step for v in watching.views]
    assert history.epochs["epoch"] == [1, 2, 3]
    losses = history.steps["loss"]
    assert history.epochs["train_loss"][1] == sum(
        loss * n for loss, n in zip(losses[3:6], (4, 4, 3), strict=True)
    ) / 11  # fmt: skip
    last = mp.evaluate(trained, small_data().val)
    assert history.epochs["val_loss"][-1] == last.loss
    assert history.epochs["val_accuracy"][-1] == last.accuracy
    weights = [model.masks[k] for k in model.net.weights]
    sparsity = 1 - sum(int(m.sum()) for m in weights) / sum(m.size for m in weights)
    assert history.steps["sparsity"] == [sparsity] * 9
    assert all(s > 0 for s in history.epochs["seconds"])
