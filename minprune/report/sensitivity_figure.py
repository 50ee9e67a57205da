"""Accuracy or loss against sparsity, a line a layer; the unpruned model dotted."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.errors import MissingError

MARKERS = "osD^v<>P*X"  # beside the colours, of which there are ten


def axes(owner: str) -> Any:
    """Empty axes of a new figure, without a window; raises MissingError without matplotlib"""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingError(
            f'{owner}: it needs matplotlib, which is not installed; pip install "minprune[report]"'
        ) from None
    return Figure(figsize=(6.4, 4.0), layout="constrained").subplots()


def draw(
    ax: Any, sparsities: Sequence[float], values: Mapping[str, Sequence[float | None]],
    unpruned: float | None, label: str,
) -> None:  # fmt: skip
    """values: {layer: one for each sparsity, or None}; label: "accuracy" or "loss" """
    order = sorted(range(len(sparsities)), key=lambda k: sparsities[k])
    for place, (name, row) in enumerate(values.items()):
        points = [(sparsities[k], v) for k in order if (v := row[k]) is not None]
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(*zip(*points, strict=True), marker=marker, markersize=4, label=name)
    if unpruned is not None:
        ax.axhline(unpruned, color="0.3", linestyle=":", label="unpruned")
    ax.set(xlabel="sparsity of one layer", ylabel=f"validation {label}")
    ax.legend(fontsize="small", ncols=1 + len(values) // 12)
