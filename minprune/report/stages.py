"""The table dense / pruned / fine-tuned: one row to a measure, one column to a stage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Stage = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]

GAINS = (  # of the headline
    ("bytes", "file_bytes", "compression {} on disk"),
    ("latency_64_ms", "latency_64_ms", "speedup {} in batches of 64"),
    ("latency_1_ms", "latency_1_ms", "{} one by one"),
)


def count(value: float) -> str:
    """12345 -> 12,345."""
    return f"{round(value):,}"


def share(value: float) -> str:
    """0.97222 -> 97.22 %."""
    return f"{100 * value:.2f} %"


def number(value: float) -> str:
    """0.123456 -> 0.1235."""
    return f"{value:.4g}"


# label, key in the stage, how to print it
ROWS: list[tuple[str, str, Callable[[float], str]]] = [
    ("accuracy", "accuracy", share),
    ("accuracy, top 5", "top5", share),
    ("loss", "loss", number),
    ("calibration error", "calibration", share),
    ("parameters", "parameters", count),
    ("live parameters", "live", count),
    ("sparsity of the weights", "sparsity", share),
    ("multiply-adds", "macs", count),
    ("live multiply-adds", "live_macs", count),
    ("activations", "activations", count),
    ("bytes as dense arrays", "bytes", count),
    ("bytes as sparse arrays", "sparse_bytes", count),
    ("bytes in memory", "stored", count),
    ("bytes on disk", "file_bytes", count),
]


def latency(stage: Stage, batch: int) -> str | None:
    """Milliseconds for one batch, in brackets the distance between the quartiles."""
    value, spread = stage.get(f"latency_{batch}_ms"), stage.get(f"latency_{batch}_spread_ms")
    if value is None:
        return None
    if spread is None:
        return f"{value:.3g} ms"
    return f"{value:.3g} ({spread:.{1 if spread < 9.5 else 3}g}) ms"  # 20, and not 2e+01


def comparison(stages: Sequence[Stage]) -> Table:
    """(header, rows) of the stages of a run; a measure that no stage has is left out."""
    lines: list[tuple[str, list[str | None]]] = []
    for label, key, show in ROWS:
        values = [stage.get(key) for stage in stages]
        lines.append((label, [None if value is None else show(value) for value in values]))
    lines.append(("compression on disk", against_first(stages, "bytes", "file_bytes")))
    for batch in (1, 64):
        label = f"latency, batch of {batch}"
        lines.append((label, [latency(stage, batch) for stage in stages]))
    lines.append(("speedup in theory", against_first(stages, "macs", "live_macs")))
    for batch in (1, 64):
        key = f"latency_{batch}_ms"
        lines.append((f"speedup measured, batch of {batch}", against_first(stages, key, key)))
    header = ["", *(str(stage.get("stage", "")) for stage in stages)]
    return header, [
        [label, *(text or "-" for text in texts)]
        for label, texts in lines
        if any(text is not None for text in texts)
    ]


def against_first(stages: Sequence[Stage], whole: str, part: str) -> list[str | None]:
    """`whole` of the first stage over `part` of each, as 2.5x."""
    before = stages[0].get(whole) if stages else None
    parts = [stage.get(part) for stage in stages]
    return [f"{before / now:.3g}x" if before and now else None for now in parts]


def headline(stages: Sequence[Stage]) -> str:
    """One sentence: how good the last stage is, and what it costs beside the first one."""
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
        for whole, part, said in GAINS:
            if gain := against_first([first, last], whole, part)[1]:
                parts.append(said.format(gain))
    return ", ".join(parts)
