"""format="auto" is arithmetic on measured speeds (measured in sparse_calibrate, kept in _kept)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sparsely import SIDES, TILES, a_mask, apart, masked
from structures import ZOO

import minprune as mp
from minprune.core import Array
from minprune.nets.layer import Layer
from minprune.sparse import Speeds
from minprune.sparse.calibrate import measure
from minprune.sparse.convert import cheapest, fitting
from minprune.sparse.speeds import names

HERE = "a machine"


def known(**ns: float) -> Speeds:
    """Speeds by kind, the same at both batches: 1 unless given."""
    each = {name: ns.get(name.split(",")[0].replace(" ", "_").replace("N:M", "nm"), 1.0)
            for name in names()}  # fmt: skip
    return Speeds(HERE, each)


def mask_of(share: float) -> Array:
    return np.arange(64 * 64).reshape(64, 64) % 64 < share * 64


def chosen(mask: Array, measured: Speeds, batch: int = 64) -> str:
    layer = mp.Dense(*mask.shape[::-1])
    return cheapest(measured, layer, mask, fitting(layer, mask), batch)


@pytest.mark.parametrize(
    ("share", "ns", "want"),
    [
        (0.25, {"csr": 3.63, "blocks": 9}, "csr"),  # it has to win by a tenth
        (0.25, {"csr": 3.64, "blocks": 9}, "dense"),
        (0.25, {"dense": 1.1, "csr": 4, "blocks": 9}, "dense"),  # a tie goes to dense
        (0.25, {"csr": 3.1, "blocks": 3.0}, "8x8"),
        (0.25, {"csr": 3.1, "blocks": 3.1}, "csr"),  # and then to the first that fits
        (1.0, {}, "dense"),
        (1.0, {"csr": 1e-9, "blocks": 1e-9}, "dense"),  # no format does less work there
        (63 / 64, {"csr": 1e-9, "blocks": 9}, "csr"),
        (0.0, {"csr": 1e9, "blocks": 1e9}, "csr"),  # nothing to multiply: 0 for all but dense
    ],
)
def test_the_cheapest_is_multiply_adds_times_speed(
    share: float, ns: dict[str, float], want: str
) -> None:
    assert chosen(mask_of(share), known(**ns)) == want


@pytest.mark.parametrize(
    ("batch", "positions", "want"),
    [(1, 1, "dense"), (64, 1, "dense"), (96, 1, "dense"), (97, 1, "csr"), (1, 96, "dense"),
     (1, 97, "csr"), (8, 13, "csr")],
)  # fmt: skip
def test_a_call_counts_so_small_layers_stay_dense(batch: int, positions: int, want: str) -> None:
    """8 x 8, half live, csr as fast: 64 n of dense against 1.1 (2514 + 32 n), equal at 96.02"""
    calls = {name: 2514.0 * name.startswith("csr") for name in names()}
    given = Speeds(HERE, dict(known(dense=1.0, blocks=1e9, nm=1e9).nanoseconds), calls)
    mask = np.indices((8, 8)).sum(0) % 2 > 0
    assert cheapest(given, mp.Dense(8, 8), mask, ["csr"], batch, positions) == want


def test_sparsify_counts_the_positions_of_a_convolution() -> None:
    """One filter, half live, k x k outputs: 4 n k^2 of dense, 1.1 (819 + 2 n k^2): equal at 501"""
    calls = {name: 819.0 * name.startswith("conv csr") for name in names()}
    given = Speeds(HERE, dict(known().nanoseconds), calls)
    for side, batch, sparse in ((4, 10, False), (23, 1, False), (24, 1, True), (8, 11, True)):
        layers: list[Any] = [("c", mp.Conv2d(1, 1, 2)), ("mean", mp.GlobalAvgPool())]
        net = mp.build((1, side, side), layers, "mse")
        mask = np.array([[[[True, False], [False, True]]]])
        dense = mp.with_masks(mp.initialise(net), {"c.weight": mask})
        assert bool(mp.sparsify(dense, batch=batch, measured=given).net.stored) == sparse


@pytest.mark.parametrize(("kernel", "want"), [(1, "dense"), (2, "dense"), (3, "csr")])
def test_what_a_dense_convolution_unfolds_counts(kernel: int, want: str) -> None:
    """Half live, multiply-adds free: (4 k^2 + 8) of dense against 1.1 (4 + 8) 2, per value moved"""
    moves = {name: 1.0 + name.startswith("conv csr") for name in names()}
    given = Speeds(HERE, dict.fromkeys(names(), 1e-9), moves=moves)
    mask = np.indices((8, 4, kernel, kernel)).sum(0) % 2 > 0
    assert cheapest(given, mp.Conv2d(4, 8, kernel), mask, ["csr"], 64, 9) == want


def test_the_speeds_are_those_of_the_nearer_batch() -> None:
    each = dict(known().nanoseconds) | {"csr, batch 64": 99.0, "blocks, batch 64": 99.0}
    mask = mask_of(0.25)
    assert [chosen(mask, Speeds(HERE, each), n) for n in (1, 7, 9, 64, 10**6)] == [
        "csr", "csr", "dense", "dense", "dense",
    ]  # fmt: skip


def test_convolutions_have_speeds_of_their_own() -> None:
    layer, mask = mp.Conv2d(4, 8, 3), np.zeros((8, 4, 3, 3), bool)
    mask[:2] = True
    assert fitting(layer, mask) == ["csr"]
    for ns, want in ((3.63, "csr"), (3.64, "dense")):
        assert cheapest(known(conv_csr=ns, csr=1e9), layer, mask, ["csr"], 64) == want


@pytest.mark.parametrize("form", ["csr", "2x2", "4x4", "8x8", "2:4", "1:4"])
def test_every_format_that_fits_is_found(form: str) -> None:
    """Exactly those whose constructors take the mask."""
    for seed in range(20):
        mask = a_mask(np.random.default_rng(seed), (9, 11), form)
        found = fitting(mp.Dense(11, 9), mask)
        assert found[0] == "csr"
        assert form in found
        for side in (8, 4, 2):
            starts = range(0, 9, side), range(0, 11, side)
            tiles = [mask[r : r + side, c : c + side] for r in starts[0] for c in starts[1]]
            assert (f"{side}x{side}" in found) == all(t.all() or not t.any() for t in tiles)
        for name in ("2:4", "1:4"):
            keep, group = TILES[name]
            rows = [mask[:, c : c + group] for c in range(0, 11, group)]
            whole = all((r.sum(1) == min(keep, r.shape[1])).all() for r in rows)
            assert (name in found) == whole
    assert {"2x2", "4x4", "8x8"} < set(SIDES)


def test_auto_is_the_same_function_and_survives_the_file(tmp_path: Path) -> None:
    for seed in range(5):
        dense, _ = masked(ZOO["mlp"]().net, seed)
        made = [mp.sparsify(dense, measured=known(dense=2.0, blocks=0.9, nm=0.8)) for _ in range(2)]
        assert made[0].net == made[1].net
        x = np.random.default_rng(0).standard_normal((4, 7))
        assert made[0](x).tobytes() == made[1](x).tobytes()
        assert apart(made[0](x), dense(x)) <= 1e-10
        mp.save(made[0], tmp_path / "m")
        back = mp.load(tmp_path / "m")  # which asks for no speeds
        assert back.net == made[0].net
        assert back(x).tobytes() == made[0](x).tobytes()
    slow = mp.sparsify(dense, measured=known(csr=1e9, blocks=1e9, nm=1e9))
    live = {k: int(m.sum()) for k, m in dense.masks.items()}
    assert set(slow.net.stored) == {k for k, n in live.items() if not n}


def test_what_is_measured_is_what_is_asked_for() -> None:
    """The real measurement, once; no time is judged."""
    *each, doubt = measure()
    assert all(set(found) == set(names()) for found in each)
    assert all(0 <= ns < np.inf for found in each for ns in found.values())
    assert isinstance(doubt, str)
    asked: set[str] = set()

    class Asked(dict[str, float]):
        def __getitem__(self, name: str) -> float:
            asked.add(name)
            return 1.0

    conv = mp.Conv2d(1, 4, 2)
    shapes: list[tuple[Layer, tuple[int, ...]]] = [(mp.Dense(4, 4), (4, 4)), (conv, (4, 1, 2, 2))]
    for layer, shape in shapes:
        mask = np.tile([True, True, False, False], 4).reshape(shape)
        for form in ("csr", "4x4", "2:4")[: 3 if len(shape) == 2 else 1]:
            for batch in (1, 64):
                cheapest(Speeds(HERE, Asked()), layer, mask, [form], batch)
    assert asked == set(names())


def test_printing() -> None:
    each = {"csr, batch 1": 0.25, "dense, batch 64": 12.34567}
    rows = [
        "format           ns per multiply-add  ns per value moved  ns per call",
        "---------------  -------------------  ------------------  -----------",
        "csr, batch 1                  0.2500               0.000         4321",
        "dense, batch 64              12.3457               1.500            0",
    ]
    given = Speeds(HERE, each, {"csr, batch 1": 4321.4}, {"dense, batch 64": 1.5})
    assert str(given) == "\n".join([HERE, *rows])
    given = replace(given, when="2026-01-02 03:04 UTC", where="kept in there/speeds.json")
    about = "measured 2026-01-02 03:04 UTC, kept in there/speeds.json"
    assert str(given) == "\n".join([HERE, about, *rows])
