"""The pages of the course: one a lesson, with links to the explanations of what it uses."""

from pathlib import Path

from minprune.files.atomic import write_atomic
from minprune.jobs.course import Lesson, heading, lesson, scripts
from minprune.jobs.course_uses import Named, uses
from minprune.report.explain_page import slug
from minprune.report.lesson_page import file, lesson_page, link
from minprune.report.page import Html, element


def page(one: Lesson, there: Named, index: str) -> str:
    """The page of a lesson that was run; index: the file of the list of all pages"""
    titles = {number: heading(path)[0] for number, path in scripts().items()}
    beside = [number for number in (one.number + 1, one.number - 1) if number in titles]
    more = [link(number, titles[number]) for number in beside]
    for kind, name in uses(scripts()[one.number], there):
        more.append(element("a", f"{kind} {name}", href=slug(kind, name)))
    more.append(element("a", "All lessons and explanations", href=index))
    return lesson_page(
        one.number, one.title, one.words, one.cells, one.figure, one.caption,
        one.module, more,
    )  # fmt: skip


def write_lessons(folder: Path, there: Named, index: str) -> list[Html]:
    """Runs each lesson and writes its page; links to them in order"""
    links = []
    for number in scripts():
        one = lesson(number)
        write_atomic(folder / file(number), page(one, there, index))
        links.append(link(number, one.title))
    return links
