"""Models that minprune 0.1.0 saved load and compute what they did then.

calls.npz holds, for each of them, a batch x, the outputs y of 0.1.0, and its packed masks. The net
of dense, masked and csr has every layer that 0.1.0 knew.
"""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_files import equal

import minprune as mp

FOLDER = Path(__file__).with_name("models_0_1_0")
NAMES = ("dense", "masked", "csr", "blocks", "2_4")
BITS = 2.0**-44  # of a sum of a few dozen float64 products, in whatever order


@pytest.fixture(scope="module")
def calls() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "calls.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_gives_its_outputs(name: str, calls: dict[str, np.ndarray]) -> None:
    model = mp.load(FOLDER / f"{name}.npz")
    assert np.allclose(model(calls[f"{name}.x"]), calls[f"{name}.y"], rtol=BITS, atol=BITS)
    masks = {k: np.packbits(mask).tolist() for k, mask in model.masks.items()}
    begin = f"{name}.mask."
    assert masks == {k[len(begin) :]: m.tolist() for k, m in calls.items() if k.startswith(begin)}


def entries(path: Path) -> dict[str, bytes]:
    """The arrays of a file, unpacked; the header may have more fields than in 0.1.0"""
    with zipfile.ZipFile(path) as archive:
        return {key: archive.read(key) for key in archive.namelist() if key != "header.json"}


@pytest.mark.parametrize("name", NAMES)
def test_saved_again_it_holds_the_same_bytes(name: str, tmp_path: Path) -> None:
    """But for masked entries, which 0.1.0 stored as zeros."""
    model = mp.load(FOLDER / f"{name}.npz")
    mp.save(model, tmp_path / "again.npz")
    assert equal(mp.load(tmp_path / "again.npz"), model)
    same = entries(tmp_path / "again.npz") == entries(FOLDER / f"{name}.npz")
    assert same == (name != "masked")


def test_every_weight_of_the_sparse_ones_is_stored_sparse() -> None:
    formats = {name: mp.load(FOLDER / f"{name}.npz").net.stored for name in NAMES[2:]}
    assert all(formats.values())
    assert not mp.load(FOLDER / "masked.npz").net.stored
