"""The page of `minprune run --method`: rounds, accuracy by round and by updates, masks by round."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from minprune.measures.measure import TIMES
from minprune.methods.plans import reported
from minprune.report.class_table import classes
from minprune.report.curve_figures import Curve, curve
from minprune.report.exported_forms import NOTE, forms, unknown
from minprune.report.learned_figures import learned
from minprune.report.mask_figures import masks
from minprune.report.page import Html, document, element, fill, table
from minprune.report.pictures import Picture, figure
from minprune.report.run_figures import curves
from minprune.report.run_page import BEGIN, alerts, comparable, comparison, headline, unit_of
from minprune.report.threshold_figure import traced

Map = Mapping[str, Any]
ACCURACIES = {
    "validation": "val_accuracy", "test": "test_accuracy", "after pruning": "pruned_accuracy",
}  # fmt: skip
COLUMNS = {
    "round": "round", "stage": "stage", "kind": "kind", "seed": "seed", "sparsity": "sparsity",
    "unit_sparsity": "units masked", "pruned_accuracy": "accuracy after pruning",
    "val_accuracy": "validation accuracy", "test_accuracy": "test accuracy", "updates": "updates",
    "seconds": "seconds",
}  # fmt: skip
SIZE = (3.4, 2.4)


def method_page(result: Map, history: Map) -> str:
    """The page of a procedure as text; same arguments, same text

    result: what result.json holds: name, command, settings, data, net, stages, rounds, masks
    (see jobs/facts.py, a round each), learned and traced (see jobs/learned.py), seconds, versions;
    each part may be absent.
    history: {phase: {"epochs": {"epoch": [...], "train_loss": [...], ...}}}
    """
    stages, rounds = result.get("stages", []), result.get("rounds", [])
    data, found = result.get("data", {}), result.get("masks", [])
    models = stages if comparable(stages) else stages[:1]
    sections = fill(
        "method.html",
        rounds=table("rounds", *table_of(rounds)),
        reported=Html(
            "".join(table(name, *each) for name, each in reported(result.get("report", {})).items())
        ),
        accuracies=figure(pictures(rounds), "At the end of each round."),
        stages=table("models", *comparison(stages), begin=BEGIN),
        exported=table("exported forms", *forms(result.get("exported", []))),
        forms_note=" ".join([NOTE, *unknown(result.get("exported", []))]),
        curves=figure(curves(history), "Each epoch's values; a gap separates two phases."),
        learned=learned(result.get("learned", [])),
        traced=traced(result.get("traced", {})),
        classes=classes(models, data.get("classes", ()), unit_of(data)),
        masks=Html("".join(element("h3", f"Round {one['round']}") + masks(one) for one in found)),
        times=TIMES.capitalize(),
    )  # fmt: skip
    loud = alerts(stages, data.get("classes", ()))
    first = "" if any("kind" in one for one in rounds) else headline(stages)
    return document(result, title(result), first, sections, result.get("seconds", {}), loud)


def title(result: Map) -> str:
    """What was done: net, data, method; empty if one of them is not known"""
    s, data = result.get("settings", {}), result.get("data", {}).get("name", "")
    return f"{s['net']} on {data}: {s['method']}" if data and s.keys() >= {"net", "method"} else ""


def table_of(rounds: Sequence[Map]) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of the rounds; what no round has is left out"""
    there = [key for key in COLUMNS if any(one.get(key) is not None for one in rounds)]
    return [COLUMNS[key] for key in there], [
        [cell(key, one.get(key)) for key in there] for one in rounds
    ]


def cell(key: str, value: Any) -> str:
    """A share in percent, seconds with two digits, all else as it is"""
    if value is None:
        return "-"
    if "accuracy" in key or "sparsity" in key:
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if key == "seconds" else str(value)


def pictures(rounds: Sequence[Map]) -> list[Picture]:
    """Accuracy by round, against updates, and against sparsity; of kinds and seeds, by seed."""
    if rounds and "kind" in rounds[0]:
        kinds = dict.fromkeys(one["kind"] for one in rounds)
        of = {kind: [one for one in rounds if one["kind"] == kind] for kind in kinds}
        found = [
            Curve(kind, [one["seed"] for one in own], percents(own, "test_accuracy"))
            for kind, own in of.items()
        ]
        return picture(found, "seed")
    if rounds and not rounds[0]["updates"] and any(one["updates"] for one in rounds):
        rounds = rounds[1:]  # the net before any training
    across = {
        "round": [one["round"] for one in rounds],
        "updates": list(accumulate(one["updates"] for one in rounds)),
        "sparsity in %": [100 * one["sparsity"] for one in rounds],
    }
    drawn = []
    for name, x in across.items():
        lines = [Curve(label, x, percents(rounds, key)) for label, key in ACCURACIES.items()]
        drawn += picture(lines, name) if len(set(x)) > 1 else []
    return drawn


def picture(lines: Sequence[Curve], across: str) -> list[Picture]:
    """The curves that have a value; none without them"""
    there = [one for one in lines if any(map(math.isfinite, one.y))]
    draw = partial(curve, curves=there, across=across, up="accuracy in %")
    return [Picture(f"accuracy against {across}", SIZE, draw)] if there else []


def percents(rounds: Sequence[Map], key: str) -> list[float]:
    """In percent; NaN where there is none"""
    return [math.nan if one.get(key) is None else 100 * one[key] for one in rounds]
