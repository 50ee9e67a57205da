"""Laws of a score under a change of the net or of the data: what stays, what changes, which way."""

from dataclasses import replace
from typing import Any

import numpy as np

from minprune.verify.criterion.bounds import differ, largest, steady
from minprune.verify.criterion.subject import Subject, total
from minprune.verify.law import Laws
from minprune.verify.plain.net import Mlp
from minprune.verify.plain.nets import mlps, rescale, with_twins
from minprune.verify.trees import mapped

LAWS = Laws()


@LAWS("rescaling", mlps(acts=("relu",)))
def rescaling(s: Subject, p: Mlp) -> str | None:
    """W1 *= a, b1 *= a, W2 /= a of a hidden ReLU unit leaves all scores as they are"""
    return differ(s, total(s, rescale(p)), total(s, p), "before the rescaling it was")


# linear ones keep the net's function too, and none of them is dead
@LAWS(
    "rescaling changes",
    mlps(acts=("linear",), hidden=(3, 3), inputs=(6, 6), samples=(4, 4), losses=("mse",)),
)
def rescaling_changes(s: Subject, p: Mlp) -> str | None:
    """it is no invariant of W1 *= a, b1 *= a, W2 /= a of hidden units"""
    same = differ(s, total(s, rescale(p)), total(s, p)) is None
    return "the scores stayed as they are" if same else None


@LAWS("twins", mlps(hidden=(2, 3)))
def twins(s: Subject, p: Mlp) -> str | None:
    """two hidden units with the same weights in and out score the same"""
    scores = total(s, with_twins(p))
    for name, bound in largest(s, scores).items():
        score = np.asarray(scores[name])
        if s.view is None and name == p.weights[-1]:
            score, bound = score.T, bound.T  # the twins are its columns
        if s.view is None and name != p.weights[0] and name != p.weights[-1]:
            continue
        if (np.abs(score[0] - score[1]) > bound[0]).any():
            return f"the twins of {name} score {score[0]} and {score[1]}"
    return None


# of such nets the Hessian's diagonal is never negative
@LAWS("direction", mlps(acts=("linear", "relu"), losses=("mse",), hidden=(2, 3), layers=(2, 2)))
def direction(s: Subject, p: Mlp) -> str | None:
    """higher means kept longer, so a weight that is 0, or a unit with weights of 0, is lowest"""
    params = mapped(p.params, np.copy)
    at: Any = (0, 0) if s.view is None else (0,)
    params["fc1.weight"][at] = 0
    if s.view is not None:
        params["fc2.weight"][:, 0] = 0
        if "fc1.bias" in params:
            params["fc1.bias"][0] = 0
    zeroed = replace(p, params=params)
    rest = total(s, zeroed)["fc1.weight"]
    useless = float(rest[at])
    lower = rest < useless - 2.0**-40 * float(np.abs(rest).max(initial=0))
    if lower.any() and steady(s, zeroed):
        return f"one that is 0 scores {useless:.6g}, and one that is not {float(rest.min()):.6g}"
    return None


@LAWS("outlier", mlps(hidden=(3, 3)))
def outlier(s: Subject, p: Mlp) -> str | None:
    """a unit far from all others is kept, one in their middle can be replaced"""
    params = mapped(p.params, np.copy)
    params["fc1.weight"][0] = params["fc1.weight"][1:].mean(axis=0)
    params["fc1.weight"][-1] += 100
    score = total(s, replace(p, params=params))["fc1.weight"]
    if score[-1] > score[0]:
        return None
    return f"the unit far from all scores {score[-1]:.6g}, one amid them {score[0]:.6g}"


@LAWS("constant unit", mlps(hidden=(2, 3), inputs=(4, 4)))
def constant_unit(s: Subject, p: Mlp) -> str | None:
    """a unit of equal weights is kept longest, or, with prune="low", shortest"""
    params = mapped(p.params, np.copy)
    params["fc1.weight"][0] = 0
    params["fc1.weight"][1:] = np.linspace(-1, 1, 4)
    score = total(s, replace(p, params=params))["fc1.weight"]
    if (score[0] > score[1:].max()) == (s.options.get("prune", "high") == "high"):
        return None
    return f"the unit of zeros scores {score[0]:.6g}, those of spread weights {score[1]:.6g}"


def apart(s: Subject, p: Mlp, what: str = "") -> str | None:
    """Whether minibatches, averaged by their count of samples, give the score of them all."""
    n = list(range(len(p.x)))
    return differ(s, total(s, p, [[0], n[1:]]), total(s, p, [n]), what)


# code without a mark has no way to divide after the average
@LAWS("merge", mlps(samples=(2, 4)), lambda s: s.marked or s.twin.finish is None)
def merge(s: Subject, p: Mlp) -> str | None:
    """minibatches, averaged by their count of samples, give the score of them all"""
    return apart(s, p, "of all samples at once")


@LAWS("split matters", mlps(acts=("tanh",), hidden=(2, 3), samples=(3, 4)))
def split_matters(s: Subject, p: Mlp) -> str | None:
    """averaged over minibatches it is another number than of all samples at once"""
    return "it gave the same either way" if apart(s, p) is None else None
