"""Dropout on inputs and among the smallest weights: whom it may drop, and what is pruned."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from watching import context, half_masked, same, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.methods import Dropout, TargetedDropout, start_sparse
from minprune.methods.dropout import hidden
from minprune.methods.targeted_dropout import lowest, ranks
from minprune.nets.model import Model
from minprune.nets.noise import bernoulli, gaussian
from minprune.train.step import Training

Lowest = Callable[[Array, float], Array]
tied = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6),
              elements=st.sampled_from([0.0, 0.5, 1.0, 2.0]))  # fmt: skip


# --- noise on inputs


def test_the_method_and_the_layer_drop_alike() -> None:
    """From one generator: a net with the layer, and the method on the input of the next one."""
    layer, plain = small_net(0.5), small_net(0.0)
    steps = []
    for model, method in ((layer, mp.Method()), (plain, Dropout(0.5, "fc1"))):
        state = Training(model, mp.SGD(0.1), mp.rates.constant(), method, 0)
        state.streams = (state.dropout,)
        x, y = small_data().train
        loss = state.step(np.ascontiguousarray(np.moveaxis(x, 0, -1)), y)
        steps.append((loss, state.params["fc1.weight"].tobytes()))
    assert steps[0] == steps[1]


@pytest.mark.parametrize("noise", [bernoulli, gaussian])
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.75])
def test_noise_has_a_mean_of_1_and_the_variance_of_its_rate(noise: Any, rate: float) -> None:
    n = 40_000
    e = noise(np.random.default_rng(0), (n // 8, 8), np.dtype("f4"), rate).astype(float)
    alpha = rate / (1 - rate)
    assert abs(e.mean() - 1) <= 5 * np.sqrt(alpha / n)
    assert abs(e.var() - alpha) <= 5 * np.sqrt(20 * alpha**2 / n)
    assert noise is gaussian or set(np.unique(e)) <= {0.0, float(np.float32(1 / (1 - rate)))}


def test_the_layers_that_have_noise_unless_named() -> None:
    assert hidden(small_net().net) == ["fc1", "fc2"]
    assert hidden(mp.zoo.mlp(((3,), 2), hidden=(4, 5)).net) == ["fc2", "fc3"]
    assert hidden(mp.zoo.lenet_5(((1, 28, 28), 10)).net) == ["fc1", "fc2"]


# --- whom targeted dropout may drop


def drops_the_lowest(kind: Lowest, a: Array, share: float) -> bool:
    """round(share n) of each row, none above one that stays; of equals the last."""
    found = kind(a, share)
    k, n = round(share * a.shape[1]), a.shape[1]
    want = np.zeros(a.shape, bool)
    for row, places in zip(a, want, strict=True):
        for i in sorted(range(n), key=lambda i: (row[i], -i))[:k]:
            places[i] = True
    return np.array_equal(found, want)


@given(tied, st.floats(0, 1))
def test_the_lowest_of_each_row(a: Array, share: float) -> None:
    assert drops_the_lowest(lowest, a, share)
    assert np.array_equal(
        ranks(a) < round(share * a.shape[1]) / a.shape[1] - 1e-9, lowest(a, share)
    )


def of_the_layer(a: Array, share: float) -> Array:
    return lowest(a.reshape(1, -1), share).reshape(a.shape)


def all_ties(a: Array, share: float) -> Array:
    k = round(share * a.shape[1])
    return a <= np.sort(a, axis=1)[:, k - 1 : k] if k else np.zeros(a.shape, bool)


def floored(a: Array, share: float) -> Array:
    return lowest(a, np.floor(share * a.shape[1]) / a.shape[1])


def first_ties(a: Array, share: float) -> Array:
    return lowest(a[:, ::-1], share)[:, ::-1]


@pytest.mark.parametrize("wrong", [of_the_layer, all_ties, floored, first_ties])
def test_wrong_ones_are_seen(wrong: Lowest) -> None:
    examples = [np.array([[1.0, 1, 2], [0, 0.5, 0.5]]), np.array([[0.0, 1, 2], [3, 4, 5]])]
    assert not all(drops_the_lowest(wrong, a, share) for a in examples for share in (0.3, 0.6))


def seen(model: Model, method: TargetedDropout, step: int = 0) -> dict[str, Array]:
    """What the forward pass sees of the parameters at that update, of 8."""
    state = method.start(model, context(model))[2]
    ctx = context(model, seed=step)._replace(state=state, step=step, total=8)
    return method.weights(dict(model.params), {}, ctx)


@given(share=st.sampled_from([0.25, 0.5, 0.9]), rate=st.sampled_from([0.5, 1.0]),
       step=st.integers(0, 7), ramp=st.sampled_from([0.0, 0.5]))  # fmt: skip
def test_only_the_smallest_weights_of_a_unit_are_dropped(
    share: float, rate: float, step: int, ramp: float
) -> None:
    """Some of them, at rate 1 all; those that stay have their value, not 1 / (1 - rate) of it."""
    model = small_net()
    now = share * min(1.0, step / 4) if ramp else share
    found = seen(model, TargetedDropout(share, rate, ramp=ramp), step)
    for name, w in model.params.items():
        dropped = found[name] != w
        assert not found[name][dropped].any()
        if name not in model.net.weights:
            assert not dropped.any()
            continue
        may = lowest(np.abs(w).reshape(len(w), -1), now).reshape(w.shape)
        assert not dropped[~may].any()
        assert rate < 1 or dropped[may].all()


def test_units_are_dropped_whole() -> None:
    """At rate 1 the lower half by norm, with all that they own; tied units as one."""
    model = small_net()
    found = seen(model, TargetedDropout(0.5, 1.0, unit=True))
    pruned = TargetedDropout(0.5, unit=True).finish(
        model, {}, context(model)._replace(state=TargetedDropout(0.5, unit=True).start(
            model, context(model))[2]))  # fmt: skip
    norms = np.linalg.norm(model.params["fc1.weight"], axis=1)
    gone = np.argsort(norms)[:2]
    assert not found["fc1.weight"][gone].any()
    assert not found["fc1.bias"][gone].any()
    assert not found["fc2.weight"][:, gone].any()
    both = np.sqrt(sum((model.params[f"conv{k}.weight"] ** 2).sum(axis=(1, 2, 3)) for k in (1, 2)))
    silent = [not found[f"conv{k}.weight"][int(np.argmin(both))].any() for k in (1, 2)]
    assert silent == [True, True]
    assert all((found[k][~m] == 0).all() for k, m in pruned.masks.items() if k.startswith("fc"))


def test_the_share_is_of_the_net_by_rank_in_the_unit() -> None:
    """1 of 3 in each row of 3, and the odd ones by the next rank, the later first."""
    net = mp.build((3,), [("fc1", mp.Dense(3, 2)), ("fc2", mp.Dense(2, 1))], "mse")
    w = {"fc1.weight": np.array([[3.0, 1, 2], [30, 20, 10]]), "fc2.weight": np.array([[9.0, 8]])}
    model = mp.Model(net, w | {"fc1.bias": np.zeros(2), "fc2.bias": np.zeros(1)})
    data = mp.Dataset(*[(np.ones((2, 3)), np.ones(2))] * 3)
    for share, want in ((0.375, [[[1, 0, 1], [1, 1, 0]], [[1, 0]]]),
                        (0.5, [[[1, 0, 1], [1, 0, 0]], [[1, 0]]])):  # fmt: skip
        trained, _ = mp.fit(model, data, epochs=0, method=TargetedDropout(share), progress=False)
        assert [trained.masks[k].tolist() for k in net.weights] == want


def test_rate_0_is_plain_training_that_is_pruned_at_the_end() -> None:
    how: dict[str, Any] = {"epochs": 2, "batch_size": 4, "progress": False}
    plain, _ = mp.fit(small_net(), small_data(), **how)
    for unit in (False, True):
        method = TargetedDropout(0.5, 0.0, unit=unit)
        found, _ = mp.fit(small_net(), small_data(), method=method, **how)
        again, _ = mp.fit(plain, small_data(), epochs=0, method=method, progress=False)
        assert same(found, again)


def begin(method: mp.Method, model: Model | None = None) -> None:
    model = model or small_net()
    method.start(model, context(model))


ALONE = mp.zoo.mlp(((3,), 2), hidden=())
MESSAGES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: Dropout(1.0),
     "Dropout: rate must be a number from 0 to below 1, not 1.0; pass rate=0.5, for example"),
    (lambda: Dropout(noise="uniform"),
     "Dropout: noise must be 'bernoulli' or 'gaussian', not 'uniform'; choose one of them"),
    (lambda: Dropout(layers=[]),
     "Dropout: layers must not be empty; name one, or leave it out"),
    (lambda: begin(Dropout(layers="sum")),
     "Dropout: 'sum' must be a layer of this net that reads one input; choose among conv1, bn1, "
     "relu1, conv2, pool, flatten, drop, fc1, tanh1, fc2"),
    (lambda: begin(Dropout(), ALONE),
     "Dropout: layers must not be empty; no dense layer reads another's outputs; name some"),
    (lambda: TargetedDropout(1.5),
     "TargetedDropout: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for "
     "example"),
    (lambda: begin(TargetedDropout(layers="fc3")),
     "TargetedDropout: 'fc3' must be a weight of this net, or a layer that has one; "
     "choose among conv1.weight, conv2.weight, fc1.weight, fc2.weight"),
    (lambda: begin(TargetedDropout(unit=True), ALONE),
     "TargetedDropout: groups of units must not be empty; print(mp.ties(model)) shows which may be "
     "removed"),
    (lambda: begin(TargetedDropout(0.1), half_masked(small_net())),
     "prune: sparsity=0.1 is below the present 0.4972677595628415 of the net, and pruned weights "
     "are not restored; pass at least the present sparsity"),
    (lambda: begin(TargetedDropout(), mp.sparsify(start_sparse(small_net(), 0.6), "csr")),
     "conv1.weight: pruning needs the dense weight, and only its live entries are stored; pass "
     "mp.densify(model), and mp.sparsify the result"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
