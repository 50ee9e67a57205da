"""Wrong criteria, as found in public code or easily written, in a few lines each.

Each row: who does it, what it does, how it is checked, and the law that has to catch it. Longer
than most files: a table is read as a whole.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.verify.ours.planted import Planted, on
from minprune.verify.ours.right_criteria import centred, lda, spread
from minprune.verify.ours.wrong_units import OF_UNITS


def of_weights(score: Callable[[Array], Array]) -> Callable[..., Arrays]:
    def planted(weights: Arrays) -> Arrays:
        return {name: score(w) for name, w in weights.items()}

    return planted


def of_grads(score: Callable[[Array, Array], Array]) -> Callable[..., Arrays]:
    def planted(weights: Arrays, grads: Arrays) -> Arrays:
        return {name: score(w, grads[name]) for name, w in weights.items()}

    return planted


def of_hess(score: Callable[[Array, Array], Array]) -> Callable[..., Arrays]:
    def planted(weights: Arrays, hess_diag: Arrays) -> Arrays:
        return {name: score(w, hess_diag[name]) for name, w in weights.items()}

    return planted


def of_order_2(kind: str, score: Callable[[Array, Array, Array], Array]) -> dict[str, Any]:
    """The function and what the check of taylor order 2 needs to know."""
    fn = on(score, "weights", "grads", kind)
    options = {"order": 2} | ({"hessian": "row"} if kind == "hess_weight" else {})
    return {"fn": fn, "more": {"needs": ("weights", "grads", kind), "options": options}}


# ------------------------------------------------------------------ public code


def last_sample(activations: Arrays, act_grads: Arrays) -> Arrays:
    """g_p^2 is assigned in the loop over samples where it should be added."""
    found = {}
    for name, a in activations.items():
        for p in range(len(a)):
            found[name] = ((a[p] * act_grads[name][p]).sum(axis=1) ** 2) / 2
    return found


def skips_a_layer(weights: Arrays, grads: Arrays) -> Arrays:
    """The branch asks for the type of another layer, so this one is never scored."""
    scores = {name: (w * grads[name]) ** 2 for name, w in weights.items()}
    return scores | {"fc1.weight": np.ones_like(weights["fc1.weight"])}


def distances(w: Array) -> Array:
    return np.asarray(np.sqrt(((w[:, None] - w[None]) ** 2).sum(axis=2)).sum(axis=1))


def forward_pass_that_counts(weights: Arrays, grads: Arrays) -> Arrays:
    """Scoring runs in training mode, so what is given is not what is left."""
    for w in weights.values():
        w *= 0.9
    return {name: np.abs(w * grads[name]) for name, w in weights.items()}


def signed_sum(weights: Arrays, grads: Arrays) -> Arrays:
    return {name: weights[name] * g for name, g in grads.items()}


def revived(weights: Arrays, hess_grad: Arrays) -> Arrays:
    """The sign of the paper's -w (H g), which removes the highest, where higher is kept."""
    return {name: -w * hess_grad[name] for name, w in weights.items()}


PUBLIC = (
    Planted("Torch-Pruning", "Hessian importance keeps only the last sample's squared gradient",
            last_sample, "definition", "fisher", "whole"),
    Planted("Torch-Pruning", "merging minibatches shows it too",
            last_sample, "merge", "fisher", "whole"),
    Planted("Torch-Pruning", "Taylor never scores a type of layer",
            skips_a_layer, "sees its evidence"),
    Planted("Torch-Pruning", "Taylor never scores a type of layer", skips_a_layer, "definition",
            "taylor"),
    Planted("Torch-Pruning", "geometric median measures distances on w^2 (sign-blind)",
            of_weights(lambda w: distances(w**2)), "definition", "geometric_median", True),
    Planted("shrinkbench", "scoring alters statistics", forward_pass_that_counts, "purity"),
    Planted("shrinkbench", "scoring alters statistics, and so the second score",
            forward_pass_that_counts, "any layout"),
    Planted("distiller", "signed sum of gradients: removes what hurts most", signed_sum,
            "direction", "taylor"),
    Planted("distiller", "signed sum of gradients", signed_sum, "direction", "taylor", True),
    Planted("Synaptic-Flow", "GraSP's order turned round", revived, "slope of the gradient",
            "grasp"),
    Planted("LLM-Pruner", "the sign of the second-order term", law="exact squared",
            like="taylor",
            **of_order_2("hess_diag", lambda w, g, h: (g * w + w * h * w / 2) ** 2)),
    Planted("LLM-Pruner", "the sign of the second-order term, of units", law="definition",
            like="taylor", unit=True,
            **of_order_2("hess_diag", lambda w, g, h: (g * w + w * h * w / 2) ** 2)),
)  # fmt: skip


# ------------------------------------------------------------------ easily made


def snip_by_layer(weights: Arrays, grads: Arrays) -> Arrays:
    size = {name: np.abs(w * grads[name]) for name, w in weights.items()}
    return {name: s / (s.sum() or 1) for name, s in size.items()}


def snip_unguarded(weights: Arrays, grads: Arrays) -> Arrays:
    size = {name: np.abs(w * grads[name]) for name, w in weights.items()}
    total = sum(s.sum() for s in size.values())
    return {name: s / total for name, s in size.items()}


def snip_by_entries(weights: Arrays, grads: Arrays) -> Arrays:
    """Divided by the mean where the sum is meant."""
    size = {name: np.abs(w * grads[name]) for name, w in weights.items()}
    mean = np.mean(np.concatenate([s.ravel() for s in size.values()])) or 1
    return {name: s / mean for name, s in size.items()}


@criterion(needs=("weights", "grads"), chunk="batch", unit="gate")
def snip_by_batch(ev: Evidence) -> Arrays:
    return snip_by_entries(ev.of("weights"), ev.of("grads"))


@criterion(needs=("weights", "hess_grad"), chunk="batch", unit="outgoing")
def grasp_by_batch(ev: Evidence) -> Arrays:
    """H and g of each minibatch: not those of the samples together."""
    return {name: w * ev.of("hess_grad")[name] for name, w in ev.of("weights").items()}


@criterion(needs=("weights", "grads"), chunk="sample", unit="gate")
def taylor_by_sample(ev: Evidence) -> Arrays:
    """E[(g_p w)^2]: the Fisher information, not the square of the mean."""
    return {name: (w * ev.of("grads")[name]) ** 2 for name, w in ev.of("weights").items()}


def taylor_of_mean(activations: Arrays, act_grads: Arrays) -> Arrays:
    """The absolute value of the average, where it is the average of absolute values."""
    found = {n: np.abs((a * act_grads[n]).mean(axis=(0, 2))) for n, a in activations.items()}
    return unit_length(found)


def taylor_at_positions(activations: Arrays, act_grads: Arrays) -> Arrays:
    """The absolute value at each position, where positions are averaged first."""
    found = {n: np.abs(a * act_grads[n]).mean(axis=(0, 2)) for n, a in activations.items()}
    return unit_length(found)


def taylor_undivided(activations: Arrays, act_grads: Arrays) -> Arrays:
    return {n: np.abs((a * act_grads[n]).mean(axis=2)).mean(axis=0) for n, a in activations.items()}


def unit_length(scores: Arrays) -> Arrays:
    return {name: s / (np.sqrt((s * s).sum()) or 1) for name, s in scores.items()}


def taylor_of_squares(activations: Arrays, act_grads: Arrays) -> Arrays:
    of = {n: ((a * act_grads[n]).mean(axis=2) ** 2).mean(axis=0) for n, a in activations.items()}
    return unit_length(of)


@criterion(needs=("activations", "act_grads"), chunk="batch", unit="whole", single=False)
def taylor_divided_early(ev: Evidence) -> Arrays:
    """The division before the average over minibatches."""
    return unit_length(taylor_undivided(ev.of("activations"), ev.of("act_grads")))


def synflow_signed(weights: Arrays, path_grads: Arrays) -> Arrays:
    return {name: w * path_grads[name] for name, w in weights.items()}


def synflow_layer(weights: Arrays, path_grads: Arrays) -> Arrays:
    """Only the shape of the net in it: |w| times the mean path."""
    return {name: np.abs(w) * path_grads[name].mean() for name, w in weights.items()}


def entropy(w: Array, low: float, high: float, bins: int = 10) -> float:
    counts = np.histogram(w, bins, (low, high))[0]
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def nine_bins(weights: Arrays) -> Arrays:
    return {
        n: np.array([-entropy(r, w.min(), w.max() + (np.ptp(w) == 0), 9) for r in w])
        for n, w in weights.items()
    }


def over_the_row(weights: Arrays) -> Arrays:
    """Bins over each unit's own range."""
    return {n: np.array([-entropy(r, r.min(), r.max()) for r in w]) for n, w in weights.items()}


def entropy_turned(weights: Arrays) -> Arrays:
    return {
        n: np.array([entropy(r, w.min(), w.max() + (np.ptp(w) == 0)) for r in w])
        for n, w in weights.items()
    }


def entropy_in_bits(weights: Arrays) -> Arrays:
    return {n: -s / np.log(2) for n, s in entropy_turned(weights).items()}


def one_seed(weights: Arrays, rng: Any) -> Arrays:
    return {n: np.asarray(np.random.default_rng(3).random(w.shape[0])) for n, w in weights.items()}


def normal(weights: Arrays, rng: Any) -> Arrays:
    return {name: rng.standard_normal(w.shape[0]) for name, w in weights.items()}


def abs_in_place(w: Array) -> Array:
    np.abs(w, out=w)
    return w


def by_position(w: Array) -> Array:
    return np.asarray(np.abs(w) * (1 + np.arange(w.size).reshape(w.shape)))


def removal_rounded(removal: Arrays) -> Arrays:
    return {name: np.abs(change) for name, change in removal.items()}


def float64_always(w: Array) -> Array:
    return np.abs(w, dtype=np.float64)


def memory_order(w: Array) -> Array:
    return np.abs(w.ravel("K").reshape(w.shape))


def mean_of_empty(w: Array) -> Array:
    return np.asarray(np.abs(w) / np.abs(w).max(initial=0))


def first_sample(activations: Arrays, act_grads: Arrays) -> Arrays:
    return {n: np.abs((a[0] * act_grads[n][0]).sum(axis=1)) for n, a in activations.items()}


def of_rows(score: Callable[[Array], Array], *kinds: str) -> Callable[..., Arrays]:
    """score of the products, summed over each row"""
    return on(lambda *rows: score(np.prod(rows, axis=0)).sum(axis=1), *kinds)


def sorts_labels(activations: Arrays, labels: Array) -> Arrays:
    labels.sort()
    return {name: np.abs(a).mean(axis=(0, 2)) for name, a in activations.items()}


GW, GGW = ("weights", "grads"), ("weights", "weights", "squared_grads")
READ = (
    Planted("", "sum of squares for the square of the sum", of_rows(lambda s: s / 2, *GGW),
            "definition", "fisher", "outgoing", {"needs": GGW[1:]}),
    Planted("", "incoming weights, which are never meant",
            of_rows(np.array, "weights", "hess_grad"), "definition", "grasp", "incoming",
            {"needs": ("weights", "hess_grad")}),
    Planted("", "bias left out", of_rows(lambda s: s / 2, "weights", "weights", "hess_diag"),
            "definition", "obd", "incoming", {"needs": ("weights", "hess_diag")}),
    Planted("", "incoming weights without the bias",
            on(lambda w, g: (w * g).sum(axis=1) ** 2, *GW), "definition", "taylor", "incoming",
            {"needs": GW}),
    Planted("", "the diagonal for the unit's own block", law="definition", like="taylor",
            unit="outgoing", **of_order_2("hess_diag", lambda w, g, h: (
                (w * g - w * h * w / 2).sum(axis=1) ** 2))),
    Planted("", "the mean over positions, where a gate has their sum",
            on(lambda a, g: ((a * g).mean(axis=2) ** 2).mean(axis=0) / 2, "activations",
               "act_grads"), "positions", "fisher", True, {"needs": ("activations", "act_grads")}),
    Planted("", "each position squared",
            on(lambda a, g: ((a * g).mean(axis=0) ** 2).sum(axis=1), "activations", "act_grads"),
            "positions", "taylor", True, {"needs": ("activations", "act_grads")}),
    Planted("", "each unit alone, from samples", on(lda, "activations", "labels"), "definition",
            "lda_joint", True, {"needs": ("activations", "labels")}),
    Planted("", "the mean over positions, not their max",
            on(lambda a, y: lda(a.mean(axis=2, keepdims=True), y), "activations", "labels"),
            "positions", "lda", True, {"needs": ("activations", "labels")}),
    Planted("", "positions count as samples", on(lambda a: spread(np.moveaxis(a, 2, 0).reshape(
                -1, a.shape[1], 1)), "activations"), "positions", "activation_entropy", True,
            {"needs": ("activations",)}),
    Planted("", "the mean over positions first", on(
                lambda a, out: centred(a.mean(axis=2, keepdims=True), out), "activations",
                "outgoing"), "positions", "correlation", True,
            {"needs": ("activations", "outgoing")}),
    Planted("", "labels are sorted in place", sorts_labels, "purity", None, "whole"),
    Planted("", "a quarter too many", of_grads(lambda w, g: (w * g / 2) ** 2), "definition",
            "taylor"),
)  # fmt: skip


EASY = (
    Planted("", "1/2 is missing", of_hess(lambda w, h: h * w * w), "exact", "obd"),
    Planted("", "1/2 is missing, of a set", of_hess(lambda w, h: h * w * w), "exact set", "obd"),
    Planted("", "not of w", on(lambda w, s: s / 2, "weights", "squared_grads"), "rescaling",
            "fisher", more={"needs": ("weights", "squared_grads")}),
    Planted("", "not of w", of_grads(lambda w, g: np.abs(g) / max(np.abs(g).sum(), 1e-300)),
            "rescaling", "snip"),
    Planted("", "H w for H g", on(lambda w, hw: w * hw, "weights", "hess_weight"),
            "slope of the gradient", "grasp", more={"needs": ("weights", "hess_weight")}),
    Planted("", "not squared", law="exact squared", like="taylor",
            **of_order_2("hess_diag", lambda w, g, h: w * h * w / 2 - g * w)),
    Planted("", "first order only, of the row", law="exact sum", like="taylor",
            **of_order_2("hess_weight", lambda w, g, hw: (g * w) ** 2 + 0 * hw)),
    Planted("", "the mean of squares", taylor_of_squares, "positions", "taylor_activation", True),
    Planted("", "divided before the average", taylor_divided_early, "merge", "taylor_activation",
            True),
    Planted("", "distances of directions", of_weights(lambda w: distances(
            w / np.maximum(np.sqrt((w**2).sum(axis=1, keepdims=True)), 1e-300))),
            "definition", "geometric_median", True),
    Planted("", "9 bins", nine_bins, "definition", "weight_entropy", True),
    Planted("", "|w| for w^2", of_hess(lambda w, h: h * np.abs(w) / 2), "exact", "obd"),
    Planted("", "1/h for h", of_hess(lambda w, h: w * w / 2 / np.where(h, h, 1)), "exact", "obd"),
    Planted("", "sign", of_hess(lambda w, h: -h * w * w / 2), "direction", "obd"),
    Planted("", "|h| for h", of_hess(lambda w, h: np.abs(h) * w * w / 2), "definition", "obd"),
    Planted("", "h clipped unasked", of_hess(lambda w, h: np.maximum(h, 0) * w * w / 2),
            "definition", "obd"),
    Planted("", "the mean over a unit, which hides its width",
            of_hess(lambda w, h: (h * w * w / 2).mean(axis=1)), "definition", "obd", True),
    Planted("", "bias left out", of_hess(lambda w, h: (h * w * w / 2)[:, :-1].sum(axis=1)),
            "sees its evidence", None, "incoming and bias"),
    Planted("", "1/2 is missing",
            on(lambda w, s: w * w * s, "weights", "squared_grads"), "definition", "fisher",
            more={"needs": ("weights", "squared_grads")}),
    Planted("", "the square of the mean gradient for the mean of squares",
            of_grads(lambda w, g: (g * w) ** 2 / 2), "definition", "fisher"),
    Planted("", "the square of the mean gradient depends on minibatches",
            of_grads(lambda w, g: (g * w) ** 2 / 2), "merge", "fisher"),
    Planted("", "the mean of squares for the square of the mean", taylor_by_sample,
            "split matters", "taylor"),
    Planted("", "the mean of squares, by its mark", taylor_by_sample, "chunk", "taylor"),
    Planted("", "sum of squares for the square of the sum",
            of_grads(lambda w, g: ((g * w) ** 2).sum(axis=1)), "definition", "taylor", "outgoing"),
    Planted("", "|g w| for its square", of_grads(lambda w, g: np.abs(g * w)), "definition",
            "taylor"),
    Planted("", "the gradient alone", of_grads(lambda w, g: g**2), "rescaling", "taylor"),
    Planted("", "|w| for w in a sum", of_grads(lambda w, g: (g * np.abs(w)).sum(axis=1) ** 2),
            "definition", "taylor", "outgoing"),
    Planted("", "1 for 1/2 in the second order", law="exact squared", like="taylor",
            **of_order_2("hess_diag", lambda w, g, h: (g * w - w * h * w) ** 2)),
    Planted("", "first order only", law="exact squared", like="taylor",
            **of_order_2("hess_diag", lambda w, g, h: (g * w) ** 2 + 0 * h)),
    Planted("", "1 for 1/2 in the row", law="exact sum", like="taylor",
            **of_order_2("hess_weight", lambda w, g, hw: (g * w - w * hw) ** 2)),
    Planted("", "w twice in the row", law="exact sum", like="taylor",
            **of_order_2("hess_weight", lambda w, g, hw: (g * w - w * w * hw / 2) ** 2)),
    Planted("", "the sign of the row", law="definition", like="taylor", unit=True,
            **of_order_2("hess_weight", lambda w, g, hw: (g * w + w * hw / 2) ** 2)),
    Planted("", "abs of the mean for the mean of abs", taylor_of_mean, "definition",
            "taylor_activation", True),
    Planted("", "abs of the mean for the mean of abs", taylor_of_mean, "positions",
            "taylor_activation", True),
    Planted("", "abs at each position", taylor_at_positions, "positions", "taylor_activation",
            True),
    Planted("", "not divided by the layer's norm", taylor_undivided, "definition",
            "taylor_activation", True),
    Planted("", "the first sample for all", first_sample, "sample order", None, "whole"),
    Planted("", "normalised by layer", snip_by_layer, "shares", "snip"),
    Planted("", "normalised by layer", snip_by_layer, "definition", "snip"),
    Planted("", "mean for sum", snip_by_entries, "shares", "snip"),
    Planted("", "0/0", snip_unguarded, "shapes"),
    Planted("", "by minibatch", snip_by_batch, "chunk", "snip"),
    Planted("", "sign kept", of_grads(lambda w, g: w * g), "shares", "snip"),
    Planted("", "by minibatch", grasp_by_batch, "chunk", "grasp"),
    Planted("", "by minibatch", grasp_by_batch, "definition", "grasp"),
    Planted("", "|w (H g)|, which forgets what helps",
            on(lambda w, hg: np.abs(w * hg), "weights", "hess_grad"), "slope of the gradient",
            "grasp", more={"needs": ("weights", "hess_grad")}),
    Planted("", "|w| for w", on(lambda w, hg: np.abs(w) * hg, "weights", "hess_grad"),
            "slope of the gradient", "grasp", more={"needs": ("weights", "hess_grad")}),
    Planted("", "g for H g", of_grads(lambda w, g: w * g), "rescaling changes", "grasp"),
    Planted("", "w for |w|", synflow_signed, "direction", "synflow"),
    Planted("", "w for |w|", synflow_signed, "conservation", "synflow"),
    Planted("", "the mean path", synflow_layer, "conservation", "synflow"),
    Planted("", "a square", on(lambda w, g: w * w * g, "weights", "path_grads"), "rescaling",
            "synflow", more={"needs": ("weights", "path_grads")}),
    Planted("", "low for high", of_weights(lambda w: -np.abs(w)), "direction", "magnitude"),
    Planted("", "w for |w|", of_weights(np.copy), "definition", "magnitude"),
    Planted("", "a mean for the root of the sum",
            of_weights(lambda w: np.sqrt((w**2).mean(axis=1))), "definition", "magnitude", True),
    Planted("", "L2 for L1", of_weights(lambda w: np.sqrt((w**2).sum(axis=1))), "definition",
            "norm", True, {"needs": ("weights",), "options": {"p": 1}}),
    Planted("", "divided by the layer's largest, so it cannot change",
            of_weights(np.sign), "rescaling changes", "magnitude"),
    Planted("", "the wrong way round: the outlier goes", of_weights(lambda w: -distances(w)),
            "outlier", "geometric_median", True),
    Planted("", "squared distances: the mean, not the median",
            of_weights(lambda w: ((w[:, None] - w[None]) ** 2).sum(axis=(1, 2))), "definition",
            "geometric_median", True),
    Planted("", "bins over the unit's range", over_the_row, "definition", "weight_entropy", True),
    Planted("", "turned round", entropy_turned, "constant unit", "weight_entropy", True),
    Planted("", "in bits", entropy_in_bits, "definition", "weight_entropy", True),
    Planted("", "the absolute change", removal_rounded, "definition", "oracle"),
    Planted("", "squared unasked", lambda removal: {n: r**2 for n, r in removal.items()}, "exact",
            "oracle"),
    Planted("", "a layer left out", lambda removal: dict(list(removal.items())[:-1]), "shapes"),
    Planted("", "every layer the same numbers", one_seed, "uniform", "random", True),
    Planted("", "normal numbers", normal, "uniform", "random", True),
    Planted("", "squares of uniform numbers", lambda weights, rng: {
        n: rng.random(w.shape[0]) ** 2 for n, w in weights.items()}, "uniform", "random", True),
    Planted("", "half of the range", lambda weights, rng: {
        n: 0.25 + rng.random(w.shape[0]) / 2 for n, w in weights.items()}, "uniform", "random",
            True),
    Planted("", "rows alike", lambda weights, rng: {
        n: np.broadcast_to(rng.random(w.shape[1:]), w.shape) for n, w in weights.items()},
            "uniform", "random"),
    Planted("", "one of each of n equal parts", lambda weights, rng: {
        n: ((rng.permutation(w.size) + 0.5) / w.size).reshape(w.shape)
        for n, w in weights.items()}, "uniform", "random"),
    Planted("", "sorted in each row", lambda weights, rng: {
        n: np.sort(rng.random(w.shape)) for n, w in weights.items()}, "uniform", "random"),
    Planted("", "hundredths", lambda weights, rng: {
        n: rng.integers(100, size=w.shape) / 100 for n, w in weights.items()}, "uniform",
            "random"),
    Planted("", "at least the tolerance, where it is more", of_weights(
        lambda w: (np.abs(w) >= 0.5).sum(axis=1).astype(w.dtype)), "any numbers", "norm", True,
            {"options": {"p": 0, "tol": 0.5}}),
    Planted("", "counts in 8 bits", of_weights(
        lambda w: (w != 0).sum(axis=1, dtype=np.uint8).astype(w.dtype)), "any numbers", "norm",
            True, {"options": {"p": 0}}),
    Planted("", "of a convolution the window's mean", of_weights(lambda w: np.abs(
        w.mean(axis=(2, 3), keepdims=True) + 0 * w if w.ndim > 2 else w)), "any numbers",
            "magnitude"),
    Planted("", "equal weights share a rank", of_weights(lambda w: np.array(
        [v * v / (w[np.abs(w) >= abs(v)] ** 2).sum() if v else 0.0 for v in w.ravel()]
    ).reshape(w.shape)), "any numbers", "lamp"),
    Planted("", "distances within 256 units", of_weights(lambda w: np.concatenate(
        [distances(w[k : k + 256]) for k in range(0, len(w), 256)])), "any numbers",
            "geometric_median", True),
    Planted("", "the first 16 positions", on(
        lambda a: (a[:, :, :16] != 0).mean(axis=(0, 2)), "activations"), "positions", "apoz", True,
            {"needs": ("activations",)}),
    Planted("", "at least the tolerance, where it is more", on(
        lambda a: (np.abs(a) >= 0.5).mean(axis=(0, 2)), "activations"), "positions", "apoz", True,
            {"needs": ("activations",), "options": {"tol": 0.5}}),
    Planted("", "abs in place", of_weights(abs_in_place), "purity"),
    Planted("", "abs in place", of_weights(abs_in_place), "any layout"),
    Planted("", "memory order", of_weights(memory_order), "any layout"),
    Planted("", "float64 always", of_weights(float64_always), "dtype"),
    Planted("", "flat", of_weights(np.ravel), "shapes"),
    Planted("", "0/0", of_weights(mean_of_empty), "shapes"),
    Planted("", "max of nothing", of_weights(lambda w: np.abs(w) / (w.max() or 1)), "shapes"),
    Planted("", "position in it", of_weights(by_position), "relabelling"),
    Planted("", "asks for gradients and does not look", of_grads(lambda w, g: np.abs(w)),
            "sees its evidence"),
    Planted("", "twins told apart", of_weights(by_position), "twins", "magnitude"),
)  # fmt: skip

PLANTED = PUBLIC + READ + EASY + OF_UNITS
