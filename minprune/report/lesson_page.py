"""The page of a lesson: words, code and what it prints, cell by cell; a picture; links."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from minprune.report.explain_page import section
from minprune.report.page import Html, document, element, prose, region, text
from minprune.report.pictures import Picture, figure

SIZE = (5.2, 3.4)


def file(number: int) -> str:
    """The name of a lesson's page"""
    return f"lesson-{number:02d}.html"


def link(number: int, title: str) -> Html:
    """A link to a lesson's page"""
    return element("a", f"Lesson {number}: {title}", href=file(number))


def lesson_page(
    number: int, title: str, words: str, cells: Sequence[tuple[str, str, str, str]],
    draw: Callable[[Any], None] | None, caption: str, script: str, more: Sequence[Html],
) -> str:  # fmt: skip
    """The page of one lesson

    cells: (title, words, code, output). draw: draws the picture on axes. script: the module.
    more: what to read next.
    """
    made = [section(cell[0], shown(number, cell)) for cell in cells]
    if draw is not None:
        picture = Picture(f"lesson {number}: {title}", SIZE, draw)
        made.append(section("Picture", figure([picture], marked(caption))))
    listed = element("ul", Html("".join(element("li", each) for each in more)), class_="words")
    made.append(section("Read next", listed))
    how = f"A script of its own: python -m {script} runs it. Copy it, and change the numbers."
    made.insert(0, prose(how, "note"))
    return document({"command": f"minprune lesson {number}"}, f"Lesson {number}: {title}", words,
                    Html("".join(made)), {})  # fmt: skip


def shown(number: int, cell: tuple[str, str, str, str]) -> Html:
    """The words, the code, and below it what it prints"""
    title, words, code, output = cell
    made = [prose(marked(words))]
    if code:
        made.append(block(code, f"{title}: code"))
    if output:
        made.append(Html(prose("It prints", "note") + block(output, f"{title}: output")))
    return Html("".join(made))


def marked(words: str) -> Html:
    """What is between backquotes is code"""
    return Html(re.sub("`(.*?)`", r"<code>\1</code>", text(words)))


def block(lines: str, label: str) -> Html:
    """Code, or what it prints, as it stands"""
    longest = max(map(len, lines.split("\n")))
    return region(element("pre", lines, style=f"--longest:{longest}"), label)
