"""Optimal Brain Surgeon: remove the weight of least w_q^2 / (2 [H^-1]_qq), move the others, repeat.

One weight at a time over the whole net, or layer by layer. Sources: Hassibi & Stork (1992); Dong et
al. (2017), L-OBS, for a layer's H; Frantar & Alistarh (2022) for the exact sweeps of its rows.
Longer than most files: the public call, its checks and the two ways of removal are read together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from minprune.arguments import choice, count, filled, guard, number, only_with, share
from minprune.core import Array, Split, flat, unflat
from minprune.curvature import ggn_rows
from minprune.curvature import inverse as inverses
from minprune.curvature.inverse import check_damp, downdate, inverse_from_rows, mean_squares, remove
from minprune.curvature.layerwise import Hull, layer_hessian, merge, refit, sweep_layer
from minprune.curvature.record import outputs
from minprune.errors import ArgumentError, NonFiniteError, UnreachableError
from minprune.evidence.obs_inverses import Rows, of_layer
from minprune.masking.apply import collapsed, with_masks
from minprune.masking.count import grown_count, named, pruned_count
from minprune.measures.quality import accuracy_of
from minprune.nets.model import Model, checked, dense_only, masks_of, names_of
from minprune.train.progress import progress as bar

HELD = 2**28  # bytes of rows that are kept from one reading to the next


@dataclass(frozen=True)
class Round:
    """A removal. name: the parameter. index: the flat places removed from it.

    score: the rise of the loss that the quadratic model predicts. alpha: the damping of H.
    """

    name: str
    index: Array
    score: float
    alpha: float


@dataclass(frozen=True)
class Surgery:
    """model: pruned and adjusted. rounds: one for each removal, or for each layer, in order."""

    model: Model
    rounds: tuple[Round, ...]

    def __repr__(self) -> str:
        gone = dict.fromkeys((r.name for r in self.rounds), 0)
        for r in self.rounds:
            gone[r.name] += r.index.size
        where = ", ".join(f"{name} {k:,}" for name, k in gone.items())
        shares = f" ({where})" if where else ""
        return (
            f"Surgery: {self.removed:,} entries removed{shares}, by which the quadratic model says "
            f"that the loss rises by {sum(r.score for r in self.rounds):.4g}"
        )

    @property
    def removed(self) -> int:
        """How many entries were removed."""
        return sum(r.index.size for r in self.rounds)

    @property
    def alpha(self) -> tuple[float, ...]:
        """The damping of each round."""
        return tuple(r.alpha for r in self.rounds)

    @property
    def collapsed(self) -> list[str]:
        """The weights without a live entry, see mp.collapsed."""
        return collapsed(self.model)


def obs(
    model: Model, data: Split, *, params: Literal["weights", "all"] = "weights",
    names: Sequence[str] | None = None, scale: Literal["whole", "layer", "rows"] = "whole",
    damp: float = 1e-6, sparsity: float | None = None, score: float | None = None,
    accuracy: float | None = None, refresh: int = 1, hull: Hull = "none", progress: bool = True,
) -> Surgery:  # fmt: skip
    """Remove weights by Optimal Brain Surgeon: the least loss rise first, the others adjusted.

    Removing w_q raises the loss by w_q^2 / (2 [H^-1]_qq), and the others move by
    -w_q / [H^-1]_qq H^-1 e_q; masks are set and removed weights are 0.0.

    Parameters
    ----------
    model : Model
        A dense model; it is not changed.
    data : pair (x, y)
        What H is of.
    params : "weights" or "all"
        What is scored, removed and moved; the rest stays as it is.
    names : names of layers or parameters, optional
        The same, by name or by patterns such as "fc*".
    scale : "whole", "layer" or "rows"
        "whole": one weight at a time over all of them together, H the damped Gauss-Newton matrix at
        the present weights. "layer": exact row sweeps, layer by layer in net order, H = (2/P) X X^T
        of the layer's inputs in the model as pruned so far; each layer to `sparsity`, its rows
        merged to one threshold. "rows": each row of each layer to `sparsity` by itself.
    damp : float
        alpha = damp * mean(diag H), from 1e-8 to 1e-4.
    sparsity : float, optional
        Stop when round(sparsity n) of the n entries are masked; the only stop of the other scales.
    score : float, optional
        Of scale "whole": stop before the least score is above it.
    accuracy : float, optional
        Of scale "whole": stop before the accuracy on data falls below it.
    refresh : int
        Of scale "whole": H^-1 is computed again after so many removals, and downdated between.
    hull : "none" or "slopes"
        Of scale "layer": merge the rows by the running maximum of each row's losses, or by the
        slopes of the lower convex hull of their sums, which comes closer to the least error.
    progress : bool
        Whether to show progress.

    Returns
    -------
    Surgery
        .model, and .rounds with what was removed in which order.

    Raises
    ------
    ArgumentError
        For arguments that do not go together, an inverse of more than 2 GB and a sparsity below
        the present one.
    UnreachableError
        For a sparsity at which the output would depend on nothing that is left; without one, the
        surgery ends there. Other errors as curvature.inverse raises them.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(8,))
    >>> found = mp.methods.obs(model, data.train, scale="layer", sparsity=0.5, progress=False)
    >>> [(r.name, r.index.size) for r in found.rounds]
    [('fc1.weight', 256), ('fc2.weight', 40)]

    Sources: Hassibi & Stork (1992), over the whole net; layer by layer: Dong et al. (2017), L-OBS,
    with the exact row sweeps of Frantar & Alistarh (2022) in place of one ranking.
    """
    data = checked(model, data, "obs")
    dense_only(model, "Optimal Brain Surgeon")
    listed = names_of(model, params)
    if names is not None:
        wanted = named(listed, names)
        listed = [n for n in listed if n in wanted]
    filled("obs", "names", listed, "name weights, or leave it out")
    check_damp(damp, strict=True)
    choice("obs", "scale", scale, ("whole", "layer", "rows"))
    choice("obs", "hull", hull, ("none", "slopes"))
    if hull == "slopes" and scale != "layer":
        only_with("obs", "hull", "scale='layer'", scale)
    if scale == "whole":
        if sparsity is None and score is None and accuracy is None:
            raise ArgumentError(
                "obs: one of sparsity, score and accuracy must say where to stop, and none is "
                "given; pass sparsity=0.5, for example"
            )
        number("obs", "score", 0 if score is None else score)
        share("obs", "accuracy", 0 if accuracy is None else accuracy)
        count("obs", "refresh", refresh)
        return _whole(model, data, listed, damp, sparsity, score, accuracy, refresh, progress)
    if sparsity is None or score is not None or accuracy is not None or params != "weights":
        raise ArgumentError(
            f"obs: scale {scale!r} must stop at sparsity= alone, over weights; leave out score, "
            f"accuracy and params, or pass scale='whole'"
        )
    return _by_layer(model, data, listed, damp, sparsity, scale == "rows", hull, progress)


def _whole(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float | None,
    score: float | None, accuracy: float | None, refresh: int, progress: bool,
) -> Surgery:  # fmt: skip
    """One weight at a time over all of the named parameters"""
    live, w = flat(masks_of(model, names), names), flat(model.params, names).astype(np.float64)
    shapes = {name: model.net.params[name] for name in names}
    sizes = np.array([model.params[name].size for name in names])
    starts = np.cumsum(sizes) - sizes
    n, alive = live.size, int(np.count_nonzero(live))
    goal = n if sparsity is None else grown_count("obs", sparsity, n, n - alive, "the entries")
    most = goal - (n - alive)
    remedy = "use scale='layer', or names= of fewer"
    guard(f"an inverse over {alive:,} entries", 8 * alive**2, inverses.LIMIT, remedy)
    rounds: list[Round] = []
    with bar("obs", most, progress) as shown:
        while len(rounds) < most:
            if len(rounds) % refresh == 0:
                where = np.flatnonzero(live)
                rows = _rows(model, data, names, where)
                if not mean_squares(rows, len(data[0])).any():
                    if sparsity is None:
                        break
                    raise UnreachableError(
                        f"obs: sparsity must be at most {1 - where.size / live.size!r}, not "
                        f"{sparsity}: the output depends on none of the {where.size} of "
                        f"{live.size} entries left, and H = 0 has no inverse; pass less"
                    )
                found = inverse_from_rows(rows, len(data[0]), damp)
                inverse, x = found.inverse, w[where]
            q, rise = _least(x, inverse, live[where])
            if score is not None and rise > score:
                break
            x, _ = remove(x, inverse, q)
            inverse = downdate(inverse, q)
            w[where], entry = x, int(where[q])
            live[entry] = False
            params = {name: a.astype(model.dtype) for name, a in unflat(w, shapes).items()}
            masks = {name: mask.copy() for name, mask in unflat(live, shapes).items()}
            after = with_masks(replace(model, params=model.params | params), masks)
            if accuracy is not None and accuracy_of(after, data, "obs") < accuracy:
                break
            model, k = after, int(np.searchsorted(starts, entry, side="right")) - 1
            rounds.append(Round(names[k], np.array([entry - starts[k]]), rise, found.alpha))
            shown.update()
    return Surgery(model, tuple(rounds))


def _by_layer(
    model: Model, data: Split, names: list[str], damp: float, sparsity: float, rows: bool,
    hull: Hull, progress: bool,
) -> Surgery:  # fmt: skip
    """The model with each named weight at `sparsity`, refitted

    H of each layer is that of its inputs in the model as pruned so far. rows: each row of a weight
    to `sparsity`, otherwise its rows are merged to one threshold.
    """
    masks = masks_of(model, names)
    for name, old in masks.items():  # all of them before the first sweep, which may take minutes
        each = {f"row {r} of {name}": row for r, row in enumerate(old)} if rows else {name: old}
        for what, live in each.items():
            grown_count("obs", sparsity, live.size, int(np.count_nonzero(~live)), what)
    rounds = []
    with bar(f"obs {'rows' if rows else 'layer'}", len(names), progress) as shown:
        for name, old in masks.items():
            w, h = model.params[name], layer_hessian(model, data[0], name)
            if not h.any():
                raise UnreachableError(
                    f"{name}: the inputs of its layer must not all be 0, as they are at sparsity "
                    f"{sparsity}, since H = 0 has no inverse; pass less, or leave it out of names="
                )
            swept = of_layer(name, sweep_layer, w, h, damp, mask=old)
            if rows:  # the first ones in the order of each row
                first = pruned_count(sparsity, swept.order.shape[1])
                mask = (np.argsort(swept.order, axis=1) >= first).reshape(swept.shape)
            else:
                mask = merge(swept, pruned_count(sparsity, old.size), hull, mask=old)
            gone = np.flatnonzero((old & ~mask).ravel())
            dropped = ~mask.reshape(swept.order.shape)
            rise = float(swept.losses[np.take_along_axis(dropped, swept.order, 1)].sum())
            new = {name: refit(w, h, mask, damp, live=old)}
            model = with_masks(replace(model, params=model.params | new), {name: mask})
            rounds.append(Round(name, gone, rise, swept.alpha))
            shown.update()
    return Surgery(model, tuple(rounds))


def _rows(model: Model, data: Split, names: list[str], where: Array) -> Iterable[Array]:
    """The rows of the GGN over the entries `where`, which are read three times

    A list where that takes at most HELD bytes; otherwise each reading computes them again.
    """
    rows = Rows(lambda: (block[:, where] for block in ggn_rows(model, data, names)))
    small = 8 * len(data[0]) * outputs(model.net) * where.size <= HELD
    return list(rows) if small else rows


def _least(w: Array, inverse: Array, live: Array) -> tuple[int, float]:
    """(q, score) of the least w_q^2 / (2 A_qq) among the live; among equals the higher index"""
    diag = inverse.diagonal()
    bad = np.count_nonzero(~(diag[live] > 0))
    if bad:
        raise NonFiniteError(
            f"obs: H^-1 lost positive definiteness to rounding in {bad} of "
            f"{np.count_nonzero(live)} live entries of its diagonal; raise damp, 1e-4 at most, or "
            f"lower refresh"
        )
    scores = np.full(w.size, np.inf)
    scores[live] = w[live] ** 2 / diag[live] / 2
    q = w.size - 1 - int(scores[::-1].argmin())
    return q, float(scores[q])
