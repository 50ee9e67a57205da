"""`minprune run --method`: every procedure by name, its files, its refusals, and resuming."""

import json
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from procedures import DATA, NET, UPDATES
from watching import same, small_net

import minprune as mp
from minprune.cli import main
from minprune.errors import ArgumentError
from minprune.jobs import procedures, run_method
from minprune.jobs.methods import Budget
from minprune.jobs.procedures import PROCEDURES, asked
from minprune.jobs.settings import RunSettings, filled
from minprune.methods.plans import OF_FIT, reported, result
from minprune.train.plan import run_plan
from minprune.train.step import Training

MODEL = mp.initialise(NET, seed=0)
TRAIN: dict[str, Any] = {
    "optimizer": mp.SGD(0.1), "rate": mp.rates.cosine(0.01), "batch_size": 4,
}  # fmt: skip
BUDGET = Budget(0.5, epochs=2, again=2, train=TRAIN)
OWN: dict[str, dict[str, Any]] = {
    "transfer": {"old": "old"},
    "sequence": {
        "stages": ["at_init", ["finetune", {"rounds": 2, "retrain_epochs": 1}], "compact"]
    },
    "scratch_against_joint": {"seeds": 1},
    "large_sparse": {"seeds": 1},
}
SHORT = ["run", "--epochs", "2", "--net", "mlp", "--quiet", "--out", "out"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(procedures, "load_data", {"old": DATA}.__getitem__)
    return tmp_path


FILTERS = mp.initialise(mp.build(DATA.input_shape, [
    ("conv1", mp.Conv2d(1, 4, 3, padding=1)), ("relu1", mp.ReLU()), ("flat", mp.Flatten()),
    ("fc1", mp.Dense(80, DATA.outputs)),
]), seed=0)  # fmt: skip
NETS = {"slimming": small_net(0.2), "attention_gates": FILTERS}  # where it is not MODEL


def made(name: str, budget: Budget = BUDGET, **own: Any) -> Any:
    model, budget = NETS.get(name, MODEL), replace(budget, unit=not PROCEDURES[name].weights)
    plan: Any = asked(name, budget, model, DATA, OWN.get(name, {}) | own)
    return result(run_plan(plan, DATA, None, False, {"start": model}))


@pytest.mark.parametrize("name", PROCEDURES)
def test_every_procedure_runs_by_its_name_and_its_result_is_json(name: str) -> None:
    found = made(name)
    assert json.loads(json.dumps(found.rounds)) == found.rounds
    assert json.loads(json.dumps(found.report)) == found.report
    assert found.history
    assert run_method.pictured(NETS.get(name, MODEL), found.masks) is not None


@pytest.mark.parametrize("name", [name for name, way in PROCEDURES.items() if way.null])
def test_the_null_setting_is_plain_training(name: str) -> None:
    null = dict(PROCEDURES[name].null)
    budget = replace(BUDGET, sparsity=null.pop("sparsity", BUDGET.sparsity))
    found = made(name, budget, **null)
    kinds = [found.models[kind] for kind in ("joint", "large sparse") if kind in found.models]
    model = kinds[0] if kinds else found.model
    start = NETS.get(name, MODEL)
    if name in ("set", "rigl", "snfs"):  # they begin sparse
        start = mp.methods.start_sparse(MODEL, 0.5, seed=0)
    if name == "transfer":
        assert all(mask.all() for mask in model.masks.values())
        return
    updates = found.rounds[0]["updates"] if kinds else sum(r["updates"] for r in found.rounds)
    plain, _ = mp.fit(start, DATA, epochs=updates // UPDATES, progress=False, **TRAIN)
    assert same(model, plain)


def test_a_run_writes_rounds_models_and_a_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                *SHORT,
                "--method",
                "lottery_ticket",
                "--set",
                "rounds=2",
                "--set",
                'controls=["reinit", "random"]',
            ]
        )
        == 0
    )
    told = capsys.readouterr()
    assert told.err == ""
    assert [p.name for p in sorted((folder / "out").iterdir())] == [
        "compacted.npz", "final.npz", "history.json", "history.npz", "report.html", "result.json",
        "trained.npz",
    ]  # fmt: skip
    found = json.loads((folder / "out" / "result.json").read_text())
    assert [row["round"] for row in found["rounds"]] == [0, 1, 2]
    assert [row["control"] for row in found["report"]["controls"]] == ["reinit", "random"]
    assert list(found["history"])[:3] == ["train", "retrain 1", "retrain 2"]
    assert [stage["stage"] for stage in found["stages"]] == ["trained", "final", "compacted"]
    final = mp.load(folder / "out" / "final.npz")
    assert (
        found["rounds"][-1]["test_accuracy"] == mp.evaluate(final, mp.data.digits().test).accuracy
    )
    assert [one["round"] for one in found["masks"]] == [1, 2]
    lines = [line.split() for line in told.out.splitlines()]
    assert ["round", "sparsity", "pruned_accuracy", "val_accuracy", "test_accuracy", "updates",
            "seconds"] in lines  # fmt: skip
    page = (folder / "out" / "report.html").read_text()
    drawn = ["accuracy against updates", "Round 2"] if find_spec("matplotlib") else []
    for words in ("accuracy after pruning", "reinit", *drawn):
        assert words in page


class Stopped(BaseException):
    """What stops a job in an update."""


def test_a_job_that_was_stopped_ends_with_the_same_bytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_method, "method_page", lambda *_: "")
    words = [*SHORT[:-1], "whole", "--method", "weight_rewind", "--set", "rounds=2"]
    assert main(words) == 0
    real, left = Training.step, [80]  # of 19 x 6, and what warms up

    def step(*args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Stopped
        return real(*args)

    words[words.index("whole")] = "out"
    with monkeypatch.context() as patch:
        patch.setattr(Training, "step", step)
        with pytest.raises(Stopped):
            main(words)
    assert (folder / "out" / "checkpoint" / "plan.npz").exists()
    assert main([*words, "--resume"]) == 0
    for name in ("final.npz", "trained.npz"):
        assert (folder / "out" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    both = [json.loads(Path(at, "result.json").read_text())["rounds"] for at in ("out", "whole")]
    assert all(row.pop("seconds") > 0 for rows in both for row in rows)
    assert both[0] == both[1]


OF_ROUNDS = [*(f.name for f in fields(mp.methods.Iterative)), *OF_FIT]
ITERATIVE = f"{', '.join(OF_ROUNDS[:-1])} or {OF_ROUNDS[-1]}"
NAMES = f"{', '.join(list(PROCEDURES)[:-1])} or {list(PROCEDURES)[-1]}"
REFUSED: dict[str, list[str]] = {
    f"minprune: run: --method must be {NAMES}, not 'finetun'; did you mean finetune?": [
        "--method", "finetun",
    ],
    "minprune: run: --set rounds needs --method; minprune methods lists them": [
        "--set", "rounds=3",
    ],
    "minprune run: argument --set: 'rounds' must be NAME=VALUE, such as rounds=3; see minprune run "
    "--help": ["--method", "finetune", "--set", "rounds"],
    "minprune run: argument --set: rounds is given twice; keep one; see minprune run --help": [
        "--method", "finetune", "--set", "rounds=3", "--set", "rounds=3",
    ],
    f"minprune: iterative: an argument must be {ITERATIVE}, not 'roundz'; did you mean rounds?": [
        "--method", "finetune", "--set", "roundz=3",
    ],
    "minprune: iterative: rounds must be an integer of at least 0, not 'two'; pass rounds=1, for "
    "example": ["--method", "finetune", "--set", "rounds=two"],
    "minprune: run: --set batch_size must not be given; pass --batch-size instead": [
        "--method", "finetune", "--set", "batch_size=3",
    ],
    "minprune: run: --set sparsity must be a list or a dict of shares; pass --sparsity for one "
    "number": ["--method", "finetune", "--set", "sparsity=0.5"],
    "minprune: run: --set optimizer must not be given, since it is an object of Python; use "
    "mp.methods there to set it": ["--method", "finetune", "--set", "optimizer=adam"],
    "minprune: SET: an argument must be fraction, every, stop, redistribute or by, not 'evry'; did "
    "you mean every?": ["--method", "set", "--set", "evry=3"],
    "minprune: dense: takes no settings, not 'every'; leave it out": [
        "--method", "dense", "--set", "every=3",
    ],
    "minprune: transfer: old must be the data of the old task, as for --data; pass --set old=PATH":
        ["--method", "transfer"],
    "minprune: sequence: stages must be a list of methods, not 3; pass --set 'stages=[\"at_init\", "
    "[\"finetune\", {\"rounds\": 2}], \"compact\"]', for example": [
        "--method", "sequence", "--set", "stages=3",
    ],
    "minprune: sequence: a stage must be a name or a pair [name, settings], not 3; pass "
    "[\"finetune\", {\"rounds\": 2}], for example": ["--method", "sequence", "--set", "stages=[3]"],
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused_is_one_sentence(
    said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SHORT, *REFUSED[said]]) == 2
    assert capsys.readouterr().err == f"{said}\n"
    assert not list(folder.iterdir())


def test_a_penalty_knows_its_own_setting_and_those_of_the_rounds() -> None:
    with pytest.raises(ArgumentError, match="not 'lamb'; did you mean lam\\?"):
        made("l1", lamb=3)
    plan: Any = asked("l1", BUDGET, MODEL, DATA, {"lam": 0.5, "rounds": 2})
    assert (plan.rounds, plan.train["method"]) == (2, mp.methods.L1(0.5))


@pytest.mark.parametrize(
    ("own", "want"),
    [
        ({"sparsity": [0.2, 0.5]}, [0.2, 0.5]),
        ({"threshold": 0.0}, [0.0]),
        ({"rounds": 2}, [0.3, 0.5]),
    ],
)
def test_shares_of_rounds(own: dict[str, Any], want: list[float]) -> None:
    found = made("finetune", **own)
    assert [round(row["sparsity"], 1) for row in found.rounds[1:]] == want


def test_tickets_have_their_controls_unless_they_are_left_out() -> None:
    of = [asked("lottery_ticket", BUDGET, MODEL, DATA, own) for own in ({}, {"controls": []})]
    plans: list[Any] = of
    assert [len(plan.controls) for plan in plans] == [4, 0]
    assert "beside controls; --set controls=[] for none" in PROCEDURES["lottery_ticket"].words
    alone: Any = asked("lottery_ticket", BUDGET, MODEL, DATA, {"rate": 0.4})
    assert alone.rate_of_outputs == 0.2
    found = made("lottery_ticket", seeds=2, controls=[])
    header, rows = reported(found.report)["overlap"]
    assert header == ["between seeds", "after round", "shared", "expected", "deviation"]
    assert rows[0][:2] == ["0, 1", 1]


def test_rounds_of_tickets_reach_the_sparsity_together() -> None:
    rows = made("lottery_ticket", rounds=3).rounds
    assert [row["updates"] for row in rows] == [2 * UPDATES] * 4
    assert abs(rows[-1]["sparsity"] - 0.5) < 0.01


def test_a_folder_has_a_sparsity_where_something_is_pruned() -> None:
    data = mp.data.digits()
    names = [
        run_method.folder(filled(RunSettings(method=name), data.input_shape), data)
        for name in ("dense", "rewind_on_plateau", "finetune")
    ]
    assert [Path(name).name for name in names] == [
        "digits-cnn_small-dense-seed0", "digits-cnn_small-rewind_on_plateau-seed0",
        "digits-cnn_small-finetune-0.9-seed0",
    ]  # fmt: skip


def test_the_methods_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line[0] != " "]
    assert [line.partition(":")[0] for line in lines] == list(PROCEDURES)
    assert lines[0] == "dense: no pruning: as many epochs for the dense net"
