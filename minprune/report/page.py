"""One self-contained HTML page for one run: no network, no script, light, dark and print."""

from collections.abc import Iterable, Mapping
from typing import Any

from minprune.report.classes import forgotten
from minprune.report.costs import costs_table
from minprune.report.groups import group_drawing
from minprune.report.histograms import histogram_panels
from minprune.report.look import STYLE
from minprune.report.markup import layer_bars, pairs, rows_table, section, text
from minprune.report.masks import mask_pictures
from minprune.report.plots import curves
from minprune.report.sparse_layers import sparse_table, speeds_table
from minprune.report.stages import comparison, headline

HOW_TO_GET_PICTURES = '<p class="note">For pictures: pip install "minprune[report]"</p>'
BEGIN = ("parameters", "multiply-adds", "bytes as dense arrays", "latency, batch of 1")
DATA_LABELS = {"name": "name", "train": "training", "val": "validation", "test": "test"}


def page(result: Mapping[str, Any], history: Mapping[str, Any]) -> str:
    """The page of a run as text; same arguments, same text.

    result: what result.json holds: name, command, settings, data, net, stages, layers (name,
    shape, total, kept), facts (those of jobs/facts.py), speeds (those that the formats were
    chosen by, the fields of Speeds), seconds, versions; each part may be absent.
    history: {phase: {"epochs": {"epoch": [...], "train_loss": [...], ...}}}
    Without matplotlib the page has no curves and says how to get them.
    """
    stages, facts = result.get("stages", []), result.get("facts", {})
    name = result.get("name", "run")
    before, after, last = (str(facts.get(key, "")) for key in ("before", "after", "last"))
    parts = [
        f"<h1>{text(name)}</h1>",
        f'<p class="headline">{text(headline(stages))}</p>',
        f"<p><code>{text(result['command'])}</code></p>" if result.get("command") else "",
        section("Before and after", before_and_after(stages)),
        section("Training", pictures(history)),
        section("Classes that the pruning forgot", forgotten(stages)),
        section("Weights kept in each layer", bars(result.get("layers", []))),
        section("Sparse or dense", sparse_table(facts.get("sparse", []))),
        section("Speeds of sparse and dense", speeds_table(result.get("speeds", {}))),
        section("Weights and work", costs_table(facts.get("costs", []), before, last)),
        section(
            "Weights before and after",
            histogram_panels(facts.get("histograms", []), before, after),
        ),
        section("Masks of the first layer", mask_pictures(facts.get("first", {}))),
        section(
            "Tied groups", group_drawing(facts.get("ties", []), facts.get("layers", [])), long=True
        ),
        section("Net", f"<pre>{text(result['net'])}</pre>" if result.get("net") else ""),
        '<div class="pairs">',
        pairs("Settings", result.get("settings", {})),
        pairs("Options of the criterion", result.get("options", {})),
        pairs("Data", about_data(result.get("data", {}))),
        pairs("Seconds", {k: f"{v:.2f}" for k, v in result.get("seconds", {}).items()}),
        pairs("Versions", result.get("versions", {})),
        "</div>",
    ]
    return document(name, parts)


def document(name: object, parts: Iterable[str], more: str = "") -> str:
    """A whole page of those parts that are not empty; more: style sheet beside the common one."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(name)}</title>\n<style>{STYLE}{more}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def before_and_after(stages: list[Mapping[str, Any]]) -> str:
    """The table of the stages, and what its brackets mean; nothing without stages."""
    if not stages:
        return ""
    note = (
        "In brackets: the distance between the quartiles of repeated measurements, all forms in "
        "turn. A masked net does the same dense work: only compaction and sparse kernels save "
        "time, other differences are noise. Speedup and compression are against the first column: "
        "in theory its multiply-adds over the live ones of this. Bytes as sparse arrays: what "
        "compressed rows would take; in memory: the parameters and indices of this form, but not "
        "its masks, a byte a weight, nor running statistics."
    )
    timed = any(stage.get("latency_1_spread_ms") is not None for stage in stages)
    return rows_table(*comparison(stages), begin=BEGIN) + (
        f'<p class="note">{note}</p>' if timed else ""
    )


def pictures(history: Mapping[str, Any]) -> str:
    """The curves; one line instead where they cannot be drawn; nothing without an epoch."""
    if not any(phase["epochs"]["epoch"] for phase in history.values()):
        return ""
    drawn = curves(history)
    if drawn is None:
        return HOW_TO_GET_PICTURES
    return "".join(["<figure>\n", *(f"<div>{one}</div>\n" for one in drawn), "</figure>"])


def bars(layers: list[Mapping[str, Any]]) -> str:
    """A bar for each layer; nothing without layers."""
    return layer_bars(layers) if layers else ""


def about_data(found: Mapping[str, Any]) -> dict[str, Any]:
    """The data set in words: how many samples, of which shape."""
    shown = {label: found[key] for key, label in DATA_LABELS.items() if key in found}
    if "input" in found:
        shown["one input"] = " x ".join(map(str, found["input"]))
    return shown
