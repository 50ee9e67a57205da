"""[H^-1]_qq of every weight and [H^-1]_SS of every unit, at each scale of Optimal Brain Surgeon.

whole: the damped GGN over all scored entries. layer: H = (2/P) X X^T of a layer's inputs, which all
rows share. blocks: the empirical Fisher, `block` consecutive entries at a time; of units: each
unit's own. rows: exact row sweeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minprune.arguments import count, guard, only_with
from minprune.core import Array, Arrays, Split, flat, unflat
from minprune.curvature import ggn_rows, sample_grads
from minprune.curvature.inverse import (
    BLOCK,
    LIMIT,
    block_inverses,
    check_damp,
    damped_inverse,
    inverse_from_rows,
    not_zero,
)
from minprune.curvature.layerwise import alike, layer_hessian, sweep_layer, sweep_scores
from minprune.errors import ArgumentError, NonFiniteError
from minprune.nets.model import masks_of
from minprune.nets.net import layer_of
from minprune.nets.ties import Group, incoming

if TYPE_CHECKING:
    from minprune.evidence.options import Request

DAMP, CHUNK = 1e-6, 16


class Rows(Iterable[Array]):
    """Blocks of rows that can be iterated again: make() computes them each time."""

    def __init__(self, make: Callable[[], Iterator[Array]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Array]:
        return self.make()


def inverse_diag(asked: Request, data: Split) -> Arrays:
    """[H^-1]_qq, {name: shape} in float64, at the scale that the criterion is asked for"""
    scale, names = asked.settings.get("scale", "whole"), asked.names
    damp(asked)  # refused before anything is run
    if "block" in asked.how and scale != "blocks":
        only_with("obs", "block", "scale='blocks'", scale)
    size = count("obs", "block", asked.how.get("block", BLOCK))
    if scale == "layer":
        weights_alone(asked, "layer")
        return {name: _layer_diag(asked, data, name) for name in names}
    if scale == "whole":
        found = _whole(asked, data, names).diagonal()
    else:
        live, share = _live(asked, names)
        rows = Rows(lambda: _fisher_rows(asked, data, names, live))
        inverses = block_inverses(rows, len(data[0]), size, share, strict=False)
        found = np.concatenate([part.inverse.diagonal() for part in inverses])
    return unflat(found, {name: asked.model.net.params[name] for name in names})


def inverse_block(asked: Request, data: Split) -> Arrays:
    """[H^-1]_SS, {group: (units, entries, entries)}, S the incoming weights, then the biases"""
    scale, params = asked.settings.get("scale", "whole"), asked.model.net.params
    damp(asked)  # refused before anything is run
    flat = np.arange(sum(w.size for w in asked.model.params.values()))
    places = unflat(flat, params)  # where each entry is among all parameters
    owned = {name: incoming(places, g, bias=True) for name, g in asked.groups.items()}
    nbytes = sum(8 * at.size * at.shape[1] for at in owned.values())
    guard("obs: [H^-1]_SS of all units", nbytes, LIMIT, "score single weights, or a smaller net")
    if scale == "layer":
        groups = asked.groups.items()
        return {name: _layer_blocks(asked, data, g, places, owned[name]) for name, g in groups}
    if scale == "whole":
        whole = _whole(asked, data, list(params))
        return {name: whole[at[:, :, None], at[:, None, :]] for name, at in owned.items()}
    return _unit_fisher(asked, data, owned)


def sweep_loss(asked: Request, data: Split) -> Arrays:
    """The losses of exact row sweeps, {name: shape}; sorted, they replay each row's order"""
    weights_alone(asked, "rows")
    share, model, found = damp(asked), asked.model, {}
    for name in asked.names:
        h, mask = layer_hessian(model, data[0], name), model.masks.get(name)
        swept = of_layer(name, sweep_layer, model.params[name], h, share, mask=mask)
        found[name] = sweep_scores(swept, dtype=model.dtype)
    return found


def damp(asked: Request) -> float:
    """The share of the mean of diag H that is added to it; raises ArgumentError for another."""
    return check_damp(asked.how.get("damp", DAMP), strict=True)


def weights_alone(asked: Request, scale: str) -> None:
    """Raises ArgumentError where biases are asked for at a scale that has none."""
    if asked.params == "all":
        raise ArgumentError(
            f"obs: scale={scale!r} needs params='weights', not params='all'; pass scale='whole' or "
            f"'blocks', or leave out params"
        )


def _whole(asked: Request, data: Split, names: list[str]) -> Array:
    live, share = _live(asked, names)  # what is masked cannot move: its rows of H are zero
    n, others = live.size, "'layer' or 'blocks'" if asked.groups else "'layer', 'rows' or 'blocks'"
    remedy = f"use scale={others}, or a smaller net"
    guard(f"obs: the inverse over {n:,} entries", 8 * n * n, LIMIT, remedy)
    rows = Rows(lambda: (block * live for block in ggn_rows(asked.model, data, names)))
    return inverse_from_rows(rows, len(data[0]), share, strict=False).inverse


def _live(asked: Request, names: list[str]) -> tuple[Array, float]:
    """(N,): 1.0 where an entry is not masked; and the share of the mean of diag H over all entries

    that is `damp` of the mean over those that are not masked.
    """
    live = flat(masks_of(asked.model, names), names) * 1.0
    return live, damp(asked) / (float(live.mean()) or 1.0)


def of_layer(name: str, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """fn(...); refusals of a layer's H have its name in front"""
    try:
        return fn(*args, **options)
    except (ArgumentError, NonFiniteError) as e:
        raise type(e)(f"{name}: {e}") from None


def _layer_inverses(asked: Request, data: Split, name: str, bias: bool = False) -> Array:
    """inv(alpha I + (2/P) X X^T) of each group, (groups, n, n)"""
    h = layer_hessian(asked.model, data[0], name, bias=bias)
    live = _mask(asked, name)
    if bias:
        live = np.column_stack([live, _mask(asked, f"{layer_of(name)}.bias")])
    return np.asarray(of_layer(name, damped_inverse, h, damp(asked), live).inverse)


def _mask(asked: Request, name: str) -> Array:
    """(rows, entries), True where a parameter is not masked"""
    mask = masks_of(asked.model, [name])[name]
    return mask.reshape(len(mask), -1)


def _layer_diag(asked: Request, data: Split, name: str) -> Array:
    live, inverses = _mask(asked, name), _layer_inverses(asked, data, name)
    rows = np.arange(len(live)).reshape(len(inverses), -1)
    diag = np.ones(live.shape)  # of what is masked: any number above 0, its weight is 0
    for mine, inverse in zip(rows, inverses, strict=True):
        for some, inner, kept in alike(mine, live, inverse):  # over what can still move
            diag[np.ix_(some, kept)] = inner.diagonal()
    return diag.reshape(asked.model.net.params[name])


def _layer_blocks(asked: Request, data: Split, group: Group, places: Arrays, owned: Array) -> Array:
    """One block for each row, with its bias: what the rows that make a unit share is neglected

    owned: (units, entries), the places of each unit's entries.
    """
    found = np.zeros((*owned.shape, owned.shape[1]))
    for m in group.producers:
        bias = [k for k in (f"{layer_of(m.param)}.bias",) if k in places]
        inverses = _layer_inverses(asked, data, m.param, bool(bias))
        per = len(places[m.param]) // len(inverses)
        for unit, rows in enumerate(m.index):
            for row in rows:
                mine = np.concatenate([places[k][row].ravel() for k in (m.param, *bias)])
                at = np.flatnonzero(np.isin(owned[unit], mine))
                found[unit][np.ix_(at, at)] = inverses[row // per]
    return found


def _fisher_rows(asked: Request, data: Split, names: list[str], live: Array) -> Iterator[Array]:
    """Rows g_p, 0 where masked"""
    for i in range(0, len(data[0]), CHUNK):
        part = data[0][i : i + CHUNK], data[1][i : i + CHUNK]
        found = sample_grads(asked.model, part, params="all")
        rows = [found[name].reshape(len(part[0]), -1) for name in names]
        yield live * np.concatenate(rows, axis=1, dtype=np.float64)


def _unit_fisher(asked: Request, data: Split, owned: Arrays) -> Arrays:
    """inv(alpha I + F_SS) of each unit, F the empirical Fisher"""
    names, n = list(asked.model.net.params), len(data[0])
    fisher = {name: np.zeros((*at.shape, at.shape[1])) for name, at in owned.items()}
    live, _ = _live(asked, names)
    for rows in _fisher_rows(asked, data, names, live):
        for name, at in owned.items():
            mine = rows[:, at].transpose(1, 2, 0)
            fisher[name] += mine @ mine.transpose(0, 2, 1)
    trace = sum(float(np.einsum("uss->", f)) for f in fisher.values()) / n
    alpha = damp(asked) * trace / max(sum(float(live[at].sum()) for at in owned.values()), 1.0)
    not_zero(alpha, sum(f.shape[0] * f.shape[1] for f in fisher.values()))
    found = {}
    for name, f in fisher.items():
        inverse = np.linalg.inv(f / n + alpha * np.eye(f.shape[1]))
        found[name] = (inverse + inverse.transpose(0, 2, 1)) / 2
    return found
