"""The page of `minprune compare`, compare.html: its sections, from result.json."""

from collections.abc import Mapping
from typing import Any

from minprune.report.compare_figures import accuracies, scatters
from minprune.report.compare_tables import (
    STAGES,
    correlations,
    headline,
    heat,
    reasons,
    stage_tables,
)
from minprune.report.figure import pictures
from minprune.report.markup import Cell, Html, document, fill, note, table, text

COSTS = {
    "macs": "multiply-adds that are left",
    "bytes": "bytes that are left, stored as sparse arrays where that is smaller",
}
PANELS = (
    "Test accuracy in % against sparsity in %: the mean over the seeds, a band of one standard "
    "deviation; grey: the other criteria; dotted: the dense nets; a triangle: below the panel."
)
Map = Mapping[str, Any]


def compare_page(result: Map) -> str:
    """The page as text; same arguments, same text

    result: what result.json of `minprune compare` holds; each part may be absent.
    """
    truth, powers = result.get("truth", []), result.get("estimates", {})
    entries = truth[0]["entries"] if truth else {}
    what = "units" if result.get("settings", {}).get("unit") else "weights"
    of = ", ".join(f"{len(at):,} of {name}" for name, at in entries.items())
    removed = f"{sum(map(len, entries.values())):,} {what} of each dense net ({of})"
    sections = fill(
        "compare.html",
        stages=Html("".join(stage_section(result, stage) for stage in STAGES)),
        costs=Html("".join(cost_panels(result))),
        removed=removed if result.get("agreement") else "",
        agreement=agreement(result),
        estimates=", ".join(n if p == 1 else f"{n} to the power {p:g}" for n, p in powers.items()),
        kept=kept_table(result),
        what=what,
        left_out=left_out(result.get("left_out", [])),
    )
    return document(result, headline(result), sections, result.get("seconds", {}).get("of", {}))


def stage_section(result: Map, stage: str) -> str:
    """Panels and tables of one stage; nothing without a summary."""
    if not result.get("summary"):
        return ""
    parts = [
        f"<h2>Accuracy {text(STAGES[stage])}</h2>\n",
        pictures(accuracies(result, stage), PANELS),
    ]
    parts.append(note(meaning(result)))
    for title, header, rows in stage_tables(result, stage):
        parts.append(f"<h3>{text(title)}</h3>\n{table(header, rows)}" if rows else "")
    return f'<section class="long">{"".join(parts)}</section>\n'


def meaning(result: Map) -> str:
    """What the numbers in the tables are."""
    seeds = result.get("settings", {}).get("seeds", 1)
    if seeds == 1:
        return "One seed: no standard deviation, so small differences say nothing."
    return (
        f"Mean (standard deviation) over {seeds} seeds. Differences are taken between models of "
        f"the same seed; one that is not well above its standard deviation may be chance."
    )


def cost_panels(result: Map) -> list[str]:
    """Panels against multiply-adds and against bytes; nothing where costs are not known."""
    summary = result.get("summary", [])
    if not summary or not all(row.get("cost") for row in summary):
        return []
    of = "in % of the dense net, means over the seeds."
    return [
        pictures(
            accuracies(result, "fine-tuned", cost), f"Test accuracy in % against {words}: {of}"
        )
        for cost, words in COSTS.items()
    ]


def agreement(result: Map) -> Html:
    """The correlations with the true changes, and the scatter of scores against them."""
    _, header, rows = correlations(result)
    return Html(table(header, rows) + pictures(scatters(result)) if rows else "")


def kept_table(result: Map) -> Html:
    """The share that each criterion kept of each layer, at each sparsity, as shaded cells."""
    found = heat(result.get("cells", []))
    if not found:
        return Html("")
    layers = list(found[0][1])
    sparsities = list(dict.fromkeys(cell["sparsity"] for cell in result["cells"]))
    rows = [[name, *(shaded(k) for layer in layers for k in kept[layer])] for name, kept in found]
    header = ["criterion", *[f"{100 * s:g}" for s in sparsities] * len(layers)]
    groups = [("", 1), *((layer, len(sparsities)) for layer in layers)]
    return table(header, rows, kind="heat", groups=groups)


def shaded(kept: float) -> Cell:
    """A cell whose shade is its value; 1 decimal below 10 %, where it matters."""
    shown = f"{100 * kept:.0f}" if kept >= 0.0995 else f"{100 * kept:.1f}"
    return Cell(shown, style=f"--k:{55 * kept:.1f}%")


def left_out(found: list[dict[str, str]]) -> Html:
    """What was not compared, and why."""
    rows = [[", ".join(names), why] for why, names in reasons(found).items()]
    return table(["criterion", "why"], rows) if rows else Html("")
