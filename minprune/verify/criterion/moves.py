"""Laws of a score under a change of the net or of the data, and of greedy removal."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.verify.criterion.bounds import clause, differ, largest, steady
from minprune.verify.criterion.subject import Subject, reference, total
from minprune.verify.law import Laws
from minprune.verify.plain.net import Mlp, mlps, rescale, with_twins
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
            score = score.T  # the twins are its columns
        if s.view is None and name != p.weights[0] and name != p.weights[-1]:
            continue
        if (np.abs(score[0] - score[1]) > bound).any():
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


# greedy removal: of two that say the same one goes, first of all, and is then forgotten. Numbers
# are exact: hidden units put out a table of signs, one column a sample, so that moments, norms and
# cosines are small whole numbers over powers of two, and ties are ties
SIZE = 16  # samples: norms of signs are 4, a power of two
NEAR = 2.0**-26
FEW = 8  # next floats that a distance may be off by: 1 - 2 g / (g + g') for the quotient, say
KINDS = 8


def table(kinds: list[int], scales: list[float], sends: list[float]) -> Mlp:
    """A linear net whose hidden unit u gives a[u, p] for sample p, and sends on sends[u]

    Units of the kinds 0 to 5: signs that sum to 0; 6: zero; 7: constant.
    """
    rng = np.random.default_rng(5)
    rows = [rng.permutation(np.repeat([1.0, -1.0], SIZE // 2)) for _ in range(4)]
    rows += [-rows[0], np.repeat([1.0, -1.0], SIZE // 2), np.zeros(SIZE), np.ones(SIZE)]
    a = np.array([rows[k] * f for k, f in zip(kinds, scales, strict=True)])
    params = {"fc1.weight": a, "fc2.weight": np.array([sends, np.zeros(len(sends))])}
    return Mlp("linear", "mse", params, np.eye(SIZE), np.zeros((SIZE, 2)))


def of_units(n: int) -> st.SearchStrategy[Mlp]:
    def many(of: list[float]) -> st.SearchStrategy[list[float]]:
        return st.lists(st.sampled_from(of), min_size=n, max_size=n)

    chosen = st.lists(st.integers(0, KINDS - 1), min_size=n, max_size=n)
    return st.builds(table, chosen, many([1.0, 1.0, 2.0]), many([1.0, 2.0, -2.0]))


# one to six units, of which many are equal, opposite, or send on as much as another
tables = st.integers(1, 6).flatmap(of_units)


@LAWS("greedy", tables)
def replays_the_rule(s: Subject, p: Mlp) -> str | None:
    """the closest pair left, of equal ones the greatest (lower, higher) index pair, loses its unit
    of smaller outgoing norm, of equal ones the higher; its score is their distance, or the next
    float above the one before
    """
    want, found = total(reference(s), p), total(s, p)
    few = {n: FEW * np.spacing(w) for n, w in want.items()}
    wrong = clause(found, want, few, "by greedy removal")
    if wrong:
        return wrong
    for name, w in want.items():
        a = np.asarray(found[name])
        if not np.array_equal(a[:, None] < a, w[:, None] < w):
            return f"the scores of {name} are {a.tolist()}, and by greedy removal {w.tolist()}"
    return None


@LAWS(
    "duplicates", mlps(acts=("tanh",), layers=(2, 2), hidden=(3, 3), inputs=(3, 3), samples=(4, 4))
)
def duplicates(s: Subject, p: Mlp) -> str | None:
    """of two equal units, distance 0, exactly one goes, and before any live unit"""
    score = np.asarray(total(s, with_twins(p))["fc1.weight"])
    first, second = int(np.argmin(score)), float(score[:2].max())
    if first > 1:
        return f"unit {first} goes first with {score[first]:.6g}, twins with {score[:2]}"
    if score[first] > NEAR:
        return f"the twins are {score[first]:.6g} apart"
    return f"both twins go, at {score[:2]}" if second <= NEAR else None


@LAWS("constant first", tables)
def constant_first(s: Subject, p: Mlp) -> str | None:
    """a unit that says nothing (constant; of cosines zero) goes before all pairs, with score 0"""
    score = np.asarray(total(s, p)["fc1.weight"])
    gone = s.twin.mute(p.params["fc1.weight"]).tolist()
    for j in range(len(score)):
        if gone[j] and score[j] != 0:
            return f"unit {j}, which says nothing, scores {score[j]:.6g}"
        if not gone[j] and any(gone) and score[j] <= 0:
            return f"unit {j} scores {score[j]:.6g}, as one that says nothing does"
    return None


@LAWS("same pairs", mlps(acts=("relu",), layers=(2, 2)))
def same_pairs(s: Subject, p: Mlp) -> str | None:
    """W1 *= a, b1 *= a, W2 /= a of a hidden ReLU unit leaves the distances of pairs, so the scores
    where the order of the outgoing norms stays
    """
    spread = 2.0 ** (20 * np.arange(len(p.params["fc1.weight"])))
    p = replace(p, params=p.params | {"fc2.weight": p.params["fc2.weight"] * spread})
    wrong = differ(s, total(s, rescale(p)), total(s, p), "before the rescaling it was")
    return wrong if wrong and steady(s, p) else None
