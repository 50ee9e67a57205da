"""format="auto" is arithmetic on measured speeds, which are measured once and kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from sparsely import SIDES, TILES, a_mask, apart, masked
from structures import ZOO

import minprune as mp
from minprune.core import Array
from minprune.nets.layer import Layer
from minprune.sparse import Speeds, speeds
from minprune.sparse.convert import fitting
from minprune.sparse.speeds import cheapest, measure, names

HERE = "a machine"
MADE = {name: 1.0 + k for k, name in enumerate(names())}


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
        (0.25, {"csr": 3.19, "blocks": 9}, "csr"),  # it has to win by a quarter
        (0.25, {"csr": 3.21, "blocks": 9}, "dense"),
        (0.25, {"csr": 3.2, "blocks": 9}, "dense"),  # a tie goes to dense
        (0.25, {"csr": 3.1, "blocks": 3.0}, "8x8"),
        (0.25, {"csr": 3.1, "blocks": 3.1}, "csr"),  # and then to the first that fits
        (1.0, {}, "dense"),
        (0.0, {"csr": 1e9, "blocks": 1e9}, "csr"),  # nothing to multiply: 0 for all but dense
    ],
)
def test_the_cheapest_is_multiply_adds_times_speed(
    share: float, ns: dict[str, float], want: str
) -> None:
    assert chosen(mask_of(share), known(**ns)) == want


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
    for ns, want in ((3.19, "csr"), (3.21, "dense")):
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


# --- measured once, and kept


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often it was measured; the cache is in tmp_path / "cache"."""
    done: list[int] = []

    def fake() -> dict[str, float]:
        done.append(1)
        return dict(MADE)

    monkeypatch.setenv("MINPRUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(speeds.__globals__, "measure", fake)
    return done


def test_measured_once_and_kept(runs: list[int], tmp_path: Path) -> None:
    first = speeds()
    assert first.nanoseconds == MADE
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["speeds.json"]
    assert speeds() == first
    assert len(runs) == 1
    assert speeds(again=True) == first
    assert len(runs) == 2


GARBLED = [
    "", "{", "[]", "7", "null", '"x"', "{}", "\udcff", '{"machine": "HERE"}', "[" * 100_000,
    '{"machine": "HERE", "nanoseconds": 3}', '{"machine": "HERE", "nanoseconds": {}}',
    '{"machine": "HERE", "nanoseconds": [1]}', '{"nanoseconds": ALL}',
    '{"machine": "another", "nanoseconds": ALL}',
]  # fmt: skip
BAD_NUMBERS = ["NaN", "Infinity", "-1", "0", '"fast"', "null", "[]", "1" + "0" * 400]


@pytest.mark.parametrize("text", GARBLED + [f'{{"machine": "HERE", "nanoseconds": {{"csr, batch 1":'
                                            f' {n}, REST}}}}' for n in BAD_NUMBERS])  # fmt: skip
def test_a_garbled_file_is_measured_anew(text: str, runs: list[int], tmp_path: Path) -> None:
    path, machine = tmp_path / "cache" / "speeds.json", speeds().machine
    rest = {k: v for k, v in MADE.items() if k != "csr, batch 1"}
    text = text.replace("HERE", machine).replace("ALL", json.dumps(MADE))
    path.write_bytes(
        text.replace("REST", json.dumps(rest)[1:-1]).encode("utf-8", "surrogateescape")
    )
    assert speeds().nanoseconds == MADE
    assert len(runs) == 2
    assert speeds().nanoseconds == MADE  # and written again
    assert len(runs) == 2


def test_more_in_the_file_than_is_needed_is_left_out(runs: list[int], tmp_path: Path) -> None:
    path, machine = tmp_path / "cache" / "speeds.json", speeds().machine
    more = {"machine": machine, "nanoseconds": MADE | {"new": 1.0}, "more": 1}
    path.write_text(json.dumps(more))
    assert speeds().nanoseconds == MADE
    assert len(runs) == 1


def test_a_folder_that_cannot_be_written_to(
    runs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    assert speeds().nanoseconds == speeds().nanoseconds == MADE
    assert len(runs) == 2

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINPRUNE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert speeds().nanoseconds == MADE
    assert len(runs) == 3


def test_where_the_cache_is(
    runs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINPRUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    speeds()
    assert (tmp_path / "xdg" / "minprune" / "speeds.json").exists()


def test_another_thread_count_is_another_machine(
    runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in ("1", "2", "2"):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        assert f"{threads} BLAS thread(s)" in speeds().machine
    assert len(runs) == 2


def test_sparsify_measures_where_it_must_choose_and_only_there(runs: list[int]) -> None:
    dense, formats = masked(ZOO["mlp"]().net, 0)
    mp.sparsify(dense, formats)
    mp.sparsify(dense, "csr")
    mp.sparsify(dense, "auto", measured=known())
    mp.sparsify(ZOO["mlp"](), "auto")
    assert not runs
    mp.sparsify(dense, "auto")
    mp.sparsify(dense)
    assert len(runs) == 1


def test_what_is_measured_is_what_is_asked_for() -> None:
    """The real measurement, once; no time is judged."""
    found = measure()
    assert set(found) == set(names())
    assert all(0 < ns < np.inf for ns in found.values())
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
    text = str(Speeds(HERE, {"csr, batch 1": 0.25, "dense, batch 64": 12.34567}))
    assert text == "\n".join([
        HERE,
        "format           ns per multiply-add",
        "---------------  -------------------",
        "csr, batch 1                  0.2500",
        "dense, batch 64              12.3457",
    ])  # fmt: skip
