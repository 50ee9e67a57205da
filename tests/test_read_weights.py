"""mp.read_weights: files of other programs, to the bit; one sentence for damaged ones."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minprune as mp
from benchmarks import _foreign as foreign
from benchmarks import fuzz, fuzz_weights
from benchmarks._damage import Trap, entries_of, npy, packed
from minprune.core import Arrays
from minprune.errors import FileError
from minprune.files import pickled, safetensors

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
    in_safetensors, in_npz, in_npz_packed, in_npz_of_another_order, in_pt, in_pt_of_another_order,
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
        "turned": foreign.tensor("FloatStorage", "0", 6, 0, (3, 2), (1, 3)),
        "again": foreign.tensor("FloatStorage", "0", 6, 1, (2, 2), (0, 1)),
    }
    found = read(with_tensors(named, {"0": row}))
    assert {k: a.tolist() for k, a in found.items()} == {
        "whole": [[0, 1, 2], [3, 4, 5]], "part": [2, 3, 4],
        "turned": [[0, 3], [1, 4], [2, 5]], "again": [[1, 2], [1, 2]],
    }  # fmt: skip
    assert np.shares_memory(found["whole"], found["part"])
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


def test_dicts_in_dicts_have_names_with_dots() -> None:
    inner = foreign.program({"w": foreign.tensor_of("0", np.ones(2, np.float32))})[2:-1]
    found = read(with_tensors({"model": inner, "none": b"}"}, {"0": np.ones(2, np.float32)}))
    assert list(found) == ["model.w"]


# --- what is refused


def of_safetensors(text: str, body: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + body


def row(shape: Any, offsets: Any, dtype: str = "U8") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": offsets})


def of_program(body: bytes, **more: bytes) -> bytes:
    return packed({"x/data.pkl": b"\x80\x02" + body + b"."} | more)


ONES = {"0": np.ones(4, np.float32)}
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it must be a file of weights, not an empty file; pass a .safetensors file, an "
              ".npz of arrays, or a .pt file of torch.save(model.state_dict())"),
    "legacy": (
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
        "it must be a file of weights, not a PyTorch file of the old kind; load it in PyTorch and "
        "save its state_dict by torch.save"),
    "hdf5": (b"\x89HDF\r\n", "it must be a file of weights, not an HDF5 file; in Keras, write "
             "np.savez(path, **{w.path: w.numpy() for w in model.weights})"),
    "module": (
        of_program(b"ctorch.nn.modules.linear\nLinear\n)\x81"),
        f"it must hold tensors and dicts alone, not torch.nn.modules.linear.Linear; {SAVE}"),
    "script": (packed({"x/data.pkl": foreign.program({}), "x/code/__torch__.py": b""}),
               f"it must hold tensors alone, not a TorchScript program; {SAVE}"),
    "list": (of_program(b"]"), f"it must hold tensors and dicts alone, not a list; {SAVE}"),
    "number": (with_tensors({"epoch": b"K\1"}, {}),
               f"epoch: must be a tensor or a dict of tensors, not int; {SAVE}"),
    "alone": (of_program(foreign.tensor_of("0", ONES["0"]), **{"x/data/0": ONES["0"].tobytes()}),
              f"it must be a dict of tensors, not one alone; {SAVE}"),
    "keys": (of_program(b"}K\1}s"), f"its keys must be texts, not of type int; {SAVE}"),
    "itself": (of_program(b"}q\0" + foreign.text("a") + b"h\0s"),
               f"its dicts must be in one place each, and not nested deeply; {SAVE}"),
    "byteorder": (with_tensors({}, {}, **{"x/byteorder": b"middle"}),
                  "its byteorder must be little or big, not 'middle'; fetch it again"),
    "no storage": (with_tensors({"a": foreign.tensor_of("1", ONES["0"])}, ONES),
                   "a: its numbers must be in x/data/1, which is absent; fetch it again"),
    "short": (with_tensors({"a": foreign.tensor("FloatStorage", "0", 9, 0, (9,), (1,))}, ONES),
              "a: its storage must take 36 bytes, not 16; fetch it again"),
    "beyond": (with_tensors({"a": foreign.tensor("FloatStorage", "0", 4, 2, (3,), (1,))}, ONES),
               "a: must lie within the 4 numbers of its storage, not reach to 4; fetch it again"),
    "repeated": (
        with_tensors({"a": foreign.tensor("FloatStorage", "0", 4, 0, (99, 99), (0, 0))}, ONES),
        "a: the tensors must fit in the bytes of the file, and this one repeats numbers to a shape "
        "of (99, 99); save tensor.clone()"),
    "two types": (
        with_tensors({"a": foreign.tensor_of("0", ONES["0"]),
                      "b": foreign.tensor("IntStorage", "0", 4, 0, (4,), (1,))}, ONES),
        "b: its storage must be of one type, not float32 and int32; save tensor.clone()"),
    "conjugate": (
        with_tensors({"a": foreign.tensor_of("0", ONES["0"])[:-2]
                      + b"}" + foreign.text("conj") + b"\x88stR"}, ONES),
        "a tensor must be stored itself, not as the conjugate or negative of another; save "
        "tensor.resolve_conj().resolve_neg()"),
    "cut": (of_program(b"R"),
            "must be a file of weights, and cannot be read (pop from empty list); fetch it again"),
    "offsets": (of_safetensors(f'{{"a":{row([2], [0, 2])},"b":{row([2], [1, 3])}}}', b"123"),
                "b: must begin at byte 2, not 1; write the file again"),
    "gap": (of_safetensors(f'{{"a":{row([1], [1, 2])}}}', b"12"),
            "a: must begin at byte 0, not 1; write the file again"),
    "size": (of_safetensors(f'{{"a":{row([3], [0, 2], "U8")}}}', b"12"),
             "a: must take 3 bytes for its shape [3], not those from 0 to 2; write the file again"),
    "sides": (of_safetensors(f'{{"a":{row([True], [0, 1])}}}', b"1"),
              "a: its shape must be at most 32 sizes, not [True]; write the file again"),
    "longer": (of_safetensors("{}", b"12"),
               "its arrays must take the 2 bytes behind its header, not 0; fetch it again"),
    "header": ((2**60).to_bytes(8, "little") + b"{}", "its header must fit in its 10 bytes, not "
               "take 1152921504606846976; fetch it again"),
    "twice": (of_safetensors(f'{{"a":{row([1], [0, 1])},"a":{row([1], [0, 1])}}}', b"1"),
              "its names must differ from one another; write the file again"),
    "dtype": (of_safetensors(f'{{"a":{row([1], [0, 1], "F8_E4M3")}}}', b"1"),
              "a: its dtype must be one of F64, F32, F16, BF16, C64, I64, I32, I16, I8, U64, U32, "
              "U16, U8, BOOL, not F8_E4M3; convert it first"),
    "objects": (packed({"a.npy": npy(np.array([Trap()], dtype=object))}),
                "a: must hold numbers, not object; leave it out, since objects are pickles"),
    "texts": (packed({"a.npy": npy(np.array(["x"]))}),
              "a: must hold numbers, not <U1; leave it out, since objects are pickles"),
    "entries": (packed([("a.npy", npy(np.ones(1))), ("a.npy", npy(np.ones(1)))]),
                "its entries must have different names; fetch it again"),
    "other": (packed({"a.txt": b"x"}), "it must be a file of PyTorch or an .npz of NumPy, not an "
              "archive of a.txt; write the arrays by np.savez"),
    "bomb": (packed({"a.npy": bytes(2**27)}, zipfile.ZIP_DEFLATED),
             f"its compressed entries must take at most {2**26} bytes, not {2**27}; write it "
             f"without compression"),
    "bzip2": (packed({"a.npy": npy(np.ones(1))}, zipfile.ZIP_BZIP2),
              "its a.npy must be stored or deflated; write it again"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "text"), REFUSED.values(), ids=REFUSED)
def test_one_sentence(content: bytes, text: str) -> None:
    with pytest.raises(FileError) as e:
        read(content)
    assert str(e.value) == f"BytesIO: {text}"


def test_a_saved_model_is_told_from_arrays() -> None:
    out = io.BytesIO()
    mp.save(mp.zoo.monk(1), out)
    with pytest.raises(FileError, match=r"not a saved model; read it by mp\.load$"):
        read(out.getvalue())


def test_no_file_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere\.pt: no such file; pass a \.safetensors file"):
        mp.read_weights(tmp_path / "nowhere.pt")
    with pytest.raises(mp.errors.ArgumentError, match=r"^read_weights: path must be a path or a "):
        mp.read_weights(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where real pickle would run something, the reader refuses it by its name"""
    trap = pickle.dumps(Trap(), protocol)
    with pytest.raises(SystemExit, match="unpickled"):
        pickle.loads(trap)
    for body in (trap, foreign.program({})[:-2] + foreign.text("a") + trap[:-1] + b"u."):
        with pytest.raises(FileError, match=r"(exec|what \w+ makes|a list); save the tensors"):
            read(packed({"x/data.pkl": body}))
        with pytest.raises(FileError, match="not a pickle" if protocol > 1 else "another format"):
            read(trap)


def test_known_names_are_descriptions() -> None:
    """What a pickle may name is looked up in one table, whose functions are ours"""
    ours = {make.__module__ for make in pickled.KNOWN.values() if make}
    assert ours == {"minprune.files.pickled"}


def test_damaged_files(tmp_path: Path) -> None:
    path, wrong, ways = tmp_path / "w", list[Any](), set[str]()
    for k in range(FILES):
        way, content = foreign.damaged(k)
        path.write_bytes(content)
        ways.add(way)
        if found := fuzz_weights.wrong_with(path)[0]:
            wrong.append((k, way, found))
    assert wrong == []
    assert len(ways) > 12


@pytest.mark.parametrize("k", range(3))
def test_damage_is_seen(k: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness notices another error, two lines, and an array of objects"""
    (tmp_path / "w").write_bytes(b"")
    answers = [lambda p: 1 / 0, lambda p: fail(f"{p}: a\nb"), lambda p: {"a": np.array([None])}]
    monkeypatch.setattr(mp, "read_weights", answers[k])
    assert fuzz_weights.wrong_with(tmp_path / "w")[0]


def fail(text: str) -> None:
    raise FileError(text)


def test_the_harness_watches() -> None:
    assert "pickle.find_class" in fuzz.FORBIDDEN
    assert "exec" in fuzz.FORBIDDEN
