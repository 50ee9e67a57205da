"""The page of `minprune run`, report.html: its sections, from result.json and history.json."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minprune.measures.measure import NOT_TOLD, ROWS, TIMES, share
from minprune.measures.quality import collapse
from minprune.report.class_table import classes
from minprune.report.exported_forms import NOTE, forms, unknown
from minprune.report.group_figures import groups
from minprune.report.mask_figures import masks
from minprune.report.page import Cell, Html, bar, document, fill, legend, prose, table
from minprune.report.pictures import figure
from minprune.report.run_figures import curves, histograms
from minprune.sparse.speeds import HEADER, Speeds

Map = Mapping[str, Any]
BEGIN = ("parameters", "multiply-adds", "bytes as dense arrays", "latency, batch of 1")  # set off
HEIGHTS = "Live weights only; their numbers stand above. Heights are square roots of counts."
GAINS = {  # of the headline
    "compression {} on disk": "compression on disk",
    "speedup {} in batches of 64": "speedup measured, batch of 64",
    "{} one by one": "speedup measured, batch of 1",
}


def run_page(result: Map, history: Map) -> str:
    """The page of a run as text; same arguments, same text

    result: what result.json holds: name, command, settings, data, net, stages, facts (see
    jobs/facts.py), speeds (the fields of Speeds that the formats were chosen by), seconds,
    versions; each part may be absent.
    history: {phase: {"epochs": {"epoch": [...], "train_loss": [...], ...}}}
    """
    stages, facts, speeds, data = (result.get(k, {}) for k in ("stages", "facts", "speeds", "data"))
    before, after, last = (str(facts.get(k, "")) for k in ("before", "after", "last"))
    sections = fill(
        "run.html",
        stages=table("before and after", *comparison(stages), begin=BEGIN),
        exported=table("exported forms", *forms(result.get("exported", []))),
        forms_note=" ".join([NOTE, *unknown(result.get("exported", []))]),
        curves=figure(curves(history), "Each epoch's values; a gap separates two phases."),
        classes=classes(stages, data.get("classes", ()), unit_of(data)),
        sparse=sparse_table(facts.get("sparse", [])),
        speeds=table("speeds", HEADER, Speeds(**speeds).rows()) if speeds else "",
        costs=costs(facts.get("costs", []), before, after, last),
        histograms=figure(histograms(facts.get("histograms", []), before, after), HEIGHTS),
        masks=masks(facts.get("first", {})),
        groups=groups(facts.get("ties", []), facts.get("layers", [])),
        machine=speeds.get("machine", ""), when=speeds.get("when", ""), after=after,
        times=TIMES.capitalize(),
    )  # fmt: skip
    seconds = result.get("seconds", {})
    loud = alerts(stages, data.get("classes", ()))
    return document(result, title(result), headline(stages), sections, seconds, loud)


def title(result: Map) -> str:
    """What was done: net, data, sparsity, criterion; empty if one of them is not known"""
    s, data = result.get("settings", {}), result.get("data", {}).get("name", "")
    if not data or not s.keys() >= {"net", "criterion", "sparsity"}:
        return ""
    what = "units" if s.get("unit") else "weights"
    scope = " of each layer" if s.get("scope") == "layer" else ""
    pruned = f"{percent(s['sparsity'])} % of the {what}{scope}"
    return f"{s['net']} on {data}: {pruned} pruned by {s['criterion']}"


def percent(value: object) -> str:
    """0.9 -> 90; what is no number stays"""
    return f"{100 * value:g}" if isinstance(value, int | float) else str(value)


def unit_of(data: Map) -> str:
    """What a sample is called."""
    return "images" if len(data.get("input", ())) == 3 else "samples"


# --- the stages, for the terminal too


def comparison(stages: Sequence[Map]) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of the stages of a run; a measure that no stage has is left out."""
    header = ["", *(str(stage.get("stage", "")) for stage in stages)]
    lines = {label: [shown(stage, stages[0]) for stage in stages] for label, shown in ROWS.items()}
    found = {label: texts for label, texts in lines.items() if any(texts)}
    return header, [[label, *(t or "-" for t in texts)] for label, texts in found.items()]


def headline(stages: Sequence[Map]) -> str:
    """One sentence: how good the last stage is, and what it costs compared with the first."""
    if not stages:
        return ""
    first, last, other = stages[0], stages[-1], comparable(stages)
    parts = ["COLLAPSED to chance"] if last.get("collapsed") else []
    if last.get("accuracy") is not None:
        parts.append(f"accuracy {share(last['accuracy'])}")
        if other and first.get("accuracy") is not None:
            parts[-1] += f" ({first.get('stage', 'before')}: {share(first['accuracy'])})"
    elif last.get("r2") is not None:
        parts.append(f"R2 {last['r2']:.4f}")
        if other and first.get("r2") is not None:
            parts[-1] += f" ({first.get('stage', 'before')}: {first['r2']:.4f})"
    if last.get("live") is not None and first.get("parameters"):  # a compacted net is smaller
        parts.append(f"{share(last['live'] / first['parameters'])} of the parameters")
    if first is not last and not last.get("collapsed"):
        gains = {words: ROWS[label](last, first) for words, label in GAINS.items()}
        parts += [
            words.format(gain) for words, gain in gains.items() if gain not in (None, NOT_TOLD)
        ]
    return ", ".join(parts)


def comparable(stages: Sequence[Map]) -> bool:
    """Whether a stage is another model than the first, not only a form of it, as compacted ones"""
    return any(one.get("form_of") != stages[0].get("stage") for one in stages[1:])


def alerts(stages: Sequence[Map], classes: Sequence[str] = ()) -> list[str]:
    """Which stages collapsed to chance, a sentence for each way; classes: their names"""
    found: dict[str, list[str]] = {}
    for stage in stages:
        found.setdefault(collapse(stage, classes), []).append(str(stage.get("stage", "")))
    return [f"COLLAPSED to chance: {', '.join(n)}: {words}" for words, n in found.items() if words]


# --- layers


def shape_of(layer: Map) -> str:
    """[3, 1, 2] -> 3 x 1 x 2, without line breaks"""
    return "\u00a0x\u00a0".join(map(str, layer["shape"]))


def costs(found: Sequence[Map], before: str, after: str, last: str) -> Html:
    """What each layer holds and does: a bar is its share of the first stage, filled by what is left

    A sentence says what each kind of layer holds and does, in a net of several kinds.
    found: see costs in jobs/facts.py
    """
    held = np.array([[c["parameters"], c["macs"]] for c in found]).reshape(-1, 2)
    left = np.array([[c["live"], c["live_macs"]] for c in found]).reshape(-1, 2)
    shares, filled = held / np.maximum(held.sum(0), 1), left / np.maximum(held, 1)
    wide = shares / (shares.max(initial=0) or 1)
    bars = [list(map(bar, *both)) for both in zip(np.minimum(filled, 1), wide, strict=True)]
    rows = [
        [c["name"], shape_of(c), weights, c["parameters"], c["kept"],
         f"{100 * c['kept'] / max(c['parameters'], 1):.1f} %", c["live"], macs, c["macs"],
         c["live_macs"]]
        for c, (weights, macs) in zip(found, bars, strict=True)
    ]  # fmt: skip
    kinds = list(dict.fromkeys(c["kind"] for c in found))
    said = "; ".join(
        "{}: {:.1f} % of the weights, {:.1f} % of the multiply-adds".format(
            kind, *(100 * shares[[c["kind"] == kind for c in found]].sum(0))
        )
        for kind in kinds
    )
    header = ["layer", "shape", "", before, after, "kept", last, "", before, last]
    groups = [("", 2), ("weights", 5), ("multiply-adds", 3)]
    sentence = prose(f"{said}.") if len(kinds) > 1 else ""
    key = legend([(bar(0), f"the layer's share of the {before} net"), (bar(1), f"left ({last})")])
    drawn = table("weights and multiply-adds", header, rows, kind="layers", groups=groups)
    return Html(sentence + key + drawn) if rows else drawn


# --- sparse kernels


def sparse_table(layers: Sequence[Map]) -> Html:
    """One row a layer, a column each batch and format

    layers: {"name", "shape", "density", "format", "fitting": [formats of the mask], "break_even":
    {"csr, batch 1": density, ...}, "against_dense": {"2:4, batch 1": time over dense, ...}}
    """
    found = dict.fromkeys(
        name for how in ("break_even", "against_dense") for one in layers for name in one[how]
    )
    batches = list(dict.fromkeys(name.split(", ")[1] for name in found))
    columns = sorted(found, key=lambda name: batches.index(name.split(", ")[1]))
    groups = [(b, sum(name.endswith(f", {b}") for name in found)) for b in batches]
    rows = [
        [one["name"], shape_of(one), f"{100 * one['density']:.3g} %", one["format"]]
        + [_sparse_cell(one, name) for name in columns]
        for one in layers
    ]
    header = ["layer", "shape", "live", "runs as", *(name.split(", ")[0] for name in columns)]
    right = range(4, len(header))
    above = [("", 4), *groups]
    return table("sparse or dense", header, rows, kind="sparse", groups=above, right=right)


def _sparse_cell(layer: Map, name: str) -> Cell:
    """A break-even density, or a time over the dense one; marked where the layer gains by it

    A break-even density of 0: the format is never faster; 1: always; none: not measured.
    """
    over, limit = layer["against_dense"].get(name), layer["break_even"].get(name)
    faster = layer["density"] < (limit or 0) if over is None else over < 1
    wins = "wins" if faster and name.split(", ")[0] in layer["fitting"] else ""
    if over is not None:
        return Cell(f"{over:.2f}x", wins)
    words = {None: "-", 0.0: "never", 1.0: "always"}
    return Cell(words[limit] if limit in words else f"{100 * limit:.3g} %", wins)
