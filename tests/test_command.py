"""The command as a process: Ctrl-C from its first import on, what it tells, what it refuses."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune import cli, text
from minprune.cli import cores, main
from minprune.jobs import checks, compare_result
from minprune.jobs.data import load_data
from minprune.train import progress
from minprune.verify.kinds import CURVATURES
from minprune.verify.numeric.curvature import CURVATURE_LAWS

ROOT = Path(__file__).parent.parent
PRESSED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Press:
    def find_spec(self, name, *where):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
sys.argv[1:] = {words!r}
from minprune.__main__ import main
sys.exit(main())
"""


def python(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A process of its own, which does not choose a number of threads."""
    env = {k: v for k, v in os.environ.items() if k not in cli.THREADS} | variables
    env["PYTHONPATH"] = str(ROOT)
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [("minprune.cli", ["run"]), ("argparse", ["info", "x"]), ("numpy", ["compare"]),
     ("minprune.train.plan", ["run"]), ("minprune.verify.command", ["verify", "--self"])],
)  # fmt: skip
def test_a_press_while_importing_is_one_line(name: str, words: list[str]) -> None:
    done = python(PRESSED.format(name=name, words=words))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "minprune: stopped\n")


def test_a_press_that_is_ignored_stays_so() -> None:
    code = PRESSED.format(name="argparse", words=["info", "nowhere.npz"])
    done = python(code.replace("signal.default_int_handler", "signal.SIG_IGN"))
    assert done.returncode == 1
    assert done.stderr.startswith("minprune: nowhere.npz: no such file;")


def test_the_kinds_are_listed_without_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None; from minprune.cli import main; "
        "sys.exit(main(['verify', '--list']))"
    )
    done = python(code, COLUMNS="60")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--as random, magnitude, norm" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 60


def test_the_list_is_complete() -> None:
    assert tuple(CURVATURE_LAWS) == CURVATURES


FIT = """
import sys
sys.modules["tqdm"] = None
import minprune as mp
data = mp.data.digits()
for _ in range(2):
    mp.fit(mp.zoo.mlp(data, (4,)), data, epochs=1, progress={progress})
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core: there is nothing to tell")
def test_from_python_the_threads_and_the_compilation_are_told_once(tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    first = python(FIT.format(progress=True), **cache).stderr
    threads = (
        f"minprune: matrix products use all {os.cpu_count()} cores, which is up to 10 times slower "
        "while other programs run; set OPENBLAS_NUM_THREADS=1 before NumPy is imported\n"
    )
    assert first.count(threads) == 1
    compiling = "minprune: compiling kernels, about half a second each, once on this machine; "
    numba = mp.kernels.backend() == "numba"
    assert first.count(compiling) == numba
    again = python(FIT.format(progress=True), **cache).stderr
    assert again.count(threads) == 1
    assert compiling not in again
    chosen = python(FIT.format(progress=True), OPENBLAS_NUM_THREADS="1", **cache).stderr
    assert "minprune: " not in chosen
    assert python(FIT.format(progress=False), **cache).stderr == ""


def test_a_sentence_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "told", set())
    monkeypatch.setattr(progress, "threads", lambda: "all 64")
    progress.tell_threads()
    progress.tell_threads()
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(text, "told", set())
    monkeypatch.setattr(progress, "threads", lambda: "1")
    progress.tell_threads()
    assert capsys.readouterr().err == ""


def test_threads_beyond_the_cores_are_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert main(["info", "x.npz"]) == 2
    assert capsys.readouterr().err == (
        f"minprune: OMP_NUM_THREADS must be at most {cores()}, the number of cores here, not 1000; "
        f"set it to {cores()} or fewer\n"
    )


def test_an_editable_installation_is_a_path() -> None:
    """So that a script beside a clone called minprune does not import the clone's folder."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    assert tool["package-dir"] == {"": "."}  # setuptools: then it writes a path and no finder


def test_names_that_are_nearly_right() -> None:
    with pytest.raises(AttributeError) as caught:
        mp.scores  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("scores", mp)  # Python adds "Did you mean"
    near = {
        "magnitud": "; did you mean magnitude?", "OBD": "; did you mean obd?",
        "taylor-activation": "; did you mean taylor_activation?",
        "xyz": "; pass criterion='magnitude', for example",
    }  # fmt: skip
    model = mp.zoo.mlp(((3,), 2))
    for name, hint in near.items():
        with pytest.raises(mp.errors.ArgumentError) as refused:
            mp.score(model, None, name)
        assert str(refused.value).endswith(f"not {name!r}{hint}")
    with pytest.raises(mp.errors.ArgumentError, match=r"; did you mean fc1\.weight[?]$"):
        mp.with_masks(model, {"fc1.weights": np.ones((2, 3), bool)})


def test_a_remedy_in_python_is_called_that(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(mp.errors.DataError) as caught:
        load_data(str(file))
    assert caught.value.args == (
        f"{file}: the header must hold different names, class and at least one input, not a, b; "
        "change the file, or, in Python, name every column, and the column of labels class, or by "
        "label=, and save x and y as an .npz file for --data",
    )
    file.write_text("a,class\n1,x\n2\n")
    with pytest.raises(mp.errors.DataError) as caught:
        load_data(str(file))
    assert str(caught.value).endswith("; give each row one cell per column")


def test_what_the_notes_of_a_job_say() -> None:
    assert checks.at_init(["obd", "magnitude"]) == []
    assert checks.at_init(["snip"]) == [
        "snip is meant for nets before training; here the net is trained"
    ]
    assert checks.at_init([*mp.criteria.CRITERIA])[0].startswith("synflow, snip, grasp are meant")
    cells = [
        {"criterion": name, "seed": seed, "pruned": {"accuracy": value}}
        for name, value in (("magnitude", 0.5), ("norm", 0.5), ("obd", 0.75))
        for seed in (0, 1)
    ]
    assert compare_result.same(cells) == ["norm repeats magnitude: the same nets in every cell"]


def test_what_removing_one_by_one_costs() -> None:
    data = mp.data.digits()
    model, part = mp.zoo.mlp(data, (4,)), (data.train[0][:50], data.train[1][:50])
    assert checks.possible("obd", model, part, False, samples=50) == ""
    said = checks.possible("oracle", model, part, False, samples=50)
    assert said.startswith("oracle: 296 passes over 50 samples for each net: about ")
    assert [checks.spent(s) for s in (0.1, 1.6, 99, 200)] == [
        "about 1 second", "about 2 seconds", "about 99 seconds", "about 3 minutes",
    ]  # fmt: skip


def test_long_lines_are_broken_and_set_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    given = "short\n\n    --as " + "name, " * 12
    lines = text.wrapped(given).splitlines()
    assert lines[:2] == ["short", ""]
    assert max(map(len, lines)) <= 40
    assert lines[2].startswith("    --as name,")
    assert all(line.startswith("      name") for line in lines[3:])
    assert text.wrapped(given).split() == given.split()
