"""The benchmark harness: interleaved timings, verdicts, reasons to skip, complete files."""

import ast
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import sources

from benchmarks import harness
from benchmarks.__main__ import main, names
from benchmarks.harness import Row, Timing, against, interleave, timing, within

ROOT = Path(__file__).parent.parent


def turns_of(run, repeats, warmup):
    """The names in the order in which `run` calls two functions."""
    calls = []
    fns = {name: lambda name=name: calls.append(name) or 1.0 for name in ("ours", "peer")}
    run(fns, repeats=repeats, warmup=warmup, measure=harness.float_of)
    return calls


def is_fair(calls):
    """Both called once a turn, and each first in half of the turns (but for an odd one out)."""
    turns = [tuple(calls[at : at + 2]) for at in range(0, len(calls), 2)]
    firsts = [turn[0] for turn in turns]
    once = all(sorted(turn) == ["ours", "peer"] for turn in turns)
    return once and abs(firsts.count("ours") - firsts.count("peer")) <= 1


@given(repeats=st.integers(7, 20), warmup=st.integers(0, 3))
def test_functions_take_fair_turns(repeats, warmup):
    calls = turns_of(interleave, repeats, warmup)
    assert len(calls) == 2 * (repeats + warmup)
    assert is_fair(calls)
    assert is_fair(calls[2 * warmup :])


@pytest.mark.parametrize(
    "unfair", [["ours", "peer"] * 7, ["ours"] * 7 + ["peer"] * 7], ids=["same order", "blocks"]
)
def test_unfair_turns_are_seen(unfair):
    assert not is_fair(unfair)


def test_warm_up_does_not_count():
    seconds = iter([100.0, 100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    found = interleave({"a": lambda: next(seconds)}, warmup=2, measure=harness.float_of)
    assert found == {"a": Timing(median=4.0, spread=3.0, repeats=7)}


def test_too_few_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats") as error:
        interleave({"a": int}, repeats=6)
    assert error.value.args == (
        "interleave: repeats must be at least 7, not 6; the median of fewer is luck",
    )


@given(st.lists(st.floats(0, 1e6), min_size=7, max_size=30), st.randoms())
def test_a_timing_is_a_median_whatever_the_order(values, random):
    found = timing(values)
    assert found.median == statistics.median(values)
    assert 0 <= found.spread <= max(values) - min(values)
    random.shuffle(values)
    assert timing(values) == found


def test_verdicts():
    fast, slow = Timing(1.0, 0.1, 7), Timing(2.0, 0.2, 7)
    assert against("x", fast, slow, 0.5) == Row("x", 1.0, 2.0, 0.5, 0.5, True, 0.1, 0.2)
    assert against("x", slow, fast, 1.5).ok is False
    assert against("x", slow, fast, None).ok is None
    assert against("x", slow, Timing(0.0, 0.0, 7), 1.5).ok is False
    assert within("x", 3.0, 3.0).ok is True
    assert within("x", float("nan"), 3.0).ok is False


def test_what_is_absent_is_skipped_with_its_reason(tmp_path):
    def rows(need):
        return harness.attempt("x", lambda: [within("x", need(), 1.0)])

    assert rows(lambda: harness.peer("no_such_module")) == [
        harness.skipped("x", "No module named 'no_such_module'; pip install -e \".[bench]\"")
    ]
    assert rows(lambda: harness.data_file(None, "a.csv"))[0].note == (
        "skipped: no data folder; pass --data DIR or set MINPRUNE_DATA"
    )
    assert rows(lambda: harness.data_file(tmp_path, "a", "b.csv"))[0].note == (
        f"skipped: {tmp_path / 'a' / 'b.csv'} does not exist; "
        f"put b.csv there or pass another --data"
    )
    assert rows(lambda: 0.5) == [within("x", 0.5, 1.0)]


def test_the_table_by_hand():
    rows = [
        against("dense", Timing(0.0015, 0.0001, 7), Timing(0.001, 2e-5, 7), 1.2),
        within("run", 12.5, 60.0),
        harness.skipped("torch", "absent"),
    ]
    assert harness.show(rows) == (
        "name           ours         peer  ratio  target  ok   note\n"
        "-----  ------------  -----------  -----  ------  ---  ---------------\n"
        "dense  1.5 (0.1) ms  1 (0.02) ms   1.5x    1.2x  no\n"
        "run          12.5 s            -      -    60 s  yes\n"
        "torch             -            -      -       -  -    skipped: absent"
    )


def test_the_file_is_json_without_nan(tmp_path):
    path = tmp_path / "new" / "x.json"
    harness.write(path, "x", [within("a", float("nan"), 1.0)], quick=True)
    record = json.loads(path.read_text("utf-8"))
    assert (record["name"], record["quick"]) == ("x", True)
    assert record["rows"][0]["ours"] is None
    assert record["rows"][0]["ok"] is False
    assert record["threads"].keys() == set(harness.THREADS)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        harness.write(path, "x", [within("a", 1.0, 1.0, note=object())], quick=False)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x.json", "old")]


def test_every_benchmark_has_one_form():
    assert "startup" in names()
    for name in names():
        run = importlib.import_module(f"benchmarks.{name}").run
        assert list(inspect.signature(run).parameters) == ["quick", "data"], name


def test_data_lie_in_folders_by_name():
    """--data is one folder for all of them: what the first part of a path may be."""
    calls = [
        node
        for _, code in sources(ROOT, "benchmarks")
        for node in ast.walk(code)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "data_file"
    ]
    assert calls
    assert {ast.unparse(call.args[1]) for call in calls} <= {"'mnist'", "'monks'", "name"}


FAKE = """
import os, sys, types
import benchmarks.__main__ as command
assert "numpy" not in sys.modules, "threads would be read before they are set"
def run(quick, data):
    from benchmarks.harness import within
    threads = [os.environ[k] for k in ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")]
    return [within("threads " + " ".join(threads), 1.0, TARGET, note=f"{quick} {data}")]
sys.modules["benchmarks.fake"] = types.SimpleNamespace(run=run)
command.names = lambda: ["fake"]
sys.exit(command.main(["fake", "--quick", "--threads", "3", "--data", "d", "--out", "x.json"]))
"""


@pytest.mark.parametrize(("target", "code"), [(1.0, 0), (0.5, 1)])
def test_threads_are_set_before_numpy_is_imported(target, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FAKE.replace("TARGET", str(target))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    row = json.loads((tmp_path / "x.json").read_text("utf-8"))["rows"][0]
    assert (row["name"], row["note"], row["ok"]) == ("threads 3 3", "True d", code == 0)


@pytest.mark.parametrize("argv", [["nope"], ["startup", "--threads", "0"], []])
def test_a_wrong_command_is_refused(argv, capsys):
    with pytest.raises(SystemExit) as error:
        main(argv)
    assert error.value.code == 2
    assert "error:" in capsys.readouterr().err
