"""a(t) = accuracy without what scores below t: a curve against sparsity from one training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, count, filled, instance, is_number
from minprune.core import Array, Arrays, Seed, Split
from minprune.errors import ArgumentError
from minprune.evidence import score
from minprune.masking.apply import prune
from minprune.masking.units import is_unit_score, live_units
from minprune.measures.quality import evaluate
from minprune.nets.model import Model, checked
from minprune.nets.ties import ties
from minprune.report.sensitivity_figure import axes
from minprune.report.threshold_figure import draw
from minprune.text import table

OWN = "the scores"
LEAST = 0.005  # of what is scored, which the last default threshold leaves


@dataclass(frozen=True)
class ThresholdCurve:
    """The result of `threshold_curve`; print it for a table

    Attributes
    ----------
    unit : whether sparsities are of units
    thresholds : of the scores, from low to high
    sparsities : the share of what is scored that is pruned below each threshold
    losses : {name: loss at each of these sparsities}: of "the scores", and of what they are
        compared with
    accuracies : {name: accuracy}; empty where the targets are numbers
    loss, accuracy : of the model itself
    """

    unit: bool
    thresholds: tuple[float, ...]
    sparsities: tuple[float, ...]
    losses: dict[str, tuple[float, ...]]
    accuracies: dict[str, tuple[float, ...]]
    loss: float
    accuracy: float | None

    def __str__(self) -> str:
        values = self.accuracies or self.losses
        percent = 100 if self.accuracies else 1
        rows = [
            [f"{t:.4g}", f"{100 * s:.2f}", *(f"{percent * row[k]:.4g}" for row in values.values())]
            for k, (t, s) in enumerate(zip(self.thresholds, self.sparsities, strict=True))
        ]
        what = "accuracy in %" if self.accuracies else "loss"
        own = percent * (self.accuracy if self.accuracy is not None else self.loss)
        said = f"{what} without what scores below a threshold; unpruned {own:.4g}"
        return f"{said}\n{table(['threshold', 'sparsity in %', *values], rows)}"

    def plot(self, ax: Any = None, of: str | None = None) -> Any:
        """A line for each name against what is left, on axes of matplotlib; new ones unless given

        of: "accuracy", the default where there is one, or "loss".
        """
        known = ("loss", "accuracy") if self.accuracies else ("loss",)
        of = choice("plot", "of", known[-1] if of is None else of, known)
        ax = axes("ThresholdCurve.plot") if ax is None else ax
        values = self.accuracies if of == "accuracy" else self.losses
        own = self.accuracy if of == "accuracy" else self.loss
        draw(ax, self.sparsities, values, own, of)
        ax.legend(fontsize="small")
        return ax


def threshold_curve(
    model: Model,
    scores: Mapping[str, Array],
    data: Split,
    *,
    thresholds: Sequence[float] | None = None,
    points: int = 20,
    against: Mapping[str, Mapping[str, Array]] | None = None,
    seed: Seed = 0,
) -> ThresholdCurve:
    """a(t) = accuracy of the model without what scores below t, for many t, without training

    Each point is a net that one training gave, at no cost but its evaluation, so the curve is a
    lower bound of the best accuracy that a net of that sparsity can have on these samples. It is
    usually below what training for that sparsity reaches. Other scores are followed at the same
    sparsities: exactly as many weights go.

    Parameters
    ----------
    model : Model
        A trained model before it is pruned; of a method that learned scores, what its `unpruned`
        gives.
    scores : dict of arrays
        One for each weight, or each unit: higher = kept longer; as of `prune`.
    data : (x, y)
        What is evaluated, such as data.test.
    thresholds : sequence of float, optional
        Of the scores. By default `points` of them, at shares of what is left that fall by equal
        factors, down to 0.5 %.
    points : int
        How many; equal ones, where many scores are equal, count once.
    against : dict of scores, optional
        {name: scores of the same arrays}; {} for none. By default magnitude and random.
    seed : int or Generator
        Of the random scores.

    Returns
    -------
    ThresholdCurve
        Print it, or draw it with .plot().

    Raises
    ------
    ArgumentError
        For scores of nothing, thresholds that are no numbers, and other scores that do not name the
        same arrays.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> start = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.SparseVariationalDropout()
    >>> model, history = mp.fit(start, data, epochs=2, method=method, progress=False)
    >>> whole, scores = method.unpruned(model, history.extra)
    >>> found = mp.threshold_curve(whole, scores, data.test, thresholds=[-3.0, 0.0])
    >>> list(found.accuracies)
    ['the scores', 'magnitude', 'random']

    Source: Molchanov, Ashukha & Vetrov (2017), for log alpha.
    """
    owner = "threshold_curve"
    checked(model, data, owner)
    instance(owner, "scores", scores, Mapping, "the scores that method.unpruned gives")
    filled(owner, "scores", scores, "pass the scores that method.unpruned gives")
    unit = is_unit_score(scores, model.net.params)
    others = _usual(model, scores, unit, seed) if against is None else against
    for name, given in others.items():
        if given.keys() != scores.keys():
            raise ArgumentError(
                f"{owner}: against[{name!r}] must score {', '.join(scores)}, not "
                f"{', '.join(given)}; score the same arrays"
            )
    found = _thresholds(scores, thresholds, points)
    nets = [prune(model, scores, threshold=t) for t in found]
    sparsities = [_share(model, scores, one, unit) for one in nets]
    all_nets = {OWN: nets} | {
        name: [prune(model, given, sparsity=s) for s in sparsities]
        for name, given in others.items()
    }
    seen = {name: [evaluate(one, data) for one in row] for name, row in all_nets.items()}
    whole = evaluate(model, data)
    return ThresholdCurve(
        unit, tuple(found), tuple(sparsities),
        {name: tuple(q.loss for q in row) for name, row in seen.items()},
        {} if whole.accuracy is None else {
            name: tuple(q.accuracy or 0.0 for q in row) for name, row in seen.items()
        },
        whole.loss, whole.accuracy,
    )  # fmt: skip


def _usual(model: Model, scores: Mapping[str, Array], unit: bool, seed: Seed) -> dict[str, Arrays]:
    """The scores by magnitude, and random ones, of what is scored"""
    usual = ("magnitude", "random")
    found = {name: score(model, None, name, unit=unit, seed=seed) for name in usual}
    return {name: {k: own[k] for k in scores if k in own} for name, own in found.items()}


def _thresholds(
    scores: Mapping[str, Array], given: Sequence[float] | None, points: int
) -> list[float]:
    """Those that are given, from low to high, or the scores at shares that fall by equal factors"""
    if given is not None:
        for t in given:
            if not is_number(t):
                raise ArgumentError(
                    f"threshold_curve: thresholds must be numbers, not {t!r}; pass [0.5, 1.0], for "
                    f"example"
                )
        filled("threshold_curve", "thresholds", given, "pass [0.5, 1.0], for example")
        return sorted(map(float, given))
    count("threshold_curve", "points", points)
    order = np.sort(np.concatenate([np.ravel(s) for s in scores.values()]))
    left = np.geomspace(1, LEAST, points)
    at = np.minimum(np.rint((1 - left) * order.size).astype(int), order.size - 1)
    return [float(t) for t in np.unique(order[at])]


def _share(model: Model, scores: Mapping[str, Array], pruned: Model, unit: bool) -> float:
    """The share of the scored weights, or units, that the pruned model has lost"""
    if unit:
        live = [
            live_units(g, pruned.masks)
            for g in ties(model) if g.free and any(m.param in scores for m in g.producers)
        ]  # fmt: skip
    else:
        live = [pruned.masks[name].ravel() for name in scores]
    return 1 - float(np.concatenate(live).mean())
