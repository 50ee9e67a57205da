"""Laws of a score as a number: what it must equal, or sum to, on losses where that is known."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from minprune.core import Array, Evidence
from minprune.verify.criterion.bounds import clause, largest, near, off
from minprune.verify.criterion.subject import Subject, total
from minprune.verify.law import Laws
from minprune.verify.plain.hessian import Removal, quadratic_rise, removals
from minprune.verify.plain.net import FILLS, STEP, Mlp, Quadratic, gradient, mlps, quadratics
from minprune.verify.trees import moved

LAWS = Laws()

ROUND = 2.0**-40  # whole numbers below 2^10: their sums are exact, roots and quotients nearly so
minima = quadratics(minimum=True)


def single(s: Subject) -> bool:
    return s.view is None


def changes(p: Quadratic) -> Array:
    """L(w | w_k = 0) - L(w)"""
    w = p.params["w"]
    zeroed = [np.where(np.arange(len(w)) == k, 0, w) for k in range(len(w))]
    return np.array([p.loss({"w": v}) - p.loss() for v in zeroed])


def equals(s: Subject, p: Any, want: Array, what: str, share: float = ROUND) -> str | None:
    """A clause where the scores of a quadratic loss are not these."""
    right = {"w": want}
    return clause(total(s, p), right, near(right, share), what)


@LAWS("exact", minima, single)
def exact(s: Subject, p: Quadratic) -> str | None:
    """at a minimum of a quadratic loss the score is the rise from zeroing the weight"""
    return equals(s, p, changes(p), "zeroing it raises this quadratic loss by")


@LAWS("exact squared", quadratics(), single)
def exact_squared(s: Subject, p: Quadratic) -> str | None:
    """on a quadratic loss, anywhere, the score is the squared change of the loss from zeroing the
    weight
    """
    return equals(s, p, changes(p) ** 2, "zeroing it changes this quadratic loss by the root of")


def of_all(s: Subject, p: Quadratic, what: str, each: Callable[[Any], Any]) -> str | None:
    """A clause where the sum of each(scores) is not the change of the loss from zeroing all."""
    change = p.loss({"w": np.zeros(len(p.v))}) - p.loss()
    text = what + " {}, and zeroing all changes the loss by {}"
    return off(float(each(total(s, p)["w"]).sum()), change, ROUND, text)


@LAWS("exact set", quadratics(minimum=True, diagonal=True), single)
def exact_set(s: Subject, p: Quadratic) -> str | None:
    """with a diagonal Hessian the scores of a set sum to the rise from zeroing it"""
    return of_all(s, p, "the scores sum to", np.asarray)


@LAWS("exact sum", quadratics(one_way=True), single)
def exact_sum(s: Subject, p: Quadratic) -> str | None:
    """the roots of the scores sum to the change of a quadratic loss from zeroing all (where every
    share has one sign)
    """
    return of_all(s, p, "their roots sum to", np.sqrt)


@LAWS("slope of the gradient", mlps(layers=(2, 2)))
def slope_of_the_gradient(s: Subject, p: Mlp) -> str | None:
    """shrinking a weight at the rate t lowers norm(g)^2 at the rate 2 * score"""
    want = {}
    for name in p.weights:
        want[name] = np.zeros(p.params[name].shape)
        for k in np.ndindex(want[name].shape):
            w = p.params[name].astype(complex)
            w[k] *= 1 - 1j * STEP  # d/dt of w_k (1 - t)
            g = gradient(p, p.weights, {name: w}).values()
            want[name][k] = -sum(float((a**2).sum().imag) for a in g) / STEP / 2
    if s.view is not None:
        want = {n: want[m].sum(axis=0) for n, m in zip(p.weights, p.weights[1:], strict=False)}
    return clause(total(s, p), want, largest(s, want), "half the fall of norm(g)^2 is")


@LAWS("conservation", mlps(layers=(3, 3)))
def conservation(s: Subject, p: Mlp) -> str | None:
    """what goes into a hidden unit comes out of it, and all layers sum to the same"""
    scores = {n: np.asarray(a, np.float64) for n, a in total(s, p).items()}
    sums = {n: float(a.sum()) for n, a in scores.items()}
    first = next(iter(sums.values()))
    size = max(map(abs, sums.values()))
    for name, found in sums.items():
        if abs(found - first) > 2.0**-26 * size:
            return f"{name} sums to {found:.6g} and {p.weights[0]} to {first:.6g}"
    if s.view is not None:
        return None
    for name, after in zip(p.weights[:-1], p.weights[1:], strict=True):
        into, out = scores[name].sum(axis=1), scores[after].sum(axis=0)
        if (np.abs(into - out) > 2.0**-26 * size).any():
            k = int(np.abs(into - out).argmax())
            return f"{into[k]:.6g} goes into unit {k} of {name}, and {out[k]:.6g} comes out"
    return None


@LAWS("shares", mlps(fills=FILLS))
def shares(s: Subject, p: Mlp) -> str | None:
    """all scores of all layers are shares that sum to 1 (or all are 0)"""
    scores = total(s, p)
    sum_ = float(sum(a.sum() for a in scores.values()))
    least = min(float(a.min(initial=0)) for a in scores.values())
    if least < 0:
        return f"one is {least:.6g}"
    dead = not any(a.any() for a in scores.values())
    return None if dead or abs(sum_ - 1) < 2.0**-40 else f"they sum to {sum_:.6g}"


NUMBERS = 2**16  # of a layer
RARE = 23.1  # exp(-23.1) = 1e-10: how seldom right numbers may be called wrong, of each law below
BINS = 256


@LAWS("uniform", [(256, 0), (8, 1)])
def uniform(s: Subject, example: tuple[int, int]) -> str | None:
    """scores are independent and uniform on [0, 1), within rows, across rows and across layers,
    and follow the generator
    """
    rows, seed = example
    shape = (NUMBERS, 1) if s.view is not None else (rows, NUMBERS // rows)

    def draw() -> list[Array]:
        ones = {"a": np.ones(shape), "b": np.ones(shape)}
        rng = np.random.default_rng(seed)
        found = s(Evidence(weights=ones, rng=rng, unit=s.view is not None))
        return [np.ravel(v).astype(np.float64) for v in found.values()]

    a, b = draw()
    if moved([a, b], draw()):
        return "the same state of the generator gave other scores"
    if min(a.min(), b.min()) < 0 or max(a.max(), b.max()) >= 1:
        return f"they go from {min(a.min(), b.min()):.6g} to {max(a.max(), b.max()):.6g}"
    n = a.size
    different = len(np.unique(a))
    if different < n - 2000:  # of float32, 2^24 numbers, some 128 come twice
        return f"only {different} of {n} are different"
    # a chi-square of k degrees: above or below these once in 10^10 (Laurent & Massart 2000)
    k = BINS - 1
    counts = np.bincount((a * BINS).astype(int), minlength=BINS)
    square = float(((counts - n / BINS) ** 2).sum() / (n / BINS))
    low, high = k - 2 * np.sqrt(k * RARE), k + 2 * np.sqrt(k * RARE) + 2 * RARE
    if not low <= square <= high:
        how = "more unequal" if square > high else "more equal"
        return f"their counts in {BINS} bins are {how} than chance makes them"
    # eight standard errors: of n / 2 distances once in 10^10
    x, y = (a - 0.5) * np.sqrt(12), (b - 0.5) * np.sqrt(12)
    six, eight = 6 / np.sqrt(n), 8 / np.sqrt(n)
    spectrum = np.abs(np.fft.rfft(x)) ** 2
    along = np.fft.irfft(spectrum)[1 : n // 2 + 1] / n
    cross = np.fft.irfft(np.fft.rfft(x) * np.conj(np.fft.rfft(y))) / n
    for what, found, most in (
        ("mean", a.mean() - 0.5, six * np.sqrt(1 / 12)),
        ("variance", a.var() - 1 / 12, six * np.sqrt(1 / 180)),
        ("correlation with others of the layer", float(along[np.abs(along).argmax()]), eight),
        ("correlation with another layer", float(cross[np.abs(cross).argmax()]), eight),
    ):
        if abs(found) > most:
            want = {"mean": 1 / 2, "variance": 1 / 12}.get(what, 0.0)
            return f"their {what} is {found + want:.6g}, expected {want:.6g}"
    return None


# Optimal Brain Surgeon: the rise of a quadratic loss when all others adjust
SOLVED = 2.0**-34  # whole numbers below 2^10, eigenvalues of H from 1 to 84: solved to 2^-40
removal = removals()


def score_of(s: Subject, p: Removal) -> float:
    """The score of a unit whose weights are those at q; of a single weight the first of q."""
    if s.view is None:
        return float(total(s, p.loss)["w"][p.q[0]])
    weights, block = {"w": p.w[None, p.q]}, {"w": p.inverse[None, p.q[:, None], p.q]}
    scores = s(Evidence(weights=weights, inverse_block=block, unit=True))
    return float(np.asarray(scores["w"])[0])


def able(s: Subject) -> bool:
    """Whether the law has evidence: of units it makes weights and blocks of the inverse."""
    return s.view is None or set(s.needs) == {"weights", "inverse_block"}


@LAWS("exact removal", removal, able)
def exact_removal(s: Subject, p: Removal) -> str | None:
    """at a minimum of a quadratic loss the score is the rise of the loss from removing the weight,
    or the unit's weights at once, while all others adjust, solved densely
    """
    each = [p] if s.view else [replace(p, q=np.array([k])) for k in range(len(p.w))]
    want = {"w": np.array([quadratic_rise(p.H, p.w, one.keep) for one in each])}
    found = {"w": np.array([score_of(s, one) for one in each])}
    what = "the least rise with it at 0, all others free, is"
    return clause(found, want, near(want, SOLVED), what)


@LAWS("below zeroing", removal, able)
def below_zeroing(s: Subject, p: Removal) -> str | None:
    """removing with all others adjusted costs no more than zeroing, 1/2 w_Q H_QQ w_Q, and as much
    if and only if the others feel no pull
    """
    p = p if s.view else replace(p, q=p.q[:1])
    found, zeroed, slack = score_of(s, p), p.zeroed, SOLVED * (p.zeroed + 1)
    if found > zeroed + slack:
        return f"the score of {p.q.tolist()} is {found:.6g}, and zeroing it costs {zeroed:.6g}"
    alone = not (p.H[np.ix_(p.keep, ~p.keep)] @ p.w[~p.keep]).any()
    if alone != (abs(found - zeroed) <= slack):
        how = "uncoupled" if alone else "coupled"
        return f"{p.q.tolist()} is {how} and scores {found:.6g}, and zeroing costs {zeroed:.6g}"
    return None


@LAWS("downdated singles", removal, able)
def downdated_singles(s: Subject, p: Removal) -> str | None:
    """the score of a set is the sum of single scores, one by one in any order, each with the
    inverse and the weights that the one before has left
    """
    inverse, w, sum_ = p.inverse, p.w, 0.0
    for k in p.q:
        sum_ += w[k] ** 2 / inverse[k, k] / 2
        column = inverse[:, k] / inverse[k, k]
        w, inverse = w - w[k] * column, inverse - np.outer(column, inverse[k])
    text = f"the score of {p.q.tolist()} is {{}}, and one by one they sum to {{}}"
    return off(score_of(s, p), sum_, SOLVED, text)
