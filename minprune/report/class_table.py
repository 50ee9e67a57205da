"""The table of accuracies by class: what each class lost, in samples too."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from minprune.measures.measure import share
from minprune.report.page import Html, legend, prose, swing, table

Map = Mapping[str, Any]
Row = tuple[int, list[float | None], float | None]


def by_class(stages: Sequence[Map]) -> tuple[list[str], list[Row]]:
    """(stages, rows of (class, its accuracy in each stage, change)); the worst change first

    change = accuracy of the last stage - accuracy of the first. The stages are those with a
    `per_class`. A class that one of the ends did not measure has no change and comes last.
    """
    measured = [stage for stage in stages if stage.get("per_class")]
    rows: list[Row] = []
    for k, values in enumerate(zip_longest(*(stage["per_class"] for stage in measured))):
        known = [None if v is None or v != v else float(v) for v in values]
        first, last = known[0], known[-1]
        rows.append((k, known, None if first is None or last is None else last - first))
    rows.sort(key=lambda row: (row[2] is None, row[2] or 0.0))
    return [str(stage.get("stage", "")) for stage in measured], rows


def points(change: float) -> str:
    """-0.0277 -> -2.77: percentage points, with their sign"""
    return f"{100 * change:+.2f}" if change else "0"


def classes(stages: Sequence[Map], called: Sequence[str] = (), unit: str = "samples") -> Html:
    """Which class lost most and how many lost nothing; a table with a bar for each change

    called: the names of the classes, in the order of their numbers. unit: what a sample is called.
    The stages' "class_samples" are how many of them each class has.
    """
    names, rows = by_class(stages)
    called = called or [str(k) for k in range(len(rows))]
    sizes = next((s["class_samples"] for s in stages if s.get("class_samples")), None)
    counted = [unit] if sizes else []
    shown = [
        [called[k], *([sizes[k]] if sizes else []), *("-" if v is None else share(v) for v in each)]
        for k, each, _ in rows
    ]
    if len(names) < 2:
        return table("accuracy by class", ["class", *counted, *names], shown)
    changes = [change for _, _, change in rows if change is not None]
    most = max(map(abs, changes), default=0.0) or 1.0
    for line, (k, _, change) in zip(shown, rows, strict=True):
        if sizes:
            line.append(
                "-" if change is None else f"{round(change * sizes[k]):+d}".replace("+0", "0")
            )
        line += ["-" if change is None else points(change), swing((change or 0.0) / most)]
    lost = sum(change < 0 for change in changes)
    said = "No class lost accuracy."
    if lost:
        k, fewer = rows[0][0], f"{points(changes[0])} percentage points"
        if sizes:
            fewer = f"{-round(changes[0] * sizes[k])} of {sizes[k]} {unit}, {fewer}"
        kept = f"{len(changes) - lost} of {len(changes)} classes lost nothing"
        said = f"Class {called[k]} lost most: {fewer}; {kept}."
    sentence = prose(said) if changes else ""
    key = legend([(swing(-1), "accuracy lost"), (swing(1), "gained")])
    header = ["class", *counted, *names, *(f"change, {u}" for u in counted), "change, points", ""]
    return Html(sentence + key + table("accuracy by class", header, shown))
