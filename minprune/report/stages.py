"""The table dense / pruned / fine-tuned: one row to a measure, one column to a stage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Stage = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]


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
    ("loss", "loss", number),
    ("parameters", "parameters", count),
    ("live parameters", "live", count),
    ("sparsity of the weights", "sparsity", share),
    ("multiply-adds", "macs", count),
    ("live multiply-adds", "live_macs", count),
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
    return f"{value:.3g} ms" if spread is None else f"{value:.3g} ({spread:.1g}) ms"


def comparison(stages: Sequence[Stage]) -> Table:
    """(header, rows) of the stages of a run; a measure that no stage has is left out."""
    lines: list[tuple[str, list[str | None]]] = []
    for label, key, show in ROWS:
        values = [stage.get(key) for stage in stages]
        lines.append((label, [None if value is None else show(value) for value in values]))
    for batch in (1, 64):
        label = f"latency, batch of {batch}"
        lines.append((label, [latency(stage, batch) for stage in stages]))
    lines += speedups(stages)
    header = ["", *(str(stage.get("stage", "")) for stage in stages)]
    return header, [
        [label, *(text or "-" for text in texts)]
        for label, texts in lines
        if any(text is not None for text in texts)
    ]


def speedups(stages: Sequence[Stage]) -> list[tuple[str, list[str | None]]]:
    """Times as fast as the first stage: by live multiply-adds, and by the latency of a batch."""
    first = stages[0] if stages else {}
    rows: list[tuple[str, list[str | None]]] = [
        ("speedup in theory", [times(first.get("macs"), s.get("live_macs")) for s in stages])
    ]
    for batch in (1, 64):
        key = f"latency_{batch}_ms"
        cells = [times(first.get(key), s.get(key)) for s in stages]
        rows.append((f"speedup measured, batch of {batch}", cells))
    return rows


def times(before: float | None, now: float | None) -> str | None:
    """before / now as 2.5x"""
    return f"{before / now:.3g}x" if before and now else None


def headline(stages: Sequence[Stage]) -> str:
    """One sentence: what is left of the first stage in the last one, and at what cost."""
    if not stages:
        return ""
    first, last = stages[0], stages[-1]
    parts = []
    if last.get("live") is not None and first.get("parameters"):  # a compacted net is smaller
        parts.append(f"{share(last['live'] / first['parameters'])} of the parameters kept")
    if last.get("accuracy") is not None:
        parts.append(f"accuracy {share(last['accuracy'])}")
        if first is not last and first.get("accuracy") is not None:
            parts[-1] += f" ({first.get('stage', 'before')}: {share(first['accuracy'])})"
    return ", ".join(parts)
