"""What the jobs refuse: one sentence, in the words of the command line, before any training."""

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from images import idx_folder
from jobs import JOBS

import minprune as mp
from minprune.cli import cores, main
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import obs_inverses as inverses
from minprune.files import alone
from minprune.jobs.checks import FEW, few
from minprune.jobs.settings import CompareSettings, RunSettings
from minprune.nets.zoo import ZOO
from minprune.train.step import Training
from minprune.verify.kinds import FUNCTION_KINDS

NETS = "mlp, lenet_300_100, lenet_5, cnn_small, conv_4, resnet_small"
NOWHERE = (
    "nowhere: no such file or folder; pass --data a .csv or .npz file, a folder with one of images "
    "for each class, or one with the four files of MNIST"
)
LISTED = "must list at least one value, and each once, not"
COUNT = "must be an integer of at least"
SHARE = "must be a number from 0 to 1, not"
OF = {  # one of these, as a sentence
    name: f"must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}, not"
    for name, known in {"criterion": sorted(CRITERIA), "net": list(ZOO)}.items()
}
CRITERION = f"must be one of {len(CRITERIA)} names, not"
REFUSED = {
    "run --sparsity 1.5": f"run: --sparsity {SHARE} 1.5; pass --sparsity=0.5, for example",
    "run --sparsity nan": f"run: --sparsity {SHARE} nan; pass --sparsity=0.5, for example",
    "run --sparsity 0.99999": "prune: sparsity=0.99999 leaves 0 of 38160 weights of the net, "
    "fewer than minimum=1 for each layer; the largest reachable is 0.999895178197065",
    "run --criterion obdd": f"run: --criterion {CRITERION} 'obdd'; did you mean obd?",
    "run --criterion lda": "lda: scores units only; pass --unit",
    "run --criterion oracle": "oracle: 38,160 passes over 1,197 samples take 1.5e+13 "
    "multiply-adds, more than the bound of 2e+12; pass --unit, or choose a smaller --net",
    "run --seed -1": f"run: --seed {COUNT} 0, not -1; pass --seed=1, for example",
    "compare --sparsities 0.5,2": f"compare: --sparsities {SHARE} 2.0; pass --sparsities=0.5, for "
    "example",
    "compare --net mlp --sparsities 0.9,0.9999": "prune: sparsity=0.9999 leaves 1 of 6464 "
    "weights of the net, fewer than minimum=1 for each layer; the largest reachable is "
    f"{6461 / 6464!r}",
    "compare --sparsities 0.5,0.5": f"compare: --sparsities {LISTED} 0.5, 0.5; separate them by "
    "commas",
    "compare --criteria obdd": f"compare: --criteria {CRITERION} 'obdd'; did you mean obd?",
    "run --threads 1000": f"--threads must be at most {cores()}, the number of cores here, "
    f"not 1000; set it to {cores()} or fewer",
    "compare --criteria lda,obd": "lda: scores units only; pass --unit",
    "compare --criteria oracle": "oracle: 38,160 passes over 1,000 samples take 1.3e+13 "
    "multiply-adds, more than the bound of 2e+12; pass --unit, or --samples 155",
    "compare --criteria ,": f"compare: --criteria {LISTED} nothing; separate them by commas",
    "compare --seeds 0": f"compare: --seeds {COUNT} 1, not 0; pass --seeds=1, for example",
    "compare --samples 0": f"compare: --samples {COUNT} 1, not 0; pass --samples=1, for example",
} | {
    f"{command} {options}": sentence
    for command in ("run", "compare")
    for options, sentence in {
        "--net vgg": f"{command}: --net {OF['net']} 'vgg'; choose one of them",
        "--net lenet_5": "lenet_5: sides must be at least 16, not (8, 8); use cnn_small",
        "--epochs -1": f"{command}: --epochs {COUNT} 0, not -1; pass --epochs=1, for example",
        "--fine-tune -1": f"{command}: --fine-tune {COUNT} 0, not -1; pass --fine-tune=1, for "
        "example",
        "--batch-size 0": f"{command}: --batch-size {COUNT} 1, not 0; pass --batch-size=1, for "
        "example",
        "--lr -1": f"{command}: --lr must be a finite number of at least 0, not -1.0; pass --lr=1, "
        "for example",
        "--lr nan": f"{command}: --lr must be a finite number of at least 0, not nan; pass --lr=1, "
        "for example",
        "--data nowhere": NOWHERE,
    }.items()
}


@pytest.fixture
def untrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where nothing may be trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Training, "step", None)
    return tmp_path


@pytest.mark.parametrize("command", REFUSED)
def test_one_sentence_before_training(
    command: str, untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--quiet"]) == 2
    assert capsys.readouterr() == ("", f"minprune: {REFUSED[command]}\n")
    assert list(untrained.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="folders are locked by flock")
@pytest.mark.parametrize("job", JOBS)
def test_a_folder_in_which_another_job_works_is_left_alone(
    job: str, untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (untrained / "out").mkdir()
    (untrained / "out" / "result.json").write_text("of the other job")
    with alone("out"):
        assert main(JOBS[job].at("out")) == 1
    assert capsys.readouterr().err == (
        "minprune: out: must not be in use by another process; wait until it ends, or pass "
        "another path\n"
    )
    assert [path.name for path in (untrained / "out").iterdir()] == ["result.json"]


REST = "choose another criterion, --net or --data"


@pytest.mark.parametrize("which", ["run --criterion", "compare --criteria"])
def test_what_memory_forbids_is_said_before_training(
    which: str, untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inverses, "LIMIT", 1_000)
    assert main([*which.split(), "obs", "--unit", "--quiet"]) == 2
    # conv1: 16 units of 9 weights and a bias, conv2: 32 of 145, fc1: 64 of 513
    room = 8 * (16 * 10**2 + 32 * 145**2 + 64 * 513**2)
    assert capsys.readouterr().err == (
        f"minprune: obs: [H^-1]_SS of all units would take {room:,} bytes, more than the limit of "
        f"1,000; {REST}\n"
    )
    assert list(untrained.iterdir()) == []


@pytest.mark.parametrize("which", ["run --criterion", "compare --criteria"])
def test_what_the_data_forbid_is_said_before_training(
    which: str, untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = idx_folder(untrained, 8)
    labels = images / "train-labels-idx1-ubyte.gz"
    content = gzip.decompress(labels.read_bytes())
    labels.write_bytes(gzip.compress(content[:8] + bytes(len(content) - 8)))
    assert main([*which.split(), "lda", "--unit", "--data", str(images), "--quiet"]) == 2
    assert capsys.readouterr().err == (
        f"minprune: lda: the samples must be of at least two classes, not of one; {REST}\n"
    )


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200))
def test_a_few_samples_are_of_all_classes(classes: list[int]) -> None:
    y = np.sort(np.array(classes))
    x = np.arange(len(y))
    some, theirs = few((x, y))
    assert (y[some] == theirs).all()
    assert set(theirs.tolist()) == set(classes)
    assert len(set(some.tolist())) == len(some) <= FEW + 6
    assert len(some) >= min(FEW, len(y))


def test_the_first_samples_alone_would_not_do() -> None:
    y = np.repeat([0, 1], [500, 1])
    assert set(y[:FEW]) != set(few((np.arange(501), y))[1])


@mp.criterion(needs=("weights",))
def shy(ev: mp.Evidence) -> dict[str, Any]:
    """It cannot."""
    raise ArgumentError("shy: it never scores; choose another")


def test_one_that_never_scores_is_refused(
    untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CRITERIA, "shy", shy)
    assert main(["compare", "--criteria", "shy,magnitude", "--quiet"]) == 2
    assert capsys.readouterr().err == f"minprune: shy: it never scores; {REST}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("", "minprune: the following arguments are required: COMMAND; see minprune --help\n"),
        ("run --sparsity much", "minprune run: argument --sparsity: invalid float value: 'much'; "
         "see minprune run --help\n"),
        ("run --threads 0", "minprune run: argument --threads: '0' must be an integer of at least 1"
         "; see minprune run --help\n"),
        ("run --resum", "minprune run: unrecognized arguments: --resum; did you mean --resume?\n"),
        ("run --criteria obd", "minprune run: unrecognized arguments: --criteria obd; did you mean "
         "--criterion?\n"),
        ("compare --criterion=obd", "minprune compare: unrecognized arguments: --criterion=obd; "
         "did you mean --criteria?\n"),
        ("run obd", "minprune run: unrecognized arguments: obd; see minprune run --help\n"),
        ("verify --lst", "minprune verify: unrecognized arguments: --lst; did you mean --list?\n"),
        ("--versoin", "minprune: the following arguments are required: COMMAND; did you mean "
         "--version?\n"),
        ("rum", "minprune: COMMAND must be one of run, compare, results, info, why, page, export, "
         "import, methods, explain, lesson, sensitivity, find-sparsity, verify, not 'rum'; did you "
         "mean run?\n"),
        ("run --scope layers", "minprune run: --scope must be one of global, layer, not 'layers'; "
         "did you mean layer?\n"),
        ("compare --sparsities half", "minprune compare: argument --sparsities: 'half' must be a "
         "list of numbers such as 0.5,0.9; see minprune compare --help\n"),
    ],
)  # fmt: skip
def test_what_the_parser_refuses(
    arguments: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    assert capsys.readouterr().err == sentence


HELP = {  # what the command line repeats, since it must not import it
    "run": [NETS.replace(", resnet", " or resnet"), f"default: {RunSettings.sparsity}"],
    "compare": [
        NETS.replace(", resnet", " or resnet"),
        f"default: {','.join(map(str, CompareSettings().sparsities))}",
    ],
    "verify": [", ".join(FUNCTION_KINDS)],
}


@pytest.mark.parametrize("command", HELP)
def test_help_names_what_there_is(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ", ".join(ZOO) == NETS
    assert main([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert [words for words in HELP[command] if words not in said] == []
