"""score(model, data, criterion): the criterion's scores, averaged over chunks of the data.

The way from the call to the numbers, which no function goes back on:

    score
      ask         the criterion, its options and needs -> Request           options.py
      for each chunk of the data ("all", a "batch" or one "sample"):
        gather    needs -> Evidence, a row of SOURCES for each kind         sources.py
                    gradients, for example: forward and backward pass
        raw       the criterion itself: Evidence -> scores                  minprune/criteria/
        fitting   its scores have the names and shapes asked for
        mean      over chunks, in float64
      finished    the criterion's `finish`, and the net's dtype
      per_weight  of units: one array for each weight that makes them
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from minprune.arguments import count, instance, shaped
from minprune.core import Array, Arrays, Criterion, Evidence, Seed, Split, stream
from minprune.errors import ArgumentError, MinpruneWarning, ShapeError
from minprune.evidence.options import Params, Request, ask
from minprune.evidence.sources import SOURCES
from minprune.nets.model import Model, all_finite, checked, is_model

Need = Callable[[Model, Split | None, np.random.Generator], Arrays]


def score(
    model: Model,
    data: Split | None,
    criterion: str | Criterion,
    *,
    params: Params = "weights",
    unit: bool = False,
    batch_size: int = 64,
    seed: Seed = 0,
    needs: Mapping[str, Need] | None = None,
    **options: Any,
) -> Arrays:
    """Score the weights, or the units, of a model; higher = kept longer.

    Evaluation mode: the model, its statistics and the global random state do not change, and the
    criterion gets arrays that it cannot write to. Scores of chunks ("batch": `batch_size` samples,
    "sample": one) are averaged in float64, weighted by their number of samples. Warns
    (MinpruneWarning) of what a criterion notes, such as negative second derivatives.

    Parameters
    ----------
    model
        The model.
    data
        (x, y), or None for criteria that need no samples.
    criterion
        A name of `mp.criteria.CRITERIA`; or a function Evidence -> scores (without a spec it gets
        the weights and `needs`); or a function of dicts of arrays whose arguments, the first at
        least, are named as kinds of evidence, such as f(weights, grads).
    params
        "weights", or "all": biases and normalisation entries too.
    unit
        Whether units are scored: one score for each unit that may be removed, and tied units share
        one value. (A weight of which only some units may be removed has 0 for the others, which
        `prune` ignores.)
    batch_size
        Samples in a chunk, for criteria of minibatches.
    seed
        For criteria, and evidence, that draw random numbers.
    needs
        Evidence of one's own, {kind: function of (model, data, rng) -> arrays}, which
        `ev.of(kind)`, or an argument of that name, gives.
    **options
        Options of the criterion; its bins, bias and scale also say how histograms, rows with biases
        and inverses are. Options of gathering: diagonal ("exact", "gauss_newton", "becker_lecun",
        "empirical_fisher" or "hutchinson"), samples (of hutchinson), levenberg_marquardt; of
        inverses: damp (1e-6: alpha = damp mean(diag H)), block (128 entries of the Fisher, with
        scale="blocks"); of activations: nonlinearity ("after", or "before" the activation
        function).

    Returns
    -------
    dict of arrays
        {name: scores of the parameter's shape}, in the net's dtype; with unit=True
        {name: (units,)} for every weight that makes units.

    Raises
    ------
    ArgumentError
        For an unknown name, option or kind of evidence, or absent data.
    ShapeError
        For scores of other names or shapes than the weights.
    NonFiniteError
        Naming the parameter and counting the entries, for weights, gradients or scores that are not
        finite.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(8,), seed=0)
    >>> scores = mp.score(model, data.train, "taylor")
    >>> {name: s.shape for name, s in scores.items()}
    {'fc1.weight': (8, 64), 'fc2.weight': (10, 8)}
    """
    is_model(model, "score")
    custom = needs or {}
    if not isinstance(custom, Mapping) or not all(map(callable, custom.values())):
        raise ArgumentError(
            f"score: needs must be a dict of functions of (model, data, rng), not {needs!r}; "
            f"pass needs={{'mine': function}}"
        )
    finite("weights", model.params)
    rng = stream(seed, "criterion")
    asked = ask(model, criterion, options, rng, params=params, unit=unit, own=tuple(custom))
    own = {k: read_only(custom[k](model, data, rng)) for k in custom if k in asked.needs}
    asked = replace(asked, own=own)
    chunks: list[Split | None] = [None]
    if any(SOURCES[kind].data for kind in asked.needs if kind not in own):
        x, y = checked(model, data)
        size = {"all": len(x), "batch": count("score", "batch_size", batch_size), "sample": 1}
        step = size[asked.chunk]
        chunks = [(x[i : i + step], y[i : i + step]) for i in range(0, len(x), step)]
    mean: Arrays = {}
    seen = 0
    for chunk in chunks:
        ev = gather(asked, chunk)
        if asked.fn.spec.note and (text := asked.fn.spec.note(ev, **asked.options)):
            warnings.warn(text, MinpruneWarning, stacklevel=2)
        n = len(chunk[0]) if chunk else 1
        seen += n
        for name, s in fitting(asked, asked.raw(ev, **asked.options)).items():
            # a running mean in float64: the scores of a single chunk come back bit for bit
            if name in mean:
                s = mean[name] + (s.astype(np.float64) - mean[name]) * (n / seen)
            mean[name] = s
    found = finished(asked, mean)
    return per_weight(asked, found) if unit else found


def gather(asked: Request, chunk: Split | None) -> Evidence:
    """The evidence that the criterion needs, read-only and finite; chunk: None takes no samples"""
    found: dict[str, Any] = {}
    for kind in asked.needs:
        if kind not in asked.own and kind not in asked.fixed:
            arrays = asked.fills[kind](asked, chunk)
            if isinstance(arrays, Mapping):
                finite(kind, arrays)
            (found if SOURCES[kind].data else asked.fixed)[kind] = read_only(arrays)
    return Evidence(unit=asked.unit, more=dict(asked.own), **asked.fixed, **found)


def read_only(found: Any) -> Any:
    """The same arrays, read-only: they may be the model's, or the caller's."""
    if isinstance(found, Mapping):
        return {name: read_only(a) for name, a in found.items()}
    if not isinstance(found, np.ndarray):
        return found
    view = found.view()
    view.flags.writeable = False
    return view


def finite(kind: str, arrays: Mapping[str, Array]) -> None:
    """Raises NonFiniteError, naming the array and counting the entries, unless all are numbers."""
    what = kind.replace("_", " ")
    what = what if what.endswith("ss") else what.removesuffix("s")
    remedy = "train with a lower learning rate, or correct the data"
    if kind == "score":
        remedy = "correct the criterion"
    for name, a in arrays.items():
        all_finite(name, f"the {what}", a, remedy)


def finished(asked: Request, scores: Arrays) -> Arrays:
    """The scores once all chunks are averaged: finished, finite, in the net's dtype"""
    if asked.fn.spec.finish:
        scores = fitting(asked, asked.fn.spec.finish(scores, **asked.options))
    with np.errstate(over="ignore"):  # a copy: what a criterion returns may be the model's own
        found = {name: scores[name].astype(asked.model.dtype) for name in asked.shapes}
    for name, s in found.items():  # the scores themselves were finite
        remedy = "make the net with dtype=np.float64, which holds larger ones"
        all_finite(name, f"the score in {s.dtype}", s, remedy)
    return found


def fitting(asked: Request, scores: Arrays) -> Arrays:
    """The scores as arrays; raises unless they have the names and shapes asked for, and numbers."""
    who, shapes = asked.fn.__name__, asked.shapes
    instance(who, "scores", scores, Mapping, "one array for each weight, by name")
    for name in sorted(shapes.keys() ^ scores.keys(), key=str):
        state = "returned no scores for" if name in shapes else "scored the unknown"
        raise ShapeError(f"{who}: {state} {name}; return one array for each weight it gets")
    scores = {name: np.asarray(s) for name, s in scores.items()}
    for name, s in scores.items():
        if s.shape != shapes[name]:
            remedy = f"return one score for each {'unit' if asked.unit else 'entry'}"
            shaped(f"{who}: the scores of {name}", s, shapes[name], remedy)
        if s.dtype.kind not in "fiub":
            raise ArgumentError(
                f"{who}: score of {name} must be real numbers, not {s.dtype}; return those"
            )
    finite("score", scores)
    return scores


def per_weight(asked: Request, scores: Arrays) -> Arrays:
    """Each group's scores, for all weights that make its units"""
    model, found = asked.model, dict[str, Array]()
    for name, g in asked.groups.items():
        for m in g.producers:
            if m.param not in found:
                found[m.param] = np.zeros(model.params[m.param].shape[0], model.dtype)
            found[m.param][m.index] = scores[name][:, None]
    return {name: found[name] for name in model.net.params if name in found}
