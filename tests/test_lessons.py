"""The course: every lesson runs and holds what it asserts; its page shows what it prints."""

import html
import os
import re
import subprocess
import sys
from functools import cache
from importlib.util import find_spec

import pytest

from minprune.cli import main
from minprune.criteria import CRITERIA
from minprune.jobs import course_pages, explain
from minprune.jobs.course import FOLDER, lesson, listed, scripts
from minprune.jobs.course_pages import page, write_lessons
from minprune.jobs.course_uses import taught_in
from minprune.kernels.door import backend
from minprune.report.lesson_page import marked

THERE = [("criterion", name) for name in CRITERIA] + [("method", "rigl"), ("law", "mean")]


@pytest.fixture(autouse=True)
def _kernels(monkeypatch):
    """What the command sets is for its own process"""
    monkeypatch.setenv("MINPRUNE_KERNELS", backend())


@cache
def ran(number):
    return lesson(number)


def test_the_scripts_are_numbered_and_short():
    found = scripts()
    assert list(found) == list(range(1, len(found) + 1))
    for file in found.values():
        assert len(file.read_text("utf-8").splitlines()) <= 130, file
    assert len(list(FOLDER.glob("*.py"))) == len(found) + 1


@pytest.mark.parametrize("number", scripts())
def test_a_lesson_runs_and_its_page_shows_what_it_prints(number):
    one = ran(number)
    shown = page(one, THERE, "index.html")
    assert len(one.cells) >= 4
    for cell in one.cells:
        assert cell.words.endswith((".", ":", "?"))
        assert marked(cell.words) in shown
        for text in (cell.code, cell.output):
            assert html.escape(text, quote=True) in shown
    assert any(cell.output for cell in one.cells)
    assert sum(cell.code.count("assert ") for cell in one.cells) >= 2
    for target in re.findall(r'href="([^#"]*)"', shown):
        name = target
        if target.startswith("criterion-"):
            name = target.removeprefix("criterion-").removesuffix(".html").replace("-", "_")
        assert name in (
            *CRITERIA,
            "index.html",
            "method-rigl.html",
            *map("lesson-{:02d}.html".format, scripts()),
        )
    drawn = one.figure is not None and find_spec("matplotlib") is not None
    assert ("<svg" in shown) == drawn
    assert bool(one.caption) == (one.figure is not None)


def test_explanations_name_the_lesson_that_uses_a_thing():
    found = {name: taught_in("criterion", name) for name in CRITERIA}
    some = {
        "obs": 1,
        "obd": 1,
        "taylor": 4,
        "magnitude": 5,
        "apoz": 8,
        "synflow": 9,
        "cosine": None,
    }
    assert found | some == found
    assert taught_in("method", "rigl") == taught_in("schedule", "cubic") == 10
    assert taught_in("method", "obs") is None  # lesson 1 scores by the criterion of that name
    assert explain.told("synflow", "criterion").endswith("\nminprune lesson 9")


OTHER = """
from minprune.jobs.course import lesson
print("".join(cell.output for number in {numbers} for cell in lesson(number).cells))
"""


def test_numpy_and_numba_print_the_same():
    if backend() == "numpy":
        pytest.skip("the other half of the suite compares them")
    numbers = (2, 5, 8, 10)
    done = subprocess.run(
        [sys.executable, "-c", OTHER.format(numbers=numbers)], check=True, text=True,
        env={**os.environ, "MINPRUNE_KERNELS": "numpy"}, capture_output=True,
    )  # fmt: skip
    mine = "".join(cell.output for number in numbers for cell in ran(number).cells)
    assert done.stdout == mine + "\n"


def test_pages_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(course_pages, "lesson", ran)
    monkeypatch.setattr(course_pages, "scripts", lambda: {k: scripts()[k] for k in (1, 2)})
    links = write_lessons(tmp_path, THERE, "index.html")
    files = [re.search(r'href="([^"]*)"', link)[1] for link in links]
    assert [p.name for p in sorted(tmp_path.iterdir())] == files
    assert len(files) == 2


def test_the_command_lists_and_runs(capsys):
    assert main(["lesson"]) == 0
    assert capsys.readouterr().out == listed() + "\n"
    assert main(["lesson", "1"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Lesson 1: ")
    assert "OBS: w1 0.2500, w2 0.1875" in shown
    assert main(["lesson", "99"]) == 2
    told = capsys.readouterr().err
    assert re.fullmatch(
        r"minprune: lesson: NUMBER must be 1, .*, not 99; choose one of them\n", told
    )
