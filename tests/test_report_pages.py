"""What every page must keep, without a browser: paths, requests, legends, contents, contrast.

Each check is a function of a page's text that must also reject a small wrong page.
"""

import copy
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import test_compare_page as comparison
import test_report as run
from test_report import Reader, reaches_out

from minprune.report import compare_figures
from minprune.report.compare_page import compare_page
from minprune.report.mask_figures import BLUE
from minprune.report.page import near, near_command, with_contents
from minprune.report.pictures import Picture, figure
from minprune.report.run_page import run_page

pytest.importorskip("matplotlib", reason='no matplotlib: pip install "minprune[report]"')
HOME = "/home/somebody"
TEMPLATE = Path(compare_figures.__file__).with_name("page.html").read_text("utf-8")


def of_home(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a job that was given paths of somebody's home."""
    found = copy.deepcopy(result)
    found["settings"] |= {"out": f"{HOME}/runs/a", "data": f"{HOME}/x.csv", "net": "mlp"}
    found["command"] = f"minprune run --data '{HOME}/my data/x.csv' --out={HOME}/runs/a"
    return found


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """{job: its page}"""
    with pytest.MonkeyPatch.context() as patch:
        few = compare_page(of_home(comparison.with_costs()))
        patch.setattr(compare_figures, "FEW", 1)
        many = compare_page(of_home(comparison.with_costs()))
    return {"run": run_page(of_home(run.RESULT), run.HISTORY), "few": few, "many": many}


# --- the checks: what is wrong with a page, in words


def paths(text: str) -> list[str]:
    """Absolute paths, of any system."""
    shown = " ".join(Reader(text).words[1:])
    style = text.partition("<style>")[2].partition("</style>")[0]
    found = re.findall(r"(?<![\w.:/-])(?:/|~/|[A-Za-z]:\\)\w[\w .-]*[/\\]\S*", shown)
    return found + [HOME] * (HOME in text.replace(style, ""))


def requests(text: str) -> list[str]:
    """Addresses, and what asks for them."""
    return re.findall(r"https?://[^\"' <]*", text) + ["a request"] * reaches_out(text)


def figures(text: str) -> list[str]:
    """Figures without caption, legend or text for those who cannot see them."""
    found = []
    for one in re.findall(r"(?s)<figure>.*?</figure>", text):
        caption = re.search(r"<figcaption>([^<]*)</figcaption>", one)
        entries = re.findall(r"(?s)<li><span[^>]*>.*?</span>([^<]+)</li>", one)
        if not caption or not caption[1].strip():
            found.append("no caption")
        if not entries or len(entries) != len(set(entries)):
            found.append("no legend, or a name twice")
        if re.search(r'<svg(?![^>]*role="img" aria-label="[^"]+")', one):
            found.append("a picture without words")
    alone = re.sub(r"(?s)<figure>.*?</figure>", "", text)
    return found + ["a picture outside of a figure"] * ("<svg" in alone)


def links(text: str) -> list[str]:
    """Links that lead nowhere, sections that no link leads to, ids that repeat."""
    ids = re.findall(r' id="([^"]*)"', text)
    to = re.findall(r'<a href="#([^"]*)"', text)
    sections = re.findall(r'<section id="([^"]*)"', text)
    found = [f"{name} is not there" for name in to if name not in ids]
    found += [f"{name} is not listed" for name in sections if name not in to]
    found += ["a section without an id"] * (text.count("<section") != len(sections))
    return found + [f"{name} twice" for name in set(ids) if ids.count(name) > 1]


def tables(text: str) -> list[str]:
    """Tables, and texts of fixed width, that do not scroll by themselves."""
    box = r'<div class="wide" role="region" aria-label="[^"]+" tabindex="0">'
    inside = re.sub(rf"(?s){box}<(table|pre).*?</\1>", "", text)
    return re.findall(r"<(?:table|pre)[^>]*>", inside)


CHECKS: dict[Callable[[str], list[str]], tuple[str, ...]] = {  # check: pages that it must reject
    paths: ("<p>/home/me/runs</p>", "<p>at ~/runs/x</p>", "<p>C:\\Users\\me</p>"),
    requests: ('<img src="https://a.org/x.png">', "<p>see http://a.org</p>"),
    figures: (
        "<figure><ul><li><span></span>a</li></ul></figure>",
        "<figure><figcaption>a</figcaption></figure>",
        "<figure><ul><li><span></span>a</li></ul><svg></svg><figcaption>a</figcaption></figure>",
        '<p><svg role="img" aria-label="a"></svg></p>',
    ),
    links: (
        '<a href="#a">a</a>', '<section id="a"></section>', "<section></section>",
        '<a href="#a">a</a><p id="a"></p><p id="a"></p>',
    ),
    tables: (
        "<table></table>",
        '<div class="wide" role="region" aria-label="a" tabindex="0"><p></p></div><pre></pre>',
    ),
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_every_page_passes(check: Callable[[str], list[str]], pages: dict[str, str]) -> None:
    assert {job: check(text) for job, text in pages.items()} == {job: [] for job in pages}
    for wrong in CHECKS[check]:
        assert check(f"<title>a</title>{wrong}")


# --- titles and paths


def title(text: str) -> str:
    """The title, which is the first heading too."""
    first, heading = (re.search(rf"<{name}>([^<]*)<", text) for name in ("title", "h1"))
    assert first
    assert heading
    assert first[1] == heading[1]
    return unescape(first[1])


def test_titles_say_what_was_done() -> None:
    s = {"net": "mlp", "criterion": "obd", "sparsity": 0.9}
    data = {"name": "digits"}
    for more, words in (
        ({}, "mlp on digits: 90 % of the weights pruned by obd"),
        ({"unit": True, "sparsity": 0.625}, "mlp on digits: 62.5 % of the units pruned by obd"),
        ({"scope": "layer"}, "mlp on digits: 90 % of the weights of each layer pruned by obd"),
    ):  # fmt: skip
        assert title(run_page({"name": "x", "settings": s | more, "data": data}, {})) == words
    assert title(run_page({"name": "x", "settings": s}, {})) == "x"
    assert title(run_page({}, {})) == "report"
    s = {"net": "mlp", "criteria": ["a", "b"], "sparsities": [0.5, 0.9, 0.95]}
    for more, words in (
        ({}, "mlp on digits: a and b at 50, 90 and 95 % of the weights pruned"),
        ({"criteria": ["a"], "sparsities": [0.5], "unit": True},
         "mlp on digits: a at 50 % of the units pruned"),
        ({"criteria": list("abcd"), "sparsities": [0.5, 0.9]},
         "mlp on digits: 4 criteria at 50 and 90 % of the weights pruned"),
    ):  # fmt: skip
        assert title(compare_page({"settings": s | more, "data": data})) == words
    assert title(compare_page({"name": "x", "data": data})) == "x"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/home/me/runs/x", "x"), ("/", ""), ("~/runs/x", "x"), ("../me/x", "x"),
        ("C:\\Users\\me\\x", "x"), ("\\\\host\\me\\x", "x"), ("runs/x", "runs/x"),
        ("digits", "digits"), ("", ""), ("0.5,0.9", "0.5,0.9"),
    ],
)  # fmt: skip
def test_a_path_without_the_folders_above_it(value: str, shown: str) -> None:
    assert near(value) == shown


def test_a_command_with_short_paths() -> None:
    given = "minprune run --data '/home/my self/d e.csv' --out=/home/me/x --lr 0.1"
    assert near_command(given) == "minprune run --data 'd e.csv' --out=x --lr 0.1"
    assert near_command("no 'list") == near_command("") == ""


def test_contents_are_the_sections() -> None:
    text = with_contents(
        '<nav aria-label="Contents"></nav><section><h2>A, b</h2></section>'
        '<section class="x"><h2>C</h2></section>'
    )
    assert text == (
        '<nav aria-label="Contents"><ul><li><a href="#a-b">A, b</a></li><li><a href="#c">C</a>'
        '</li></ul></nav><section id="a-b"><h2>A, b</h2></section>'
        '<section id="c" class="x"><h2>C</h2></section>'
    )
    assert "<ul>" not in with_contents('<nav aria-label="Contents"></nav>')


# --- legends


def test_the_legend_names_what_is_drawn_once_and_as_it_is_drawn() -> None:
    def draw(ax: Any) -> None:
        ax.plot([1, 2], [1, 2], "--s", label="<a> $x$")
        ax.fill_between([1, 2], [1, 2], [2, 3], label="b")

    two = [Picture("one", (2, 2), draw, "t<", "9"), Picture("two", (2, 2), draw)]
    text = figure(two, "c & d")
    Reader(text)
    items = re.findall(r"(?s)<li>(.*?)</li>", text)
    assert [re.sub(r"(?s)<svg.*?</svg>|<[^>]*>", "", one) for one in items] == [
        "&lt;a&gt; $x$", "b",
    ]  # fmt: skip
    assert "stroke-dasharray" in items[0]
    assert "stroke-dasharray" not in items[1]
    assert '<p class="above">t&lt;<span>9</span></p>' in text
    assert "<figcaption>c &amp; d</figcaption>" in text
    assert not figures(text)
    assert figure([], "c") == ""


# --- colours


def palettes() -> dict[str, dict[str, str]]:
    """{light, dark, print: {name: colour}}; each begins with the light one, as in the style"""
    roots = re.findall(r"(?s)(?:@media ([^{]*?) \{ )?:root \{(.*?)\}", TEMPLATE)
    named = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", of)) for _, of in roots]
    whats = [("dark" if "dark" in media else media) or "light" for media, _ in roots]
    return {what: named[0] | own for what, own in zip(whats, named, strict=True)}


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * d for d in colour[1:])
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """The contrast of WCAG: (light + 0.05) / (dark + 0.05)"""
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)


def mixed(a: str, b: str, share: float) -> str:
    """color-mix in srgb of six-digit colours"""
    parts = [[int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in (a, b)]
    return "#" + "".join(
        f"{round(share * x + (1 - share) * y):02x}" for x, y in zip(*parts, strict=True)
    )


def test_contrast_by_hand() -> None:
    assert contrast("#fff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert mixed("#ff0000", "#0000ff", 0.6) == "#990066"


@pytest.mark.parametrize("what", ["light", "dark", "print"])
def test_text_and_lines_stand_out(what: str) -> None:
    """4.5 for text, which lines' numbers and links are too; 3 for what is drawn"""
    found = palettes()[what]
    paper = "#ffffff" if found["paper"] == "#fff" else found["paper"]
    text = ["ink", "faint", "line-1", *(f"lane-{k}" for k in range(1, 7))]
    assert {name: contrast(found[name], paper) >= 4.5 for name in text} == dict.fromkeys(text, True)
    assert contrast(found["line-2"], paper) >= 3
    assert contrast(found["ink"], found["alert"]) >= 4.5
    shade = mixed(found["line-1"], paper, 0.55)  # of the darkest cell
    assert contrast("#000000" if found["ink"] == "#000" else found["ink"], shade) >= 4.5


def test_every_colour_is_defined_in_light_dark_and_print() -> None:
    found = palettes()
    assert list(found) == ["light", "dark", "print"]
    used = set(re.findall(r"var\(--([a-z]+(?:-\d)?)\)", TEMPLATE)) - {
        "k",
        "least",
        "wide",
        "longest",
    }
    for what in found:
        assert used <= found[what].keys()
    assert found["print"]["paper"] == "#fff"  # no dark background
    blue = "".join(f"{round(255 * v):02x}" for v in BLUE)
    assert f".sample .kept {{ background: #{blue};" in TEMPLATE


def test_print_has_a_page_size_and_breaks_figures_between_panels() -> None:
    style = TEMPLATE.partition("@media print { html")[2]
    assert re.search(r"@page \{ size: A4; margin: \d+mm; \}", TEMPLATE)
    assert re.search(r"\.pictures > div,[^{]*\{ break-inside: avoid", style)
    assert not re.search(r"\bfigure,[^{]*\{ break-inside", style)
    assert re.search(r"h2, h3,[^{]*\{ break-after: avoid", style)
    assert ".wide { overflow: visible; }" in style


def test_left_out_criteria_are_words_that_wrap() -> None:
    result = {"left_out": [{"criterion": f"name_{k}", "why": "slow & <b>"} for k in range(20)]}
    text = compare_page(result)
    listed = ", ".join(f"name_{k}" for k in range(20))
    assert f'<ul class="words"><li><b>{listed}</b>: slow &amp; &lt;b&gt;</li></ul>' in text


def test_a_real_page_tells_no_folder(tmp_path: Path) -> None:
    from minprune.cli import main

    out = tmp_path / "somewhere" / "a"
    words = ["run", "--net", "mlp", "--epochs", "1", "--quiet", "--out", str(out)]
    assert main(words) in (0, None)
    text = (out / "report.html").read_text("utf-8")
    assert str(tmp_path) not in text
    assert json.loads((out / "result.json").read_text("utf-8"))["stages"][0]["class_samples"]
    assert {check.__name__: check(text) for check in CHECKS} == {c.__name__: [] for c in CHECKS}
    assert re.search(r"Class \d lost most: \d+ of \d+ images, -|No class lost accuracy", text)
