"""mp.export_safetensors: the bytes that the format asks for, whatever the strides and layers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minprune as mp
from minprune.errors import ArgumentError, FileError

NET = mp.build((2, 4, 4), [
    ("0", mp.Conv2d(2, 3, 2)), ("1", mp.BatchNorm(3)), ("2", mp.Flatten()), ("3", mp.Dense(27, 2)),
])  # fmt: skip
MODEL = mp.initialise(NET, seed=1)
MASKED = mp.prune(MODEL, mp.score(MODEL, None, "magnitude"), sparsity=0.5)


def test_bytes(tmp_path: Path) -> None:
    """A header of a multiple of 8 bytes, the widest numbers first, little-endian, C-contiguous"""
    turned = np.array([[1, 2], [3, 4]], np.int16).T
    mp.export_safetensors(
        {"b": turned, "a": np.ones(1, ">f4"), "c": np.ones(1, bool)}, tmp_path / "w"
    )
    content = (tmp_path / "w").read_bytes()
    n = int.from_bytes(content[:8], "little")
    assert n % 8 == 0
    assert json.loads(content[8 : 8 + n]) == {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "I16", "shape": [2, 2], "data_offsets": [4, 12]},
        "c": {"dtype": "BOOL", "shape": [1], "data_offsets": [12, 13]},
    }
    assert content[8 + n :] == b"\0\0\x80\x3f" + bytes([1, 0, 3, 0, 2, 0, 4, 0, 1])


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_model(sparse: bool, masks: bool, tmp_path: Path) -> None:
    model = mp.sparsify(MASKED, {"3": "csr"}) if sparse else MASKED
    mp.export_safetensors(model, tmp_path / "w", masks=masks)
    found = mp.read_weights(tmp_path / "w")
    want: dict[str, Any] = dict(MASKED.params) | dict(MASKED.buffers)
    if masks:
        want |= {f"{k}_mask": mask for k, mask in MASKED.masks.items()}
    assert {k: (a.dtype, a.tobytes()) for k, a in found.items()} == {
        k: (a.dtype, a.tobytes()) for k, a in want.items()
    }
    again = mp.from_arrays(NET, found)
    assert again.masks.keys() == (MASKED.masks.keys() if masks else set())
    assert np.array_equal(again(np.ones((1, 2, 4, 4))), MASKED(np.ones((1, 2, 4, 4))))


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError) as e:
        mp.export_safetensors({"a": np.ones(1, "c16")}, tmp_path / "w")
    assert str(e.value) == (
        "a: its dtype must be one that safetensors has, not complex128; leave it out"
    )
    with pytest.raises(FileError) as e:
        mp.export_safetensors({"__metadata__": np.ones(1)}, tmp_path / "w")
    assert str(e.value) == (
        "__metadata__: the name must be left to the format; call the array otherwise"
    )
    with pytest.raises(ArgumentError, match=r"^export_safetensors: model must be a dict of arrays"):
        mp.export_safetensors(3, tmp_path / "w")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
