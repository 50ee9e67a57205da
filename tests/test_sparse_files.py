"""Sparse models in files: the same bits back; garbled indices are one sentence, before any use.

Longer than most files: a row per sentence.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sparsely import Formats, apart, masked_models
from test_files import equal, forged

import minprune as mp
from benchmarks._damage import entries_of, npy, signed
from minprune.core import Array
from minprune.errors import FileError
from minprune.files.container import HEADER
from minprune.masking.patterns import Pattern, n_of_m
from minprune.nets.model import Model

Forge = Callable[[dict[str, bytes]], None]
Rows = dict[str, Callable[[Array], Array]]
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@FILES
@given(pair=masked_models, dtype=st.sampled_from([np.float32, np.float64]), n=st.integers(0, 3))
def test_a_sparse_model_comes_back_bit_for_bit(
    pair: tuple[Model, Formats], dtype: type, n: int, tmp_path: Path
) -> None:
    dense, formats = pair
    arrays = ({k: a.astype(dtype) for k, a in d.items()} for d in (dense.params, dense.buffers))
    sparse = mp.sparsify(Model(dense.net, *arrays, dense.masks), formats)
    mp.save(sparse, tmp_path / "m")
    back = mp.load(tmp_path / "m")
    assert equal(back, sparse)
    x = np.random.default_rng(0).standard_normal((n, *sparse.net.input_shape))
    assert back(x).tobytes() == sparse(x).tobytes()
    for name, kind in back.net.indices.items():
        assert back.buffers[name].dtype == kind
        assert not back.buffers[name].flags.writeable
    for w in back.params.values():
        w[...] = 0  # parameters may be written


def small() -> Model:
    """fc1: csr; fc2: 2x2 blocks, 3 x 3; fc3: 2:4; conv: csr, grouped"""
    layers: list[Any] = [
        ("conv", mp.Conv2d(2, 4, 2, groups=2)), ("flat", mp.Flatten()), ("fc1", mp.Dense(4, 3)),
        ("fc2", mp.Dense(3, 3)), ("wide", mp.Dense(3, 6)), ("fc3", mp.Dense(6, 2)),
    ]  # fmt: skip
    model = mp.initialise(mp.build((2, 2, 2), layers), seed=0)
    masks = {name: np.indices(w.shape).sum(0) % 2 > 0 for name, w in model.params.items()
             if name in ("conv.weight", "fc1.weight")}  # fmt: skip
    masks["fc2.weight"] = np.ones((3, 3), bool)
    masks["fc2.weight"][:2, :2] = False
    masks["fc3.weight"] = n_of_m(np.ones((2, 6)), np.ones((2, 6), bool), Pattern(1, 4, 2))
    formats = {"conv": "csr", "fc1": "csr", "fc2": "2x2", "fc3": "2:4"}
    return mp.sparsify(mp.with_masks(model, masks), formats)


def index(name: str, at: int, value: int) -> Forge:
    """One index of the file changed; the checksum fits again."""

    row = "uint8" if name.endswith("positions") else "uint32"

    def change(entries: dict[str, bytes]) -> None:
        def turn(held: Array) -> Array:
            held = held.copy()
            held[start + at] = value
            return held

        shapes = json.loads(entries[HEADER])["arrays"][row]
        before = itertools.takewhile(lambda found: found != f"buffers/{name}", shapes)
        start = sum(int(np.prod(shapes[found])) for found in before)
        about(lambda header: None, {row: turn})(entries)

    return change


def about(change: Callable[[dict[str, Any]], None], rows: Rows | None = None) -> Forge:
    """The header changed, and rows of arrays after it; the checksum fits again."""

    def forge(entries: dict[str, bytes]) -> None:
        header = json.loads(entries[HEADER])
        change(header)
        entries[HEADER] = json.dumps(header).encode()
        for kind, turn in (rows or {}).items():
            held = np.frombuffer(entries[f"{kind}.npy"][128:], kind)
            entries[f"{kind}.npy"] = npy(turn(held).astype(kind))
        entries.update(signed(entries))

    return forge


def fields(layer: str, **changes: Any) -> Forge:
    def change(header: dict[str, Any]) -> None:
        (entry,) = (e for e in header["net"]["layers"] if e["name"] == layer)
        entry["fields"] |= changes

    return about(change)


def of_floats(header: dict[str, Any]) -> None:
    """The indices of fc1 in the row of floats."""
    rows = header["arrays"]
    rows["float32"]["buffers/fc1.columns"] = rows["uint32"].pop("buffers/fc1.columns")


def masked_too(header: dict[str, Any]) -> None:
    header["arrays"]["uint8"]["masks/fc1.weight"] = [1]


MADE = "; make the layer with mp.sparsify"
TILE = (
    "format must be 'csr', blocks of up to '64x64' such as '4x4', or N:M of up to 256 such as "
    "'2:4', not {}; choose one of them, or 'auto' or 'dense' for mp.sparsify"
)
GARBLED: dict[str, tuple[Forge, str]] = {
    "column beyond the edge": (
        index("fc1.columns", 1, 4),
        "fc1: CSR: columns[1] must be below 4, not 4; pass indices that belong to this "
        "matrix and this batch",
    ),
    "tap of another group": (
        index("conv.columns", 0, 4),
        "conv: CSR: columns[0] must be below 4, not 4; pass indices that belong to this "
        "matrix and this batch",
    ),
    "block beyond the edge": (
        index("fc2.columns", 2, 2),
        "fc2: BlockCSR: columns[2] must be below 2, not 2; pass indices that belong to "
        "this matrix and this batch",
    ),
    "a whole block for one that is cut": (
        index("fc2.columns", 0, 0),
        "fc2: BlockCSR: values must have 7 entries, one for each entry of the blocks,"
        " not 5; pass values and indices of one matrix",
    ),
    "positions that fall": (
        index("fc3.positions", 0, 0b01000001),
        "fc3: NofM: columns must climb, 2 in each group of 4 and below 6, but position 1 of row 0 "
        "is column 0; make positions with from_dense",
    ),
    "positions beyond the edge": (
        index("fc3.positions", 1, 0b11000100),
        "fc3: NofM: columns must climb, 2 in each group of 4 and below 6, but position 3 of row 1 "
        "is column 7; make positions with from_dense",
    ),
    "indices that are floats": (
        about(of_floats, {"uint32": lambda a: a[:-6], "float32": lambda a: np.append(a, [0] * 6)}),
        "fc1.columns: the array must be uint32, not float32; make sparse layers with "
        "mp.sparsify",
    ),
    "a mask on what is stored": (
        about(masked_too, {"uint8": lambda a: np.append(a, 0)}),
        "fc1.weight: must have no mask beside its stored entries; mask "
        "mp.densify(model)",
    ),
    "more than there is": (
        fields("fc1", stored=13),
        f"SparseDense: stored must be an integer from 0 to 12, not 13{MADE}",
    ),
    "half an entry": (
        fields("fc1", stored=6.0),
        f"SparseDense: stored must be an integer from 0 to 12, not 6.0{MADE}",
    ),
    "more blocks than entries": (
        fields("fc2", blocks=10),
        f"SparseDense: blocks must be an integer from 0 to 9, not 10{MADE}",
    ),
    "blocks of no format": (
        fields("fc1", blocks=1),
        f"SparseDense: blocks must be an integer from 0 to 0, not 1{MADE}",
    ),
    "more taps than there are": (
        fields("conv", stored=17),
        f"SparseConv: stored must be an integer from 0 to 16, not 17{MADE}",
    ),
    "blocks of a convolution": (
        fields("conv", format="2x2"),
        "SparseConv: format must be 'csr', not '2x2'; choose one of them",
    ),
    "a format of another time": (fields("fc3", format="sell"), TILE.format("'sell'")),
    "a format that is no text": (fields("fc3", format=[2, 4]), TILE.format("(2, 4)")),
    "groups beyond a byte": (fields("fc3", format="2:257"), TILE.format("'2:257'")),
    "blocks of no size": (fields("fc2", format="0x0"), TILE.format("'0x0'")),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "m.npz"
    mp.save(small(), path)
    return path.read_bytes()


@pytest.mark.parametrize("name", GARBLED)
def test_garbled_files_are_refused(name: str, saved: bytes, tmp_path: Path) -> None:
    change, text = GARBLED[name]
    path = tmp_path / "m.npz"
    path.write_bytes(forged(saved, change))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (
        f"{path}: must be a minprune model, and cannot be read ({text}); save it again",
    )


@FILES
@given(data=st.data())
def test_any_index_and_field_is_a_model_or_a_sentence(
    data: Any, saved: bytes, tmp_path: Path
) -> None:
    """What loads also runs, goes back to dense and is saved; never another exception."""
    sparse = small()
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(sparse.net.indices)))
        top = 255 if name.endswith("positions") else 2**32 - 1
        at = data.draw(st.integers(0, sparse.buffers[name].size - 1))
        change = index(name, at, data.draw(st.integers(0, 9) | st.integers(0, top)))
    else:
        layer = data.draw(st.sampled_from(["conv", "fc1", "fc2", "fc3"]))
        keys = ["stored", "blocks", "inputs", "outputs", "format", "groups"]
        odd = st.none() | st.integers(-1, 9) | st.sampled_from([10**12, 10**30, 2.5, "csr", "4:4"])
        change = fields(layer, **{data.draw(st.sampled_from(keys)): data.draw(odd)})
    path = tmp_path / "m.npz"
    path.write_bytes(forged(saved, change))
    found, said = None, ""
    try:
        found = mp.load(path)
    except FileError as e:
        said = str(e)
    if found is None:
        assert said.startswith(f"{path}: ")
        assert "\n" not in said
        return
    x = np.random.default_rng(0).standard_normal((3, 2, 2, 2))
    assert apart(found(x), mp.densify(found)(x)) <= 1e-6  # another sound net of float32, perhaps
    mp.save(found, path)


def test_a_file_that_claims_a_huge_matrix_takes_no_room(saved: bytes, tmp_path: Path) -> None:
    """One layer of 10^6 x 10^12, nothing stored: its indices are all that the file has."""
    rows = 10**6
    layer = mp.sparse.SparseDense(10**12, rows, 0, "64x64", 0, False)
    net = mp.build((10**12,), [("fc", layer)])
    starts = np.zeros(-(-rows // 64) + 1, np.uint32)
    model = Model(net, {"fc.weight": np.zeros(0, np.float32)},
                  {"fc.columns": np.zeros(0, np.uint32), "fc.row_start": starts})  # fmt: skip
    mp.save(model, tmp_path / "m")
    found = mp.load(tmp_path / "m")
    assert "1,000,000,000,000,000,000" in str(found)
    assert (tmp_path / "m").stat().st_size < 4096


def test_the_choice_of_a_format_is_in_the_file(saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(saved)
    back = mp.load(tmp_path / "m")
    assert {n.name: n.layer.format for n in back.net.nodes if n.layer.dense()} == {  # type: ignore[attr-defined]
        "conv": "csr", "fc1": "csr", "fc2": "2x2", "fc3": "2:4",
    }  # fmt: skip
    assert set(entries_of(saved)) == {HEADER, "float32.npy", "uint32.npy", "uint8.npy"}
    assert replace(back, params=back.params)(np.ones((1, 2, 2, 2))).shape == (1, 2)
