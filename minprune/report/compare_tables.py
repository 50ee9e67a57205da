"""The tables of a comparison: criterion x sparsity, mean (standard deviation) over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.stages import share

Titled = tuple[str, list[str], list[list[str]]]  # title, header, rows
STAGES = {"pruned": "without fine-tuning", "fine-tuned": "with fine-tuning"}
CONTROLS = ("magnitude", "random")


def percent(found: Sequence[float | None] | None, sign: bool = False) -> str:
    """[0.9722, 0.0031] -> 97.22 (0.31), in percent; a mean alone without brackets; None: -"""
    mean, sd = found or (None, None)
    if mean is None:
        return "-"
    shown = f"{round(100 * mean, 2) + 0.0:{'+' if sign else ''}.2f}"  # + 0.0: no -0.00
    return shown if sd is None else f"{shown} ({100 * sd:.2f})"


def plain(found: Sequence[float | None] | None) -> str:
    """[0.9722, 0.0031] -> 0.97 (0.00)"""
    if not found or found[0] is None:
        return "-"
    return f"{found[0]:.2f}" + ("" if found[1] is None else f" ({found[1]:.2f})")


def compare_tables(result: Mapping[str, Any]) -> list[Titled]:
    """All tables of a result: accuracies, paired differences, agreement; those that there are."""
    found = []
    for stage, words in STAGES.items():
        found.append(accuracies(result, stage, words))
        found += [differences(result, stage, words, control) for control in CONTROLS]
    found.append(correlations(result))
    return [titled for titled in found if titled[2]]


def accuracies(result: Mapping[str, Any], stage: str, words: str) -> Titled:
    """Test accuracy of every criterion at every sparsity."""
    dense = percent(result.get("dense", {}).get("accuracy"))
    title = f"Test accuracy in % {words} (dense: {dense})"
    return title, *grid(result, stage, "accuracy", sign=False)


def differences(result: Mapping[str, Any], stage: str, words: str, control: str) -> Titled:
    """Accuracy minus that of the control, on the same nets."""
    title = f"Percentage points above {control} {words}, paired by seed"
    return title, *grid(result, stage, f"minus_{control}", sign=True)


def grid(
    result: Mapping[str, Any], stage: str, key: str, sign: bool
) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of one figure: a row to a criterion, a column to a sparsity."""
    found: dict[str, dict[float, str]] = {}
    for row in result.get("summary", []):
        if key in row[stage]:
            cells = found.setdefault(row["criterion"], {})
            cells[row["sparsity"]] = percent(row[stage][key], sign)
    sparsities = list(dict.fromkeys(row["sparsity"] for row in result.get("summary", [])))
    header = ["criterion", *(f"{100 * s:g} %" for s in sparsities)]
    return header, [[n, *(cells.get(s, "-") for s in sparsities)] for n, cells in found.items()]


def correlations(result: Mapping[str, Any]) -> Titled:
    """How far each criterion orders entries as their true loss changes do, and what it costs."""
    spent = result.get("seconds", {}).get("scoring", {})
    header = ["criterion", "rho, change", "rho, size of the change", "seconds"]
    rows = [
        [
            row["criterion"], plain(row["change"]), plain(row["size"]),
            f"{spent[row['criterion']]:.2f}" if row["criterion"] in spent else "-",
        ]
        for row in result.get("agreement", [])
    ]  # fmt: skip
    title = "Rank correlation of the scores with the true change of the loss, and seconds to score"
    return title, header, rows


def headline(result: Mapping[str, Any]) -> str:
    """One sentence: who is best at the highest sparsity, beside magnitude and the dense nets."""
    rows = result.get("summary", [])
    if not rows:
        return ""
    top = max(row["sparsity"] for row in rows)
    last = {row["criterion"]: row for row in rows if row["sparsity"] == top}
    parts = []
    for stage, words in STAGES.items():
        found = {name: row[stage]["accuracy"][0] for name, row in last.items()}
        best = max(found, key=found.__getitem__)
        beside = "" if best == "magnitude" else f" ({_of(found, 'magnitude')})"
        parts.append(f"{_of(found, best)}{beside.replace(' ()', '')} is the best mean {words}")
    dense = share(result["dense"]["accuracy"][0])
    return f"At {100 * top:g} % sparsity {', '.join(parts)}; dense: {dense}"


def _of(found: Mapping[str, float], name: str) -> str:
    return f"{name} {share(found[name])}" if name in found else ""


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
