"""The speeds of a machine are measured once, and kept in a file that may be damaged."""

import json
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from sparsely import masked
from structures import ZOO

import minprune as mp
from minprune.errors import MinpruneWarning
from minprune.sparse import Speeds, speeds
from minprune.sparse.calibrate import Measured
from minprune.sparse.speeds import here, names, version

MADE = {name: 1.0 + k for k, name in enumerate(names())}
CALLS = {name: 10.0 * k for k, name in enumerate(names())}  # the first is 0, which may be
MOVES = {name: 0.1 * k for k, name in enumerate(names())}
BUSY = (
    "speeds: it is loud, as on a machine that is busy, so this process alone uses them; call "
    "mp.sparse.speeds(again=True) when less is running"
)


@pytest.fixture
def doubts() -> list[str]:
    """What is to be doubted at the next measurements; nothing when these are used up."""
    return []


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, doubts: list[str]) -> list[int]:
    """How often it was measured; the cache is in tmp_path / "cache"."""
    done: list[int] = []

    def fake() -> Measured:
        done.append(1)
        return Measured(dict(MADE), dict(CALLS), dict(MOVES), doubts.pop() if doubts else "")

    monkeypatch.setitem(speeds.__globals__, "_unkept", {})
    monkeypatch.setenv("MINPRUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(speeds.__globals__, "measure", fake)
    return done


def test_measured_once_and_kept(runs: list[int], tmp_path: Path) -> None:
    first = speeds()
    assert (first.nanoseconds, first.calls, first.moves) == (MADE, CALLS, MOVES)
    assert first.where == f"kept in {tmp_path / 'cache' / 'speeds.json'}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", first.when)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["speeds.json"]
    assert speeds() == first
    assert len(runs) == 1
    assert replace(speeds(again=True), when=first.when) == first
    assert len(runs) == 2
    (tmp_path / "cache" / "speeds.json").unlink()
    speeds()
    assert len(runs) == 3


ENTRY = '{"kernels": "CODE", "when": "x", "calls": CALLS, "moves": MOVES, "nanoseconds": %s}'
GARBLED = [
    "", "{", "[]", "7", "null", '"x"', "{}", "\udcff", '{"HERE": 3}', "[" * 100_000,
    '{"HERE": {}}', '{"HERE": {"kernels": "CODE"}}', '{"HERE": {"nanoseconds": ALL}}',
    *(f'{{"HERE": {ENTRY % text}}}' for text in ("3", "{}", "[1]", "null")),
    f'{{"HERE": {ENTRY.replace("CODE", "of another time") % "ALL"}}}',
    *(f'{{"HERE": {ENTRY.replace(*gone) % "ALL"}}}' for gone in (
        ('"kernels": "CODE", ', ""), ('"when": "x", ', ""), ('"calls": CALLS, ', ""),
        ('"moves": MOVES, ', ""), ("CALLS", "{}"), ("MOVES", "{}"),
    )),
    f'{{"another": {ENTRY % "ALL"}}}',
]  # fmt: skip
BAD_NUMBERS = ["NaN", "Infinity", "-1", '"fast"', "null", "[]", "1" + "0" * 400]
BAD = [f'{{REST, "csr, batch 1": {n}}}' for n in BAD_NUMBERS]
GARBLED += [f'{{"HERE": {ENTRY % text}}}' for text in BAD]
GARBLED += [
    f'{{"HERE": {ENTRY.replace(word, put) % "ALL"}}}'
    for word in ("CALLS", "MOVES")
    for put in ('{REST, "csr, batch 1": -0.5}', '{REST, "csr, batch 1": NaN}')
]


def in_file(text: str) -> bytes:
    """HERE, CODE, ALL and REST stand for this machine, these kernels, all speeds, all but one."""
    rest = {k: v for k, v in MADE.items() if k != "csr, batch 1"}
    each = {
        "HERE": here(), "CODE": version(), "CALLS": json.dumps(CALLS), "MOVES": json.dumps(MOVES),
        "ALL": json.dumps(MADE), "REST": json.dumps(rest)[1:-1],
    }  # fmt: skip
    for word, put in each.items():
        text = text.replace(word, put)
    return text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", GARBLED)
def test_a_garbled_file_is_measured_anew(text: str, runs: list[int], tmp_path: Path) -> None:
    path = tmp_path / "cache" / "speeds.json"
    path.parent.mkdir()
    path.write_bytes(in_file(text))
    assert speeds().nanoseconds == MADE
    assert len(runs) == 1
    assert speeds().nanoseconds == MADE  # and written again
    assert len(runs) == 1


def test_more_in_the_file_than_is_needed_does_no_harm(runs: list[int], tmp_path: Path) -> None:
    path = tmp_path / "cache" / "speeds.json"
    path.parent.mkdir()
    entry = ENTRY % '{"new": 1.0, REST, "csr, batch 1": 7.0}'
    path.write_bytes(in_file(f'{{"HERE": {entry}, "another": {{"nanoseconds": 3}}, "more": 1}}'))
    assert speeds().nanoseconds == MADE | {"csr, batch 1": 7.0}
    assert not runs
    speeds(again=True)
    assert json.loads(path.read_text())["more"] == 1  # those of other machines stay


def test_an_unwritable_folder_means_one_measurement_for_each_process(
    runs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    first = speeds()
    assert first.nanoseconds == MADE
    assert first.where == "not kept: the cache folder cannot be written to"
    assert speeds() == first
    assert len(runs) == 1
    speeds(again=True)
    assert len(runs) == 2

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MINPRUNE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert speeds(again=True).nanoseconds == MADE
    assert speeds().where == "not kept: the cache folder cannot be written to"
    assert len(runs) == 3


def test_what_is_doubted_is_used_by_this_process_and_not_kept(
    runs: list[int], doubts: list[str], tmp_path: Path
) -> None:
    """And said, once; the next that is not doubted is kept."""
    doubts += ["it is loud"]
    with pytest.warns(MinpruneWarning) as said:
        first = speeds()
    assert [str(w.message) for w in said] == [BUSY]
    assert (first.nanoseconds, first.where) == (MADE, "not kept: it is loud")
    assert not (tmp_path / "cache").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert speeds() == first
        assert len(runs) == 1
        assert speeds(again=True).where.startswith("kept in ")
        assert speeds().where.startswith("kept in ")
    assert len(runs) == 2


def test_a_doubted_measurement_replaces_none_that_is_kept(
    runs: list[int], doubts: list[str]
) -> None:
    first = speeds()
    doubts += ["it is loud"]
    with pytest.warns(MinpruneWarning):
        assert speeds(again=True).where == "not kept: it is loud"
    assert speeds() == first
    assert len(runs) == 2


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
    """Each is measured once, however often they take turns."""
    for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    every = f"all {os.cpu_count()}"
    turns = (
        ("OPENBLAS_NUM_THREADS", "1", f"1 of BLAS, {every} of kernels"),
        ("OPENBLAS_NUM_THREADS", "2", f"2 of BLAS, {every} of kernels"),
        ("NUMBA_NUM_THREADS", "3", "2 of BLAS, 3 of kernels"),
    )
    for count in (3, 3):
        monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
        for name, threads, text in turns:
            monkeypatch.setenv(name, threads)
            assert speeds().machine.endswith(f"threads: {text}")
        assert len(runs) == count
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # which OpenBLAS takes, too
    assert speeds().machine.endswith("threads: 2 of BLAS, 3 of kernels")
    assert len(runs) == 3


def test_sparsify_measures_where_it_must_choose_and_only_there(runs: list[int]) -> None:
    dense, formats = masked(ZOO["mlp"]().net, 0)
    mp.sparsify(dense, formats)
    mp.sparsify(dense, "csr")
    mp.sparsify(dense, "auto", measured=Speeds("none", MADE))
    mp.sparsify(ZOO["mlp"](), "auto")
    assert not runs
    mp.sparsify(dense, "auto")
    mp.sparsify(dense)
    assert len(runs) == 1


def test_one_measurement_for_all_layers_where_none_can_be_kept(
    runs: list[int], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    dense, formats = masked(ZOO["mlp"]().net, 0)
    assert len(formats) == 3
    mp.sparsify(dense)
    assert len(runs) == 1
