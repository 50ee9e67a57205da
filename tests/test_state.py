"""States: trees that come back to the bit, and files that are refused."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from test_files import forged
from watching import half_masked, same, small_net

from minprune.errors import ArgumentError, FileError
from minprune.files.container import write
from minprune.files.reader import read
from minprune.train.history import History
from minprune.train.state import DTYPES, KIND, content, load_tree, pack, save_tree, unpack

values = arrays(st.sampled_from(DTYPES), array_shapes(min_dims=0, min_side=0, max_side=3))
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | values
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["a/b", "..", "a_b"]), inner)
    ),
    max_leaves=8,
)


def save(path: Path, arrays: dict[str, Any], meta: Any) -> None:
    """A state whose names and JSON need not be those of a tree."""
    write(KIND, path, {"meta": meta}, arrays)


def load(path: Path) -> tuple[dict[str, Any], Any]:
    """The arrays and the JSON of a state."""
    return read(KIND, path, content)


def alike(a: Any, b: Any) -> bool:
    """The same types, the same order, the same bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b, strict=True))
    return repr(a) == repr(b)


FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@FILES
@example(tree=np.array(False))
@given(tree=trees)
def test_a_tree_comes_back_to_the_bit(tree: Any, tmp_path: Path) -> None:
    save_tree(tmp_path / "t.npz", tree, "test")
    first = (tmp_path / "t.npz").read_bytes()
    assert alike(load_tree(tmp_path / "t.npz"), tree)
    save_tree(tmp_path / "t.npz", tree, "test")
    assert (tmp_path / "t.npz").read_bytes() == first


WRONG: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "a list for a tuple": (lambda t: [unpack_plain(v) for v in t], (1, 2)),
    "a number for an array": (lambda t: json.loads(json.dumps(t.tolist())), np.ones(2)),
    "float64 for float32": (lambda t: t.astype(float), np.ones(2, np.float32)),
    "sorted keys": (lambda t: dict(sorted(t.items())), {"b": 1, "a": 2}),
    "an array for a scalar": (np.asarray, np.float32(2)),
    "-0 for 0": (lambda t: -t, 0.0),
}


def unpack_plain(value: Any) -> Any:
    return value


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_trees_rejects(name: str) -> None:
    turn, tree = WRONG[name]
    assert not alike(turn(tree), tree)
    assert alike(unpack(*pack(tree, "test")), tree)


def test_models_and_histories_are_values_too(tmp_path: Path) -> None:
    model, history = half_masked(small_net()), History()
    history.step(1, 0.5, 0.25, 0.1, 0.0)
    history.epoch(1, 0.5, float("nan"), 1.0, 0.0, 2.0)
    history.extra = {"gate": np.ones((2, 3))}
    save_tree(tmp_path / "t", {"model": model, "all": [history, History()]}, "test")
    back = load_tree(tmp_path / "t")
    assert same(back["model"], model)
    assert back["model"].net == model.net
    assert list(back["model"].params) == list(model.params)
    assert {k: m.tolist() for k, m in back["model"].masks.items()} == {
        k: m.tolist() for k, m in model.masks.items()
    }
    assert alike(back["all"][0].steps, history.steps)
    assert alike(back["all"][0].epochs, history.epochs)
    assert alike(back["all"][0].extra, history.extra)
    assert back["all"][1] == History()


def test_numpy_reads_a_state_without_pickle(tmp_path: Path) -> None:
    a = np.arange(6.0).reshape(2, 3).T
    save(tmp_path / "s.npz", {"w/x.y": a, "z": np.float32(2)}, {"k": [1, np.int64(2)]})
    with np.load(tmp_path / "s.npz", allow_pickle=False) as stored:
        assert np.array_equal(stored["float64"], a.ravel())
    found, meta = load(tmp_path / "s.npz")
    assert meta == {"k": [1, 2]}
    assert found["z"].shape == ()
    found["z"][...] = 3  # what comes back is not read-only


class Trap:
    """Something that no state may hold."""


UNSAVED: dict[str, tuple[Any, str]] = {
    "object": (Trap(), "it is a Trap"),
    "deep": ({"a": [0, Trap()]}, "a.1 is a Trap"),
    "array": ({"a": np.array([Trap()])}, "a is an array of object"),
    "half": (np.float16(1), "it is an array of float16"),
    "keys": ({1: 2}, "it is a dict whose keys are not all text"),
    "subclass": ([type("Inner", (tuple,), {})()], "0 is an Inner"),
}


@pytest.mark.parametrize("name", UNSAVED)
def test_what_cannot_be_saved_is_named(name: str) -> None:
    tree, text = UNSAVED[name]
    with pytest.raises(ArgumentError) as caught:
        pack(tree, "SET")
    assert caught.value.args == (
        f"SET: {text}, which cannot be saved; "
        f"hold None, numbers, text, arrays, or lists and dicts (with text as keys) of them",
    )


@pytest.mark.parametrize("name", ["../up", "/root", "a//b", "", ".hidden", "a\\b", "C:x", "a/.."])
def test_no_name_is_a_path(name: str, tmp_path: Path) -> None:
    save(tmp_path / "s", {"a": np.ones(1)}, None)
    damage(tmp_path / "s", arrays={"float64": {name: [1]}})
    with pytest.raises(FileError) as caught:
        load(tmp_path / "s")
    assert caught.value.args == (
        f"{tmp_path / 's'}: the name of an array must hold letters, digits and _-./ and be no "
        f"path, not {name!r}; delete it to start again",
    )
    save_tree(tmp_path / "s", {name: np.ones(1)}, "test")  # under another name
    assert list(load(tmp_path / "s")[0]) != [name]
    assert list(load_tree(tmp_path / "s")) == [name]


def damage(path: Path, **changes: Any) -> None:
    def change(entries: dict[str, bytes]) -> None:
        header = json.loads(entries["header.json"]) | changes
        entries["header.json"] = json.dumps(header).encode()

    path.write_bytes(forged(path.read_bytes(), change))


def too_big(*shape: int) -> str:
    """NumPy's own words."""
    with pytest.raises(ValueError, match=r"big|dimension") as caught:
        np.empty(shape)
    return str(caught.value)


AGAIN = "delete it to start again"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "values": ({"meta": 2}, "its checksum must match what it holds, and the file is damaged; "
                            f"{AGAIN}"),
    "future": (
        {"version": 4}, "its format version must be 3 for this minprune, not 4; "
                        "use a newer minprune",
    ),
    "past": (
        {"version": 1}, "its format version must be 3 for this minprune, not 1; "
                        "use an older minprune",
    ),
    "dtype": (
        {"arrays": {"object": {"a": [3]}}},
        "its arrays must be bool, float32, float64, int8, int16, int32, int64, uint8, uint16,"
        " uint32, uint64, not object; delete it to start again",
    ),
    "absurd": (
        {"arrays": {"float64": {"a": [10**18, 10**18]}}},
        f"its float64.npy must take {128 + 8 * 10**36} bytes for {10**36} entries, not 152; "
        f"{AGAIN}",
    ),
    "absurd and empty": (
        {"arrays": {"float64": {"a": [3], "b": [10**18, 0, 10**18]}}},
        f"must be a minprune state, and cannot be read ({too_big(10**18, 0, 10**18)}); {AGAIN}",
    ),
    "negative": (
        {"arrays": {"float64": {"a": [-3]}}}, "the shape of a must hold sizes, not [-3]; "
                                              "delete it to start again",
    ),
    "absent": (
        {"arrays": {"float32": {"a": [3]}}},
        "it must hold float32.npy, and does not; pass a file that mp.fit or a job wrote",
    ),
    "too many": (
        {"arrays": {}}, "it must not hold 'float64.npy'; pass a file that mp.fit or a job wrote",
    ),
    "another order": (
        {"arrays": {"float64": {"b": [1], "a": [2]}}},
        "its checksum must match what it holds, and the file is damaged; delete it to start "
        "again",
    ),
    "no dict": (
        {"arrays": 3},
        f"must be a minprune state, and cannot be read "
        f"('int' object has no attribute 'values'); {AGAIN}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_state_is_one_sentence(name: str, tmp_path: Path) -> None:
    path, (changes, text) = tmp_path / "s", REFUSED[name]
    save(path, {"a": np.ones(3)}, 1)
    damage(path, **changes)
    with pytest.raises(FileError) as caught:
        load(path)
    assert caught.value.args == (f"{path}: {text}",)


def test_a_state_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        load(tmp_path / "s")
    assert caught.value.args == (f"{tmp_path / 's'}: no such file; pass the path of a saved state",)


def test_values_within_values_without_end_are_one_sentence(tmp_path: Path) -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    save(tmp_path / "s", {}, deep)
    with pytest.raises(
        FileError, match=r"s: must be a checkpoint, and cannot be read \(RecursionError: .*again$"
    ):
        load_tree(tmp_path / "s")


def test_a_sentence_stays_short_and_one_line(tmp_path: Path) -> None:
    save(tmp_path / "s", {}, {"array": "x" * 9999})
    with pytest.raises(FileError) as caught:
        load_tree(tmp_path / "s")
    text = str(caught.value).removeprefix(str(tmp_path))
    assert "\n" not in text
    assert len(text) < 400


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        save(tmp_path / "s", {}, "x" * 2**24)
    assert caught.value.args[0].startswith(
        f"{tmp_path / 's'}: its header must have at most 16777216 bytes, not 167"
    )
    assert caught.value.args[0].endswith("; store numbers in arrays, in few of them")
    assert not os.listdir(tmp_path)


def test_states_are_stored_and_not_deflated(tmp_path: Path) -> None:
    """They are written often: no time goes into making them small."""
    save(tmp_path / "s", {"a": np.zeros(999)}, None)
    with zipfile.ZipFile(tmp_path / "s") as archive:
        assert {e.compress_type for e in archive.infolist()} == {zipfile.ZIP_STORED}


@FILES
@given(data=st.data())
def test_damage_is_noticed(data: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    save(path, {"a": np.arange(5), "b": np.ones((2, 2), np.float32)}, {"k": [1, 2.5]})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    assert is_refused_or_whole(path)


def is_refused_or_whole(path: Path) -> bool:
    try:
        found, meta = load(path)
    except FileError as e:
        return "\n" not in str(e) and str(e).startswith(f"{path}: ")
    whole = alike(found, {"a": np.arange(5), "b": np.ones((2, 2), np.float32)})
    return whole and alike(meta, {"k": [1, 2.5]})
