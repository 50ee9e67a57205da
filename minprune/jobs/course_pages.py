"""The pages of the course: one a lesson, with links to the explanations of what it uses."""

from collections.abc import Mapping
from pathlib import Path

from minprune.files.atomic import write_atomic
from minprune.jobs.course import Lesson, heading, lesson, scripts
from minprune.report.explain_page import slug
from minprune.report.lesson_page import file, lesson_page, link
from minprune.report.page import Html, element


def page(one: Lesson, kinds: Mapping[str, str], index: str) -> str:
    """The page of a lesson that was run

    kinds: {name: kind} of what has a page beside it; index: the file of the list of all pages.
    """
    titles = {number: heading(path)[0] for number, path in scripts().items()}
    beside = [number for number in (one.number + 1, one.number - 1) if number in titles]
    more = [link(number, titles[number]) for number in beside]
    used = [name for name in one.names if name in kinds]
    more += [element("a", f"{kinds[name]} {name}", href=slug(kinds[name], name)) for name in used]
    more.append(element("a", "All lessons and explanations", href=index))
    return lesson_page(
        one.number, one.title, one.words, one.cells, one.figure, one.caption,
        f"minprune lesson {one.number}", more,
    )  # fmt: skip


def write_lessons(folder: Path, kinds: Mapping[str, str], index: str) -> list[tuple[Html, str]]:
    """Runs each lesson and writes its page; [(link, what it is about)] for the index"""
    entries = []
    for number in scripts():
        one = lesson(number)
        write_atomic(folder / file(number), page(one, kinds, index))
        entries.append((link(number, one.title), one.words))
    return entries
