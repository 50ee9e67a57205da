"""Checkpoints that fit refuses, each with its whole sentence."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import HOW, Busy, train
from watching import Watching, small_data, small_net

import minprune as mp
from minprune import kernels
from minprune.errors import ArgumentError, FileError
from minprune.train import checkpoint, state


def other_data() -> mp.Dataset:
    data = small_data()
    data.train[0][0, 0, 0, 1] += 1
    return data


def other_judges() -> mp.Dataset:
    data = small_data()
    return mp.Dataset(data.train, data.test, data.test)


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "batches": ({"batch_size": 5}, "batch_size 4, and this call has 5"),
    "seed": ({"seed": 1}, "seed 0, and this call has 1"),
    "patience": ({"patience": 2}, "patience None, and this call has 2"),
    "optimizer": (
        {"optimizer": mp.SGD(0.1)},
        "optimizer type 'minprune.train.optim.Adam', and this call has "
        "'minprune.train.optim.SGD'",
    ),
    "its settings": (
        {"optimizer": mp.Adam(0.1)}, "optimizer lr 0.001, and this call has 0.1",
    ),
    "rate": ({"rate": mp.rates.cosine()}, "another value of rate"),
    "method": ({"method": Busy()}, "method type 'watching.Watching', and this call has "
               "'checkpointing.Busy'"),
    "data": ({"data": other_data()}, "another value of train data"),
    "validation": ({"data": other_judges()}, "another value of val data"),
    "weights": ({"model": mp.initialise(small_net().net, seed=1, dtype=np.float64)},
                "another value of model arrays conv1.weight"),
    "net": ({"model": small_net(0.25)}, "another value of model net"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER)
def test_a_checkpoint_of_another_call_is_refused(name: str, tmp_path: Path) -> None:
    path, (change, text) = tmp_path / "fit.npz", OTHER[name]
    how = HOW | {"model": small_net(), "data": small_data(), "checkpoint": path}
    if name == "method":
        how["method"] = Watching()
    mp.fit(**how)
    content = path.read_bytes()
    with pytest.raises(ArgumentError) as caught:
        mp.fit(**how | change)
    assert caught.value.args == (
        f"{path}: it was made with {text}; pass the same, or delete it to start again",
    )
    assert path.read_bytes() == content


def test_another_number_of_threads_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    train(path)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with pytest.raises(ArgumentError, match="with BLAS threads '1', and this call has '2'; "):
        train(path)


def test_other_kernels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fit.npz"
    train(path)
    monkeypatch.setattr(kernels, "backend", lambda: "abacus")
    with pytest.raises(ArgumentError, match=r"with kernels '\w+', and this call has 'abacus'; "):
        train(path)


def test_a_state_that_cannot_be_saved_is_told_before_training(tmp_path: Path) -> None:
    watching = Watching()

    class Odd(Watching):
        def start(self, model: Any, ctx: Any) -> Any:
            return model, {}, {"fn": [print]}

    with pytest.raises(ArgumentError) as caught:
        mp.fit(small_net(), small_data(), checkpoint=tmp_path / "f", **HOW | {"method": Odd()})
    assert caught.value.args == (
        "Odd: state.fn.0 is a builtin_function_or_method, which cannot be saved; "
        "hold None, numbers, text, arrays, or lists and dicts (with text as keys) of them",
    )
    assert not watching.views
    assert not os.listdir(tmp_path)


def broken(tree: dict[str, Any], part: str, value: Any) -> dict[str, Any]:
    return {k: v for k, v in tree.items() if k != part} | ({} if value is None else {part: value})


UNSOUND: dict[str, tuple[tuple[str, Any], str]] = {
    "absent": (("place", None), "KeyError: 'place'"),
    "shape": (
        ("extra", {"odd": np.ones(2)}),
        "ShapeError: odd: its array in extra must fit this training, and does not; start again",
    ),
    "stream": (("streams", [{}, {}]), "ValueError: state must be for a PCG64 RNG"),
    "mask": (
        ("masks", {"fc1.bias": np.ones(5)}),
        "ArgumentError: fc1.bias: the mask must be bool, not float64; use mask != 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSOUND)
def test_an_unsound_checkpoint_is_one_sentence(name: str, tmp_path: Path) -> None:
    path, (change, text) = tmp_path / "fit.npz", UNSOUND[name]
    train(path)
    checkpoint.save_tree(path, broken(checkpoint.load_tree(path), *change), "test")
    with pytest.raises(FileError) as caught:
        train(path)
    assert caught.value.args == (
        f"{path}: must be a checkpoint, and cannot be read ({text}); delete it to start again",
    )


def test_a_model_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    mp.save(small_net(), path)
    with pytest.raises(FileError) as caught:
        train(path)
    assert caught.value.args == (
        f"{path}: it must be a minprune state, not a minprune model; "
        f"pass a file that mp.fit or a job wrote",
    )


def test_a_checkpoint_of_0_1_0_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has format version 2: training has other state now."""
    path, now = tmp_path / "fit.npz", state.KIND
    monkeypatch.setattr(state, "KIND", replace(now, version=2))
    train(path)
    monkeypatch.setattr(state, "KIND", now)
    with pytest.raises(FileError) as caught:
        train(path)
    assert caught.value.args == (
        f"{path}: its format version must be 3 for this minprune, not 2; use an older minprune",
    )


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"every": 0}, "fit: every must be an integer of at least 1, not 0; pass every=1, for "
         "example"),
        ({"every": 2}, "fit: every needs checkpoint='fit.npz', not checkpoint=None; leave "
         "every out"),
    ],
)  # fmt: skip
def test_messages(how: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        train(None, **how)
    assert caught.value.args == (text,)
