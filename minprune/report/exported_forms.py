"""Bytes, accuracy and time of the forms that a run exported, for the page and the terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.measures.measure import share

NOTE = (
    "Bytes: of the constants in C, of the file and its runner for NumPy; memory: of the values "
    "between layers; times: the least of several passes over test samples, one by one on one "
    "thread, C by gcc -O3."
)
TEXTS: dict[str, Callable[[Any], str]] = {
    "bytes": lambda v: f"{v:,}", "memory": lambda v: f"{v:,}", "accuracy": share,
    "microseconds": lambda v: f"{v:.3g}",
}  # fmt: skip


def forms(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """(header, rows); what is not known is -"""
    header = ["form", "bytes", "bytes of memory", "accuracy", "microseconds a sample"]
    return header, [
        [row["form"], *("-" if row.get(k) is None else f(row[k]) for k, f in TEXTS.items())]
        for row in rows
    ]


def unknown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was not made or not measured, and why; each once"""
    return list(dict.fromkeys(row["why"] for row in rows if row.get("why")))
