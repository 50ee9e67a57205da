"""The measures of `minprune run`: one row each, for the terminal, result.json and the page alike.

A row says what it is called, how it is printed, and which keys of result.json it computes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minprune.measures.latency import Latency
from minprune.measures.measure import BATCHES
from minprune.measures.quality import Quality
from minprune.measures.size import Size

Stage = Mapping[str, Any]  # a stage's entry in result.json


@dataclass(frozen=True)
class Measured:
    """All that is measured of a stage's model; quality on the test part."""

    quality: Quality
    validation: Quality
    size: Size
    file_bytes: int
    latencies: Mapping[int, Latency]  # by batch size


@dataclass(frozen=True)
class Row:
    """label: empty for what result.json alone holds; shown(stage, first stage) -> text or None

    computed: {key of result.json: how it is computed}. begins: set off from the rows above it.
    """

    label: str
    shown: Callable[[Stage, Stage], str | None]
    computed: Mapping[str, Callable[[Measured], Any]] = field(default_factory=dict)
    begins: bool = False


def count(value: float) -> str:
    """12345 -> 12,345"""
    return f"{round(value):,}"


def share(value: float) -> str:
    """0.97222 -> 97.22 %"""
    return f"{100 * value:.2f} %"


def number(value: float) -> str:
    """0.123456 -> 0.1235"""
    return f"{value:.4g}"


def _row(
    label: str, key: str, compute: Callable[[Measured], Any], show: Callable[[float], str],
    begins: bool = False,
) -> Row:  # fmt: skip
    def shown(stage: Stage, first: Stage) -> str | None:
        return None if stage.get(key) is None else show(stage[key])

    return Row(label, shown, {key: compute}, begins)


def ratio(whole: str, part: str) -> Callable[[Stage, Stage], str | None]:
    """`whole` of the first stage over `part` of each, as 2.5x"""

    def shown(stage: Stage, first: Stage) -> str | None:
        before, now = first.get(whole), stage.get(part)
        return f"{before / now:.3g}x" if before and now else None

    return shown


def _latency(batch: int) -> Row:
    key, spread_key = f"latency_{batch}_ms", f"latency_{batch}_spread_ms"

    def shown(stage: Stage, first: Stage) -> str | None:
        value, spread = stage.get(key), stage.get(spread_key)
        if value is None or spread is None:
            return None if value is None else f"{value:.3g} ms"
        return f"{value:.3g} ({spread:.{1 if spread < 9.5 else 3}g}) ms"  # 20, and not 2e+01

    computed: dict[str, Callable[[Measured], Any]] = {
        key: lambda m: m.latencies[batch].median_ms,
        spread_key: lambda m: m.latencies[batch].spread_ms,
    }
    return Row(f"latency, batch of {batch}", shown, computed, begins=batch == BATCHES[0])


def _speedup(batch: int) -> Row:
    key = f"latency_{batch}_ms"
    return Row(f"speedup measured, batch of {batch}", ratio(key, key))


ROWS = (
    _row("accuracy", "accuracy", lambda m: m.quality.accuracy, share),
    _row("accuracy, top 5", "top5", lambda m: m.quality.top5, share),
    _row("loss", "loss", lambda m: m.quality.loss, number),
    _row("calibration error", "calibration", lambda m: m.quality.calibration, share),
    _row("", "per_class", lambda m: list(m.quality.per_class), number),  # in a table of its own
    _row("", "val_accuracy", lambda m: m.validation.accuracy, share),
    _row("parameters", "parameters", lambda m: m.size.parameters, count, begins=True),
    _row("live parameters", "live", lambda m: m.size.live, count),
    _row("sparsity of the weights", "sparsity", lambda m: m.size.sparsity, share),
    _row("multiply-adds", "macs", lambda m: m.size.macs, count, begins=True),
    _row("live multiply-adds", "live_macs", lambda m: m.size.live_macs, count),
    _row("activations", "activations", lambda m: m.size.activations, count),
    _row("bytes as dense arrays", "bytes", lambda m: m.size.bytes, count, begins=True),
    _row("bytes as sparse arrays", "sparse_bytes", lambda m: m.size.sparse_bytes, count),
    _row("bytes in memory", "stored", lambda m: m.size.stored, count),
    _row("bytes on disk", "file_bytes", lambda m: m.file_bytes, count),
    Row("compression on disk", ratio("bytes", "file_bytes")),
    *map(_latency, BATCHES),
    Row("speedup in theory", ratio("macs", "live_macs")),
    *map(_speedup, BATCHES),
)
GAINS = (  # of the headline
    ("compression {} on disk", ratio("bytes", "file_bytes")),
    ("speedup {} in batches of 64", ratio("latency_64_ms", "latency_64_ms")),
    ("{} one by one", ratio("latency_1_ms", "latency_1_ms")),
)


def computed(name: str, measured: Measured) -> dict[str, Any]:
    """A stage's entry in result.json."""
    values = {key: of(measured) for row in ROWS for key, of in row.computed.items()}
    return {"stage": name} | values


def comparison(stages: Sequence[Stage]) -> tuple[list[str], list[list[str]]]:
    """(header, rows) of the stages of a run; a measure that no stage has is left out."""
    header = ["", *(str(stage.get("stage", "")) for stage in stages)]
    lines = [
        (row.label, [row.shown(stage, stages[0]) for stage in stages]) for row in ROWS if row.label
    ]
    return header, [
        [label, *(text or "-" for text in texts)] for label, texts in lines if any(texts)
    ]


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
        parts += [words.format(gain) for words, of in GAINS if (gain := of(last, first))]
    return ", ".join(parts)
