"""(weights, optimizer state, data order, rate) of round k: what a pruned net is trained from again.

Each kind of retraining is a function of what there is, `Before`, that gives a `Start`; RETRAIN
lists them by name. Sources: Han et al. (2015), fine-tuning; Frankle et al. (2019), weight
rewinding; Renda et al. (2020), learning-rate rewinding; Frankle & Carbin (2018), new weights;
Hinton et al. (2015), distillation.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from minprune.core import stream
from minprune.errors import MinpruneWarning
from minprune.masking.apply import with_masks
from minprune.methods.distil import Distil
from minprune.nets.initialise import initialise
from minprune.nets.model import Model
from minprune.train.method import Method
from minprune.train.rates import Rate, constant
from minprune.train.state import Tree

LEAST = 1e-4  # a last factor of the learning rate below it is worth a warning
FORGOTTEN = {  # of patience
    "best": None, "best_loss": inf, "held": None, "waited": 0, "stopped": False,
}  # fmt: skip


@dataclass(frozen=True)
class Before:
    """What a retraining may begin with.

    Parameters
    ----------
    start : the model before training.
    pruned : the model after it, with the new masks.
    point, end : where training was at the update to return to, and with the model that it gave:
        at its end, or with patience at the end of its best epoch (`Part.point` of train/loop.py);
        of a kind that rewinds.
    total : the updates of training.
    epochs, rate : of training.
    again, again_rate : the epochs of retraining, and its rate where it has its own.
    seed, scheme : of new weights; another seed in each round.
    trained : the model after training, before any pruning.

    Examples
    --------
    >>> import minprune as mp
    >>> list(mp.methods.Before.__dataclass_fields__)[:4]
    ['start', 'pruned', 'point', 'end']
    """

    start: Model
    pruned: Model
    point: Tree
    end: Tree
    total: int
    epochs: int
    again: int
    rate: Rate | None
    again_rate: Rate | None
    seed: int
    scheme: str
    trained: Model | None = None


@dataclass(frozen=True)
class Start:
    """How a retraining trains.

    Parameters
    ----------
    model : with the masks to hold.
    epochs, rate : as of `mp.fit`.
    begin : where training is, if it returns to a point: weights, optimizer state, position.
    method : what acts in it, behind the method of all training, if there is one.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.Start(mp.zoo.mlp(((3,), 2), hidden=(4,)), epochs=2, rate=None).epochs
    2
    """

    model: Model
    epochs: int
    rate: Rate | None
    begin: Tree | None = None
    method: Method | None = None


@dataclass(frozen=True)
class Retraining:
    """A kind of retraining, for `retrain=` of `mp.methods.iterative`.

    Parameters
    ----------
    start : Callable[[Before], Start]
        What it trains, and how.
    rewinds : bool
        Whether it returns to an update of the training that the plan did, for what is left of its
        epochs.
    first : bool
        Whether it needs that training: the weights before it, or a point of it.

    Examples
    --------
    The masks stay, and every weight becomes the sign of what it was before training, times 1/8:

    >>> import minprune as mp
    >>> import numpy as np
    >>> def signs(b):
    ...     w = {name: np.sign(w) * w.dtype.type(1 / 8) for name, w in b.start.params.items()}
    ...     model = mp.with_masks(mp.Model(b.start.net, w), b.pruned.masks)
    ...     return mp.methods.Start(model, b.again, b.rate)
    >>> data = mp.data.digits()
    >>> how = {"sparsity": 0.5, "epochs": 1, "retrain_epochs": 0, "progress": False}
    >>> kind = mp.methods.Retraining(signs, first=True)
    >>> found = mp.methods.iterative(mp.zoo.mlp(data, hidden=(8,)), data, retrain=kind, **how)
    >>> np.unique(found.model.params["fc1.weight"]).tolist()
    [-0.125, 0.0, 0.125]

    Zhou et al. (2019), Deconstructing Lottery Tickets, have such signs.
    """

    start: Callable[[Before], Start]
    rewinds: bool = False
    first: bool = False


def finetune(b: Before) -> Start:
    """The weights stay; the rate is the last one of the schedule."""
    rate = b.rate or constant()
    last = rate(b.total - 1, b.total) if b.total else 1.0
    if last < LEAST and b.again_rate is None:
        warnings.warn(
            f"finetune: the last rate of the schedule is {last:.2g} of the learning rate, which "
            f"hardly moves a weight; pass retrain_rate, such as mp.rates.cosine(), or a schedule "
            f"with a floor", MinpruneWarning, stacklevel=2,
        )  # fmt: skip
    return Start(b.pruned, b.again, b.again_rate or (lambda t, total: last))


def distilled(
    b: Before,
    *,
    teacher: Model | None = None,
    temperature: float = Distil.temperature,
    alpha: float = Distil.alpha,
) -> Start:
    """As finetune, with `Distil`; the teacher is the net as it was before any pruning."""
    known: Any = b.trained if teacher is None else teacher
    return replace(finetune(b), method=Distil(known, temperature, alpha))


def lr_rewind(b: Before) -> Start:
    """The schedule, and with it the order of the data, return to the update; all else stays."""
    training = b.end["training"] | {"done": b.point["training"]["done"]}
    begin = {"training": training, "place": b.point["place"] | FORGOTTEN}
    return Start(b.pruned, b.epochs, b.rate, begin)


def weight_rewind(b: Before) -> Start:
    """Everything returns to the update, and the masks stay."""
    return Start(b.pruned, b.epochs, b.rate, b.point | {"place": b.point["place"] | FORGOTTEN})


def scratch(b: Before) -> Start:
    """The masks stay; the weights are those before training."""
    return Start(with_masks(b.start, b.pruned.masks), b.again, b.again_rate or b.rate)


def reinit(b: Before) -> Start:
    """The masks stay; the weights are new."""
    fresh = stream(b.seed, "new weights")
    return Start(renewed(b.pruned, fresh, b.scheme), b.again, b.again_rate or b.rate)


def renewed(model: Model, fresh: np.random.Generator, scheme: str) -> Model:
    """The net and the masks with new weights

    fresh: a stream of its own, so that they are never those that a net of the zoo began with.
    """
    new = initialise(model.net, seed=fresh, scheme=scheme, dtype=model.dtype)
    return with_masks(new, model.masks)


RETRAIN: dict[str, Retraining] = {
    "finetune": Retraining(finetune),
    "distil": Retraining(distilled),
    "lr_rewind": Retraining(lr_rewind, rewinds=True, first=True),
    "weight_rewind": Retraining(weight_rewind, rewinds=True, first=True),
    "scratch": Retraining(scratch, first=True),
    "reinit": Retraining(reinit),
}
