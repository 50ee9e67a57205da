"""`minprune explain`: nothing is empty, what it shows is computed, and its commands are real."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

import minprune as mp
from minprune import verify
from minprune.cli import COMMANDS, main, parser
from minprune.criteria import CRITERIA
from minprune.jobs import explain, explain_pages
from minprune.jobs.failing import CASES, all_losses, failure
from minprune.jobs.steps import shown, steps
from minprune.kernels.door import backend
from minprune.report.explain_page import slug
from minprune.verify.kinds import FUNCTION_KINDS
from minprune.verify.law import Laws
from minprune.verify.words import laws_of, of_criterion

SUBJECTS = explain.every()


@pytest.fixture(autouse=True)
def _kernels(monkeypatch):
    monkeypatch.setenv("MINPRUNE_KERNELS", backend())


def texts(name, kind):
    (subject,) = explain.called(name, kind)
    return {p.title: p.text for p in explain.explained(subject)}


@pytest.mark.parametrize("kind", explain.QUESTIONS)
def test_each_subject_has_its_parts(kind):
    least = {"Question", "Equation", "Code", "Try next"}
    for s in (s for s in SUBJECTS if s.kind == kind):
        parts = [p.title for p in explain.explained(s)]
        assert least <= set(parts), s
        assert parts == [title for title in explain.PARTS if title in parts]


def test_criteria_show_examples_that_are_right_and_their_source():
    for name in CRITERIA:
        found = texts(name, "criterion")
        assert found["Worked example"].count("as by hand") == len(CRITERIA[name].spec.examples)
        assert "by hand [" not in found["Worked example"]
        assert found["Source"]
        assert found["Laws"]


def test_the_steps_of_an_example():
    assert texts("obd", "criterion")["Worked example"].split("\n\n")[0] == (
        "obd() of single weights:\n"
        "  weights = [3, -1, 0]\n"
        "  hess_diag = [2, 4, 9]\n"
        "  w = [3, -1, 0]\n"
        "  h = [2, 4, 9]\n"
        "  h * w = [6, -4, 0]\n"
        "  h * w * w = [18, 4, 0]\n"
        "  h * w * w / 2 = [9, 2, 0]\n"
        "  s = [9, 2, 0]    as by hand"
    )


def test_small_numbers_are_shown():
    assert shown(np.array([2.5e-6, -12345.678, 4.0, -0.0])) == "[2.5e-06, -1.235e+04, 4, 0]"


def drawing(rng):
    first = rng.random()
    kept = [first]
    last = kept.pop() * 2
    last -= 1
    return last


def test_steps_change_nothing():
    def call():
        return drawing(np.random.default_rng(3))

    found, shown = steps(call, __file__)
    assert found == call()
    assert [left for left, _ in shown] == ["last = last - 1"]


def test_a_failure_is_real():
    for name, fn in CRITERIA.items():
        found = failure(fn)
        assert found is not None, name
        k = CASES.index(found.case)
        losses = all_losses(k, found.entries[0].startswith("unit"))
        many = [at for at in losses if len(at) == found.case.removed]
        assert losses[found.best] == min(losses[at] for at in many) < losses[found.taken]
        left = np.delete(found.scores, found.taken)
        assert found.scores[list(found.taken)].max() <= left.min()
        model, data = found.case.model()
        unit = found.entries[0].startswith("unit")
        scores = mp.score(model, data, fn, unit=unit)
        share = found.case.removed / len(found.entries)
        small = mp.prune(model, scores, sparsity=share, minimum=0)
        assert mp.evaluate(small, data).loss == pytest.approx(losses[found.taken])


def test_laws_are_those_that_the_kit_runs():
    for kind, row in FUNCTION_KINDS.items():
        told = laws_of(kind)
        assert told, kind
        assert all(one.sentence and one.code for one in told), kind
        getattr(verify, row.check)
    from minprune.verify.criterion.check import GENERAL, NAMED

    real: Laws = NAMED | GENERAL
    assert {t.name: t.sentence for t in laws_of("criterion")} == {
        name: law.sentence for name, law in real.items()
    }
    assert of_criterion("lamp") >= {*GENERAL, "definition", "rescaling changes"}


def test_the_commands_to_try_are_real(capsys):
    top = parser()
    for s in SUBJECTS:
        for line in explain.next_(s)[0].splitlines():
            if line.startswith("minprune "):
                assert top.parse_args(shlex.split(line)[1:]).command in COMMANDS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["obq"],
         "explain: NAME must be one of {NAMES} names, not 'obq'; did you mean obs or obd?"),
        (["zzzzz"],
         "explain: NAME must be one of {NAMES} names, not 'zzzzz'; see minprune explain --list"),
        (["cubi", "--kind", "schedule"],
         "explain: NAME must be a schedule, not 'cubi'; did you mean cubic?"),
        (["obd", "--kind", "x"],
         "explain: --kind must be criterion, schedule, method, plan, format or law, not 'x'; "
         "choose one of them"),
        ([], "explain: give one of NAME, --list and --all"),
        (["--all"], "explain: --all and --out FOLDER must be given together; give both"),
        (["--list", "--html", "x.html"],
         "explain: --html takes one NAME; use --all --out FOLDER for all pages"),
        (["obs", "--html", "x.html"],
         "explain: obs is of several kinds; pass --kind criterion or method"),
    ],
)  # fmt: skip
def test_what_is_unknown_is_refused(words, said, capsys):
    assert main(["explain", *words]) == 2
    many = len({s.name for s in SUBJECTS})
    assert capsys.readouterr().err == f"minprune: {said}\n".replace("{NAMES}", str(many))


def test_names_that_several_kinds_have():
    found = {name: [s.kind for s in explain.called(name)] for name in ("obs", "iterative", "OBD")}
    assert found == {"obs": ["criterion", "method"], "iterative": ["schedule", "plan"],
                     "OBD": ["criterion"]}  # fmt: skip


def test_list_has_every_name(capsys):
    assert main(["explain", "--list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(s.name in shown for s in SUBJECTS)


def test_a_criterion_needs_neither_numba_nor_matplotlib_nor_hypothesis():
    code = (
        "import sys; from minprune.cli import main; main(['explain', 'taylor'])\n"
        "print([m for m in ('numba', 'matplotlib', 'hypothesis', 'minprune.methods') "
        "if m in sys.modules])"
    )
    env = {key: value for key, value in os.environ.items() if key != "MINPRUNE_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.endswith("\n[]\n")


def test_a_page_stands_alone(tmp_path, capsys):
    file = tmp_path / "obd.html"
    assert main(["explain", "obd", "--html", str(file)]) == 0
    page = file.read_text("utf-8")
    assert not re.search(r"<script|<link|@import|https?:|url\((?!#)", page)
    shown = re.findall(r"<h2>(.*?)</h2>", page)
    assert [title for title in shown if title != "Picture"] == list(explain.PARTS)
    assert re.findall(r'<a href="#(.*?)"', page) == re.findall(r'<section id="(.*?)"', page)
    pytest.importorskip("matplotlib")
    assert page.count("<figure>") == 2
    assert "(OBS)" in page


def test_the_site_has_a_page_for_each_subject_and_no_broken_link(tmp_path, monkeypatch):
    few = [next(s for s in SUBJECTS if s.kind == kind) for kind in explain.QUESTIONS]
    monkeypatch.setattr(explain_pages, "every", lambda: few)
    monkeypatch.setattr(explain_pages, "drawings", lambda s: [])
    monkeypatch.setattr(explain_pages, "write_lessons", lambda *given: [])  # see test_lessons.py
    explain_pages.site(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    linked = set()
    for path in tmp_path.iterdir():
        linked |= set(re.findall(r'href="([^"#]+)"', path.read_text("utf-8")))
    assert linked == files
    assert len({slug(s.kind, s.name) for s in SUBJECTS}) == len(SUBJECTS)


def test_what_is_drawn_is_computed():
    drawn = {name: explain_pages.drawings(explain.called(name, kind)[0]) for name, kind in (
        ("cubic", "schedule"), ("CSR", "format"), ("prox_l1", "method"), ("apoz", "criterion"),
        ("taylor", "criterion"))}  # fmt: skip
    assert drawn["cubic"][0].series["cubic"][2][10] == 0.9
    _, v, x = drawn["prox_l1"][0].series["prox_l1"]
    assert np.allclose(x, np.sign(v) * np.maximum(np.abs(v) - 1, 0))
    assert explain_pages.drawings(explain.called("l1", "method")[0])
    assert drawn["CSR"][0].series["CSR"][2][0] > drawn["CSR"][0].series["dense"][2][0]
    assert "tangent at w" in drawn["taylor"][0].series
    assert "unit 0" in drawn["apoz"][0].series
