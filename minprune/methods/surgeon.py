"""Optimal Brain Surgeon: remove the weight of least w_q^2 / (2 [H^-1]_qq), move the others, repeat.

Sources: Hassibi & Stork (1992), over the whole net; layer by layer: Dong et al. (2017), L-OBS, with
the exact row sweeps of Frantar & Alistarh (2022) in place of one ranking.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from minprune.core import Array, Split
from minprune.curvature import ggn_rows
from minprune.curvature.inverse import downdate, inverse_from_rows, mean_squares, remove
from minprune.errors import ArgumentError, NonFiniteError, UnreachableError
from minprune.masking.apply import with_masks
from minprune.masking.arguments import named
from minprune.measures.quality import evaluate
from minprune.methods.obs_layers import layers
from minprune.methods.surgery import Round, Surgery, more
from minprune.nets.model import Model, dense_only
from minprune.train.progress import progress as bar

Scale = Literal["whole", "layer", "rows"]
HELD = 2**28  # bytes of rows that are kept between the walks over them


def obs(
    model: Model, data: Split, *, params: Literal["weights", "all"] = "weights",
    names: Sequence[str] | None = None, scale: Scale = "whole", damp: float = 1e-6,
    sparsity: float | None = None, score: float | None = None, accuracy: float | None = None,
    refresh: int = 1, progress: bool = True,
) -> Surgery:  # fmt: skip
    """The model without its least weights by Optimal Brain Surgeon; masks set, removed ones 0.0

    params, or names= of layers or parameters: what is scored, removed and moved; the rest stays.
    scale "whole": one at a time over all of it together, H the damped GGN over data at the present
    weights, inverted anew every `refresh` removals and downdated between. It stops before the
    smallest score is above `score`, before the accuracy on data falls below `accuracy`, or when
    round(sparsity n) of the n entries are masked, whichever comes first; give at least one. It also
    stops where the output depends on nothing that is left.

    "layer": exact row sweeps, layer by layer in net order, H = (2/P) X X^T of the layer's inputs in
    the model as pruned so far; each layer to `sparsity`, its rows merged to one threshold. "rows":
    each row of each layer to `sparsity` by itself. Weights only; sparsity is the only stop.

    damp: alpha = damp * mean(diag H), 1e-8..1e-4. Raises ArgumentError for arguments that do not go
    together or a sparsity below the present one, UnreachableError for one at which nothing would
    pass any more, and as curvature.inverse does.
    """
    dense_only(model, "Optimal Brain Surgeon")
    listed = list(model.net.params) if params == "all" else list(model.net.weights)
    if params not in ("weights", "all"):
        raise ArgumentError(
            f"params is {params!r}, expected 'weights' or 'all'; choose one of them"
        )
    if names is not None:
        wanted = set(named(model.net.params if params == "all" else model.net.weights, names))
        listed = [n for n in listed if n in wanted]
    stops = {"sparsity": sparsity, "score": score, "accuracy": accuracy}
    if scale not in ("whole", "layer", "rows"):
        raise ArgumentError(
            f"scale is {scale!r}, expected 'whole', 'layer' or 'rows'; choose one of them"
        )
    if scale == "whole":
        if all(v is None for v in stops.values()):
            raise ArgumentError(
                "obs has nothing to stop at; give sparsity=, score= or accuracy=, or several"
            )
        if isinstance(refresh, bool) or not isinstance(refresh, int) or refresh < 1:
            raise ArgumentError(
                f"refresh is {refresh!r}, expected an integer of at least 1; "
                f"refresh=1 makes a new inverse for each removal"
            )
        return _whole(model, data, listed, damp, sparsity, score, accuracy, refresh, progress)
    if sparsity is None or score is not None or accuracy is not None or params != "weights":
        raise ArgumentError(
            f"scale {scale!r} takes sparsity= alone, over weights; leave out score, accuracy and "
            f"params, or use scale='whole'"
        )
    return layers(model, data, listed, damp, sparsity, scale, progress)


class _Rows(Iterable[Array]):
    """The rows of the GGN over the live entries; each walk makes them anew."""

    def __init__(self, model: Model, data: Split, names: list[str], where: Array) -> None:
        self.model, self.data, self.names, self.where = model, data, names, where

    def __iter__(self) -> Iterator[Array]:
        for block in ggn_rows(self.model, self.data, self.names):
            yield block[:, self.where]

    def held(self) -> Iterable[Array]:
        """Themselves in a list where that takes at most HELD bytes: they are walked three times."""
        outputs = self.model.net.shapes[self.model.net.nodes[-1].name][0]
        small = 8 * len(self.data[0]) * outputs * self.where.size <= HELD
        return list(self) if small else self


def _whole(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float | None,
    score: float | None, accuracy: float | None, refresh: int, progress: bool,
) -> Surgery:  # fmt: skip
    live = np.concatenate(
        [model.masks.get(n, np.ones(model.params[n].shape, bool)).ravel() for n in names]
    )
    w = np.concatenate([model.params[n].ravel() for n in names]).astype(np.float64)
    ends = np.cumsum([model.params[n].size for n in names])
    alive = int(np.count_nonzero(live))
    most = alive if sparsity is None else more(sparsity, live, "the entries")
    rounds: list[Round] = []
    with bar("obs", most, progress) as shown:
        while len(rounds) < most:
            if len(rounds) % refresh == 0:
                where = np.flatnonzero(live)
                rows = _Rows(model, data, names, where).held()
                if not mean_squares(rows, len(data[0])).any():
                    _flat(live, sparsity)
                    break
                found = inverse_from_rows(rows, len(data[0]), damp)
                inverse, x = found.inverse, w[where]
            q, rise = _least(x, inverse, live[where])
            if score is not None and rise > score:
                break
            x, _ = remove(x, inverse, q)
            inverse = downdate(inverse, q)
            w[where], entry = x, int(where[q])
            live[entry] = False
            after = _with(model, names, ends, w, live)
            if accuracy is not None and evaluate(after, data).accuracy < accuracy:
                break
            model, k = after, int(np.searchsorted(ends, entry, side="right"))
            place = np.array([entry - (ends[k] - model.params[names[k]].size)])
            rounds.append(Round(names[k], place, rise, found.alpha))
            shown.update()
    return Surgery(model, tuple(rounds))


def _least(w: Array, inverse: Array, live: Array) -> tuple[int, float]:
    """(q, score) of the least w_q^2 / (2 A_qq) among the live; among equals the higher index"""
    diag = inverse.diagonal()
    if not (diag[live] > 0).all():
        raise NonFiniteError(
            f"{np.count_nonzero(~(diag[live] > 0))} of {np.count_nonzero(live)} live entries of "
            f"diag H^-1 are not above 0, expected all: rounding has won; raise damp, 1e-4 at most, "
            f"or lower refresh"
        )
    scores = np.full(w.size, np.inf)
    scores[live] = w[live] ** 2 / diag[live] / 2
    q = w.size - 1 - int(scores[::-1].argmin())
    return q, float(scores[q])


def _flat(live: Array, sparsity: float | None) -> None:
    """H = 0 ends the surgery; raises UnreachableError where a sparsity was asked for."""
    if sparsity is not None:
        left = int(np.count_nonzero(live))
        raise UnreachableError(
            f"sparsity is {sparsity}, but with {left} of {live.size} entries left the output "
            f"depends on none of them, so H = 0 has no inverse; the largest reachable here is "
            f"{1 - left / live.size!r}"
        )


def _with(model: Model, names: list[str], ends: Array, w: Array, live: Array) -> Model:
    """The model with these entries and masks, one name after another."""
    params, masks = {}, {}
    for name, a, m in zip(names, np.split(w, ends), np.split(live, ends), strict=False):
        shape = model.params[name].shape
        params[name] = a.reshape(shape).astype(model.dtype)
        masks[name] = m.reshape(shape).copy()
    return with_masks(replace(model, params=model.params | params), masks)
