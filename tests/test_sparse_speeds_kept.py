"""The speeds of a machine are measured once, and kept in a file that may be damaged."""

import json
import os
from pathlib import Path

import pytest
from sparsely import masked
from structures import ZOO

import minprune as mp
from minprune.sparse import Speeds, speeds
from minprune.sparse.speeds import here, names, version

MADE = {name: 1.0 + k for k, name in enumerate(names())}
CALLS = {name: 10.0 * k for k, name in enumerate(names())}  # the first is 0, which may be


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often it was measured; the cache is in tmp_path / "cache"."""
    done: list[int] = []

    def fake() -> tuple[dict[str, float], dict[str, float]]:
        done.append(1)
        return dict(MADE), dict(CALLS)

    monkeypatch.setenv("MINPRUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(speeds.__globals__, "measure", fake)
    return done


def test_measured_once_and_kept(runs: list[int], tmp_path: Path) -> None:
    first = speeds()
    assert (first.nanoseconds, first.calls) == (MADE, CALLS)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["speeds.json"]
    assert speeds() == first
    assert len(runs) == 1
    assert speeds(again=True) == first
    assert len(runs) == 2


ENTRY = '{"kernels": "CODE", "calls": CALLS, "nanoseconds": %s}'
GARBLED = [
    "", "{", "[]", "7", "null", '"x"', "{}", "\udcff", '{"HERE": 3}', "[" * 100_000,
    '{"HERE": {}}', '{"HERE": {"kernels": "CODE"}}', '{"HERE": {"nanoseconds": ALL}}',
    *(f'{{"HERE": {ENTRY % text}}}' for text in ("3", "{}", "[1]", "null")),
    '{"HERE": {"kernels": "of another time", "calls": CALLS, "nanoseconds": ALL}}',
    '{"HERE": {"kernels": "CODE", "nanoseconds": ALL}}',
    '{"HERE": {"kernels": "CODE", "calls": {}, "nanoseconds": ALL}}',
    f'{{"another": {ENTRY % "ALL"}}}',
]  # fmt: skip
BAD_NUMBERS = ["NaN", "Infinity", "-1", "0", '"fast"', "null", "[]", "1" + "0" * 400]
BAD = [f'{{REST, "csr, batch 1": {n}}}' for n in BAD_NUMBERS]
GARBLED += [f'{{"HERE": {ENTRY % text}}}' for text in BAD]
GARBLED += ['{"HERE": {"kernels": "CODE", "calls": {REST, "csr, batch 1": -0.5}, '
            '"nanoseconds": ALL}}']  # fmt: skip


def in_file(text: str) -> bytes:
    """HERE, CODE, ALL and REST stand for this machine, these kernels, all speeds, all but one."""
    rest = {k: v for k, v in MADE.items() if k != "csr, batch 1"}
    each = {"HERE": here(), "CODE": version(), "CALLS": json.dumps(CALLS), "ALL": json.dumps(MADE),
            "REST": json.dumps(rest)[1:-1]}  # fmt: skip
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
