"""The pages of the course: one a lesson, with links to the explanations of what it uses."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from minprune.files.atomic import write_atomic
from minprune.jobs.course import Lesson, heading, lesson, scripts
from minprune.report.explain_page import slug
from minprune.report.lesson_page import file, lesson_page, link
from minprune.report.page import Html, element

Named = Sequence[tuple[str, str]]  # (kind, name) of what has a page beside those of lessons


def used(one: Lesson, there: Named) -> Iterator[tuple[str, str]]:
    """Those that the lesson uses, in its order: criteria by name, others by their calls"""
    known = {
        (kind == "criterion", plain(name)): (kind, name) for kind, name in there if kind != "law"
    }
    asked = [(True, plain(name)) for name in one.texts]
    asked += [(False, plain(name)) for name in one.calls]
    yield from dict.fromkeys(known[each] for each in asked if each in known)


def plain(name: str) -> str:
    """RigL and rigl, LotteryTicket and lottery_ticket are one"""
    return name.lower().replace("_", "")


def page(one: Lesson, there: Named, index: str) -> str:
    """The page of a lesson that was run; index: the file of the list of all pages"""
    titles = {number: heading(path)[0] for number, path in scripts().items()}
    beside = [number for number in (one.number + 1, one.number - 1) if number in titles]
    more = [link(number, titles[number]) for number in beside]
    for kind, name in used(one, there):
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
