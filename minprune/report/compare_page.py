"""The tables and the page of `minprune compare`, from result.json.

A table has a row for each criterion and a column for each sparsity: mean (standard deviation) over
the seeds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.measures.measure import share
from minprune.report.compare_figures import accuracies, scatters
from minprune.report.page import Cell, Html, document, element, fill, prose, table, text
from minprune.report.pictures import figure
from minprune.report.run_page import percent

Map = Mapping[str, Any]
SCATTERS = "Across: the size of the true change; up: the score, of the first seed."
GONE = "collapsed"  # of a net
Titled = tuple[str, list[str], list[list[str]]]  # title, header, rows
STAGES = {"pruned": "without fine-tuning", "fine-tuned": "with fine-tuning"}
CONTROLS = ("magnitude", "random")  # what the other criteria are compared with, pair by pair
COSTS = {
    "macs": "multiply-adds that are left",
    "bytes": "bytes that are left, stored as sparse arrays where that is smaller",
}


# --- tables, for the page and the terminal


def shown(found: Sequence[float | None] | None, scale: float = 100, sign: str = "") -> str:
    """[0.9722, 0.0031] -> 97.22 (0.31), in percent; a mean alone without brackets; None: -"""
    mean, sd = found or (None, None)
    if mean is None:
        return "-"
    rounded = f"{round(scale * mean, 2) + 0.0:{sign}.2f}"  # + 0.0: no -0.00
    return rounded if sd is None else f"{rounded} ({scale * sd:.2f})"


def compare_tables(result: Map) -> list[Titled]:
    """All tables of a result that have rows: accuracies, paired differences, agreement."""
    found = [one for stage in STAGES for one in stage_tables(result, stage)]
    return [titled for titled in (*found, correlations(result)) if titled[2]]


def stage_tables(result: Map, stage: str) -> list[Titled]:
    """Test accuracy of every criterion at every sparsity, and minus that of each control."""
    words, dense = STAGES[stage], shown(result.get("dense", {}).get("accuracy"))
    summary = result.get("summary", [])
    marked = "; !: no better than chance" * any("collapsed" in row[stage] for row in summary)
    sparsities = list(dict.fromkeys(row["sparsity"] for row in summary))
    titles = {"accuracy": f"Test accuracy in % {words} (dense: {dense}{marked})"}
    titles |= {
        f"minus_{control}": f"Percentage points above {control} {words}, paired by seed"
        for control in CONTROLS
    }
    tables = []
    for key, title in titles.items():
        found: dict[str, dict[float, str]] = {}
        for row in summary:
            if key in row[stage]:
                cell = shown(row[stage][key], sign="" if key == "accuracy" else "+")
                cell += " !" * (key == "accuracy" and "collapsed" in row[stage])
                found.setdefault(row["criterion"], {})[row["sparsity"]] = cell
        rows = [[n, *(cells.get(s, "-") for s in sparsities)] for n, cells in found.items()]
        tables.append((title, ["criterion", *(f"{100 * s:g} %" for s in sparsities)], rows))
    return tables


def correlations(result: Map) -> Titled:
    """How well each criterion orders entries by their true loss changes, and what it costs."""
    spent = result.get("seconds", {}).get("scoring", {})
    header = ["criterion", "rho, change", "rho, size of the change", "seconds"]
    rows = [
        [row["criterion"], *(shown(row[kind], scale=1) for kind in ("change", "size")),
         shown([spent.get(row["criterion"]), None], scale=1)]
        for row in result.get("agreement", [])
    ]  # fmt: skip
    title = "Rank correlation of the scores with the true change of the loss, and seconds to score"
    return title, header, rows


def headline(result: Map) -> str:
    """One sentence: who is best at the highest sparsity, beside the first control."""
    rows = result.get("summary", [])
    if not rows:
        return ""
    top = max(row["sparsity"] for row in rows)
    parts = []
    for stage, words in STAGES.items():
        at_top = {r["criterion"]: r[stage] for r in rows if r["sparsity"] == top}
        found = {name: one["accuracy"][0] for name, one in at_top.items()}
        best, control = max(found, key=found.__getitem__), CONTROLS[0]
        said = f"{best} {share(found[best])}"
        said += ", COLLAPSED to chance," * ("collapsed" in at_top[best])
        if control in found and best != control:
            said += f" ({control} {share(found[control])})"
        parts.append(f"{said} is the best mean {words}")
    dense = share(result["dense"]["accuracy"][0])
    return f"At {100 * top:g} % sparsity {', '.join(parts)}; dense: {dense}"


def alerts(result: Map) -> list[str]:
    """Which criteria left nets at chance at which sparsity, a sentence a stage; dense nets too"""
    found = []
    if fallen := [one["seed"] for one in result.get("dense", {}).get("seeds", []) if one.get(GONE)]:
        found.append(f"COLLAPSED to chance before pruning: the nets of seeds {listed(fallen)}")
    for stage, words in STAGES.items():
        seeds: dict[float, dict[str, list[bool]]] = {}
        for cell in result.get("cells", []):
            each = seeds.setdefault(cell["sparsity"], {}).setdefault(cell["criterion"], [])
            each.append(bool(cell.get(stage, {}).get(GONE)))
        at = [
            f"at {percent(sparsity)} %: {', '.join(names)}"
            for sparsity, of in sorted(seeds.items())
            if (names := [n + some(gone) for n, gone in of.items() if any(gone)])
        ]
        if at:
            found.append(f"COLLAPSED to chance {words}: {'; '.join(at)}")
    return found


def some(gone: Sequence[bool]) -> str:
    """How many of the seeds, where it is not all of them."""
    return "" if all(gone) else f" ({sum(gone)} of {len(gone)} seeds)"


def reasons(left_out: Sequence[Map]) -> dict[str, str]:
    """{why: criteria, separated by commas} of what was left out"""
    found: dict[str, list[str]] = {}
    for one in left_out:
        found.setdefault(one["why"], []).append(one["criterion"])
    return {why: ", ".join(names) for why, names in found.items()}


# --- the page


def compare_page(result: Map) -> str:
    """The page as text; same arguments, same text

    result: what result.json of `minprune compare` holds; each part may be absent.
    """
    truth, powers = result.get("truth", []), result.get("estimates", {})
    entries = truth[0]["entries"] if truth else {}
    what = "units" if result.get("settings", {}).get("unit") else "weights"
    of = ", ".join(f"{len(at):,} of {name}" for name, at in entries.items())
    removed = f"{sum(map(len, entries.values())):,} {what} of each dense net ({of})"
    left_out = [
        element("li", Html(f"{element('b', names)}: {text(why)}"))
        for why, names in reasons(result.get("left_out", [])).items()
    ]
    agreement = table("rank correlations", *correlations(result)[1:])
    drawn = scatters(result) if agreement else []
    sections = fill(
        "compare.html",
        stages=Html("".join(stage_section(result, stage) for stage in STAGES)),
        costs=cost_panels(result),
        removed=removed if agreement else "",
        agreement=Html(agreement + figure(drawn, SCATTERS)),
        estimates=", ".join(n if p == 1 else f"{n} to the power {p:g}" for n, p in powers.items()),
        kept=kept_table(result.get("cells", [])),
        what=what,
        left_out=element("ul", Html("".join(left_out)), class_="words") if left_out else "",
    )
    seconds = result.get("seconds", {}).get("of", {})
    return document(result, title(result), headline(result), sections, seconds, alerts(result))


def title(result: Map) -> str:
    """What was done: net, data, criteria, sparsities; empty if one of them is not known"""
    s, data = result.get("settings", {}), result.get("data", {}).get("name", "")
    if not data or not s.keys() >= {"net", "sparsities"} or not s.get("criteria"):
        return ""
    names, what = s["criteria"], "units" if s.get("unit") else "weights"
    of = listed(names) if len(names) <= 3 else f"{len(names)} criteria"
    shares = listed([percent(v) for v in s["sparsities"]])
    return f"{s['net']} on {data}: {of} at {shares} % of the {what} pruned"


def listed(words: Sequence[object]) -> str:
    """[a, b, c] -> a, b and c"""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last


def many_seeds(result: Map) -> int:
    """The number of seeds, which the settings give, or list."""
    seeds = result.get("settings", {}).get("seeds", 1)
    return len(seeds) if isinstance(seeds, list) else int(seeds)


def stage_section(result: Map, stage: str) -> str:
    """Panels and tables of one stage; nothing without a summary."""
    if not result.get("summary"):
        return ""
    seeds = many_seeds(result)
    meaning = (
        f"Mean (standard deviation) over {seeds} seeds. Differences are taken between models of "
        f"the same seed; one that is not well above its standard deviation may be chance."
        if seeds > 1
        else "One seed: no standard deviation, so small differences say nothing."
    )
    panels = accuracies(result, stage)
    bars = "; bars: one standard deviation to each side" if len(panels) == 1 and seeds > 1 else ""
    caption = f"Test accuracy in % {STAGES[stage]} against sparsity in %{bars}."
    parts = [f"<h2>Accuracy {STAGES[stage]}</h2>\n", figure(panels, caption)]
    parts.append(prose(meaning, "note"))
    for title, header, rows in stage_tables(result, stage):
        parts.append(f"<h3>{text(title)}</h3>\n{table(title, header, rows)}" if rows else "")
    return f"<section>{''.join(parts)}</section>\n"


def cost_panels(result: Map) -> Html:
    """Panels against multiply-adds and against bytes; nothing where costs are not known."""
    if not all(row.get("cost") for row in result.get("summary") or [{}]):
        return Html("")
    said = "Test accuracy in % with fine-tuning against {}, in % of the dense net{}."
    seeds = many_seeds(result)
    of = {words: accuracies(result, "fine-tuned", cost) for cost, words in COSTS.items()}
    if all(len(panels) == 1 for panels in of.values()):  # charts, side by side
        of = {" and against ".join(of): [one for panels in of.values() for one in panels]}
    bars = "; bars: one standard deviation to each side" if len(of) == 1 and seeds > 1 else ""
    return Html("".join(figure(of[words], said.format(words, bars)) for words in of))


def heat(cells: Sequence[Map]) -> dict[str, dict[str, list[float]]]:
    """{criterion: {layer: [share kept at each sparsity]}}, means over the seeds"""
    found: dict[str, dict[str, dict[float, list[float]]]] = {}
    for cell in cells:
        layers = found.setdefault(cell["criterion"], {})
        for layer, kept in cell["kept"].items():
            layers.setdefault(layer, {}).setdefault(cell["sparsity"], []).append(kept)
    return {
        name: {layer: [sum(v) / len(v) for v in by.values()] for layer, by in layers.items()}
        for name, layers in found.items()
    }


def kept_table(cells: Sequence[Map]) -> Html:
    """The share that each criterion kept of each layer, at each sparsity, as shaded cells."""
    found = heat(cells)
    layers = list(next(iter(found.values()), {}))
    sparsities = list(dict.fromkeys(cell["sparsity"] for cell in cells))
    rows = [[n, *(shaded(k) for layer in layers for k in kept[layer])] for n, kept in found.items()]
    header = ["criterion", *[f"{100 * s:g}" for s in sparsities] * len(layers)]
    groups = [("", 1), *((layer, len(sparsities)) for layer in layers)]
    return table("share kept of each layer", header, rows, kind="heat", groups=groups)


def shaded(kept: float) -> Cell:
    """A cell whose shade is its value; 1 decimal below 10 %, where it matters."""
    decimals = 0 if kept >= 0.0995 else 1
    return Cell(f"{100 * kept:.{decimals}f}", style=f"--k:{55 * kept:.1f}%")
