"""C in float32: what net_test.c compares with the model, within the bound of rounding."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from randomnets import ALSO, models
from test_export_c import FORMATS, SAFE, STRICT, absent

import minprune as mp
from minprune.autograd.activations import ACTIVATIONS
from minprune.deploy.c_floats import ACTS
from minprune.errors import ArgumentError

ZOO = ("mlp", "lenet_5", "cnn_small", "conv_4", "resnet_small")


def masked(model: mp.Model, sparsity: float, seed: int = 0) -> mp.Model:
    rng = np.random.default_rng(seed)
    return replace(model, masks={
        k: rng.random(model.net.params[k]) >= sparsity for k in model.net.weights
    })  # fmt: skip


def failed(folder: Path, names: list[str], *flags: str) -> int:
    """Which of the exported nets, from 1, is not what it has to be; 0: none"""
    lines, calls = [], []
    for k, name in enumerate(names, 1):
        lines.append(f'#define main {name}_main\n#include "{name}.c"\n#include "{name}_test.c"')
        lines.append("#undef main")
        calls.append(f"if ({name}_main()) return {k};")
    lines.append(f"int main(void) {{ {' '.join(calls)} return 0; }}")
    (folder / "main.c").write_text("\n".join(lines))
    build = ["gcc", *STRICT, *flags, "-Wno-unused-function", "main.c", "-o", "run", "-lm"]
    subprocess.run(build, cwd=folder, check=True)
    return subprocess.run(["./run"], cwd=folder, check=False).returncode


@absent("gcc")
@settings(max_examples=2, deadline=None, phases=[Phase.generate])  # gcc is slow to shrink
@given(st.lists(models(also=ALSO), min_size=8, max_size=8), st.integers(0, 99))
def test_random_nets_are_within_the_bound(tmp_path_factory: Any, nets: Any, seed: int) -> None:
    folder = tmp_path_factory.mktemp("c")
    for k, model in enumerate(nets):
        form = ("auto", *FORMATS)[(k + seed) % 6]
        mp.export_c(masked(model, k % 4 / 3.1, seed), folder, name=f"n{k}", format=form)
    assert failed(folder, [f"n{k}" for k in range(len(nets))], *SAFE) == 0


@absent("gcc")
def test_nets_of_the_zoo_are_within_the_bound_in_every_format(tmp_path: Path) -> None:
    names = []
    for k, kind in enumerate(ZOO):
        model = masked(getattr(mp.zoo, kind)(((1, 16, 16), 10), seed=0), 0.9)
        rng = np.random.default_rng(0)
        moved = {k: (a + rng.random(a.shape)).astype("f") for k, a in model.buffers.items()}
        model = replace(model, buffers=moved)
        for form in FORMATS if kind in ("lenet_5", "resnet_small") else FORMATS[k : k + 1]:
            names.append(f"{kind}_{form}")
            made = mp.export_c(model, tmp_path, name=names[-1], format=form)
            live = sum(int(m.sum()) for m in model.masks.values())
            assert sum(layer["stored"] for layer in made["layers"]) >= live
    assert failed(tmp_path, names, "-O2") == 0


@absent("gcc")
def test_another_bias_is_outside_the_bound(tmp_path: Path) -> None:
    model = masked(mp.zoo.mlp(((6,), 3), (5,), seed=0), 0.5)
    for form in FORMATS:
        mp.export_c(model, tmp_path, name="n", format=form)
        path = tmp_path / "n.c"
        path.write_text(path.read_text().replace("= bias[r]", "= bias[r] + 1e-4f"))
        assert failed(tmp_path, ["n"], "-O0") == 1, form


def test_every_activation_has_a_form_in_c() -> None:
    assert ACTS.keys() == ACTIVATIONS.keys()


def test_float64_is_rounded_and_its_bound_is_that_of_float32(tmp_path: Path) -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=0, dtype=np.float64)
    mp.export_c(model, tmp_path)
    assert "e-17" not in (tmp_path / "net.c").read_text()


@pytest.mark.parametrize("shape", [(2, 3), (6,)])
def test_a_model_that_computes_nothing_is_refused(tmp_path: Path, shape: Any) -> None:
    model = mp.Model(mp.build(shape, [("flat", mp.Flatten())], loss="mse"), {})
    with pytest.raises(ArgumentError) as found:
        mp.export_c(model, tmp_path)
    assert str(found.value) == "export_c: the model must compute something; add a layer to it"
    assert not list(tmp_path.iterdir())
