"""What happened in training, step by step and epoch by epoch."""

from dataclasses import dataclass, field

from minprune.core import Arrays
from minprune.text import table

STEPS = ("step", "loss", "penalty", "lr", "sparsity")
EPOCHS = ("epoch", "train_loss", "val_loss", "val_accuracy", "sparsity", "seconds")


@dataclass(frozen=True)
class Learned:
    """How the arrays of `history.extra` with such names are drawn; see `Method.pictures`.

    Parameters
    ----------
    names : a pattern of their names, such as "* log alpha".
    what : what the values are, for the axis; "": they are not drawn.
    mark : a value that is marked by a dotted line, or the name of an array with that one value.
    says : what the mark is, such as "pruned above"; its value is written behind it.
    over : "": a histogram of each array. Else each is a line against this, such as "epoch", in one
        chart: against the array of that name, or against 1, 2, ... where there is none. An array
        (n, k) is k lines.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.Validate.pictures[0].over
    'step'
    """

    names: str
    what: str
    mark: float | str | None = None
    says: str = ""
    over: str = ""


@dataclass
class History:
    """What happened in training: numbers of every update and every epoch, and what was learned.

    Printed, it is a table of the epochs.

    Parameters
    ----------
    steps : {"step", "loss", "penalty", "lr", "sparsity"}: a list each, one entry an update. loss is
        the data loss; a method's penalty, which is added to it, has its own list.
    epochs : {"epoch", "train_loss", "val_loss", "val_accuracy", "sparsity", "seconds"}: a list
        each, one entry an epoch. train_loss is the mean data loss. val_loss, val_accuracy and
        sparsity are of the model that training would end with there; sparsity is of the weights,
        without biases; seconds include the evaluation.
    extra : what a method learned besides the weights, by name: its extra arrays at the end.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model, history = mp.fit(mp.zoo.lenet_300_100(data), data, epochs=1, progress=False)
    >>> history.epochs["epoch"], len(history.steps["loss"]), history.extra
    ([1], 19, {})
    """

    steps: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STEPS})
    epochs: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in EPOCHS})
    extra: Arrays = field(default_factory=dict)

    def __str__(self) -> str:
        return table(list(self.epochs), list(zip(*self.epochs.values(), strict=True)))

    def step(self, *values: float) -> None:
        """One update: the values of STEPS."""
        for name, v in zip(STEPS, values, strict=True):
            self.steps[name].append(v)

    def epoch(self, *values: float) -> None:
        """One epoch: the values of EPOCHS."""
        for name, v in zip(EPOCHS, values, strict=True):
            self.epochs[name].append(v)

    def then(self, later: "History") -> "History":
        """The history of a training in two parts: this one, and the later one."""
        return History(
            {name: self.steps[name] + later.steps[name] for name in STEPS},
            {name: self.epochs[name] + later.epochs[name] for name in EPOCHS},
            later.extra,
        )
