"""What happened: one list per quantity, per update and per epoch."""

from dataclasses import dataclass, field

STEPS = ("step", "loss", "lr", "sparsity")
EPOCHS = ("epoch", "train_loss", "val_loss", "val_accuracy", "sparsity", "seconds")


def _columns(names: tuple[str, ...]) -> dict[str, list[float]]:
    return {name: [] for name in names}


@dataclass
class History:
    """steps["loss"][k]: loss, with penalties, of update k + 1; epochs: after each epoch

    val_loss, val_accuracy and sparsity of an epoch are of the model that training would end with
    there. sparsity: of the weights, biases not counted. seconds: the evaluation included.
    """

    steps: dict[str, list[float]] = field(default_factory=lambda: _columns(STEPS))
    epochs: dict[str, list[float]] = field(default_factory=lambda: _columns(EPOCHS))

    def step(self, *values: float) -> None:
        """One update: step, loss, lr, sparsity."""
        for name, v in zip(STEPS, values, strict=True):
            self.steps[name].append(v)

    def epoch(self, *values: float) -> None:
        """One epoch: epoch, train_loss, val_loss, val_accuracy, sparsity, seconds."""
        for name, v in zip(EPOCHS, values, strict=True):
            self.epochs[name].append(v)
