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
from minprune.report.markup import Cell, document, note, section, table, text

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
    sections = [
        *(stage_section(result, stage) for stage in STAGES),
        section("Accuracy with fine-tuning, against its cost", *cost_panels(result), long=True),
        section("Scores and true changes of the loss", agreement(result), long=True),
        section("Share kept of each layer", kept_table(result), long=True),
        section("Left out", left_out(result.get("left_out", []))),
    ]
    return document(result, headline(result), sections, result.get("seconds", {}).get("of", {}))


def stage_section(result: Map, stage: str) -> str:
    """Panels and tables of one stage; nothing without a summary."""
    if not result.get("summary"):
        return ""
    parts: list[str] = [pictures(accuracies(result, stage), PANELS), note(meaning(result))]
    for title, header, rows in stage_tables(result, stage):
        parts.append(f"<h3>{text(title)}</h3>\n{table(header, rows)}" if rows else "")
    return section(f"Accuracy {STAGES[stage]}", *parts, long=True)


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


def agreement(result: Map) -> str:
    """The correlations with the true changes, and the scatter of scores against them."""
    _, header, rows = correlations(result)
    if not rows:
        return ""
    entries, what = result["truth"][0]["entries"], _what(result)
    n = sum(map(len, entries.values()))
    of = ", ".join(f"{len(at):,} of {name}" for name, at in entries.items())
    said = (
        f"{n:,} {what} of each dense net ({of}) were removed, one at a time, and the change of the "
        f"loss on the calibration samples was compared with the scores: Spearman's rank "
        f"correlation with the change, and with its size whatever its sign."
    )
    powers = result.get("estimates", {}).items()
    named = ", ".join(
        name if power == 1 else f"{name} to the power {power:g}" for name, power in powers
    )
    key = (
        "Across: the size of the true change; up: the score, of the first seed. Blue: the loss "
        "rises, orange: it falls, grey: it stays. Logarithmic where the score estimates the change "
        f"({named or 'none does'}), with the line of exact estimates; all others by rank, from 0 "
        "to 1."
    )
    return f"<p>{text(said)}</p>\n{table(header, rows)}{pictures(scatters(result), key)}"


def kept_table(result: Map) -> str:
    """The share that each criterion kept of each layer, at each sparsity, as shaded cells."""
    found = heat(result.get("cells", []))
    if not found:
        return ""
    layers = list(found[0][1])
    sparsities = list(dict.fromkeys(cell["sparsity"] for cell in result["cells"]))
    rows = [[name, *(shaded(k) for layer in layers for k in kept[layer])] for name, kept in found]
    header = ["criterion", *[f"{100 * s:g}" for s in sparsities] * len(layers)]
    groups = [("", 1), *((layer, len(sparsities)) for layer in layers)]
    said = (
        f"Percent of the {_what(result)} of each layer that are kept, at each sparsity (in %), "
        f"means over the seeds; the stronger the colour, the more."
    )
    return note(said) + table(header, rows, kind="heat", groups=groups)


def _what(result: Map) -> str:
    return "units" if result.get("settings", {}).get("unit") else "weights"


def shaded(kept: float) -> Cell:
    """A cell whose shade is its value; 1 decimal below 10 %, where it matters."""
    shown = f"{100 * kept:.0f}" if kept >= 0.0995 else f"{100 * kept:.1f}"
    return Cell(shown, style=f"--k:{55 * kept:.1f}%")


def left_out(found: list[dict[str, str]]) -> str:
    """What was not compared, and why."""
    rows = [[", ".join(names), why] for why, names in reasons(found).items()]
    return table(["criterion", "why"], rows) if rows else ""
