"""minprune compare --methods: equal budgets, a first training done once, what is left out."""

import csv
import io
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forking import forked
from hypothesis import given
from hypothesis import strategies as st
from jobs import COMPARE, STEPS, compared
from watching import small_data

import minprune as mp
from minprune.cli import main
from minprune.errors import FileError
from minprune.jobs import method_cells
from minprune.jobs.compare_cells import Compare
from minprune.jobs.job import plan_fields
from minprune.jobs.method_cells import Entry, entries, sharing
from minprune.jobs.method_choices import method_choices
from minprune.jobs.procedures import PROCEDURES
from minprune.jobs.settings import CompareSettings
from minprune.jobs.store import read

METHODS = ["compare", *COMPARE[1:], "--methods"]
DATA = small_data(dtype=np.float32)
ASKED = CompareSettings(
    net="mlp", epochs=1, fine_tune=1, seeds=1, sparsities=[0.5, 0.75], batch_size=4, methods=["all"]
)


def comparison(s: CompareSettings = ASKED) -> Compare:
    left_out, settings = method_choices(s, DATA)
    return Compare(**plan_fields(settings, DATA), left_out=left_out)


@pytest.fixture(scope="module")
def plan() -> Compare:
    """Of every row of the table that can be compared."""
    return comparison()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a comparison, as the command line makes it."""
    out = tmp_path_factory.mktemp("compared") / "out"
    assert (
        main(
            [*METHODS, "finetune,weight_rewind,set,at_init", "--criteria", "obd", "--out", str(out)]
        )
        == 0
    )
    return out


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


# --- cells


def test_every_method_of_the_table_is_compared_or_told(plan: Compare) -> None:
    assert plan.methods is not None
    assert {*plan.methods, *plan.left_out} == {*PROCEDURES}
    told = {
        "rewind_on_plateau": "must be a method that prunes; leave it out",
        "scratch_against_joint": "must spend 2 epochs, as the others do, not 18; leave it out",
        "large_sparse": "must spend 2 epochs, as the others do, not 18; leave it out",
        "transfer": "old must be the data of the old task, as for --data; pass --set old=PATH",
    }  # fmt: skip
    assert plan.left_out | told == plan.left_out


def nets(plan: Compare, entry: Entry, body: bytes | None = None) -> Any:
    made, _ = method_cells.method(plan, DATA, body, False, 0, entry.method, entry.criterion)
    return made["nets"]


def begun(plan: Compare, entry: Entry) -> bytes:
    _, body = method_cells.first(plan, DATA, None, False, 0, entry.method, entry.criterion)
    assert body is not None
    return body


def begins(plan: Compare, share: Callable[[Any], Any] = sharing) -> dict[Entry, Entry]:
    """{entry: the one whose first training it begins with}"""
    model = plan.start(DATA)
    made = {
        e: method_cells.procedure(plan, e, method_cells.sparsities(plan, e)[0], 0, model, DATA)
        for e in method_cells.compared(plan)
    }
    found: dict[Entry, Entry] = share({e: p.first(model, DATA) for e, p in made.items()})
    return found


def test_budgets_are_equal_and_a_shared_training_changes_no_bit(plan: Compare) -> None:
    first = begins(plan)
    assert {e.method for e in first} >= {"finetune", "lr_rewind", "scratch", "lottery_ticket", "l1"}
    bodies = {e: begun(plan, e) for e in set(first.values())}
    assert len(bodies) < len(first)
    for e in method_cells.compared(plan):
        alone = nets(plan, e)
        assert {net["updates"] for net in alone} == {2 * 3}
        assert all(net["curve"][-1][0] <= 2 * 3 for net in alone if net["curve"])
        if e in first:
            assert nets(plan, e, bodies[first[e]]) == alone


def test_a_training_that_is_another_one_is_seen(plan: Compare) -> None:
    """Of which the settings are not compared: a wrong way to share"""

    def by_point(firsts: Any) -> Any:
        return sharing({e: f and ({}, f[1]) for e, f in firsts.items()})

    strong = replace(plan, lr=0.5)
    first = begins(strong, by_point)
    e = next(e for e, other in first.items() if e.method == "l1" and other.method != "l1")
    strange = begun(replace(strong, lr=0.1), first[e])
    assert nets(strong, e, strange) != nets(strong, e)


names = st.builds(Entry, st.sampled_from("abcdefg"))
trainings = st.tuples(st.sampled_from([{"a": 1}, {"a": 2}]), st.none() | st.integers(0, 1))
firsts = st.dictionaries(names, st.none() | trainings)


def is_shared(share: Callable[[Any], Any], given: Any) -> bool:
    """The same training, split where it must be, and as few as can be"""
    found = share(given)
    there = {e: f for e, f in given.items() if f is not None}
    fits = all(
        there[other][0] == there[e][0] and there[e][1] in (None, there[other][1])
        for e, other in found.items()
    )
    split = {(repr(what), point) for what, point in there.values() if point is not None}
    whole = {repr(what) for what, _ in there.values()} - {what for what, _ in split}
    few = len(set(found.values())) == len(split) + len(whole)
    return found.keys() == there.keys() and fits and few


@given(firsts)
def test_a_first_training_is_done_once(given: Any) -> None:
    assert is_shared(sharing, given)


def never(given: Any) -> Any:
    return {e: e for e, f in given.items() if f is not None}


def whatever(given: Any) -> Any:
    there = never(given)
    return dict.fromkeys(there, next(iter(there), None))


def unsplit(given: Any) -> Any:
    return sharing({e: f and (f[0], None) for e, f in given.items()})


@pytest.mark.parametrize("wrong", [never, whatever, unsplit])
def test_a_wrong_way_to_share_is_seen(wrong: Callable[[Any], Any]) -> None:
    e = [Entry(name) for name in "abcde"]
    a, b = {"a": 1}, {"a": 2}
    given = dict(zip(e, [(a, None), (a, 1), (a, 0), (b, None), (b, None)], strict=True))
    assert is_shared(sharing, given)
    assert not is_shared(wrong, given)


def test_every_criterion_that_a_method_takes() -> None:
    s = replace(ASKED, criteria=["magnitude", "obd"])
    found = [str(e) for e in entries(s, ["finetune", "dense", "set"])]
    assert found == ["dense", "finetune, magnitude", "finetune, obd", "set"]


# --- the command


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_the_result_of_the_command(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["compare.html", "result.json", "runs.db"]
    found = result(folder)
    labels = ["dense", "finetune, obd", "weight_rewind, obd", "set", "at_init, obd"]
    assert list(dict.fromkeys(row["label"] for row in found["summary"])) == labels
    assert found["reference"] == "finetune, obd"
    assert [row["sparsity"] for row in found["summary"]] == [0.5, 0.9] * 5
    assert {net["updates"] for net in found["nets"]} == {2 * STEPS}
    assert found["settings"]["last_rate"] == 0.01
    assert [net["sparsity"] for net in found["nets"] if net["method"] == "dense"] == [0.0, 0.0]


def test_a_net_is_what_the_library_makes_of_it(folder: Path) -> None:
    data = mp.data.digits()
    net = next(n for n in result(folder)["nets"] if n["method"] == "finetune" and n["seed"] == 1)
    found = mp.methods.iterative(
        mp.zoo.mlp(data, seed=1), data, sparsity=net["sparsity"], retrain="finetune", epochs=1,
        retrain_epochs=1, criterion="obd", seed=1, batch_size=64, progress=False,
        optimizer=mp.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
        rate=mp.rates.cosine(0.01),
    )  # fmt: skip
    quality = mp.evaluate(found.model, data.test)
    assert [net["accuracy"], net["loss"]] == [quality.accuracy, quality.loss]
    assert net["curve"][-1] == [2 * STEPS, found.rounds[-1]["val_accuracy"]]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_results_of_several_machines_merge(
    folder: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One has half of the methods, one has a seed of the others"""
    lines = []
    halves = (["finetune,weight_rewind", "0,1"], ["set,at_init", "1,"], ["set,at_init", "0,"])
    for k, (methods, seeds) in enumerate(halves):
        words = [*METHODS, methods, "--seeds", seeds, "--criteria", "obd", "--out", f"out{k}"]
        assert main(words) == 0
    for files in ([str(folder / "runs.db")], [f"out{k}/runs.db" for k in range(3)]):
        rows = csv.DictReader(io.StringIO(printed(capsys, "results", *files, "--csv")))
        lines.append([{k: v for k, v in row.items() if "seconds" not in k} for row in rows])
    assert len(lines[0]) == 2 * (1 + 4 * 2)
    assert lines[0] == lines[1]
    assert lines[0][1]["accuracy"] == str(result(folder)["nets"][1]["accuracy"])
    tables = printed(capsys, "results", *files)
    assert "Percentage points above finetune, obd, paired by seed" in tables


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            found += [int(path.parent.name)] * (int(parent) == pid and state != "Z")
    return found


def wait(until: Callable[[], Any]) -> None:
    for _ in range(1000):
        if until():
            return
        time.sleep(0.02)
    raise AssertionError("it never comes")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_parent_leaves_no_process_and_its_rows_are_kept(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = [*METHODS, "finetune,weight_rewind,set,at_init", "--criteria", "obd", "--out", str(out)]

    def ended() -> int:
        with suppress(FileError):
            return len(read(out / "runs.db")[1])
        return 0

    with forked(lambda: main([*words, "--workers", "2"])) as child:
        wait(ended)
        workers = children(child)
    assert workers
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    done = ended()
    assert main([*words, "--resume"]) == 0
    assert compared(out) == compared(folder)
    assert done >= 1


OWN = """
import os
import minprune as mp

class Late(mp.methods.Gradual):
    def __init__(self, sparsity):
        super().__init__(lambda step: sparsity if step > 20 else 0.0)

def twice(budget, model, data):
    if budget.seed == 1 and os.path.exists("fails"):
        raise ValueError("not today")
    return mp.methods.Iterative(sparsity=budget.sparsity, epochs=budget.epochs, rounds=1,
                                retrain_epochs=budget.again, seed=budget.seed, train=budget.train)

def long(budget, model, data):
    return mp.methods.AtInit(sparsity=budget.sparsity, epochs=budget.total + 1)

def nothing(budget, model, data):
    return None
"""


def test_methods_of_ones_own_and_cells_that_fail(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "own_methods.py").write_text(OWN)
    words = [*METHODS, "finetune,own_methods:Late,own_methods:twice", "--out", "out"]
    (here / "fails").touch()
    text = printed(capsys, *words)
    assert "own_methods:Late has a sparsity of 0.0 % where" not in text
    why = "left out: own_methods:twice: raised ValueError: not today (line 11 of own_methods.py)"
    assert why in " ".join(text.split())
    assert "1 cell failed; --retry runs it again" in text
    (here / "fails").unlink()
    failed = result(here / "out")
    assert printed(capsys, *words, "--resume") == text  # which runs no cell
    assert "left out" not in printed(capsys, *words, "--retry")
    found = result(here / "out")
    labels = {row["label"] for row in found["summary"]}
    assert labels == {"dense", "finetune", "own_methods:Late", "own_methods:twice"}
    assert [n for n in found["nets"] if n["method"] != "own_methods:twice"] == failed["nets"]
    assert "own_methods:twice repeats finetune: the same nets in every cell" in found["notes"]


REFUSED = {
    "rewind_on_plateau": "rewind_on_plateau: must be a method that prunes; leave it out",
    "lottery_ticket --fine-tune 2": "lottery_ticket: epochs of all trainings must be a multiple of "
    "2, since all are as long as the first, not 3; change --epochs or --fine-tune",
    "lr_rewind --fine-tune 2": "lr_rewind: epochs after pruning must be at most those of training, "
    "1, which it repeats, not 2; pass --fine-tune 1 or less",
    "set --unit": "set: prunes single weights only; leave out --unit",
    "finetune,fintune": f"compare: --methods must be one of {len(PROCEDURES)} names, "
    "not 'fintune'; did you mean finetune?",
    "refused_methods:long": "refused_methods:long: must spend 2 epochs, as the others do, not 3; "
    "leave it out",
    "refused_methods:nothing": "refused_methods:nothing: what it returns must be a Procedure, not "
    "NoneType; pass a plan such as mp.methods.Iterative(...), or be a class of mp.Method",
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(words: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "refused_methods.py").write_text(OWN)
    assert main([*METHODS, *words.split()]) == 2
    assert capsys.readouterr().err == f"minprune: {REFUSED[words]}\n"


@pytest.mark.parametrize("option", ["rounds 2", "last-rate 0.1"])
def test_what_is_for_methods_alone(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMPARE, *f"--{option}".split()]) == 2
    assert capsys.readouterr().err == (
        f"minprune: compare: --{option.split()[0]} must be given with --methods, which it is for; "
        f"leave it out\n"
    )
