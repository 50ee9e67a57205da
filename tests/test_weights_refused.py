"""Files that mp.read_weights refuses, in one sentence each; nothing in them is executed."""

import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_read_weights import read, with_tensors

import minprune as mp
from benchmarks import _foreign as foreign
from benchmarks import _hostile, _watched, fuzz_weights
from benchmarks._damage import Trap, npy, packed
from minprune.errors import FileError
from minprune.files import pickled, pytorch
from minprune.files.container import ROOM, room_of

FILES = 150
SAVE = "save the tensors alone, by torch.save(model.state_dict(), path)"


def of_safetensors(text: str, body: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text.encode() + body


def row(shape: Any, offsets: Any, dtype: str = "U8") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": offsets})


def of_program(body: bytes, **more: bytes) -> bytes:
    return packed({"x/data.pkl": b"\x80\x02" + body + b"."} | more)


def untyped(kind: str, n: int) -> bytes:
    """A tensor of a storage of n bytes, which says what they are"""
    made = foreign.tensor("UntypedStorage", "0", n, 0, (n // 2,), (1,)).replace(b"_v2", b"_v3")
    return made[:-2] + b"ctorch\n" + kind.encode() + b"\ntR"


BRACKETS = '{"a":' + "[" * 200_000
OVERLAPPING = _hostile.overlapping(5)
CROWDED = b"".join(_hostile.row(b"%06x" % k, 0, 0, 0) for k in range(21_000))
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
    "again": (of_program(b"}(" + foreign.text("a") + b"}q\0" + foreign.text("b") + b"h\0u"),
              f"its dicts must be in one place each, and not nested deeply; {SAVE}"),
    "deep": (of_program((b"}" + foreign.text("a")) * 8 + b"}" + b"s" * 8),
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
    "33 sides": (of_safetensors(f'{{"a":{row([1] * 33, [0, 1])}}}', b"1"),
                 f"a: its shape must be at most 32 sizes, not {[1] * 32}; write the file again"),
    "brackets": (of_safetensors(BRACKETS), f"its header must take at most {ROOM} bytes to read, "
                 f"not {room_of(BRACKETS.encode())}; split the file"),
    "odd": (with_tensors({"a": untyped("uint16", 5)}, {"0": np.ones(5, np.uint8)}),
            "a: its storage must take 5 bytes, not 5; fetch it again"),
    "overlapping": (OVERLAPPING, f"its entries must fit in its {len(OVERLAPPING)} bytes; fetch it "
                    f"again"),
    "crowded": (CROWDED + _hostile.end(21_000, len(CROWDED), 0), f"its table of entries must take "
                f"at most {2**20} bytes, not {len(CROWDED)}; fetch it again"),
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


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ((pickled, "STEPS", 7), "its data.pkl must have at most 7 instructions"),
        ((pickled, "MOST", 9), "its data.pkl must have at most 9 bytes"),
        ((pytorch, "NAMES", 3), "its tensors must each have a short name of its own"),
    ],
)
def test_limits(limit: tuple[Any, str, int], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = with_tensors({name: foreign.tensor_of("0", ONES["0"]) for name in ("abc", "d")}, ONES)
    assert list(read(content)) == ["abc", "d"]
    monkeypatch.setattr(*limit)
    with pytest.raises(FileError) as e:
        read(content)
    assert str(e.value) == f"BytesIO: {text}; {SAVE}"


def test_a_pickle_that_inflates_beyond_its_claim_takes_no_memory() -> None:
    name = b"x/data.pkl"
    body = foreign.program({}) + bytes(2**26)
    content = bytearray(packed({name.decode(): body}, zipfile.ZIP_DEFLATED))
    at = content.rindex(name) - 22  # where the table says how many bytes it has
    content[at : at + 4] = (100).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(FileError, match="Bad CRC-32"):
        read(bytes(content))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


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


def test_damaged_files() -> None:
    found = _watched.fuzzed(fuzz_weights.SUBJECT, FILES, 1)
    assert found.wrong == []
    assert found.loaded
    assert len(found.kinds) > 12
    assert max(found.grown[0], found.traced[0]) < fuzz_weights.ROOM


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({"a": np.array([None])}, "no array: 'a'"), ({"a": 1.0}, "no array: 'a'"),
        ({"a": np.ones((2, 3)).T}, "a is not contiguous"), ({"a": np.ones(2)}, ""),
    ],
)  # fmt: skip
def test_what_was_read_is_judged(found: Any, wrong: str) -> None:
    assert fuzz_weights.judge([found], b"", 0) == (wrong, True)
