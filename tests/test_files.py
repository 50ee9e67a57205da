"""save and load: round trips, the same bytes, and one whole sentence for each kind of bad file."""

import contextlib
import io
import itertools
import json
import math
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from places import ROOT
from sparsely import bits

import minprune as mp
from benchmarks._damage import entries_of, packed
from minprune.errors import FileError
from minprune.files import describe, rebuild
from minprune.nets.activation_layers import LAYERS as ACTIVATIONS
from minprune.nets.registry import LAYERS

ZOO: dict[str, Callable[..., mp.Model]] = {
    "mlp": lambda **o: mp.zoo.mlp(((2, 3), 3), (4,), **o),
    "lenet_5": lambda **o: mp.zoo.lenet_5(((1, 16, 16), 4), **o),
    "cnn_small": lambda **o: mp.zoo.cnn_small(((1, 4, 4), 3), **o),
    "resnet_small": lambda **o: mp.zoo.resnet_small(((1, 4, 4), 3), 3, **o),
    "monk": lambda **o: mp.zoo.monk(2, **o),
}


def equal(a: mp.Model, b: mp.Model) -> bool:
    kinds = ("params", "buffers", "masks")
    return a.net == b.net and all(bits(getattr(a, k)) == bits(getattr(b, k)) for k in kinds)


def pruned(name: str, **options: Any) -> mp.Model:
    model = ZOO[name](seed=1, **options)
    return mp.prune(model, mp.score(model, None, "random", params="all"), sparsity=0.4)


def every_layer() -> mp.Model:
    """All kinds of layers, with fields that are not the defaults, some of them NumPy's numbers."""
    image = np.int64(4)
    layers: list[Any] = [
        ("conv", mp.Conv2d(2, 4, (3, 1), stride=(1, 2), padding=(1, 0), groups=2, bias=False)),
        ("bn", mp.BatchNorm(4)), ("gn", mp.GroupNorm(np.int64(2), 4)),
        *((f"a_{k}", layer()) for k, layer in ACTIVATIONS.items()),
        ("gelu", mp.GELU(approximate="tanh")),
        ("max", mp.MaxPool((2, 1), stride=1)), ("avg", mp.AvgPool(2, stride=1, padding=1)),
        ("two", mp.Concat(), ("avg", "avg")), ("sum", mp.Add(), ("two", "two")),
        ("mean", mp.GlobalAvgPool(), "sum"), ("flat", mp.Flatten(), "avg"),
        ("all", mp.Concat(), ("flat", "mean")), ("drop", mp.Dropout(np.float32(0.25))),
        ("relu", mp.ReLU()), ("ln", mp.LayerNorm(56)),
        ("fc", mp.Dense(np.int64(56), 2)), ("out", mp.Sigmoid()),
    ]  # fmt: skip
    return mp.initialise(mp.build((2, image, image), layers, "mse"), seed=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ZOO)
def test_a_saved_model_comes_back_bit_for_bit(name: str, dtype: Any, tmp_path: Path) -> None:
    model, path = pruned(name, dtype=dtype), tmp_path / "new" / "model.npz"
    mp.save(model, path)
    back = mp.load(path)
    assert equal(back, model)
    x = np.random.default_rng(0).random((2, *model.net.input_shape))
    assert back(x).tobytes() == model(x).tobytes()
    back.params[next(iter(back.params))][...] = 0  # what comes back is not read-only
    mp.save(model, path)
    mp.save(model, str(path))
    assert os.listdir(path.parent) == ["model.npz"]


def test_every_kind_of_layer_comes_back(tmp_path: Path) -> None:
    model = every_layer()
    line = [("conv", mp.Conv1d(2, 3, 3, stride=2, padding=1)), ("mean", mp.GlobalAvgPool())]
    sequence = mp.initialise(mp.build((2, 9), line))
    mp.save(sequence, tmp_path / "sequence")
    assert equal(mp.load(tmp_path / "sequence"), sequence)
    kinds = {type(n.layer).__name__ for n in (*model.net.nodes, *sequence.net.nodes)}
    assert kinds == set(LAYERS)
    mp.save(model, tmp_path / "m")
    assert equal(mp.load(tmp_path / "m"), model)
    assert rebuild(json.loads(json.dumps(describe(pruned("monk").net)))) == pruned("monk").net


def test_the_order_of_the_dicts_does_not_matter(tmp_path: Path) -> None:
    model = pruned("resnet_small")
    turned = mp.Model(
        model.net, *(dict(reversed(d.items())) for d in (model.params, model.buffers, model.masks))
    )
    mp.save(model, tmp_path / "a")
    mp.save(turned, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    mp.load(tmp_path / "b")


SAVES = """
import sys
import minprune as mp
model = mp.zoo.resnet_small(((1, 4, 4), 3), 3, seed=1)
scores = mp.score(model, None, "random", params="all")
mp.save(mp.prune(model, scores, sparsity=0.4), sys.argv[1])
"""


def test_the_same_bytes_twice_and_in_other_processes(tmp_path: Path) -> None:
    for k in range(2):
        mp.save(pruned("resnet_small"), tmp_path / str(k))
        env = os.environ | {"PYTHONHASHSEED": str(k + 1), "PYTHONPATH": str(ROOT)}
        subprocess.run(
            [sys.executable, "-c", SAVES, tmp_path / f"other{k}"], env=env, check=True, timeout=120
        )
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 1


def test_numpy_reads_the_arrays_without_pickle(tmp_path: Path) -> None:
    model = pruned("resnet_small")
    mp.save(model, tmp_path / "m.npz")
    found = {}
    with np.load(tmp_path / "m.npz", allow_pickle=False) as stored:
        header = json.loads(stored["header.json"])
        for dtype, shapes in header["arrays"].items():
            ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
            parts = np.split(stored[dtype], ends)
            found |= {k: a.reshape(shapes[k]) for k, a in zip(shapes, parts, strict=False)}
    assert header["format"] == "minprune model"
    want = {f"params/{k}": a[model.masks.get(k, ...)] for k, a in model.params.items()}
    want |= {f"buffers/{k}": a for k, a in model.buffers.items()}
    want |= {f"masks/{k}": np.packbits(a) for k, a in sorted(model.masks.items())}
    assert bits(found) == bits(want)
    mask = model.masks["fc.weight"]
    held = np.unpackbits(found["masks/fc.weight"], count=mask.size)
    assert held.reshape(mask.shape).astype(bool).tolist() == mask.tolist()


def noisy(model: mp.Model) -> mp.Model:
    """As after training: no array has round numbers."""
    rng = np.random.default_rng(0)
    params, buffers = (
        {k: (a + rng.normal(0, 0.05, a.shape)).astype(a.dtype) for k, a in arrays.items()}
        for arrays in (model.params, model.buffers)
    )
    return mp.Model(model.net, params, buffers, model.masks)


def test_a_small_net_has_a_small_file(tmp_path: Path) -> None:
    """All beside its parameters, running statistics too, takes at most a twentieth of them."""
    model = noisy(mp.zoo.resnet_small(((1, 28, 28), 10), 8))
    mp.save(model, tmp_path / "m.npz")
    needed = sum(a.nbytes for a in model.params.values())
    assert 19_000 < needed < 21_000
    assert (tmp_path / "m.npz").stat().st_size <= 1.05 * needed


def masked(widths: list[int], sparsity: float, seed: int) -> tuple[mp.Model, mp.Model]:
    """(a dense net of these widths, the same with that share of its weights masked)"""
    pairs = enumerate(itertools.pairwise(widths))
    layers = [(f"fc{k}", mp.Dense(a, b)) for k, (a, b) in pairs]
    dense = mp.initialise(mp.build((widths[0],), layers, "mse"), seed=seed)
    scores = mp.score(dense, None, "random", seed=seed)
    return dense, mp.prune(dense, scores, sparsity=sparsity, minimum=0)


def size_of(model: mp.Model) -> int:
    file = io.BytesIO()
    mp.save(model, file)
    file.seek(0)
    assert equal(mp.load(file), model)
    return len(file.getvalue())


@settings(max_examples=15)
@given(
    widths=st.lists(st.integers(10, 60), min_size=2, max_size=6) | st.just([515, 515]),
    sparsity=st.floats(0.1, 1.0), seed=st.integers(0, 9),
)  # fmt: skip
def test_a_masked_model_has_a_smaller_file(widths: list[int], sparsity: float, seed: int) -> None:
    """From 1,000 weights on, a tenth of them masked, in layers of 100 or more.

    On both sides of what is deflated: 515 squared is just more.
    """
    n = sum(a * b for a, b in itertools.pairwise(widths))
    assume(n >= 1000)
    dense, pruned = masked(widths, sparsity, seed)
    assert size_of(pruned) < size_of(dense)


def test_what_a_masked_entry_holds_comes_back() -> None:
    """Values that are not +0.0, which a Model may hold, are stored as they are."""
    model = pruned("mlp")
    for value in (-0.0, 2.0, np.nan):
        params = {k: a.copy() for k, a in model.params.items()}
        params["fc1.weight"][~model.masks["fc1.weight"]] = value
        size_of(mp.Model(model.net, params, {}, model.masks))


@pytest.mark.parametrize("optimizer", [mp.Adam(), mp.SGD(0.1, momentum=0.9), mp.SGD(0.1)])
def test_training_leaves_no_bit_in_masked_entries(optimizer: Any) -> None:
    rng, model = np.random.default_rng(0), pruned("mlp")
    split = rng.normal(size=(8, 2, 3)).astype(np.float32), rng.integers(0, 3, 8)
    model, _ = mp.fit(model, mp.Dataset(split, split, split), epochs=2, optimizer=optimizer)
    assert all(not model.params[k][~m].tobytes().strip(b"\0") for k, m in model.masks.items())


def test_loading_takes_twice_what_the_model_takes() -> None:
    _, model = masked([1500, 1000], 0.99, 0)
    file = io.BytesIO()
    mp.save(model, file)
    needed = sum(a.nbytes for a in (*model.params.values(), *model.masks.values()))
    assert len(file.getvalue()) < 0.05 * needed
    file.seek(0)
    tracemalloc.start()
    try:
        mp.load(file)
        assert tracemalloc.get_traced_memory()[1] <= 2 * needed
    finally:
        tracemalloc.stop()


def test_small_entries_are_deflated_and_large_ones_stored(tmp_path: Path) -> None:
    most = 2**18 - 32  # entries of float32, beside the 128 bytes that a row begins with
    for units, how in ((most, zipfile.ZIP_DEFLATED), (most + 1, zipfile.ZIP_STORED)):
        model = mp.initialise(mp.build((1,), [("fc", mp.Dense(1, units, bias=False))], "mse"))
        mp.save(model, tmp_path / "m.npz")
        with zipfile.ZipFile(tmp_path / "m.npz") as archive:
            found = {e.filename: e.compress_type for e in archive.infolist()}
        assert found == {"header.json": zipfile.ZIP_DEFLATED, "float32.npy": how}
        assert equal(mp.load(tmp_path / "m.npz"), model)


def test_the_checksum_is_of_what_is_held_and_not_of_how(tmp_path: Path) -> None:
    model, path = pruned("mlp"), tmp_path / "m.npz"
    mp.save(model, path)
    path.write_bytes(forged(path.read_bytes(), lambda entries: None))  # all of it stored
    with zipfile.ZipFile(path) as archive:
        assert {e.compress_type for e in archive.infolist()} == {zipfile.ZIP_STORED}
    assert equal(mp.load(path), model)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "m.npz"
    mp.save(pruned("mlp"), path)
    return path.read_bytes()


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_refused_or_whole(content: bytes, path: Path) -> bool:
    """A damaged file is one sentence, or it did no harm; never another exception, never a lie."""
    path.write_bytes(content)
    try:
        return equal(mp.load(path), pruned("mlp"))
    except FileError as e:
        return "\n" not in str(e) and str(e).startswith(f"{path}: ")


@FUZZ
@given(data=st.data())
def test_damage_is_noticed(data: Any, saved: bytes, tmp_path: Path) -> None:
    content = bytearray(saved)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(saved) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(saved)) | st.just(len(saved)))
    assert is_refused_or_whole(bytes(content[:cut]), tmp_path / "m.npz")


def forged(content: bytes, change: Callable[[dict[str, bytes]], Any]) -> bytes:
    """The archive after `change` of its entries, with checksums of the zip that fit."""
    entries = entries_of(content)
    change(entries)
    return packed(entries)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@FUZZ
@given(data=st.data(), new=json_values)
def test_any_json_in_the_header_is_a_sentence(
    data: Any, new: Any, saved: bytes, tmp_path: Path
) -> None:
    def change(entries: dict[str, bytes]) -> None:
        place = header = json.loads(entries["header.json"])
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
            else:
                break
        place[key] = new
        entries["header.json"] = json.dumps(header).encode()

    path = tmp_path / "m.npz"
    path.write_bytes(forged(saved, change))
    with contextlib.suppress(FileError):  # any other exception fails
        mp.load(path)
