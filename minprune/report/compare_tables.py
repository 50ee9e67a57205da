"""The tables of a comparison: criterion x sparsity, mean (standard deviation) over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.stages import share

Titled = tuple[str, list[str], list[list[str]]]  # title, header, rows
STAGES = {"pruned": "without fine-tuning", "fine-tuned": "with fine-tuning"}
CONTROLS = ("magnitude", "random")  # what the other criteria are compared with, pair by pair


def percent(found: Sequence[float | None] | None, sign: bool = False) -> str:
    """[0.9722, 0.0031] -> 97.22 (0.31), in percent; a mean alone without brackets; None: -"""
    mean, sd = found or (None, None)
    if mean is None:
        return "-"
    shown = f"{round(100 * mean, 2) + 0.0:{'+' if sign else ''}.2f}"  # + 0.0: no -0.00
    return shown if sd is None else f"{shown} ({100 * sd:.2f})"


def plain(found: Sequence[float | None] | None) -> str:
    """[0.9722, 0.0031] -> 0.97 (0.00)"""
    mean, sd = found or (None, None)
    return "-" if mean is None else f"{mean:.2f}" + ("" if sd is None else f" ({sd:.2f})")


def compare_tables(result: Mapping[str, Any]) -> list[Titled]:
    """All tables of a result that have rows: accuracies, paired differences, agreement."""
    found = [one for stage in STAGES for one in stage_tables(result, stage)]
    return [titled for titled in (*found, correlations(result)) if titled[2]]


def stage_tables(result: Mapping[str, Any], stage: str) -> list[Titled]:
    """Test accuracy of every criterion at every sparsity, and minus that of each control."""
    words, dense = STAGES[stage], percent(result.get("dense", {}).get("accuracy"))
    tables = [(f"Test accuracy in % {words} (dense: {dense})", *grid(result, stage, "accuracy"))]
    tables += [
        (
            f"Percentage points above {control} {words}, paired by seed",
            *grid(result, stage, f"minus_{control}", sign=True),
        )
        for control in CONTROLS
    ]
    return tables


def grid(
    result: Mapping[str, Any], stage: str, key: str, sign: bool = False
) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of one figure: a row for each criterion, a column for each sparsity."""
    found: dict[str, dict[float, str]] = {}
    for row in result.get("summary", []):
        if key in row[stage]:
            cells = found.setdefault(row["criterion"], {})
            cells[row["sparsity"]] = percent(row[stage][key], sign)
    sparsities = list(dict.fromkeys(row["sparsity"] for row in result.get("summary", [])))
    header = ["criterion", *(f"{100 * s:g} %" for s in sparsities)]
    return header, [[n, *(cells.get(s, "-") for s in sparsities)] for n, cells in found.items()]


def correlations(result: Mapping[str, Any]) -> Titled:
    """How well each criterion orders entries by their true loss changes, and what it costs."""
    spent = result.get("seconds", {}).get("scoring", {})
    header = ["criterion", "rho, change", "rho, size of the change", "seconds"]
    rows = []
    for row in result.get("agreement", []):
        name = row["criterion"]
        seconds = f"{spent[name]:.2f}" if name in spent else "-"
        rows.append([name, plain(row["change"]), plain(row["size"]), seconds])
    title = "Rank correlation of the scores with the true change of the loss, and seconds to score"
    return title, header, rows


def headline(result: Mapping[str, Any]) -> str:
    """One sentence: who is best at the highest sparsity, beside the first control."""
    rows = result.get("summary", [])
    if not rows:
        return ""
    top = max(row["sparsity"] for row in rows)
    parts = []
    for stage, words in STAGES.items():
        found = {r["criterion"]: r[stage]["accuracy"][0] for r in rows if r["sparsity"] == top}
        best = max(found, key=found.__getitem__)
        beside = [name for name in CONTROLS[:1] if name in found and name != best]
        said = "".join(f" ({name} {share(found[name])})" for name in beside)
        parts.append(f"{best} {share(found[best])}{said} is the best mean {words}")
    dense = share(result["dense"]["accuracy"][0])
    return f"At {100 * top:g} % sparsity {', '.join(parts)}; dense: {dense}"


def reasons(left_out: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """{why: criteria} of what was left out"""
    found: dict[str, list[str]] = {}
    for one in left_out:
        found.setdefault(one["why"], []).append(one["criterion"])
    return found


def heat(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, list[float]]]]:
    """[(criterion, {layer: [share kept at each sparsity]})], means over the seeds"""
    found: dict[str, dict[str, dict[float, list[float]]]] = {}
    for cell in cells:
        layers = found.setdefault(cell["criterion"], {})
        for layer, kept in cell["kept"].items():
            layers.setdefault(layer, {}).setdefault(cell["sparsity"], []).append(kept)
    return [
        (name, {layer: [sum(v) / len(v) for v in by.values()] for layer, by in layers.items()})
        for name, layers in found.items()
    ]
