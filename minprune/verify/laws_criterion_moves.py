"""Laws of a score under a change of the net or of the data: what stays, what changes, which way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minprune.verify.criterion_bounds import clause, largest, steady
from minprune.verify.criterion_subject import Law, Options, Subject, total
from minprune.verify.definitions_table import Definition
from minprune.verify.plain import Mlp
from minprune.verify.plain_nets import mlps, rescale, with_twins


def rescaling(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        want = total(s, p)
        return clause(total(s, rescale(p)), want, largest(s, want), "before the rescaling it was")

    return Law(
        f"{s.name}: W1 *= a, b1 *= a, W2 /= a of a hidden ReLU unit leaves all scores as they are",
        mlps(acts=("relu",)),
        broken,
    )


def rescaling_changes(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        before, after = total(s, p), total(s, rescale(p))
        same = clause(after, before, largest(s, before), "") is None
        return "the scores stayed as they are" if same else None

    return Law(
        f"{s.name}: it is no invariant of W1 *= a, b1 *= a, W2 /= a of hidden units",
        # linear ones keep the net's function too, and none of them is dead
        mlps(acts=("linear",), hidden=(3, 3), inputs=(6, 6), samples=(4, 4), losses=("mse",)),
        broken,
    )


def twins(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        scores = total(s, with_twins(p))
        for name, bound in largest(s, scores).items():
            score = np.asarray(scores[name])
            if s.row is None and name == p.weights[-1]:
                score, bound = score.T, bound.T  # the twins are its columns
            if s.row is None and name != p.weights[0] and name != p.weights[-1]:
                continue
            if (np.abs(score[0] - score[1]) > bound[0]).any():
                return f"the twins of {name} score {score[0]} and {score[1]}"
        return None

    return Law(
        f"{s.name}: two hidden units with the same weights in and out score the same",
        mlps(hidden=(2, 3)),
        broken,
    )


def direction(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        params = {name: w.copy() for name, w in p.params.items()}
        if s.row is None:
            params["fc1.weight"][0, 0] = 0
            at: Any = (0, 0)
        else:
            params["fc1.weight"][0] = 0
            params["fc2.weight"][:, 0] = 0
            if "fc1.bias" in params:
                params["fc1.bias"][0] = 0
            at = (0,)
        changed = replace(p, params=params)
        scores = total(s, changed)
        useless, rest = float(scores["fc1.weight"][at]), scores["fc1.weight"]
        lower = rest < useless - 2.0**-40 * float(np.abs(rest).max(initial=0))
        if lower.any() and steady(s, changed):
            return (
                f"one that is 0 scores {useless:.6g}, and one that is not {float(rest.min()):.6g}"
            )
        return None

    what = "weight that is 0" if s.row is None else "unit with weights of 0"
    return Law(
        f"{s.name}: higher means kept longer, so a {what} scores lowest",
        # of such nets the Hessian's diagonal is never negative
        mlps(acts=("linear", "relu"), losses=("mse",), hidden=(2, 3), layers=(2, 2)),
        broken,
    )


def outlier(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        params = {name: w.copy() for name, w in p.params.items()}
        params["fc1.weight"][0] = params["fc1.weight"][1:].mean(axis=0)
        params["fc1.weight"][-1] += 100
        score = total(s, replace(p, params=params))["fc1.weight"]
        if score[-1] > score[0]:
            return None
        return f"the unit far from all scores {score[-1]:.6g}, one amid them {score[0]:.6g}"

    return Law(
        f"{s.name}: a unit far from all others is kept, one in their middle can be replaced",
        mlps(hidden=(3, 3)),
        broken,
    )


def constant_unit(s: Subject, row: Definition, options: Options) -> Law:
    high = options.get("prune", "high") == "high"

    def broken(p: Mlp) -> str | None:
        params = {name: w.copy() for name, w in p.params.items()}
        params["fc1.weight"][0] = 0
        params["fc1.weight"][1:] = np.linspace(-1, 1, 4)
        score = total(s, replace(p, params=params))["fc1.weight"]
        if (score[0] > score[1:].max()) == high:
            return None
        return f"the unit of zeros scores {score[0]:.6g}, those of spread weights {score[1]:.6g}"

    return Law(
        f"{s.name}: a unit of equal weights is kept {'longest' if high else 'shortest'}",
        mlps(hidden=(2, 3), inputs=(4, 4)),
        broken,
    )


def merge(s: Subject, row: Definition, options: Options) -> Law | None:
    if row.finish is not None and not s.marked:
        return None  # code without a mark has no way to divide after the average

    def broken(p: Mlp) -> str | None:
        n = range(len(p.x))
        whole, parts = total(s, p, [list(n)]), total(s, p, [[0], list(n)[1:]])
        return clause(parts, whole, largest(s, whole), "of all samples at once")

    return Law(
        f"{s.name}: minibatches, averaged by their count of samples, give the score of them all",
        mlps(samples=(2, 4)),
        broken,
    )


def split_matters(s: Subject, row: Definition, options: Options) -> Law:
    def broken(p: Mlp) -> str | None:
        n = range(len(p.x))
        whole, parts = total(s, p, [list(n)]), total(s, p, [[0], list(n)[1:]])
        same = clause(parts, whole, largest(s, whole), "") is None
        return "it gave the same either way" if same else None

    return Law(
        f"{s.name}: averaged over minibatches it is another number than of all samples at once",
        mlps(acts=("tanh",), hidden=(2, 3), samples=(3, 4)),
        broken,
    )
