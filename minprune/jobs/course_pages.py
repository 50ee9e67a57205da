"""The pages of the course: one a lesson, with links to the explanations of what it uses."""

from pathlib import Path

from minprune.files.atomic import write_atomic
from minprune.jobs.course import heading, lesson, scripts
from minprune.report.explain_page import slug
from minprune.report.lesson_page import file, lesson_page, link
from minprune.report.page import Html, element


def write_lessons(folder: Path, kinds: dict[str, str], index: str) -> list[tuple[Html, str]]:
    """Runs each lesson and writes its page; [(link, first words)] for the index

    kinds: {name: kind} of what has a page there; index: the file of the list of all.
    """
    titles = {number: heading(path) for number, path in scripts().items()}
    for number in titles:
        one = lesson(number)
        used = [name for name in one.names if name in kinds]
        more = [link(k, titles[k][0]) for k in (number + 1, number - 1) if k in titles]
        more += [element("a", name, href=slug(kinds[name], name)) for name in used]
        more.append(element("a", "All explanations", href=index))
        page = lesson_page(
            number, one.title, one.words, one.cells, one.figure, one.caption,
            f"minprune lesson {number}", more,
        )  # fmt: skip
        write_atomic(folder / file(number), page)
    return [(link(number, title), words) for number, (title, words) in titles.items()]
