"""Fills the evidence that a criterion declares, from a model and data, and averages the scores."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from minprune.autograd import Tensor, grad
from minprune.core import Array, Arrays, Criterion, Evidence, Mark, Seed, Split, stream
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.nets.blame import not_finite
from minprune.nets.model import CHUNK, Model, batch_last, checked_input
from minprune.nets.net import loss_of, run
from minprune.nets.ties import Group, ties

Params = Literal["weights", "all"]


def score(
    model: Model,
    data: Split | None,
    criterion: str | Criterion,
    *,
    params: Params = "weights",
    unit: bool = False,
    batch_size: int = 64,
    seed: Seed = 0,
    **options: Any,
) -> Arrays:
    """{name: scores of the parameter's shape}, higher = kept longer

    criterion: a name of `mp.criteria.CRITERIA`, or a function Evidence -> scores of one's own
    (without a mark it gets the weights). data: (x, y), or None for criteria that need none.
    Scores of chunks ("batch": `batch_size` samples, "sample": one) are averaged in float64,
    weighted by their number of samples, and come back in the net's dtype. Evaluation mode: the
    model, its statistics and the global random state stay as they are; the criterion sees arrays
    that it cannot write to. options go to the criterion.

    unit=True: one score for each unit that may be removed, {name: (o,)} for every weight that makes
    such units; tied units share one value. (A weight of which only some units may be removed has
    0 for the others, and `prune` does not look at them.)

    Raises ArgumentError for an unknown name or kind of evidence, or absent data; ShapeError for
    scores of other names or shapes than the weights; NonFiniteError, naming the parameter and
    counting the entries, for weights, gradients or scores that are not finite.
    """
    fn = find(criterion)
    mark: Mark = getattr(fn, "mark", Mark(("weights",), "all", ""))
    names = list(model.net.params if params == "all" else model.net.weights)
    if params not in ("weights", "all"):
        raise ArgumentError(
            f"params is {params!r}, expected 'weights' or 'all'; choose one of them"
        )
    weights = {name: _read_only(model.params[name]) for name in names}
    fixed: dict[str, Any] = {
        "weights": weights,
        "masks": {name: _read_only(model.masks[name]) for name in names if name in model.masks},
        "rng": stream(seed, "criterion"),
    }
    for need in mark.needs:
        if need not in fixed and need not in FILL:
            raise ArgumentError(
                f"{_label(fn)}: needs {need!r}, expected {', '.join(sorted(fixed | FILL))}; "
                f"ask for evidence that there is"
            )
    _finite("weight", weights)
    if unit:
        return _unit_scores(model, fn, mark, fixed, params, options)
    known = {k: fixed[k] for k in mark.needs if k in fixed}
    mean: Arrays = {}
    seen = 0
    for chunk in _chunks(model, data, mark, batch_size):
        filled: dict[str, Any] = {
            k: FILL[k](model, chunk, names) for k in mark.needs if k not in fixed
        }
        for kind, arrays in filled.items():
            _finite(kind, arrays)
        scores = _checked(fn, fn(Evidence(**known, **filled), **options), weights)
        n = len(chunk[0]) if chunk else 1
        seen += n
        for name, s in scores.items():
            # a running mean in float64: the scores of a single chunk come back bit for bit
            if name in mean:
                s = mean[name] + (s.astype(np.float64) - mean[name]) * (n / seen)
            mean[name] = s
    with np.errstate(over="ignore"):
        scores = {name: mean[name].astype(model.dtype, copy=False) for name in names}
    _finite("score", scores)
    return scores


def _unit_scores(
    model: Model, fn: Criterion, mark: Mark, fixed: dict[str, Any], params: str, options: Any
) -> Arrays:
    """Scores of the free groups, handed to each of their producers."""
    more = [need for need in mark.needs if need not in ("weights", "rng")]
    if more or params != "weights":
        raise ArgumentError(
            f"{_label(fn)}: unit=True with {more[0] if more else 'params=' + repr(params)} is not "
            f"to be had, only criteria on weights and rng; score single weights"
        )
    groups = {g.name: g for g in ties(model) if g.free}
    weights = {name: _read_only(incoming(model, g)) for name, g in groups.items()}
    known = {k: v for k, v in (fixed | {"weights": weights}).items() if k in mark.needs}
    shapes = {name: w[:, 0] for name, w in weights.items()}
    scores = _checked(fn, fn(Evidence(**known, unit=True), **options), shapes)
    found: Arrays = {}
    for name, g in groups.items():
        for m in g.producers:
            if m.param not in found:
                found[m.param] = np.zeros(model.params[m.param].shape[0], model.dtype)
            with np.errstate(over="ignore"):
                found[m.param][m.index] = scores[name][:, None]
    _finite("score", found)
    return {name: found[name] for name in model.net.params if name in found}


def incoming(model: Model, group: Group) -> Array:
    """(units, incoming): each unit's incoming weights, of all its producers"""
    rows = [
        model.params[m.param].reshape(model.params[m.param].shape[0], -1)[m.index]
        for m in group.producers
    ]
    return np.concatenate([r.reshape(group.size, -1) for r in rows], axis=1)


def find(criterion: str | Criterion) -> Criterion:
    """The criterion of that name, or the function itself."""
    if callable(criterion):
        return criterion
    if criterion not in CRITERIA:
        raise ArgumentError(
            f"criterion is {criterion!r}, expected one of {', '.join(sorted(CRITERIA))}, or a "
            f"function Evidence -> scores"
        )
    return CRITERIA[criterion]


def mean_gradients(model: Model, data: Split, names: list[str]) -> Arrays:
    """g = dL/dw, L the mean loss over data, in evaluation mode; sums in float64"""
    x, y = data
    total = {name: np.zeros(model.params[name].shape) for name in names}
    for i in range(0, len(x), CHUNK):
        leaves = {name: Tensor(model.params[name]) for name in names}
        part = batch_last(x[i : i + CHUNK], model.dtype)
        loss = loss_of(
            model.net, run(model.net, model.params | model.buffers | leaves, part), y[i : i + CHUNK]
        )
        grads = grad(loss, list(leaves.values()), free=True)
        for name, g in zip(names, grads, strict=True):
            total[name] += g.astype(np.float64) * len(x[i : i + CHUNK])
    return {name: (t / len(x)).astype(model.dtype) for name, t in total.items()}


FILL: dict[str, Callable[[Model, Any, list[str]], Arrays]] = {"grads": mean_gradients}


def _chunks(model: Model, data: Split | None, mark: Mark, batch_size: int) -> Iterator[Any]:
    if not any(need in FILL for need in mark.needs):
        yield None
        return
    if data is None or len(data[0]) == 0:
        raise ArgumentError(
            f"data is {'None' if data is None else 'empty'}, and this criterion looks at samples; "
            f"give a pair (x, y), such as data.train"
        )
    x, y = checked_input(model.net, data[0]), np.asarray(data[1])
    if len(x) != len(y):
        raise ShapeError(
            f"data: x has {len(x)} rows and y has {len(y)}; give one target to each input"
        )
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ArgumentError(
            f"batch_size is {batch_size!r}, expected an integer of at least 1; "
            f"give batch_size=64, for example"
        )
    size = {"all": len(x), "batch": batch_size, "sample": 1}[mark.over]
    for i in range(0, len(x), size):
        yield x[i : i + size], y[i : i + size]


def _read_only(a: Array) -> Array:
    view = a.view()
    view.flags.writeable = False
    return view


def _label(fn: Criterion) -> str:
    return getattr(fn, "__name__", "criterion")


def _finite(kind: str, arrays: Arrays) -> None:
    remedy = "train with a lower learning rate, or mend the data"
    if kind == "score":
        remedy = "mend the criterion, or scale it to the dtype of the net"
    for name, a in arrays.items():
        bad = not_finite(a)
        if bad:
            raise NonFiniteError(
                f"{name}: {bad} of {a.size} entries of the {kind.rstrip('s')} are not finite, "
                f"expected numbers; {remedy}"
            )


def _checked(fn: Criterion, scores: Arrays, weights: Arrays) -> dict[str, Array]:
    label = _label(fn)
    if not isinstance(scores, Mapping):
        raise ArgumentError(
            f"{label}: returned {type(scores).__name__}, expected a dict of arrays; "
            f"return one array for each weight it is given"
        )
    for name in sorted(weights.keys() ^ scores.keys()):
        state = "gave no scores for" if name in weights else "scored the unknown"
        raise ShapeError(f"{label}: {state} {name}; return one array for each weight it is given")
    for name, s in scores.items():
        if np.shape(s) != weights[name].shape:
            raise ShapeError(
                f"{label}: score of {name} is {np.shape(s)}, the weight is {weights[name].shape}; "
                f"return one score for each entry"
            )
    scores = {name: np.asarray(s) for name, s in scores.items()}
    _finite("score", scores)
    return scores
