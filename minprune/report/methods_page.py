"""The page of `minprune compare --methods`: accuracy against sparsity, updates and cost."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from minprune.report.compare_figures import (
    FEW,
    LARGE,
    SIZE,
    accuracies,
    accuracy_panel,
    bounds,
)
from minprune.report.compare_page import COSTS, listed, reasons
from minprune.report.curve_figures import Curve, curve
from minprune.report.method_tables import (
    DENSE,
    HALF,
    headline,
    method_alerts,
    method_tables,
    most_seeds,
)
from minprune.report.page import Html, document, element, fill, table, text
from minprune.report.pictures import LINE_1, Picture, figure
from minprune.report.run_page import percent

Map = Mapping[str, Any]
FINAL = "at the end"
BAR = f"{HALF} to each side"
UPDATES = (
    "Validation accuracy in % after each epoch, against the updates so far, means over the seeds"
)
UP = "up: test accuracy in %; across: {}, in % of the dense net"


def methods_page(result: Map) -> str:
    """The page as text; same arguments, same text

    result: what result.json of `minprune compare --methods` holds; each part may be absent.
    """
    panels = charts(result)
    several = most_seeds(result.get("summary", [])) > 1
    bars = f"; bars: {BAR}" if several and len(panels) == 1 else ""
    left_out = [
        element("li", Html(f"{element('b', names)}: {text(why)}"))
        for why, names in reasons(result.get("left_out", [])).items()
    ]
    tables = [
        f"<h3>{text(title)}</h3>\n{table(title, header, rows)}"
        for title, header, rows in method_tables(result)
    ]
    highest = max((row["sparsity"] for row in result.get("summary", [])), default=0)
    at = f", at {percent(highest)} % sparsity" if len(panels) > 1 else ""
    sections = fill(
        "methods.html",
        tables=Html("".join(tables)),
        accuracies=figure(panels, f"Test accuracy in % against sparsity in %{bars}."),
        updates=figure(by_updates(result), f"{UPDATES}{at}."),
        costs=Html("".join(against(result, cost, bars) for cost in COSTS)),
        left_out=element("ul", Html("".join(left_out)), class_="words") if left_out else "",
    )
    seconds = result.get("seconds", {}).get("of", {})
    said = headline(result)
    return document(result, title(result), said, sections, seconds, method_alerts(result))


def title(result: Map) -> str:
    """What was done: net, data, methods, sparsities; empty if one of them is not known"""
    s, data = result.get("settings", {}), result.get("data", {}).get("name", "")
    if not data or not s.keys() >= {"net", "sparsities"} or not s.get("methods"):
        return ""
    names, what = s["methods"], "units" if s.get("unit") else "weights"
    of = listed(names) if len(names) <= 3 else f"{len(names)} methods"
    shares = listed([percent(v) for v in s["sparsities"]])
    return f"{s['net']} on {data}: {of} at {shares} % of the {what} pruned"


def against(result: Map, cost: str, bars: str) -> str:
    """A heading and the charts against one cost; nothing without them"""
    drawn = charts(result, cost)
    said = f"Each picture: {UP.format(COSTS[cost])}{bars}."
    return f"<h3>Against {COSTS[cost]}</h3>\n{figure(drawn, said)}" if drawn else ""


def charts(result: Map, against: str = "sparsity") -> list[Picture]:
    """Accuracies against sparsity or a cost: one chart, or a panel for each of many methods"""
    rows = result.get("summary", [])
    dense = next((row["accuracy"] for row in rows if row["label"] == DENSE), None)
    pruned = [
        {
            "criterion": row["label"], "sparsity": row["sparsity"],
            FINAL: {"accuracy": row["accuracy"]},
            "cost": {k: [v, None] for k, v in row["cost"].items()},
        }
        for row in rows if row["label"] != DENSE
    ]  # fmt: skip
    if dense is None or not pruned:
        return []
    found = {"summary": pruned, "dense": {"accuracy": dense}}
    return accuracies(found, FINAL, against, what="method", bar=BAR)


def by_updates(result: Map) -> list[Picture]:
    """Validation accuracy against updates: a chart each sparsity; a panel each of many methods"""
    of: dict[float, dict[str, list[list[list[float]]]]] = {}
    for net in result.get("nets", []):
        label = ", ".join(filter(None, (net["method"], net["criterion"])))
        if net["curve"] and label != DENSE:
            of.setdefault(net["sparsity"], {}).setdefault(label, []).append(net["curve"])
    drawn = []
    for sparsity in sorted(of):
        means = {label: averaged(each) for label, each in of[sparsity].items()}
        if len(means) <= FEW:
            lines = [Curve(label, x, y) for label, (x, y) in means.items()]
            draw = partial(curve, curves=lines, across="updates", up="accuracy in %")
            above = f"{percent(sparsity)} % sparsity"
            drawn.append(Picture(f"accuracy against updates, {above}", LARGE, draw, above))
        elif sparsity == max(of):
            found = {label: (y, [0.0] * len(y)) for label, (_, y) in means.items()}
            panel = partial(
                accuracy_panel, found=found, x={label: x for label, (x, _) in means.items()},
                dense=None, limits=bounds(found, None), colour=LINE_1, axis=plain, what="method",
            )  # fmt: skip
            drawn += [
                Picture(
                    f"{label}, against updates", SIZE, partial(panel, name=label), label, font=9.5
                )
                for label in means
            ]
    return drawn


def plain(ax: Any) -> None:
    """Updates from 0."""
    ax.set_xlim(left=0)


def averaged(curves: Sequence[Sequence[Sequence[float]]]) -> tuple[list[float], list[float]]:
    """(updates, mean accuracies in %) of the seeds, up to the end of the shortest"""
    points = list(zip(*curves, strict=False))
    return [p[0][0] for p in points], [100 * sum(v for _, v in p) / len(p) for p in points]
