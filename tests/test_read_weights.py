"""mp.read_weights: files of other programs, to the bit; see test_weights_refused.py for others."""

import io
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minprune as mp
from benchmarks import _foreign as foreign
from benchmarks._damage import entries_of, packed
from minprune.core import Arrays
from minprune.errors import FileError, MissingError
from minprune.files import safetensors
from minprune.files.weights import is_onnx

FILES = 150
SAVE = "save the tensors alone, by torch.save(model.state_dict(), path)"
DTYPES = ["f8", "f4", "f2", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]


def read(content: bytes) -> Arrays:
    return mp.read_weights(io.BytesIO(content))


def bits(found: Arrays) -> Any:
    return {k: (a.dtype.str, a.shape, a.tobytes()) for k, a in found.items()}


def in_safetensors(given: Arrays) -> bytes:
    return safetensors.content(given)


def in_npz(given: Arrays) -> bytes:
    out = io.BytesIO()
    rows: Any = given
    np.savez(out, **rows)
    return out.getvalue()


def in_npz_packed(given: Arrays) -> bytes:
    return packed(entries_of(in_npz(given)), zipfile.ZIP_DEFLATED)


def in_npz_of_another_order(given: Arrays) -> bytes:
    return in_npz({k: a.astype(a.dtype.newbyteorder(">")) for k, a in given.items()})


def in_safetensors_of_another_order(given: Arrays) -> bytes:
    return in_safetensors({k: a.astype(a.dtype.newbyteorder(">")) for k, a in given.items()})


def in_pt(given: Arrays) -> bytes:
    return foreign.pt({k: a for k, a in given.items() if a.dtype.name in foreign.STORAGE})


def in_pt_of_another_order(given: Arrays) -> bytes:
    return foreign.pt({k: a for k, a in given.items() if a.dtype.name in foreign.STORAGE}, "big")


any_array = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
how_it_lies = st.sampled_from([lambda a: a, np.transpose, lambda a: a[..., ::2] if a.ndim else a])
some = st.dictionaries(
    st.sampled_from(["a", "layer1.0.conv1.weight", "0.bias", "\u00e9/x:0"]),
    st.builds(lambda a, lie: lie(a), any_array, how_it_lies), min_size=1,
)  # fmt: skip
WRITERS = [
    in_safetensors, in_safetensors_of_another_order, in_npz, in_npz_packed,
    in_npz_of_another_order, in_pt, in_pt_of_another_order,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@given(given=some)
def test_read_to_the_bit(write: Callable[[Arrays], bytes], given: Arrays) -> None:
    found = read(write(given))
    pt = write in (in_pt, in_pt_of_another_order)
    want = {k: a for k, a in given.items() if not pt or a.dtype.name in foreign.STORAGE}
    assert bits(found) == bits({k: np.array(a, order="C") for k, a in want.items()})
    assert all(a.flags.c_contiguous and a.flags.writeable for a in found.values())


def with_tensors(named: dict[str, bytes], rows: Arrays, **more: bytes) -> bytes:
    """A .pt file of these programs and storages"""
    entries = {"x/data.pkl": foreign.program(named)}
    return packed(entries | {f"x/data/{k}": a.tobytes() for k, a in rows.items()} | more)


def test_tensors_that_share_a_storage_share_memory() -> None:
    row = np.arange(6, dtype=np.float32)
    named = {
        "whole": foreign.tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1)),
        "part": foreign.tensor("FloatStorage", "0", 6, 2, (3,), (1,)),
        "row": foreign.tensor("FloatStorage", "0", 6, 3, (1, 3), (9, 1)),
        "turned": foreign.tensor("FloatStorage", "0", 6, 0, (3, 2), (1, 3)),
        "again": foreign.tensor("FloatStorage", "0", 6, 1, (2, 2), (0, 1)),
    }
    found = read(with_tensors(named, {"0": row}))
    assert {k: a.tolist() for k, a in found.items()} == {
        "whole": [[0, 1, 2], [3, 4, 5]], "part": [2, 3, 4], "row": [[3, 4, 5]],
        "turned": [[0, 3], [1, 4], [2, 5]], "again": [[1, 2], [1, 2]],
    }  # fmt: skip
    assert all(np.shares_memory(found["whole"], found[k]) for k in ("part", "row"))
    assert not np.shares_memory(found["whole"], found["turned"])


def test_bfloat16_as_float32() -> None:
    half = np.array([0x3F80, 0xC000, 0x7F80, 0x0001, 0x4049], np.uint16)
    want = np.array([1, -2, np.inf, 2.0**-133, 3.140625], np.float32)
    head = b'{"a":{"dtype":"BF16","shape":[5],"data_offsets":[0,10]}}'
    named = {"a": foreign.tensor("BFloat16Storage", "0", 5, 0, (5,), (1,))}
    for content in (
        len(head).to_bytes(8, "little") + head + half.tobytes(),
        with_tensors(named, {"0": half}),
    ):
        assert bits(read(content)) == bits({"a": want})


THEIRS = (  # as the package safetensors 0.8.0 writes it; its first byte is that of an ONNX file
    b'\x08\x01\0\0\0\0\0\0{"__metadata__":{"by":"x"},"n":{"dtype":"I64","shape":[],"data_offsets"'
    b':[0,8]},"fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"half":{"dtype":"BF16"'
    b',"shape":[2],"data_offsets":[16,20]},"m":{"dtype":"BOOL","shape":[2],"data_offsets":[20,22]}}'
    b"      \7\0\0\0\0\0\0\0\0\0\xc0?\0\0\0\xc0\0?\x80?\1\0"
)


def test_a_file_of_the_package_safetensors() -> None:
    assert bits(read(THEIRS)) == bits({
        "n": np.array(7), "fc.weight": np.array([[1.5, -2]], np.float32),
        "half": np.array([0.5, 1], np.float32), "m": np.array([True, False]),
    })  # fmt: skip
    assert not is_onnx(io.BytesIO(THEIRS))


def test_dicts_in_dicts_have_names_with_dots() -> None:
    inner = foreign.program({"w": foreign.tensor_of("0", np.ones(2, np.float32))})[2:-1]
    found = read(with_tensors({"model": inner, "none": b"}"}, {"0": np.ones(2, np.float32)}))
    assert list(found) == ["model.w"]


def of_onnx(*tensors: Any) -> bytes:
    onnx = pytest.importorskip("onnx", reason="onnx, which reads the files, is absent")
    graph = onnx.helper.make_graph([], "g", [], [], list(tensors))
    return onnx.helper.make_model(graph).SerializeToString()  # type: ignore[no-any-return]


def test_initializers_of_onnx() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx, which reads the files, is absent")
    given = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], np.int8)}
    made = [onnx.numpy_helper.from_array(a, name) for name, a in given.items()]
    half = onnx.helper.make_tensor("c", onnx.TensorProto.BFLOAT16, [2], [1.0, -2.0])
    found = read(of_onnx(*made, half))
    assert bits(found) == bits(given | {"c": np.array([1, -2], np.float32)})
    texts = onnx.helper.make_tensor("t", onnx.TensorProto.STRING, [1], [b"x"])
    beside = onnx.numpy_helper.from_array(given["a"], "e")
    onnx.external_data_helper.set_external_data(beside, "/etc/hostname")
    for content, text in (
        (of_onnx(texts), "t: must hold numbers, not object; export the model without it"),
        (of_onnx(*made, *made), "a: must be one array, not two; export the model again"),
        (of_onnx(beside), "e: its numbers must be in the file, not in another one; save the model "
         "by onnx.save_model without external data"),
    ):  # fmt: skip
        with pytest.raises(FileError) as e:
            read(content)
        assert str(e.value) == f"BytesIO: {text}"


def test_onnx_is_needed_for_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingError) as e:
        read(b"\x08\x08")
    assert str(e.value) == (
        "BytesIO: reading an .onnx file needs the package onnx; install it by pip install "
        "'minprune[onnx]'"
    )
