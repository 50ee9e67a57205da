"""The page of `minprune run`, report.html: its sections, from result.json and history.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.figure import pictures
from minprune.report.groups import groups
from minprune.report.markup import Cell, Html, bar, document, fill, swing, table, text
from minprune.report.run_figures import curves, histograms, masks
from minprune.report.stages import ROWS, comparison, headline, share
from minprune.sparse.speeds import HEADER, Speeds

Map = Mapping[str, Any]


def run_page(result: Map, history: Map) -> str:
    """The page of a run as text; same arguments, same text

    result: what result.json holds: name, command, settings, data, net, stages, layers (name,
    shape, total, kept), facts (see jobs/facts.py), speeds (the fields of Speeds that the formats
    were chosen by), seconds, versions; each part may be absent.
    history: {phase: {"epochs": {"epoch": [...], "train_loss": [...], ...}}}
    """
    stages, facts, speeds = (result.get(k, {}) for k in ("stages", "facts", "speeds"))
    before, after, last = (str(facts.get(k, "")) for k in ("before", "after", "last"))
    begin = [row.label for row in ROWS if row.begins]
    sections = fill(
        "run.html",
        stages=table(*comparison(stages), begin=begin) if stages else "",
        curves=pictures(curves(history)),
        classes=classes(stages),
        layers=layers_table(result.get("layers", [])),
        sparse=sparse_table(facts.get("sparse", [])),
        speeds=table(HEADER, Speeds(**speeds).rows()) if speeds else "",
        costs=costs(facts.get("costs", []), before, last),
        histograms=pictures(histograms(facts.get("histograms", []), before, after)),
        masks=masks(facts.get("first", {})),
        groups=groups(facts.get("ties", []), facts.get("layers", [])),
        machine=speeds.get("machine", ""), when=speeds.get("when", ""),
        before=before, after=after, last=last,
    )  # fmt: skip
    return document(result, headline(stages), sections, result.get("seconds", {}))


# --- accuracy by class

Row = tuple[int, list[float | None], float | None]


def by_class(stages: Sequence[Map]) -> tuple[list[str], list[Row]]:
    """(stages, rows of (class, its accuracy in each stage, change)); the worst change first

    change = accuracy of the last stage - accuracy of the first. The stages are those with a
    `per_class`. A class that one of the ends did not measure has no change and comes last.
    """
    measured = [stage for stage in stages if stage.get("per_class")]
    rows: list[Row] = []
    for k in range(max((len(stage["per_class"]) for stage in measured), default=0)):
        values = [(stage["per_class"][k : k + 1] or [None])[0] for stage in measured]
        known = [None if v is None or v != v else float(v) for v in values]
        first, last = known[0], known[-1]
        rows.append((k, known, None if first is None or last is None else last - first))
    rows.sort(key=lambda row: (row[2] is None, row[2] or 0.0))
    return [str(stage.get("stage", "")) for stage in measured], rows


def points(change: float) -> str:
    """-0.0277 -> -2.77: percentage points, with their sign"""
    return f"{100 * change:+.2f}" if change else "0"


def classes(stages: Sequence[Map]) -> Html:
    """Which class lost most, and a table with a bar for each change."""
    names, rows = by_class(stages)
    if not rows:
        return Html("")
    shown = [[k, *("-" if v is None else share(v) for v in values)] for k, values, _ in rows]
    if len(names) < 2:
        return table(["class", *names], shown)
    changes = [change for _, _, change in rows if change is not None]
    most = max(map(abs, changes), default=0.0) or 1.0
    for line, (*_, change) in zip(shown, rows, strict=True):
        line += ["-" if change is None else points(change), swing((change or 0.0) / most)]
    return Html(class_sentence(rows[0][0], changes) + table(["class", *names, "change", ""], shown))


def class_sentence(worst: int, changes: Sequence[float]) -> str:
    """The class that lost most, and how many lost nothing; changes: the worst first"""
    lost = sum(change < 0 for change in changes)
    if not lost:
        return "<p>No class lost accuracy.</p>\n" if changes else ""
    return (
        f"<p>Class {worst} lost most: {points(changes[0])} percentage points; "
        f"{len(changes) - lost} of {len(changes)} classes lost nothing.</p>\n"
    )


# --- layers


def layers_table(layers: Sequence[Map]) -> Html:
    """Kept and all weights of each layer, as a bar and as numbers."""
    rows = []
    for layer in layers:
        kept, total, shape = layer["kept"], layer["total"], shape_of(layer)
        part = _part(kept, total)
        rows.append([layer["name"], shape, bar(part), kept, total, f"{100 * part:.1f} %"])
    header = ["layer", "shape", "", "kept", "weights", "share"]
    return table(header, rows, kind="layers") if rows else Html("")


def shape_of(layer: Map) -> str:
    """[3, 1, 2] -> 3 x 1 x 2, without line breaks"""
    return "\u00a0x\u00a0".join(map(str, layer["shape"]))


def costs(found: Sequence[Map], before: str, last: str) -> Html:
    """What each layer holds and does: a bar is its share of the first stage, filled by what is left

    found: {"name", "kind", "parameters", "live", "macs", "live_macs"}
    """
    if not found:
        return Html("")
    columns = {"parameters": "live", "macs": "live_macs"}
    totals = {key: sum(cost[key] for cost in found) for key in columns}
    widest = max(_part(cost[key], totals[key]) for cost in found for key in columns) or 1.0
    rows: list[list[object]] = [[cost["name"]] for cost in found]
    for row, cost in zip(rows, found, strict=True):
        for was, now in columns.items():
            left, whole = min(_part(cost[now], cost[was]), 1.0), _part(cost[was], totals[was])
            row += [bar(left, whole / widest), cost[was], cost[now]]
    header = ["layer", "weights", before, last, "multiply-adds", before, last]
    return Html(cost_sentence(found, totals) + table(header, rows, kind="layers"))


def _part(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def cost_sentence(found: Sequence[Map], totals: Mapping[str, float]) -> str:
    """What each kind of layer holds and does; nothing where a net has one kind only."""
    kinds = list(dict.fromkeys(cost["kind"] for cost in found))
    if len(kinds) < 2:
        return ""
    parts = []
    for kind in kinds:
        held, done = (
            100 * _part(sum(c[key] for c in found if c["kind"] == kind), totals[key])
            for key in totals
        )
        parts.append(f"{kind}: {held:.1f} % of the weights, {done:.1f} % of the multiply-adds")
    return f"<p>{text('; '.join(parts))}.</p>\n"


# --- sparse kernels


def sparse_table(layers: Sequence[Map]) -> Html:
    """One row a layer, a column each batch and format

    layers: {"name", "shape", "density", "format", "fitting": [formats of the mask], "break_even":
    {"csr, batch 1": density, ...}, "against_dense": {"2:4, batch 1": time over dense, ...}}
    """
    if not layers:
        return Html("")
    names = [name for how in ("break_even", "against_dense") for one in layers for name in one[how]]
    pairs = dict.fromkeys(tuple(name.split(", ")) for name in names)  # (format, batch)
    batches = list(dict.fromkeys(batch for _, batch in pairs))
    ordered = sorted(pairs, key=lambda pair: batches.index(pair[1]))
    groups = [(batch, sum(b == batch for _, b in pairs)) for batch in batches]
    rows = [
        [one["name"], shape_of(one), f"{100 * one['density']:.3g} %", one["format"]]
        + [_sparse_cell(one, *pair) for pair in ordered]
        for one in layers
    ]
    header = ["layer", "shape", "live", "runs as", *(form for form, _ in ordered)]
    right = range(4, len(header))
    return table(header, rows, kind="sparse", groups=[("", 4), *groups], right=right)


def _sparse_cell(layer: Map, form: str, batch: str) -> Cell:
    """A break-even density, or a time over the dense one; marked where the layer gains by it"""
    limit = layer["break_even"].get(f"{form}, {batch}")
    over = layer["against_dense"].get(f"{form}, {batch}")
    faster = layer["density"] < (limit or 0) if over is None else over < 1
    wins = "wins" if faster and form in layer["fitting"] else ""
    return Cell(limited(limit) if over is None else f"{over:.2f}x", wins)


def limited(part: float | None) -> str:
    """0.123 -> 12.3 %; 0: the format is never faster; 1: always; None: not measured"""
    if part is None:
        return "-"
    return {0.0: "never", 1.0: "always"}.get(part, f"{100 * part:.3g} %")
