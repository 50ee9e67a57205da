"""loss; top-1, top-5 = shares of right answers, of each class too; calibration error; R^2.

A model that is no better than always giving the same answer has collapsed to chance.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minprune.core import Array, Split
from minprune.errors import ArgumentError, NonFiniteError
from minprune.nets.losses import LOSSES
from minprune.nets.model import Model, Predictor, batch_last, blame, checked, loss_of

BINS = 15  # of the calibration error


@dataclass(frozen=True)
class Quality:
    """The result of `evaluate`

    Attributes
    ----------
    accuracy : share of right answers; None where the targets are numbers
    loss : mean loss over the samples
    per_class : accuracy on class k; NaN where the data have no sample of it; () without classes
    class_samples : how many samples of class k the data have; () without classes
    top5 : share of samples whose class is among the five largest outputs; None for a net of five
        outputs or fewer
    calibration : expected calibration error, see `calibration_error`; None unless the loss is
        cross_entropy
    mse : mean over samples and outputs of (f - y)^2; None unless the loss is mse
    r2 : coefficient of determination, see `r2`; None unless the loss is mse
    chance : accuracy of the best constant answer; None without an accuracy
    only : the class of every answer, where all are one class; else None
    collapsed : whether the model is no better than a constant, see `no_better`; without an
        accuracy, whether r2 <= 0
    """

    accuracy: float | None
    loss: float
    per_class: tuple[float, ...] = ()
    class_samples: tuple[int, ...] = ()
    top5: float | None = None
    calibration: float | None = None
    mse: float | None = None
    r2: float | None = None
    chance: float | None = None
    only: int | None = None
    collapsed: bool = False

    def __str__(self) -> str:
        right = "" if self.accuracy is None else f"accuracy {self.accuracy:.2%}, "
        fit = "" if self.r2 is None else f", R^2 {self.r2:.4f}"
        loud = ", COLLAPSED to chance" if self.collapsed else ""
        return f"{right}loss {self.loss:.4f}{fit}{loud}"


def evaluate(model: Predictor, data: Split) -> Quality:
    """Loss of a model on data, with accuracy and calibration, or R^2, in evaluation mode

    accuracy = sum_n [answer_n = y_n] / N. The answer is the largest output for cross_entropy; for
    binary_cross_entropy, whether an output is above 0 (of several outputs, each has its answer);
    for mse, only where all targets are 0 or 1, whether it is above 0.5, or, where each row has a
    single 1, the largest output.

    Parameters
    ----------
    model : Model, or what mp.quantize returned
    data : pair (x, y): inputs, and targets as the net's loss takes them

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
    x, y = checked(model, data, "evaluate", Predictor)
    with np.errstate(all="ignore"):  # the loss shows it, and the error below names the layer
        out = model(x)
        loss = float(loss_of(model.net, np.ascontiguousarray(out.T), y))
    if not np.isfinite(loss):
        if not isinstance(model, Model):
            raise NonFiniteError(f"evaluate: the loss must be finite, not {loss}; check the data")
        worst = int(np.isfinite(out).all(axis=1).argmin())  # one sample is enough for blame
        one = batch_last(x[worst : worst + 1], model.dtype)
        where = blame(model.net, model.params | model.buffers, one)
        raise NonFiniteError(
            f"evaluate: the loss must be finite, not {loss}: {where}; check the model and the data"
        )
    rule = LOSSES[model.net.loss]
    judged = rule.answers(out, y)
    found = Quality(None, loss)
    if rule.numbers:
        found = replace(found, mse=loss / out.shape[1], r2=(fit := r2(out, y)), collapsed=fit <= 0)
    if judged is None:
        return found
    answers, truth = judged
    right = answers == truth
    chance, collapsed = no_better(right, truth)
    found = replace(found, accuracy=float(right.mean()), chance=chance, collapsed=collapsed)
    if truth.ndim == 1:
        if (answers == answers[0]).all():
            found = replace(found, only=int(answers[0]))
        k = max(out.shape[1], 2)
        totals, hits = (np.bincount(c, minlength=k) for c in (truth, truth[right]))
        with np.errstate(invalid="ignore"):
            per_class = tuple((hits / totals).tolist())
        found = replace(found, per_class=per_class, class_samples=tuple(totals.tolist()))
        if out.shape[1] > 5:
            found = replace(found, top5=float((places(out, truth) < 5).mean()))
    return replace(found, calibration=calibration_error(out, right)) if rule.softmax else found


def right_answers(model: Predictor, data: Split) -> Array | None:
    """Whether each answer is right, as `evaluate` counts them; None where targets are numbers."""
    x, y = checked(model, data, "right_answers", Predictor)
    judged = LOSSES[model.net.loss].answers(model(x), y)
    return None if judged is None else np.asarray(judged[0] == judged[1]).ravel()


def accuracy_of(model: Predictor, data: Split, owner: str) -> float:
    """The accuracy; raises ArgumentError where the targets are numbers      owner: what needs it"""
    found = evaluate(model, data).accuracy
    if found is None:
        raise ArgumentError(
            f"{owner}: the targets must be classes, not numbers, to have an accuracy; leave out "
            f"what needs it"
        )
    return found


def no_better(right: Array, truth: Array) -> tuple[float, bool]:
    """(c, a <= c + sqrt(c (1 - c) / n) and a < 1): a the accuracy, c that of a constant answer

    right, truth: (n,) of classes, or (n, outputs) of yes and no. c: of the most frequent answer, of
    each output. The square root is the standard error of c. Of classes, the mean accuracy over the
    K of them that occur must be within two standard errors of 1 / K besides: a net that finds the
    rare class is not at chance, though always answering the frequent one may be right more often.
    """
    n, accuracy = len(truth), float(right.mean())
    if truth.ndim == 2:
        share = truth.mean(axis=0)
        chance = float(np.maximum(share, 1 - share).mean())
    else:
        totals = np.bincount(truth)
        hits, totals = np.bincount(truth, right)[totals > 0], totals[totals > 0]
        chance = float(totals.max()) / n
        k = len(totals)
        error = math.sqrt(float((1 / totals).sum()) * (1 / k) * (1 - 1 / k)) / k
        if float((hits / totals).mean()) > 1 / k + 2 * error:
            return chance, False
    return chance, accuracy < 1 and accuracy <= chance + math.sqrt(chance * (1 - chance) / n)


def collapse(found: Mapping[str, Any], classes: Sequence[str] = ()) -> str:
    """In words, how a model is no better than a constant; "" where it is better

    found: the fields of Quality, as result.json holds them. classes: their names, if they have any

    >>> from minprune.measures.quality import collapse
    >>> collapse({"collapsed": True, "accuracy": 0.1, "chance": 0.1, "only": 1}, ("cat", "dog"))
    'every answer is class 1, dog: accuracy 10.00 %'
    """
    if not found.get("collapsed"):
        return ""
    accuracy, only = found.get("accuracy"), found.get("only")
    if accuracy is None:
        return f"R2 {found['r2']:.4f}, and always answering the mean has 0"
    if only is not None:
        return f"every answer is class {called(only, classes)}: accuracy {100 * accuracy:.2f} %"
    return (
        f"accuracy {100 * accuracy:.2f} %, and always giving the same answer has "
        f"{100 * found['chance']:.2f} %"
    )


def called(k: int, classes: Sequence[str] = ()) -> str:
    """A class: 3, or, with its name, 3, dog"""
    return f"{k}, {classes[k]}" if classes and classes[k] != str(k) else str(k)


def r2(out: Array, y: Array) -> float:
    """mean over outputs of 1 - sum_n (f - y)^2 / sum_n (y - mean y)^2      out, y: (n, outputs)

    An output whose targets are all equal counts 1 if all its values are right, else 0, as in
    scikit-learn's r2_score.
    """
    wide = y.astype(np.float64)
    left = ((out - wide) ** 2).sum(axis=0)
    spread = ((wide - wide.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(spread > 0, 1 - left / spread, left == 0)
    return float(each.mean())


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
