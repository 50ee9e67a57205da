"""Where a job writes: what the data decide, and another folder for other settings."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.criteria import CRITERIA
from minprune.jobs import compare
from minprune.jobs.job import load_data
from minprune.jobs.run import choices
from minprune.jobs.run_method import folder as method_folder
from minprune.jobs.settings import LONGEST, CompareSettings, RunSettings, filled, named

DIGITS = mp.data.digits()
IMAGES = mp.Dataset(*[(np.zeros((2, 1, 28, 28)), np.arange(2))] * 3, name="mnist")


def run_folder(**asked: Any) -> str:
    return Path(str(choices(RunSettings(**asked), DIGITS).out)).as_posix()


def compare_folder(**asked: Any) -> str:
    return Path(str(compare.choices(CompareSettings(**asked), DIGITS)[-1].out)).as_posix()


def table(folder: Path) -> Path:
    """60 rows of two numbers and a word, in two classes."""
    rows = "".join(f"{k},{k * 1e6},{'xy'[k % 2]},{'no' if k % 3 else 'yes'}\n" for k in range(60))
    (folder / "t.data").write_text(f"a,b,word,class\n{rows}")
    return folder / "t.data"


def arrays(folder: Path) -> Path:
    np.savez(folder / "t.npz", x=np.ones((60, 2, 5)), y=np.arange(60) % 2)
    return folder / "t.npz"


def pictures(folder: Path) -> Path:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for k in range(60):
        home = folder / "t" / str(k % 2)
        home.mkdir(parents=True, exist_ok=True)
        pillow.new("L", (9, 8), k).save(home / f"{k}.png")
    return folder / "t"


@pytest.mark.parametrize(
    ("make", "shape", "net"),
    [(table, (4,), "mlp"), (arrays, (2, 5), "mlp"), (pictures, (1, 8, 9), "cnn_small")],
)
def test_data_is_read_by_what_it_is(
    make: Callable[[Path], Path], shape: tuple[int, ...], net: str, tmp_path: Path
) -> None:
    data = load_data(str(make(tmp_path)))
    assert (data.name, data.input_shape, data.outputs) == ("t", shape, 2)
    parts = data.train, data.val, data.test
    assert [len(y) for _, y in parts] == [43, 5, 12]
    made = choices(RunSettings(data="t"), data)
    assert made.net == net
    assert Path(str(made.out)).name == f"t-{net}-magnitude-0.9-seed0"
    if make is table:  # standardised
        np.testing.assert_allclose(data.train[0][:, :2].std(axis=0), 1, atol=1e-6)


def test_what_the_data_decides() -> None:
    made = choices(RunSettings(), DIGITS)
    assert (made.net, made.epochs, made.fine_tune) == ("cnn_small", 30, 30)
    made = choices(RunSettings(data="mnist", epochs=3, out="x"), IMAGES)
    assert (made.net, made.epochs, made.fine_tune, made.out) == ("lenet_5", 3, 3, "x")


def test_names_by_hand() -> None:
    assert run_folder() == "runs/digits-cnn_small-magnitude-0.9-seed0"
    assert run_folder(epochs=30, fine_tune=30) == run_folder()  # said or not, it is the same job
    assert run_folder(criterion="obd", unit=True, epochs=2, fine_tune=1, lr=0.1, scope="layer") == (
        "runs/digits-cnn_small-obd-units-0.9-seed0-layer-epochs2-tune1-lr0.1"
    )
    few = {"criteria": ["magnitude", "random"], "net": "mlp"}
    assert compare_folder(**few) == "runs/compare-digits-mlp-weights-magnitude+random"
    assert compare_folder(**few, sparsities=[0.5], seeds=1, samples=60) == (
        "runs/compare-digits-mlp-weights-magnitude+random-at0.5-seeds1-samples60"
    )


OTHER: dict[str, Any] = {"export": ["c"],
    "net": "mlp", "criterion": "obd", "unit": True, "sparsity": 0.8999999, "scope": "layer",
    "epochs": 29, "fine_tune": 29, "batch_size": 65, "lr": 0.051, "seed": 1,
    "criteria": ["magnitude"], "sparsities": [0.5], "seeds": 2, "samples": 999,
}  # fmt: skip


OF_METHODS: dict[str, Any] = {"methods": ["set"], "rounds": 2, "last_rate": 0.1}


def test_other_methods_have_another_folder() -> None:
    asked = [{}, *({name: value} for name, value in OF_METHODS.items())]
    made = [CompareSettings(**{"methods": ["finetune", "set"], **one}) for one in asked]
    found = {named("a", filled(one, DIGITS.input_shape)) for one in made}
    assert len(found) == len(asked)
    assert Path("runs", "a-finetune+set").as_posix() in {Path(one).as_posix() for one in found}


@pytest.mark.parametrize(
    ("kind", "folder"), [(RunSettings, run_folder), (CompareSettings, compare_folder)]
)
def test_other_settings_have_another_folder(kind: Any, folder: Any) -> None:
    left = {"data", "out", "method", "set", *OF_METHODS}  # the data's own name is in it
    asked = {f.name for f in fields(kind)} - left
    short = {} if kind is RunSettings else {"criteria": ["magnitude", "random"]}
    found = {name: folder(**short | {name: OTHER[name]}) for name in asked}
    assert len({folder(**short), *found.values()}) == 1 + len(found), found


lists = st.lists(st.sampled_from(sorted(CRITERIA)), min_size=1, unique=True)


@given(lists, lists)
def test_long_names_are_cut_and_still_differ(a: list[str], b: list[str]) -> None:
    usual = CompareSettings(epochs=30)
    first, second = (named("compare-x", replace(usual, criteria=c)) for c in (a, b))
    assert (first == second) == (a == b)
    assert len(Path(first).name) <= LONGEST


def test_methods_and_their_settings_have_folders_of_their_own() -> None:
    asked: list[dict[str, Any]] = [
        {"method": "finetune"}, {"method": "scratch"}, {"method": "finetune", "set": {"rounds": 2}},
        {"method": "finetune", "set": {"scope": "layer"}}, {"method": "finetune", "scope": "layer"},
        {"method": "finetune", "unit": True}, {"method": "finetune", "criterion": "obd"},
        {"method": "finetune", "sparsity": 0.8}, {"method": "finetune", "seed": 1},
        {"method": "finetune", "epochs": 29},
    ]  # fmt: skip
    found = [
        method_folder(filled(RunSettings(**each), DIGITS.input_shape), DIGITS) for each in asked
    ]
    assert len(set(found)) == len(asked)
    assert Path(found[2]).as_posix() == "runs/digits-cnn_small-finetune-0.9-rounds=2-seed0"
