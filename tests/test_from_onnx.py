"""from_onnx: what other programs write for our layers is read; all else is refused by its node."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minprune as mp
from minprune.deploy.run_onnx import run_onnx

onnx = pytest.importorskip("onnx", reason="onnx, which reads and writes the files, is absent")
pytest.importorskip("onnxruntime", reason="onnxruntime, the peer of these tests, is absent")
RNG = np.random.default_rng(0)
IMAGE = (2, 5, 5)


def some(*shape: int, dtype: Any = "f4") -> Any:
    return RNG.standard_normal(shape).astype(dtype)


def written(
    path: Path, nodes: list[Any], arrays: dict[str, Any], shape: Any = IMAGE, opset: int = 17,
    batch: Any = "n",
) -> Path:  # fmt: skip
    """A file of nodes (operator, inputs, outputs, name, attributes) from x to y"""
    make, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = make.make_graph(
        [make.make_node(n[0], n[1].split(), n[2].split(), n[3], **n[4]) for n in nodes],
        "g",
        [make.make_tensor_value_info("x", kind, [batch, *shape])],
        [make.make_tensor_value_info("y", kind, ["n", "m"])],
        [onnx.numpy_helper.from_array(np.asarray(a), k) for k, a in arrays.items()],
    )
    model = make.make_model(graph, ir_version=8, opset_imports=[make.make_opsetid("", opset)])
    onnx.save(model, path)
    return path


def node(op: str, reads: str, makes: str, name: str = "", **at: Any) -> Any:
    return op, reads, makes, name, at


FLAT, FC = node("Flatten", "a", "f", axis=1), node("Gemm", "f w b", "y", "/fc/Gemm", transB=1)
DENSE = {"w": some(3, 50), "b": some(3)}
SMALL = {"w": some(3, 2), "b": some(3)}
SHAPED = [
    node("Shape", "a", "s"), node("Gather", "s zero", "n0", axis=0),
    node("Unsqueeze", "n0 axis", "n1"), node("Concat", "n1 rest", "to", axis=0),
    node("Reshape", "a to", "f"), FC,
]  # fmt: skip
SHAPES = {"zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1])}
IDIOMS: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any], list[str]]] = {
    "x.view(x.size(0), -1)": (
        [node("Relu", "x", "a", "/r/Relu"), *SHAPED], DENSE | SHAPES, {}, ["r", "reshape", "fc"],
    ),
    "a reshape of one sample": (
        [node("Relu", "x", "a"), node("Reshape", "a to", "f", allowzero=1), FC],
        DENSE | {"to": np.array([1, -1])}, {"batch": 1}, ["relu", "reshape", "fc"],
    ),
    "a product and a sum": (
        [node("Flatten", "x", "f"), node("MatMul", "f v", "m", "/fc/MatMul"),
         node("Add", "b m", "y", "/fc/Add")],
        {"v": some(50, 3), "b": some(3)}, {}, ["flatten", "fc"],
    ),
    "a sum after a convolution, SAME_UPPER": (
        [node("Conv", "x k", "c", "conv/Conv", auto_pad="SAME_UPPER", kernel_shape=[2, 3]),
         node("Add", "c cb", "a", "conv/Add"), FLAT, FC],
        DENSE | {"k": some(2, 2, 2, 3), "cb": some(1, 2, 1, 1)}, {}, ["conv", "flatten", "fc"],
    ),
    "a mean with its axes kept, and squeezed": (
        [node("ReduceMean", "x", "a", "/pool/ReduceMean", axes=[-1, -2]),
         node("Squeeze", "a two", "f"), FC],
        SMALL | {"two": np.array([2, 3])}, {}, ["pool", "fc"],
    ),
    "a mean without its axes": (
        [node("ReduceMean", "x", "f", "/ReduceMean", axes=[2, 3], keepdims=0), FC],
        SMALL, {}, ["reducemean", "fc"],
    ),
    "a mean with its axes kept, and a convolution": (
        [node("GlobalAveragePool", "x", "p"), node("Conv", "p k", "a"), FLAT, FC],
        {"w": some(3, 4), "b": some(3), "k": some(4, 2, 1, 1)}, {},
        ["globalaveragepool", "conv", "flatten", "fc"],
    ),
    "identities, an unused node, and a bias of one number": (
        [node("Identity", "x", "i"), node("Clip", "i low high", "a", "/r6/Clip"),
         node("Tanh", "i", "unused"), FLAT, node("Identity", "w", "w2"),
         node("Gemm", "f w2 b", "e", "/fc/Gemm", transB=1), node("Identity", "e", "y")],
        {"w": some(3, 50), "b": some(1), "low": np.float32(0), "high": np.float32(6)}, {},
        ["r6", "flatten", "fc"],
    ),
    "old operators": (
        [node("Clip", "x", "r", min=0.0, max=6.0), node("Dropout", "r", "a", ratio=0.25), FLAT, FC],
        DENSE, {"opset": 9}, ["clip", "dropout", "flatten", "fc"],
    ),
    "another epsilon": (
        [node("BatchNormalization", "x s t m v", "a", "bn", epsilon=1e-3), FLAT, FC],
        DENSE | {"s": some(2), "t": some(2), "m": some(2), "v": some(2) ** 2}, {},
        ["bn", "flatten", "fc"],
    ),
    "GELU, in another order": (
        [node("Mul", "x r", "d"), node("Erf", "d", "e"), node("Add", "one e", "p"),
         node("Mul", "x half", "h"), node("Mul", "h p", "a", "/act/Mul_2"), FLAT, FC],
        DENSE | {"r": np.float32(0.5**0.5), "one": np.float32(1), "half": np.float32(0.5)}, {},
        ["act", "flatten", "fc"],
    ),
    "instances": (
        [node("InstanceNormalization", "x s t", "a", "in"), FLAT, FC],
        DENSE | {"s": some(2), "t": some(2)}, {}, ["in", "flatten", "fc"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("idiom", IDIOMS)
def test_what_others_write(idiom: str, tmp_path: Path) -> None:
    nodes, arrays, how, names = IDIOMS[idiom]
    path = written(tmp_path / "net.onnx", nodes, arrays, **how)
    model = mp.from_onnx(path)
    assert [n.name for n in model.net.nodes] == names
    x = some(1, *IMAGE)
    assert np.allclose(run_onnx(path)[1](x), model(x), rtol=1e-4, atol=1e-5)


OTHERS = "export the net without it, or build the net from layers of minprune"
K = {"k": some(2, 2, 3, 3)}
REFUSED: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any], str]] = {
    "an operator": (
        [node("Sin", "x", "a", "/wave/Sin"), FLAT, FC], DENSE, {},
        "node '/wave/Sin' (Sin) must be an operator that minprune has a layer for, not Sin(x); "
        + OTHERS,
    ),
    "one without a name": (
        [node("Softmax", "x", "y")], {}, {},
        "node 'y' (Softmax) must be an operator that minprune has a layer for, not "
        "Softmax(x, axis=-1); export the net without it, as the loss cross_entropy takes outputs "
        "before it",
    ),
    "a slope": (
        [node("LeakyRelu", "x", "a", "l", alpha=0.2), FLAT, FC], DENSE, {},
        "node 'l' (LeakyRelu) must be LeakyRelu(x, alpha=0.01), not LeakyRelu(x, alpha=0.2); "
        + OTHERS,
    ),
    "pads": (
        [node("Conv", "x k", "a", "c", pads=[0, 0, 1, 1], strides=[2, 2]), FLAT, FC], DENSE | K, {},
        "node 'c' (Conv) cannot be read as a layer: pads must be ((1, 1), (1, 1)), not "
        "((0, 0), (1, 1)); " + OTHERS,
    ),
    "an average that leaves out padding": (
        [node("AveragePool", "x", "a", "p", kernel_shape=[3, 3], pads=[1] * 4), FLAT, FC],
        DENSE, {},
        "node 'p' (AveragePool) cannot be read as a layer: count_include_pad must be 1, not 0; "
        + OTHERS,
    ),
    "ceil_mode": (
        [node("MaxPool", "x", "a", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), FLAT,
         FC], DENSE, {},
        "node 'p' (MaxPool) cannot be read as a layer: ceil_mode for windows that reach beyond the "
        "edge must be 0, not 1; " + OTHERS,
    ),
    "a Gemm": (
        [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", "g", transB=1, alpha=0.5)],
        DENSE, {}, "node 'g' (Gemm) cannot be read as a layer: alpha must be 1, not 0.5; " + OTHERS,
    ),
    "a product of two values": (
        [node("Mul", "x x", "a", "m"), FLAT, FC], DENSE, {},
        "node 'm' (Mul) must be an operator that minprune has a layer for, not Mul(x, x); "
        + OTHERS,
    ),
    "half precision": (
        [node("Flatten", "x", "f"), node("MatMul", "f h", "y", "g")],
        {"h": some(50, 3, dtype="f2")}, {},
        "node 'g' (MatMul) cannot be read as a layer: weight must be float32 or float64, not "
        "float16; " + OTHERS,
    ),
    "free sizes": (
        [node("Relu", "x", "a"), FLAT, FC], DENSE, {"shape": (2, "h", "w")},
        "the input must be (n, ...) with fixed sizes after the first axis, not "
        "('n', 2, None, None); export the net with the shape of one sample",
    ),
    "an epsilon": (
        [node("BatchNormalization", "x s t m v", "a", "bn", epsilon=1e-7), FLAT, FC],
        DENSE | {"s": some(2), "t": some(2), "m": some(2), "v": np.zeros(2, "f4")}, {},
        "node 'bn' (BatchNormalization) cannot be read as a layer: epsilon must be 1e-05 or more, "
        "not 1e-07; " + OTHERS,
    ),
    "an axis": (
        [node("LayerNormalization", "x s t", "a", "ln", axis=0), FLAT, FC],
        DENSE | {"s": some(1, 2, 5, 5), "t": some(1, 2, 5, 5)}, {},
        "node 'ln' (LayerNormalization) cannot be read as a layer: axis must be 3, not 0; "
        + OTHERS,
    ),
    "an old version": (
        [node("Relu", "x", "y")], {}, {"opset": 6},
        "its operators must be of version 7 at least, not 6; convert it with "
        "onnx.version_converter.convert_version(model, 17)",
    ),
    "no layer": (
        [node("Identity", "x", "y")], {}, {},
        "it must have a layer, not only an input; export the whole net",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_node(what: str, tmp_path: Path) -> None:
    nodes, arrays, how, message = REFUSED[what]
    path = written(tmp_path / "net.onnx", nodes, arrays, **how)
    with pytest.raises(mp.errors.FileError) as error:
        mp.from_onnx(path)
    assert str(error.value) == f"{path}: {message}"


def test_files_that_are_none(tmp_path: Path) -> None:
    for path, said in (
        (tmp_path / "absent.onnx", "cannot be read (No such file or directory); pass an ONNX file"),
        (tmp_path, "must be an ONNX file, not a folder; pass one, such as net.onnx"),
    ):
        with pytest.raises(mp.errors.FileError) as error:
            mp.from_onnx(path)
        assert str(error.value) == f"{path}: {said}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.booleans())
def test_a_garbled_file_is_one_sentence_or_a_model(
    at: int, byte: int, cut: bool, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    if not path.exists():
        mp.export_onnx(mp.zoo.resnet_small(((1, 4, 4), 2), width=2), path)
    data = bytearray(path.read_bytes())
    at %= len(data)
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(data[:at] if cut else data[:at] + bytes([byte]) + data[at + 1 :])
    said = ""
    try:
        mp.from_onnx(bad)
    except mp.errors.MinpruneError as e:
        said = str(e)
    assert "\n" not in said
