"""The page of a comparison: compare.html, one self-contained file like report.html."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.report.compare_plots import FORETELL, accuracy_panels, scatter_panels
from minprune.report.compare_tables import (
    CONTROLS,
    STAGES,
    Titled,
    accuracies,
    correlations,
    differences,
    headline,
    heat,
    reasons,
)
from minprune.report.look import COMPARE
from minprune.report.markup import pairs, rows_table, section, text
from minprune.report.page import HOW_TO_GET_PICTURES, about_data, document

COSTS = {
    "macs": "multiply-adds that are left",
    "bytes": "bytes that are left, stored as sparse arrays where that is smaller",
}


def compare_page(result: Mapping[str, Any]) -> str:
    """The page as text; same arguments, same text

    result: what result.json of `minprune compare` holds; each part may be absent. Without
    matplotlib the page has its tables and says how to get the pictures.
    """
    name, spent = result.get("name", "comparison"), result.get("seconds", {})
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="headline">{text(headline(result))}</p>',
        f"<p><code>{text(result['command'])}</code></p>" if result.get("command") else "",
        *(stage_section(result, stage, words) for stage, words in STAGES.items()),
        section("Accuracy with fine-tuning, against its cost", cost_panels(result), long=True),
        section("Do the scores know what happens?", agreement(result), long=True),
        section("What each criterion kept of each layer", kept_table(result), long=True),
        section("Left out", left_out(result.get("left_out", []))),
        section("Net", f"<pre>{text(result['net'])}</pre>" if result.get("net") else ""),
        '<div class="pairs">',
        pairs("Settings", result.get("settings", {})),
        pairs("Options of criteria", result.get("options", {})),
        pairs("Data", about_data(result.get("data", {}))),
        pairs("Seconds", {k: f"{v:.1f}" for k, v in spent.get("of", {}).items()}),
        pairs("Versions", result.get("versions", {})),
        "</div>",
    ]
    return document(name, parts, COMPARE)


def stage_section(result: Mapping[str, Any], stage: str, words: str) -> str:
    """Panels and tables of one stage; nothing without a summary."""
    if not result.get("summary"):
        return ""
    note = (
        "Test accuracy in % against sparsity in %: the mean over the seeds, a band of one standard "
        "deviation; grey: the other criteria; dotted: the dense nets; a triangle: below the panel."
    )
    tables = [accuracies(result, stage, words)]
    tables += [differences(result, stage, words, control) for control in CONTROLS]
    body = (
        panels(lambda: accuracy_panels(result, stage), note)
        + f'<p class="note">{text(said(result))}</p>'
        + "".join(titled(*one) for one in tables if one[2])
    )
    return section(f"Accuracy {words}", body, long=True)


def cost_panels(result: Mapping[str, Any]) -> str:
    """Panels against multiply-adds and against bytes; nothing where costs are not known."""
    if not all(row.get("cost") for row in result.get("summary", [])) or not result.get("summary"):
        return ""
    return "".join(
        panels(
            lambda cost=cost: accuracy_panels(result, "fine-tuned", cost),  # type: ignore[misc]
            f"Test accuracy in % against the {words}: in % of the dense net, means over the seeds.",
        )
        for cost, words in COSTS.items()
    )


def said(result: Mapping[str, Any]) -> str:
    """What the numbers in the tables are."""
    seeds = result.get("settings", {}).get("seeds", 1)
    if seeds == 1:
        return "One seed: no standard deviation, so small differences say nothing."
    return (
        f"Mean (standard deviation) over {seeds} seeds. Differences are taken net by net, so what "
        f"a net brings along drops out; one that is not well above its standard deviation may be "
        f"chance."
    )


def titled(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under its own small heading."""
    return f"<h3>{text(title)}</h3>\n{rows_table(header, rows)}\n"


def panels(draw: Callable[[], list[str] | None], note: str) -> str:
    """The note and the panels; how to get them where they cannot be drawn."""
    drawn = draw()
    if drawn is None:
        return HOW_TO_GET_PICTURES
    inside = "\n".join(f"<div>{one}</div>" for one in drawn)
    return f'<p class="note">{text(note)}</p>\n<div class="multiples">\n{inside}\n</div>\n'


def agreement(result: Mapping[str, Any]) -> str:
    """The correlations with the oracle, and the scatter of scores against true changes."""
    table: Titled = correlations(result)
    if not table[2]:
        return ""
    entries = next(iter(result["truth"]))["entries"]
    what = "units" if result.get("settings", {}).get("unit") else "weights"
    n = sum(map(len, entries.values()))
    of = ", ".join(f"{len(at):,} of {name}" for name, at in entries.items())
    said = (
        f"{n:,} {what} of each dense net ({of}) were really removed, one at a time, and the change "
        f"of the loss on the calibration samples was compared with the scores: Spearman's rank "
        f"correlation with the change, and with its size whatever its sign."
    )
    named = ", ".join(name for name in FORETELL if name != "taylor")
    note = (
        "Across: the size of the true change; up: the score, of the first seed. Blue: the loss "
        "rises, orange: it falls, grey: it stays. Logarithmic where the score foretells the change "
        f"({named}; of taylor its root), with the line of exact prediction; all others by rank, "
        "from 0 to 1."
    )
    return (
        f"<p>{text(said)}</p>{rows_table(*table[1:])}{panels(lambda: scatter_panels(result), note)}"
    )


def kept_table(result: Mapping[str, Any]) -> str:
    """The share that each criterion kept of each layer, at each sparsity, as shaded cells."""
    rows = heat(result.get("cells", []))
    if not rows:
        return ""
    layers = list(rows[0][1])
    sparsities = list(dict.fromkeys(cell["sparsity"] for cell in result["cells"]))
    head = "".join(
        f'<th scope="colgroup" colspan="{len(sparsities)}">{text(n)}</th>' for n in layers
    )
    second = "".join(f'<th scope="col">{100 * s:g}</th>' for s in sparsities) * len(layers)
    body = "\n".join(
        f'<tr><th scope="row">{text(name)}</th>'
        + "".join(shaded(k, n == 0) for layer in layers for n, k in enumerate(kept[layer]))
        + "</tr>"
        for name, kept in rows
    )
    what = "units" if result.get("settings", {}).get("unit") else "weights"
    return (
        f'<p class="note">Percent of the {what} of each layer that are kept, at each sparsity (in '
        f"%), means over the seeds; the stronger the colour, the more.</p>"
        f'<div class="wide"><table class="heat"><thead><tr><td></td>{head}</tr>\n'
        f'<tr><th scope="col">criterion</th>{second}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def shaded(kept: float, first: bool) -> str:
    """A cell whose shade is its value; 1 decimal below 10 %, where it matters."""
    shown = f"{100 * kept:.0f}" if kept >= 0.0995 else f"{100 * kept:.1f}"
    begins = ' class="first"' if first else ""
    return f'<td{begins} style="--k:{55 * kept:.1f}%">{shown}</td>'


def left_out(found: Sequence[Mapping[str, Any]]) -> str:
    """What was not compared, and why."""
    rows = [[", ".join(names), why] for why, names in reasons(found).items()]
    return rows_table(["criterion", "why"], rows) if rows else ""
