"""fit on a sparse model = fit on the masked dense one, to rounding; resumed: to the bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import equal
from sparsely import NEAR, a_mask, apart
from watching import Watching, half_masked, small_data, small_net

import minprune as mp
from minprune.errors import NonFiniteError
from minprune.methods import L1, L2, prox_l1
from minprune.nets.model import Model
from minprune.train.step import Training

FORMATS = {"conv1": "csr", "conv2": "csr", "fc1": "4x4", "fc2": "2:4"}
HOW: dict[str, Any] = {"epochs": 3, "batch_size": 5, "seed": 0, "progress": False}  # 5, 5 and 2
OPTIMIZERS = [
    mp.SGD(0.1), mp.SGD(0.1, momentum=0.9, weight_decay=0.01),
    mp.SGD(0.1, momentum=0.9, nesterov=True),
    mp.Adam(0.01, eps=1e-4, weight_decay=0.01), mp.AdamW(0.01, eps=1e-4),
]  # fmt: skip


def dense_net(dropout: float = 0.5, dtype: type = np.float64) -> Model:
    """Convolutions, BatchNorm, a sum, dropout; masks on weights, biases and normalisation."""
    model, rng = half_masked(small_net(dropout, dtype)), np.random.default_rng(3)
    shapes = model.net.params
    masks = {"fc1.weight": np.zeros(shapes["fc1.weight"], bool)}
    masks["fc1.weight"][:4, 4:] = masks["fc1.weight"][4:, :4] = True
    masks["fc2.weight"] = a_mask(rng, shapes["fc2.weight"], "2:4")
    fresh = small_net(dropout, dtype).params
    return mp.with_masks(
        mp.Model(model.net, model.params | {k: fresh[k] for k in masks}, model.buffers,
                 model.masks), masks,
    )  # fmt: skip


def data(n: int = 12, dtype: type = np.float64) -> mp.Dataset:
    return small_data(n, dtype)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_training_is_that_of_the_masked_model(optimizer: Any) -> None:
    """To rounding, since sums go in another order

    Adam divides a gradient by its own size + eps, so rounding over eps is what may differ: with
    1e-8 that would be all of a gradient that is 0 but for rounding, as of a bias before BatchNorm.
    """
    dense = dense_net()
    want, wanted = mp.fit(dense, data(), optimizer=optimizer, **HOW)
    got, found = mp.fit(mp.sparsify(dense, FORMATS), data(), optimizer=optimizer, **HOW)
    back = mp.densify(got)
    assert apart(want.params, dense.params) > 1e-3  # it learned
    assert apart(back.params, want.params) <= NEAR
    assert apart(back.buffers, want.buffers) <= NEAR
    assert {k: m.tolist() for k, m in back.masks.items()} == {
        k: m.tolist() for k, m in want.masks.items()
    }
    assert apart(np.array(found.steps["loss"]), np.array(wanted.steps["loss"])) <= NEAR
    assert found.epochs["sparsity"] == wanted.epochs["sparsity"]


def test_a_product_with_a_vector_trains_the_same() -> None:
    """Batches of one sample, where the forward pass takes another kernel."""
    model = mp.zoo.mlp(((5,), 3), (6,), dtype=np.float64)
    masks = {k: np.indices(model.params[k].shape).sum(0) % 2 > 0 for k in model.net.weights}
    dense, rng = mp.with_masks(model, masks), np.random.default_rng(0)
    part = rng.standard_normal((7, 5)), rng.integers(0, 3, 7)
    how = HOW | {"batch_size": 1, "optimizer": mp.SGD(0.1)}
    want, _ = mp.fit(dense, mp.Dataset(part, part, part), **how)
    got, _ = mp.fit(mp.sparsify(dense, "csr"), mp.Dataset(part, part, part), **how)
    assert apart(mp.densify(got).params, want.params) <= NEAR


def test_the_same_bits_twice_and_the_indices_stay() -> None:
    sparse = mp.sparsify(dense_net(), FORMATS)
    before = {k: a.tobytes() for k, a in (sparse.params | sparse.buffers).items()}
    runs = [mp.fit(sparse, data(), **HOW) for _ in range(2)]
    assert equal(*runs)
    assert {k: a.tobytes() for k, a in (sparse.params | sparse.buffers).items()} == before
    for name in sparse.net.indices:
        found = runs[0][0].buffers[name]
        assert found.tobytes() == before[name]
        assert not found.flags.writeable


def test_the_state_of_the_optimizer_is_as_long_as_the_live_weights() -> None:
    watch, sparse = Watching(), mp.sparsify(dense_net(), FORMATS)
    mp.fit(sparse, data(), method=watch, **HOW)
    for slot in ("mean", "square"):
        held = watch.opt_state[0][slot]
        assert {k: a.shape for k, a in held.items()} == sparse.net.params
    for name in sparse.net.stored:
        live = int(mp.densify(sparse).masks[name].sum())
        assert watch.views[0].grads[name].shape == watch.params[0][name].shape == (live,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_stopped_run_goes_on_to_the_same_bits(
    dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse, given = mp.sparsify(dense_net(dtype=dtype), FORMATS), data(dtype=dtype)
    whole = mp.fit(sparse, given, **HOW)
    path, real = tmp_path / "state.npz", Training.step
    for at in (1, 4, 2):  # Ctrl-C in the updates after these, counted from the last stop
        done: list[int] = []

        def step(self: Training, *args: Any, at: int = at, done: list[int] = done) -> float:
            if len(done) == at:
                raise KeyboardInterrupt
            done.append(1)
            return real(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(Training, "step", step)
            with pytest.raises(KeyboardInterrupt):
                mp.fit(sparse, given, checkpoint=path, every=1, **HOW)
    assert equal(mp.fit(sparse, given, checkpoint=path, every=1, **HOW), whole)


@pytest.mark.parametrize("optimizer", OPTIMIZERS[::3], ids=str)
def test_l2_acts_on_what_is_stored(optimizer: Any) -> None:
    """As on the masked model, whose masked weights are 0 and cost nothing; biases do not either."""
    dense, how = dense_net(), HOW | {"optimizer": optimizer, "method": L2(0.25)}
    want, wanted = mp.fit(dense, data(), **how)
    got, found = mp.fit(mp.sparsify(dense, FORMATS), data(), **how)
    plain, _ = mp.fit(dense, data(), **HOW | {"optimizer": optimizer})
    assert apart(want.params, plain.params) > 1e-3
    assert apart(mp.densify(got).params, want.params) <= NEAR
    assert apart(np.array(found.steps["loss"]), np.array(wanted.steps["loss"])) <= NEAR


def test_l1_acts_on_what_is_stored() -> None:
    sparse = mp.sparsify(dense_net(0.0), {"fc1": "4x4", "fc2": "2:4"})
    how = {"epochs": 1, "batch_size": 12, "progress": False, "optimizer": mp.SGD(0.25)}
    plain, _ = mp.fit(sparse, data(), **how)
    shrunk, _ = mp.fit(sparse, data(), method=L1(0.5), **how)
    for name, w in plain.params.items():
        acts = name in sparse.net.every_weight
        want = prox_l1(w, 0.125) if acts else w
        assert np.array_equal(shrunk.params[name], want), name
        assert not acts or not np.array_equal(w, want)


def test_l1_and_decay_keep_a_live_zero_live() -> None:
    sparse = mp.sparsify(dense_net(), FORMATS)
    bare, _ = mp.fit(sparse, data(), method=L1(100.0), **HOW | {"optimizer": mp.SGD(0.25)})
    assert not any(bare.params[k].any() for k in bare.net.stored)
    assert {k: m.tolist() for k, m in mp.densify(bare).masks.items()} == {
        k: m.tolist() for k, m in mp.densify(sparse).masks.items()
    }
    again, _ = mp.fit(bare, data(), **HOW)
    assert any(again.params[k].any() for k in again.net.stored)


def test_weights_that_are_not_finite_are_named() -> None:
    sparse = mp.sparsify(dense_net(0.0), FORMATS)
    bad = sparse.params["conv2.weight"].copy()
    bad[3] = np.nan
    broken = Model(sparse.net, sparse.params | {"conv2.weight": bad}, sparse.buffers, sparse.masks)
    with pytest.raises(NonFiniteError) as caught:
        mp.fit(broken, data(), **HOW | {"optimizer": mp.SGD(0.1), "batch_size": 12})
    assert caught.value.args == (
        "step 1: the loss must be finite, not nan: layer conv2 gave 240 of 720 values "
        "that are not finite, at learning rate 0.1; lower the learning rate or check the data",
    )
    with pytest.raises(NonFiniteError) as caught:
        mp.evaluate(broken, data().train)
    assert caught.value.args == (
        "evaluate: the loss must be finite, not nan: layer conv2 gave 20 of 60 values "
        "that are not finite; check the model and the data",
    )
