"""top-1, top-5 = shares of right answers; loss; accuracy of each class; calibration error."""

from dataclasses import dataclass

import numpy as np

from minprune.core import Array, Split
from minprune.errors import NonFiniteError
from minprune.nets.model import Model, batch_last, blame, checked, loss_of

BINS = 15  # of the calibration error


@dataclass(frozen=True)
class Quality:
    """The result of `evaluate`

    Attributes
    ----------
    accuracy : share of right answers
    loss : mean loss over the samples
    per_class : accuracy on class k; NaN where the data have no sample of it
    top5 : share of samples whose class is among the five largest outputs; None for a net of five
        outputs or fewer
    calibration : expected calibration error, see `calibration_error`; None unless the loss is
        cross_entropy
    """

    accuracy: float
    loss: float
    per_class: tuple[float, ...]
    top5: float | None = None
    calibration: float | None = None


def evaluate(model: Model, data: Split) -> Quality:
    """Accuracy, loss and calibration of a model on data, in evaluation mode

    accuracy = sum_n [answer_n = y_n] / N; the answer is the largest output, or, with a single
    output, whether it is above 0.5.

    Parameters
    ----------
    model : Model
    data : pair (x, y): inputs, and integer classes (n,) or, for mse, targets (n, outputs)

    Returns
    -------
    Quality

    Raises
    ------
    ArgumentError : data has no samples
    ShapeError : targets that do not fit the net's loss
    NonFiniteError : the loss is not finite; the message names the layer

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.evaluate(mp.zoo.mlp(data, seed=0), data.test)
    >>> 0 <= found.accuracy <= found.top5 <= 1, len(found.per_class)
    (True, 10)
    """
    x, y = checked(model, data, "evaluate")
    with np.errstate(all="ignore"):  # the loss shows it, and the error below names the layer
        out = model(x)
        loss = float(loss_of(model.net, np.ascontiguousarray(out.T), y))  # first: it checks y
    if not np.isfinite(loss):
        worst = int(np.isfinite(out).all(axis=1).argmin())  # one sample is enough for blame
        one = batch_last(x[worst : worst + 1], model.dtype)
        where = blame(model.net, model.params | model.buffers, one)
        raise NonFiniteError(
            f"evaluate: the loss must be finite, not {loss}: {where}; check the model and the data"
        )
    answers, truth = _classes(out), _classes(y) if y.ndim == 2 else y
    right = answers == truth
    k = max(out.shape[1], 2)
    totals, hits = (np.bincount(c, minlength=k) for c in (truth, truth[right]))
    with np.errstate(invalid="ignore"):
        per_class = tuple((hits / totals).tolist())
    top5 = float((places(out, truth) < 5).mean()) if out.shape[1] > 5 else None
    sure = calibration_error(out, right) if model.net.loss == "cross_entropy" else None
    return Quality(float(right.mean()), loss, per_class, top5, sure)


def places(out: Array, truth: Array) -> Array:
    """The rank of the true class: how many outputs are larger, or equal and to its left

    out: (n, classes), truth: (n,) -> (n,)
    """
    mine = out[np.arange(len(out)), truth][:, None]
    left = np.arange(out.shape[1]) < truth[:, None]
    return np.asarray(((out > mine) | ((out == mine) & left)).sum(axis=1))


def calibration_error(out: Array, right: Array) -> float:
    """sum_b (n_b / n) abs(accuracy_b - mean confidence_b)      out: (n, classes), right: (n,) bool

    The confidence is the largest softmax output, in BINS bins of equal width (b/BINS, (b+1)/BINS].
    Guo et al. (2017), On Calibration of Modern Neural Networks, whose number of bins it is.
    """
    wide = out.astype(np.float64)
    sure = 1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    apart = np.bincount(bins, weights=right - sure, minlength=BINS)
    return float(np.abs(apart).sum()) / len(out)


def _classes(out: Array) -> Array:
    return out.argmax(axis=1) if out.shape[1] > 1 else (out[:, 0] > 0.5).astype(np.int64)
