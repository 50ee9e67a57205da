"""export_onnx: what other runtimes compute from the file is the model, within rounding."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from randomnets import ALSO, models

import minprune as mp
from minprune.autograd.activations import ACTIVATIONS as TABLE
from minprune.core import Array
from minprune.deploy import onnx_file
from minprune.deploy.agreement import agreement
from minprune.deploy.onnx_layers import ACTIVATIONS, WRITTEN
from minprune.deploy.rounding import SIZES, rounding
from minprune.deploy.run_onnx import run_onnx
from minprune.nets.layer import Layer
from minprune.nets.model import Model
from minprune.nets.registry import LAYERS

onnx = pytest.importorskip("onnx", reason="onnx, which reads and writes the files, is absent")
pytest.importorskip("onnxruntime", reason="onnxruntime, the peer of these tests, is absent")
# files are written anew for each example
anew = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)

ZOO: dict[str, Any] = {
    "mlp": mp.zoo.mlp(((1, 8, 8), 10)), "lenet_300_100": mp.zoo.lenet_300_100(((1, 8, 8), 10)),
    "lenet_5": mp.zoo.lenet_5(((1, 16, 16), 10)), "cnn_small": mp.zoo.cnn_small(((1, 6, 6), 10)),
    "conv_4": mp.zoo.conv_4(((1, 4, 4), 3)), "monk": mp.zoo.monk(),
    "resnet_small": mp.zoo.resnet_small(((1, 8, 8), 10), width=8),
}  # fmt: skip


def reads_back(model: Model, path: Path) -> None:
    """Each array bit for bit, the same names, the same function."""
    again = mp.from_onnx(path)
    assert [(n.name, n.inputs) for n in again.net.nodes] == [
        (n.name, n.inputs) for n in model.net.nodes
    ]
    assert again.net.loss == model.net.loss
    for kind in ("params", "buffers"):
        ours, theirs = getattr(model, kind), getattr(again, kind)
        assert list(ours) == list(theirs)
        assert all(a.tobytes() == theirs[k].tobytes() for k, a in ours.items())
    x = np.random.default_rng(0).standard_normal((3, *model.net.input_shape))
    assert np.array_equal(model(x), again(x))


@anew
@given(model=models(np.float32, also=ALSO))
def test_any_net_runs_elsewhere_and_comes_back(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    mp.export_onnx(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    assert agreement(model, *run_onnx(path)).share <= 1
    reads_back(model, path)


@pytest.mark.parametrize("name", ZOO)
def test_zoo_nets_masked_compacted_and_sparse(name: str, tmp_path: Path) -> None:
    model, path = ZOO[name], tmp_path / "net.onnx"
    masked = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.8)
    units = mp.prune(model, mp.score(model, None, "magnitude", unit=True), sparsity=0.5)
    for each in (model, masked, mp.compact(units), mp.sparsify(masked, "csr")):
        mp.export_onnx(each, path)
        assert agreement(each, *run_onnx(path)).share <= 1
    reads_back(mp.densify(each), path)


def test_the_runtime_may_be_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ZOO["mlp"]
    mp.export_onnx(model, tmp_path / "net.onnx", opset=18)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    runtime, run = run_onnx(tmp_path / "net.onnx")
    assert runtime == f"onnx {onnx.__version__}"
    assert agreement(model, runtime, run).share <= 1


def test_a_model_whose_outputs_are_not_finite_is_not_agreed_with() -> None:
    model = ZOO["mlp"]
    large = {k: np.full_like(a, 3e38) for k, a in model.params.items()}
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(mp.errors.FileError, match="check: the model's outputs must be finite"),
    ):
        agreement(replace(model, params=large), "none", lambda x: np.zeros((len(x), 10)))


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    mp.export_onnx(ZOO["mlp"], tmp_path / "net.onnx")
    found = onnx.load(tmp_path / "net.onnx")
    assert (found.ir_version, found.opset_import[0].version) == (8, 17)
    assert [n.name for n in found.graph.node] == [n.name for n in ZOO["mlp"].net.nodes]
    assert [i.name for i in found.graph.initializer] == list(ZOO["mlp"].params)
    ends = [*found.graph.input, *found.graph.output]
    assert [e.name for e in ends] == ["input", "output"]
    assert ends[0].type.tensor_type.shape.dim[0].dim_param == "n"
    before = (tmp_path / "net.onnx").read_bytes()
    mp.export_onnx(ZOO["mlp"], tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == before


# -- wrong variants


def slip(op: str, **at: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """Writes an operator with another attribute."""

    def wrong(patch: pytest.MonkeyPatch) -> None:
        write = onnx_file.write

        def writes(path: Any, graph: Any, *more: Any) -> None:
            ops = [o._replace(at=o.at | at) if o.kind == op else o for o in graph.ops]
            write(path, replace(graph, ops=tuple(ops)), *more)

        patch.setattr(onnx_file, "write", writes)

    return wrong


def other(word: str, change: Callable[[Array], Array]) -> Callable[[pytest.MonkeyPatch], None]:
    """Writes other numbers."""

    def wrong(patch: pytest.MonkeyPatch) -> None:
        write = onnx_file.write

        def writes(path: Any, graph: Any, *more: Any) -> None:
            there = graph.constants.items()
            arrays = {k: change(a) if k.endswith(word) else a for k, a in there}
            write(path, replace(graph, constants=arrays), *more)

        patch.setattr(onnx_file, "write", writes)

    return wrong


def a_net(*layers: Layer) -> Model:
    names = [(f"l{k}", layer) for k, layer in enumerate(layers)]
    first = mp.build((2, 5, 5), names, "mse")
    model = mp.initialise(first)
    rng = np.random.default_rng(0)
    drawn = {k: rng.uniform(0.5, 1.5, a.shape).astype("f4") for k, a in model.params.items()}
    signs = {k: np.sign(rng.standard_normal(a.shape)).astype("f4") for k, a in drawn.items()}
    return replace(model, params={k: a * signs[k] for k, a in drawn.items()})


END = (mp.Flatten(), mp.Dense(50, 3))
SLIPS: dict[str, tuple[Any, Model]] = {
    "an average that leaves out padding": (
        slip("AveragePool", count_include_pad=0), a_net(mp.AvgPool(3, 1, 1), *END),
    ),
    "another epsilon": (slip("BatchNormalization", epsilon=1e-3), a_net(mp.BatchNorm(2), *END)),
    "another slope": (slip("LeakyRelu", alpha=0.02), a_net(mp.LeakyReLU(), *END)),
    "a bias with the other sign": (other(".bias", np.negative), a_net(*END)),
    "a weight that is not turned": (
        other("l2.weight", lambda w: w.T.copy()), a_net(*END, mp.Dense(3, 3)),
    ),
    "mean and variance exchanged": (
        other("running_mean", np.ones_like), a_net(mp.BatchNorm(2), *END),
    ),
    "groups of twice the scale": (
        other(".one", lambda a: a * np.float32(2)), a_net(mp.GroupNorm(2, 2), *END),
    ),
    "one weight wrong by a thousandth": (
        other("l1.weight", lambda w: w + np.float32(0.001) * (w == w.flat[7])),
        a_net(*END),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_wrong_writer_is_seen(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, model = SLIPS[name]
    mp.export_onnx(model, tmp_path / "net.onnx")
    agreement(model, *run_onnx(tmp_path / "net.onnx"))
    wrong(monkeypatch)
    mp.export_onnx(model, tmp_path / "net.onnx")
    with pytest.raises(mp.errors.FileError, match="the bound of rounding, and they differ"):
        agreement(model, *run_onnx(tmp_path / "net.onnx"))


def test_rounding_is_above_what_float32_does_and_not_far() -> None:
    """The bound of a net of one sum is that of textbooks, and float32 stays below it."""
    net = mp.build((20,), [("fc", mp.Dense(20, 2))], "mse")
    model = mp.initialise(net, seed=0)
    wide = mp.Model(net, {k: a.astype(float) for k, a in model.params.items()})
    x = np.random.default_rng(0).standard_normal((50, 20)).astype("f4")
    bound = rounding(model, x, [0, 1])
    size = np.abs(x).astype(float) @ np.abs(wide.params["fc.weight"]).T
    assert (np.abs(model(x) - wide(x.astype(float))) <= bound).all()
    assert np.allclose(bound, 27 * 2**-24 * size, rtol=1e-3)  # 20 + 1 + 6, below 6 sqrt(27)


# -- completeness, refusals


def test_each_layer_and_activation_has_a_form_and_a_bound() -> None:
    kinds = set(LAYERS.values())
    assert kinds == set(WRITTEN) == set(SIZES)
    assert set(ACTIVATIONS) == set(TABLE) - {"none"}


class Square(Layer):
    bends = True

    def apply(self, p: Any, xs: Any, run: Any, act: str = "none") -> Any:
        return xs[0] * xs[0]


OWN = mp.initialise(mp.build((2,), [("fc", mp.Dense(2, 2)), ("mine", Square())], "mse"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda path: mp.export_onnx(OWN, path),
            "mine: Square has no ONNX form, as a layer of your own; use layers of minprune in its "
            "place",
        ),
        (
            lambda path: mp.export_onnx(ZOO["mlp"], path, opset=9),
            "export_onnx: opset must be 17 or 18, not 9; choose one of them",
        ),
        (
            lambda path: mp.export_onnx(ZOO["mlp"].net, path),
            "export_onnx: model must be a Model, not Net; pass one that mp.zoo, mp.initialise or "
            "mp.load made",
        ),
        (
            lambda path: mp.export_onnx(ZOO["mlp"], 3),  # type: ignore[arg-type]
            "export_onnx: path must be a path, not 3; pass its name as text",
        ),
        (
            lambda path: rounding(OWN, np.ones((1, 2), "f4"), [0]),
            "mine: the rounding of Square is not known; compare outputs by a tolerance of your own",
        ),
        (
            lambda path: agreement(ZOO["mlp"], "a runtime", lambda x: x),
            "check: a runtime must give finite outputs (8, 10), not (8, 1, 8, 8) with 0 that are "
            "not; do not use the file",
        ),
    ],
)
def test_refused(call: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    with pytest.raises(mp.errors.MinpruneError) as error:
        call(tmp_path / "net.onnx")
    assert str(error.value) == message
    assert not (tmp_path / "net.onnx").exists()


def test_above_two_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LIMIT", 1000)
    with pytest.raises(mp.errors.FileError) as error:
        mp.export_onnx(ZOO["mlp"], "net.onnx")
    assert str(error.value) == (
        "net.onnx: an ONNX file must have less than 2 GB, and the arrays have 26,280 bytes; "
        "compact the model first"
    )


@pytest.mark.parametrize("call", [mp.from_onnx, lambda path: mp.export_onnx(ZOO["mlp"], path)])
def test_without_the_package(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(mp.errors.MissingError) as error:
        call(tmp_path / "net.onnx")
    owner = "from_onnx" if call is mp.from_onnx else "export_onnx"
    assert str(error.value) == (
        f"{owner}: must have the package onnx, which is not installed; pip install 'minprune[onnx]'"
    )
