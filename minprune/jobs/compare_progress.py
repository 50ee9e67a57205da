"""What a comparison says while it works: how much there is to do, each row, the time to go."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any

from minprune.core import Dataset
from minprune.errors import MinpruneWarning
from minprune.jobs.cells import Cell
from minprune.jobs.checks import spent
from minprune.jobs.compare_cells import Compare
from minprune.jobs.job import say
from minprune.jobs.store import Row, Store
from minprune.measures.quality import evaluate

PASSES = 3  # of the time of an evaluation that an update takes
Map = Mapping[str, Any]


def before(plan: Compare, dataset: Dataset, cells: Sequence[Cell], workers: int) -> str:
    """How much there is to do, and about how long it takes, from the time of one batch."""
    model, batch = plan.start(dataset), [a[: plan.batch_size] for a in dataset.train]
    updates, begun_at = sum(cell.updates for cell in cells), perf_counter()
    evaluate(model, (batch[0], batch[1]))
    seconds = PASSES * updates * (perf_counter() - begun_at) / workers
    return f"{len(cells)} cells, {updates:,} updates: {spent(seconds)} and the time to score"


class Told:
    """Keeps each row, and says how far the work is."""

    def __init__(
        self, cells: Sequence[Cell], had: Mapping[str, Any], store: Store, workers: int,
        progress: bool,
    ) -> None:  # fmt: skip
        self.left, self.total = [c for c in cells if c.id not in had], len(cells)
        self.store, self.workers, self.progress = store, workers, progress
        self.seconds: dict[Any, tuple[int, float]] = {}
        self.warned: set[str] = set()

    def __call__(self, cell: Cell, row: Row) -> None:
        self.store.write(cell.id, cell.key, row)
        self.left.remove(cell)
        updates, seconds = self.seconds.get(cell.key[0], (0, 0.0))
        self.seconds[cell.key[0]] = updates + work(cell), seconds + row["seconds"]
        for words in row["warnings"]:
            if words not in self.warned:
                self.warned.add(words)
                warnings.warn(words, MinpruneWarning, stacklevel=2)
        kind, seed, *of = cell.key
        name = f"{', '.join(map(str, filter(None, of))) or kind}, seed {seed}"
        done = f"{self.total - len(self.left)}/{self.total}: {name}"
        said = row["error"] or ", ".join(accuracies(row["made"]))
        say(not self.progress, f"{done}: {said}{self.to_go()}")

    def to_go(self) -> str:
        """About how long the rest takes, once a cell of each kind has ended."""
        kinds: dict[Any, int] = {}
        for cell in self.left:
            kinds[cell.key[0]] = kinds.get(cell.key[0], 0) + work(cell)
        if not kinds or kinds.keys() - self.seconds.keys():
            return ""
        each = {kind: seconds / n for kind, (n, seconds) in self.seconds.items()}
        left = sum(n * each[kind] for kind, n in kinds.items())
        return f"; {spent(left / self.workers)} to go"


def work(cell: Cell) -> int:
    """What the time of a cell is in proportion to"""
    return max(cell.updates, 1)


def accuracies(made: Map) -> Iterator[str]:
    """ "accuracy 0.9123 at 0.9, fine-tuned 0.9611" for each sparsity, or that of the dense net"""
    for kind in ("dense", "first"):
        if kind in made and made[kind]["accuracy"] is not None:
            yield f"accuracy {made[kind]['accuracy']:.4f}"
    for c in made.get("nets", []):
        yield f"accuracy {c['accuracy']:.4f} at {c['sparsity']}"
    for c in made.get("cells", []):
        yield (
            f"accuracy {c['pruned']['accuracy']:.4f} at {c['sparsity']}, fine-tuned "
            f"{c['fine-tuned']['accuracy']:.4f}"
        )
