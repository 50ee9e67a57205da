"""The measures of `minprune run`: one row each, for the terminal, `minprune info` and the page.

result.json holds every field of Quality and Size; a row says what one is called and how it is
printed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from minprune.measures.cost import Latency, Size
from minprune.measures.measure import BATCHES
from minprune.measures.quality import Quality

Stage = Mapping[str, Any]  # a stage's entry in result.json
Shown = Callable[[Stage, Stage], str | None]  # of a stage, beside the first stage


def count(value: float) -> str:
    """12345 -> 12,345"""
    return f"{round(value):,}"


def share(value: float) -> str:
    """0.97222 -> 97.22 %"""
    return f"{100 * value:.2f} %"


def number(value: float) -> str:
    """0.123456 -> 0.1235"""
    return f"{value:.4g}"


def of(key: str, show: Callable[[float], str]) -> Shown:
    """The entry of that name."""
    return lambda stage, first: None if stage.get(key) is None else show(stage[key])


def ratio(whole: str, part: str) -> Shown:
    """`whole` of the first stage over `part` of each, as 2.5x"""

    def shown(stage: Stage, first: Stage) -> str | None:
        before, now = first.get(whole), stage.get(part)
        return f"{before / now:.3g}x" if before and now else None

    return shown


def latency(batch: int) -> Shown:
    """The median and, in brackets, the spread."""

    def shown(stage: Stage, first: Stage) -> str | None:
        value, spread = (stage.get(f"latency_{batch}_{kind}ms") for kind in ("", "spread_"))
        if value is None or spread is None:
            return None if value is None else f"{value:.3g} ms"
        return f"{value:.3g} ({spread:.{1 if spread < 9.5 else 3}g}) ms"  # 20, and not 2e+01

    return shown


ROWS: dict[str, Shown] = {
    "accuracy": of("accuracy", share),
    "accuracy, top 5": of("top5", share),
    "loss": of("loss", number),
    "calibration error": of("calibration", share),
    "parameters": of("parameters", count),
    "live parameters": of("live", count),
    "sparsity of the weights": of("sparsity", share),
    "multiply-adds": of("macs", count),
    "live multiply-adds": of("live_macs", count),
    "activations": of("activations", count),
    "bytes as dense arrays": of("bytes", count),
    "bytes as sparse arrays": of("sparse_bytes", count),
    "bytes in memory": of("stored", count),
    "bytes on disk": of("file_bytes", count),
    "compression on disk": ratio("bytes", "file_bytes"),
    **{f"latency, batch of {b}": latency(b) for b in BATCHES},
    "speedup in theory": ratio("macs", "live_macs"),
    **{f"speedup measured, batch of {b}": ratio(*[f"latency_{b}_ms"] * 2) for b in BATCHES},
}
BEGIN = ("parameters", "multiply-adds", "bytes as dense arrays", "latency, batch of 1")  # set off
GAINS = {  # of the headline
    "compression {} on disk": "compression on disk",
    "speedup {} in batches of 64": "speedup measured, batch of 64",
    "{} one by one": "speedup measured, batch of 1",
}


def computed(
    name: str, test: Quality, val: Quality, size: Size, file_bytes: int, times: Sequence[Latency]
) -> dict[str, Any]:
    """A stage's entry in result.json."""
    own = {"stage": name, "val_accuracy": val.accuracy, "file_bytes": file_bytes}
    for t in times:
        own |= {f"latency_{t.batch}_ms": t.median_ms, f"latency_{t.batch}_spread_ms": t.spread_ms}
    return asdict(test) | asdict(size) | own


def comparison(stages: Sequence[Stage]) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of the stages of a run; a measure that no stage has is left out."""
    header = ["", *(str(stage.get("stage", "")) for stage in stages)]
    lines = {label: [shown(stage, stages[0]) for stage in stages] for label, shown in ROWS.items()}
    found = {label: texts for label, texts in lines.items() if any(texts)}
    return header, [[label, *(t or "-" for t in texts)] for label, texts in found.items()]


def headline(stages: Sequence[Stage]) -> str:
    """One sentence: how good the last stage is, and what it costs compared with the first."""
    if not stages:
        return ""
    first, last = stages[0], stages[-1]
    parts = []
    if last.get("accuracy") is not None:
        parts.append(f"accuracy {share(last['accuracy'])}")
        if first is not last and first.get("accuracy") is not None:
            parts[-1] += f" ({first.get('stage', 'before')}: {share(first['accuracy'])})"
    if last.get("live") is not None and first.get("parameters"):  # a compacted net is smaller
        parts.append(f"{share(last['live'] / first['parameters'])} of the parameters")
    if first is not last:
        gains = {words: ROWS[label](last, first) for words, label in GAINS.items()}
        parts += [words.format(gain) for words, gain in gains.items() if gain]
    return ", ".join(parts)
