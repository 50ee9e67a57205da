"""Layers of one's own in files: registered ones come back, others are refused before writing."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, FileError
from minprune.nets.layer import Layer


@mp.layer
@dataclass(frozen=True)
class Twice(mp.Dense):
    spots: tuple[int, ...] = (1, 2)
    note: str = ""


class Unknown(mp.Dense):
    pass


@mp.layer
@dataclass(frozen=True)
class Odd(mp.Dense):
    how: Any = None


def model_with(layer: Layer) -> mp.Model:
    return mp.initialise(mp.build((4,), [("o", layer)]))


def test_a_registered_layer_comes_back(tmp_path: Path) -> None:
    model = model_with(Twice(4, 2, spots=(3, 4), note="x"))
    mp.save(model, tmp_path / "m.npz")
    again = mp.load(tmp_path / "m.npz")
    assert again.net == model.net
    assert type(again.net.node("o").layer) is Twice
    assert (again.params["o.weight"] == model.params["o.weight"]).all()


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Unknown(4, 2),
         "o: its class must be registered to be saved, and Unknown is not; put @mp.layer above the "
         "class"),
        (Odd(4, 2, how=np.zeros(2)),
         "o: its how must be a number, text, None or a tuple of them to be saved, not "
         "array([0., 0.]); keep the rest in parameters or buffers"),
    ],
)  # fmt: skip
def test_what_could_not_be_loaded_is_not_saved(layer: Layer, text: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        mp.save(model_with(layer), tmp_path / "m.npz")
    assert caught.value.args == (text,)
    assert os.listdir(tmp_path) == []


def test_a_file_with_a_layer_that_is_not_registered_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mp.save(model_with(Twice(4, 2)), tmp_path / "m.npz")
    monkeypatch.setattr("minprune.nets.registry.OWN", {})
    with pytest.raises(FileError) as caught:
        mp.load(tmp_path / "m.npz")
    assert caught.value.args == (
        f"{tmp_path / 'm.npz'}: layer 'o' must be of a known kind, not 'Twice'; put @mp.layer "
        f"above its class and import it first (--import MODULE), or use a newer minprune",
    )


def test_names_are_taken_once() -> None:
    def own() -> Any:
        class Dense(mp.Dense):
            pass

        return Dense

    with pytest.raises(ArgumentError) as caught:
        mp.layer(own())
    assert caught.value.args == (
        "layer: the name must be free, and Dense is minprune.nets.dense.Dense; rename the class",
    )
    with pytest.raises(ArgumentError) as caught:
        mp.layer(3)  # type: ignore[type-var]
    assert caught.value.args == ("layer: the class must be a Layer, not 3; derive it from one",)
    mp.layer(Twice)  # a cell of a notebook runs again


def test_compact_of_a_layer_without_a_rule_refuses_by_name() -> None:
    @dataclass(frozen=True)
    class Scaled(Layer):
        ones = ("weight",)

        def params(self) -> dict[str, tuple[int, ...]]:
            return {"weight": (3,)}

        def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
            return mp.autograd.scale_shift(xs[0], p["weight"], np.zeros(3, "f4"), act=act)

    net = mp.build((4,), [("a", mp.Dense(4, 3)), ("s", Scaled()), ("o", mp.Dense(3, 2))])
    model = mp.initialise(net)
    units = mp.score(model, None, "magnitude", unit=True)
    model = mp.prune(model, units, sparsity=0.34)
    with pytest.raises(ArgumentError, match="Scaled cannot shrink; define its method resized"):
        mp.compact(model)
