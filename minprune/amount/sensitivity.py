"""L_l(s) = loss with the share s of layer l pruned, the others as they are."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minprune.amount.trial import trial
from minprune.arguments import choice, filled, is_number
from minprune.core import Criterion, Dataset, Seed
from minprune.errors import ArgumentError
from minprune.masking.allocate import allocate
from minprune.masking.count import pruned_count
from minprune.measures.quality import evaluate
from minprune.nets.model import Model
from minprune.nets.names import listed
from minprune.report.sensitivity_figure import axes, draw
from minprune.text import table
from minprune.train.progress import progress as bar

GRID = (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
Row = tuple[float | None, ...]  # a value for each sparsity; None: more is gone already


@dataclass(frozen=True)
class Sensitivity:
    """The result of `sensitivity`; print it for a table

    Attributes
    ----------
    criterion : the criterion that chose what goes
    unit : whether sparsities are of units
    sparsities : the grid
    counts : {layer: its weights, or units}
    loss : validation loss of the model itself
    losses : {layer: validation loss at each sparsity}
    accuracy : validation accuracy of the model itself; None where the targets are numbers
    accuracies : {layer: validation accuracy at each sparsity}; empty where the targets are numbers
    """

    criterion: str
    unit: bool
    sparsities: tuple[float, ...]
    counts: dict[str, int]
    loss: float
    losses: dict[str, Row]
    accuracy: float | None
    accuracies: dict[str, Row]

    def __str__(self) -> str:
        values, digits, factor = (
            (self.accuracies, 2, 100) if self.accuracies else (self.losses, 4, 1)
        )
        own = self.accuracy if self.accuracies else self.loss
        rows = [
            [name, self.counts[name],
             *(None if v is None else f"{factor * v:.{digits}f}" for v in row)]
            for name, row in values.items()
        ]  # fmt: skip
        head = ["layer", "units" if self.unit else "weights", *map("{:g}".format, self.sparsities)]
        what = "accuracy in %" if self.accuracies else "loss"
        return (
            f"validation {what} with one layer pruned by {self.criterion}; "
            f"unpruned {factor * (own or 0):.{digits}f}\n{table(head, rows)}"
        )

    def to_json(self) -> str:
        """All of it as JSON text."""
        return json.dumps(asdict(self), indent=1, allow_nan=False)

    def curves(self, of: str = "loss") -> dict[str, list[tuple[float, float]]]:
        """{layer: [(sparsity, rise), ...]}, for mp.allocate(..., bound=, curves=)

        of: "loss", its rise, or "accuracy", its fall.
        """
        choice("curves", "of", of, ("loss", "accuracy") if self.accuracies else ("loss",))
        values = self.losses if of == "loss" else self.accuracies
        own, sign = (self.loss, 1) if of == "loss" else (self.accuracy or 0.0, -1)
        return {
            name: [
                (s, sign * (v - own))
                for s, v in zip(self.sparsities, row, strict=True)
                if v is not None
            ]
            for name, row in values.items()
        }

    def allocate(self, bound: float, of: str = "loss", **more: Any) -> dict[str, float]:
        """The largest total sparsity at which the rises of all layers sum up to at most `bound`

        {layer: its sparsity}, for prune(..., sparsity=, minimum=0). An estimate, since each layer
        was measured alone. of: see `curves`; more: protect, see `mp.allocate`.
        """
        shapes = {name: (n, 1) for name, n in self.counts.items()}
        return allocate(shapes, bound=bound, curves=self.curves(of), **more)

    def plot(self, ax: Any = None, of: str | None = None) -> Any:
        """A line a layer against sparsity, on axes of matplotlib; new ones unless given

        of: "accuracy", the default where there is one, or "loss".
        """
        of = of or ("accuracy" if self.accuracies else "loss")
        choice("plot", "of", of, ("loss", "accuracy") if self.accuracies else ("loss",))
        values = self.accuracies if of == "accuracy" else self.losses
        ax = axes("Sensitivity.plot") if ax is None else ax
        draw(ax, self.sparsities, values, self.accuracy if of == "accuracy" else self.loss, of)
        return ax


def sensitivity(
    model: Model,
    data: Dataset,
    criterion: str | Criterion = "magnitude",
    *,
    unit: bool = False,
    sparsities: Sequence[float] = GRID,
    seed: Seed = 0,
    progress: bool = True,
    **options: Any,
) -> Sensitivity:
    """L_l(s) = validation loss with the share s of layer l pruned, all other layers as they are

    Scores are computed once, on data.train; each layer in turn is pruned to each sparsity of the
    grid, without retraining, and evaluated on data.val. A layer that is pruned beyond a sparsity
    already has no value there.

    Parameters
    ----------
    model : Model
        A dense model, usually a trained one.
    data : Dataset
        Scores come from its train part, accuracy and loss from its val part.
    criterion : str or function
        What goes first, see `mp.score`.
    unit : bool
        Whether whole units go. Tied layers, whose units go together, have one row.
    sparsities : sequence of float
        The grid, each from 0 to 1.
    seed : int or Generator
        For criteria that draw random numbers.
    progress : bool
        Whether progress is shown.
    **options
        For `mp.score`: options of the criterion, params, batch_size, needs.

    Returns
    -------
    Sensitivity
        A table, `.to_json()`, `.plot()`, and `.curves()` and `.allocate(bound)` for `mp.allocate`.

    Raises
    ------
    ArgumentError
        For an empty grid or a sparsity out of range, and as `mp.score` does.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model, _ = mp.fit(mp.zoo.mlp(data, (16,)), data, epochs=3, progress=False)
    >>> found = mp.sensitivity(model, data, sparsities=(0.5, 0.9), progress=False)
    >>> list(found.losses), found.counts["fc1.weight"], len(found.accuracies["fc1.weight"])
    (['fc1.weight', 'fc2.weight'], 1024, 2)
    >>> share = found.allocate(bound=0.1)
    >>> small = mp.prune(model, mp.score(model, data.train, "magnitude"), sparsity=share, minimum=0)

    Sources: Han et al. (2015), weights; Li et al. (2016), filters.
    """
    grid = tuple(listed(sparsities))
    for s in grid:
        if not is_number(s, 0, 1):
            raise ArgumentError(
                f"sensitivity: sparsities must be numbers from 0 to 1, not {s!r}; "
                f"pass (0.5, 0.9), for example"
            )
    filled("sensitivity", "sparsities", grid, "pass (0.5, 0.9), for example")
    found = trial("sensitivity", model, data, criterion, unit, seed, options)
    own = evaluate(model, data.val)
    losses, accuracies = dict[str, Row](), dict[str, Row]()
    with bar("sensitivity", len(found.owners) * len(grid), progress) as shown:
        for layer in found.owners:
            n, gone = found.count(layer)
            at = []
            for s in grid:
                k = pruned_count(s, n)
                at.append(evaluate(found.pruned(k, layer), data.val) if k >= gone else None)
                shown.update()
            losses[layer] = tuple(None if q is None else q.loss for q in at)
            if own.accuracy is not None:
                accuracies[layer] = tuple(None if q is None else q.accuracy for q in at)
    return Sensitivity(
        criterion if isinstance(criterion, str) else getattr(criterion, "__name__", "a function"),
        unit, tuple(map(float, grid)), {layer: found.count(layer)[0] for layer in found.owners},
        own.loss, losses, own.accuracy, accuracies,
    )  # fmt: skip
