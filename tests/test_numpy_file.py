"""export_numpy: the runner gives the model's outputs, in few lines, on NumPy alone."""

import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deploy_bounds import ULPS, bound
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import ALSO, batch, models
from test_program import ZOO, masked

import minprune as mp
from minprune.autograd.activations import ACTIVATIONS
from minprune.core import Array
from minprune.deploy import net_run, program
from minprune.deploy import steps as kinds
from minprune.deploy.numpy_file import file_of

RUNNER = Path(net_run.__file__)


def run(model: mp.Model, x: Any) -> Array:
    y: Array = net_run.load(BytesIO(file_of(program(model))))(x)
    assert y.dtype == model.dtype
    return y


def apart(model: mp.Model, x: Any) -> float:
    """|runner - steps| / the bound, the largest over all outputs"""
    made = program(model)
    gap = abs(run(model, x).astype(np.float64) - made(x))
    unit = np.finfo(model.dtype).eps / 2
    return float(np.max(gap / (2 * bound(made, x, unit) + np.finfo(np.float32).tiny), initial=0))


@settings(max_examples=30)
@given(
    models(also=ALSO), st.integers(0, 99), st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from("fd")
)
def test_the_runner_computes_what_the_model_does(
    model: mp.Model, seed: int, sparsity: float, dtype: str
) -> None:
    params, buffers = (
        {k: a.astype(dtype) for k, a in d.items()} for d in (model.params, model.buffers)
    )
    model = masked(mp.Model(model.net, params, buffers), sparsity, seed)
    x, _ = batch(model, 3, seed)
    assert apart(model, x) <= 1
    assert run(model, x[:0]).shape == model(x[:0]).shape


@pytest.mark.parametrize("name", ZOO)
def test_nets_of_the_zoo(name: str) -> None:
    model = masked(getattr(mp.zoo, name)(((3, 16, 16), 10)), 0.5)
    rng = np.random.default_rng(0)
    moved = {k: (a + rng.random(a.shape)).astype("f") for k, a in model.buffers.items()}
    assert apart(replace(model, buffers=moved), rng.standard_normal((2, 3, 16, 16))) <= 1


@pytest.mark.parametrize("act", sorted(ACTIVATIONS.keys() - {"none"}))
@pytest.mark.parametrize("dtype", "fd")
def test_every_activation(act: str, dtype: Any) -> None:
    x = np.concatenate([np.linspace(-40, 40, 997), [0, -1e4, 1e4]]).astype(dtype)
    y = net_run.OPS[act](x)
    want = ACTIVATIONS[act].f(x.astype(np.float64))
    assert y.dtype == x.dtype
    assert (abs(y - want) <= ULPS * np.finfo(dtype).eps / 2 * (abs(x) + abs(want))).all()


def test_a_runner_that_forgets_the_padding_is_outside_the_bound(monkeypatch: Any) -> None:
    net = mp.build((1, 3, 3), [("conv", mp.Conv2d(1, 2, 3, padding=1)), ("flat", mp.Flatten())])
    model, conv = mp.initialise(net), net_run.conv
    x = np.ones((2, 1, 3, 3))
    assert apart(model, x) <= 1
    wrong = lambda x, *how: conv(x, *how[:-1], (1,))  # noqa: E731
    monkeypatch.setitem(net_run.OPS, "conv", wrong)
    assert apart(model, x) > 1000


@settings(max_examples=20)
@given(models(), st.integers(0, 99), st.sampled_from([0.0, 0.9]))
def test_integers_are_those_of_the_model(model: mp.Model, seed: int, sparsity: float) -> None:
    x, _ = batch(model, 5, seed)
    try:
        small = mp.quantize(masked(model, sparsity, seed), x)
    except mp.errors.ArgumentError:
        return  # a layer without an integer form
    alone = net_run.load(BytesIO(file_of(small.program)))
    y = alone(2 * x)  # beyond the ranges too
    assert y.dtype == np.float32
    assert np.array_equal(y, small(2 * x))


def test_a_runner_that_rounds_another_way_gives_other_integers(monkeypatch: Any) -> None:
    x = np.random.default_rng(0).standard_normal((64, 20))
    small = mp.quantize(mp.zoo.mlp(((20,), 3), (30,)), x)
    content = file_of(small.program)
    assert np.array_equal(net_run.load(BytesIO(content))(x), small(x))
    cut = lambda a, m, r, half, ends: (a.astype("i8") * m >> r).clip(*ends)  # noqa: E731
    monkeypatch.setitem(net_run.OPS, "round", cut)
    assert not np.array_equal(net_run.load(BytesIO(content))(x), small(x))


ALONE = """
import sys
import numpy as np
import net_run
y = net_run.load("net.npz")(np.load("x.npy"))
known = [m for m in sys.modules if m.split(".")[0] in ("minprune", "numba", "json")]
assert known == [] and np.allclose(y, np.load("y.npy"), atol=1e-5)
"""


def test_it_runs_where_minprune_is_not(tmp_path: Path) -> None:
    model = masked(mp.zoo.resnet_small(((1, 8, 8), 10), 4), 0.5)
    x = np.random.default_rng(0).random((70, 1, 8, 8), np.float32)
    mp.export_numpy(model, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", program(model)(x))
    code = f"import sys; sys.path = [p for p in sys.path if p not in ('', {str(Path.cwd())!r})]\n"
    code += f"sys.path.insert(0, {str(tmp_path)!r})\n{ALONE}"
    command = [sys.executable, "-I", "-c", code.replace("net.npz", str(tmp_path / "net.npz"))]
    subprocess.run(command, check=True, timeout=60, cwd=tmp_path)


def test_the_runner_is_short_and_imports_numpy_alone(tmp_path: Path) -> None:
    mp.export_numpy(mp.zoo.mlp(((3,), 2), (4,)), tmp_path / "net.npz")
    text = (tmp_path / "net_run.py").read_text()
    assert text == RUNNER.read_text()
    assert len(text.splitlines()) <= 60
    assert max(map(len, text.splitlines())) <= 100
    assert re.findall(r"^ *(?:import|from) .*", text, re.MULTILINE) == ["import numpy as np"]


def test_masked_weights_take_no_values(tmp_path: Path) -> None:
    model = mp.zoo.mlp(((100,), 10), (100,))
    dense = mp.export_numpy(model, tmp_path / "net.npz")
    sparse = mp.export_numpy(masked(model, 0.95), tmp_path / "net.npz")
    assert dense["weights"] == dense["live"] == sparse["weights"] == 11_000
    assert sparse["bytes"] == (tmp_path / "net.npz").stat().st_size
    live = sparse["live"]
    assert sparse["bytes"] < 4 * live + 11_000 / 8 + 1_500 < 0.15 * dense["bytes"]


def test_the_same_model_gives_the_same_bytes() -> None:
    a, b = (bytes(file_of(program(mp.zoo.cnn_small(((1, 8, 8), 3), seed=1)))) for _ in range(2))
    assert a == b


def test_what_has_no_form_is_refused_by_name() -> None:
    class Unknown(kinds.Step):
        pass

    made = program(mp.zoo.mlp(((3,), 2), ()))
    with pytest.raises(mp.errors.ArgumentError) as error:
        file_of(replace(made, steps=(*made.steps, Unknown("odd", (1,), (2,)))))
    assert str(error.value) == (
        "export_numpy: odd must have a form in net_run.py, and a Unknown step has none; register "
        "one with minprune.deploy.numpy_file.written"
    )
    (step,) = made.steps
    with pytest.raises(mp.errors.ArgumentError) as error:
        file_of(replace(made, steps=(replace(step, act="odd"),)))
    assert str(error.value) == (
        "export_numpy: fc1 must have an activation that net_run.py knows, not odd; add it to "
        "minprune/deploy/net_run.py"
    )
