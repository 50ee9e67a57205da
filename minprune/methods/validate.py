"""L(w_t; val) at t = every, 2 every, ...: validation between epochs, for early stopping."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minprune.arguments import count, instance
from minprune.core import Arrays, Dataset
from minprune.measures.quality import evaluate
from minprune.nets.model import Model
from minprune.train.history import History, Learned
from minprune.train.method import Change, Context, Method, View

KINDS = ("step", "val_loss", "val_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Validate(Method):
    """Look at data.val every so many updates; changes nothing.

    `history.extra` has "step", "val_loss", "val_accuracy" and "test_accuracy", an entry for each
    look; the accuracy on data.test where the validation loss is the least so far, else NaN.

    Parameters
    ----------
    data : Dataset
        Whose val and test parts are looked at.
    every : int
        Updates between two looks.

    Raises
    ------
    ArgumentError
        For another data, or every below 1.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(8,))
    >>> looks = mp.methods.Validate(data, every=10)
    >>> model, history = mp.fit(model, data, epochs=2, method=looks, progress=False)
    >>> history.extra["step"].tolist()
    [10, 20, 30]
    """

    data: Dataset = field(repr=False)
    every: int = 100
    reads_total = False
    pictures = (
        Learned("val_loss", "validation loss", over="step"),
        Learned("*_accuracy", "accuracy", over="step"),
    )

    def __post_init__(self) -> None:
        instance("Validate", "data", self.data, Dataset, "mp.Dataset(train, val, test)")
        count("Validate", "every", self.every)

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        return model, {}, {kind: [] for kind in KINDS}

    def after(self, view: View) -> Change | None:
        ctx = view.ctx
        if ctx.step % self.every:
            return None
        model = Model(ctx.net, dict(view.params), dict(view.buffers), dict(ctx.masks))
        found, seen = evaluate(model, self.data.val), ctx.state
        least = found.loss < min(seen["val_loss"], default=np.inf)
        test = (
            evaluate(model, self.data.test).accuracy if least and len(self.data.test[0]) else None
        )
        new = (ctx.step, found.loss, _number(found.accuracy), _number(test))
        return Change(state={k: [*seen[k], v] for k, v in zip(KINDS, new, strict=True)})

    def learned(self, model: Model, extra: Arrays, ctx: Context) -> Arrays:
        return {kind: np.array(ctx.state[kind]) for kind in KINDS}


def _number(accuracy: float | None) -> float:
    return float("nan") if accuracy is None else accuracy


def least_loss(history: History, before: int = 0, prefix: str = "") -> dict[str, Any]:
    """Where the validation loss was least, of the looks of `Validate` after update `before`

    {"early_update", "early_val_loss", "early_val_accuracy", "early_test_accuracy"}; None without a
    look. The accuracy on data.test is that of the least look so far. prefix: of its arrays.
    """
    looks = {kind: history.extra.get(prefix + kind, np.zeros(0)) for kind in KINDS}
    later = np.flatnonzero(looks["step"] > before)
    if not later.size:
        return {f"early_{kind}": None for kind in ("update", *KINDS[1:])}
    at = later[looks["val_loss"][later].argmin()]
    step, *others = (looks[kind][at] for kind in KINDS)
    told = {
        f"early_{kind}": None if np.isnan(v) else float(v)
        for kind, v in zip(KINDS[1:], others, strict=True)
    }
    return {"early_update": int(step), **told}
