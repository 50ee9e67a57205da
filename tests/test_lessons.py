"""The course: every lesson runs and holds what it asserts; its page shows what it prints."""

import html
import re

import pytest

from minprune.cli import main
from minprune.criteria import CRITERIA
from minprune.jobs.course import FOLDER, lesson, listed, scripts
from minprune.jobs.course_pages import write_lessons
from minprune.kernels.door import backend

KINDS = dict.fromkeys(CRITERIA, "criterion")


@pytest.fixture(autouse=True)
def _kernels(monkeypatch):
    """What the command sets is for its own process"""
    monkeypatch.setenv("MINPRUNE_KERNELS", backend())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return folder, write_lessons(folder, KINDS, "index.html")


def test_the_scripts_are_numbered_and_short():
    found = scripts()
    assert list(found) == list(range(1, len(found) + 1))
    for file in found.values():
        assert len(file.read_text("utf-8").splitlines()) <= 130, file
    assert len(list(FOLDER.glob("*.py"))) == len(found) + 1


@pytest.mark.parametrize("number", scripts())
def test_a_lesson_runs_and_its_page_shows_what_it_prints(number, site):
    folder, links = site
    one = lesson(number)
    page = (folder / f"lesson-{number:02d}.html").read_text("utf-8")
    assert len(one.cells) >= 4
    for cell in one.cells:
        assert cell.words.endswith((".", ":", "?"))
        for text in (cell.words, cell.code, cell.output):
            assert html.escape(text, quote=True) in page
    assert any(cell.output for cell in one.cells)
    assert sum("assert " in cell.code for cell in one.cells) >= 2
    assert one.title in links[number - 1][0]
    for target in re.findall(r'href="([^#"]*)"', page):
        name = target.removeprefix("criterion-").removesuffix(".html").replace("-", "_")
        assert target == "index.html" or (folder / target).exists() or name in CRITERIA
    if one.figure is not None:
        assert "<svg" in page
        assert one.caption


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
