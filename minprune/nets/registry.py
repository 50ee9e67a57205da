"""The layers by name and where they are: `mp.NAME`, files and people find them by it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `import minprune` reads the names alone
    from minprune.nets.layer import Layer

HOMES: dict[str, tuple[str, ...]] = {
    "nets.dense": ("Dense",),
    "nets.convolution": ("Conv1d", "Conv2d"),
    "nets.pooling": ("MaxPool", "AvgPool", "GlobalAvgPool", "Flatten"),
    "nets.normalisation": ("BatchNorm", "GroupNorm", "LayerNorm"),
    "nets.plain": ("ReLU", "LeakyReLU", "Tanh", "Sigmoid"),
    "nets.dropout": ("Dropout",),
    "nets.joining": ("Add", "Concat"),
}
INNER = {"sparse.layers": ("SparseDense", "SparseConv")}  # mp.sparsify makes them; files name them


@cache
def layers() -> dict[str, type[Layer]]:
    """The class of each public layer, by name."""
    return {name: kind_of(name) for names in HOMES.values() for name in names}  # type: ignore[misc]


def kind_of(name: str) -> type[Layer] | None:
    """The layer of that name, or None."""
    for home, names in (HOMES | INNER).items():
        if name in names:
            found: type[Layer] = getattr(import_module(f"minprune.{home}"), name)
            return found
    return None
