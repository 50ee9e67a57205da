"""[H^-1]_qq of every weight and [H^-1]_SS of every unit, at each scale of Optimal Brain Surgeon.

whole: the damped GGN over all scored entries. layer: H = (2/P) X X^T of a layer's inputs, which all
rows share. blocks: the empirical Fisher, `block` consecutive entries at a time; of units: each
unit's own. rows: exact row sweeps.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minprune.arguments import count
from minprune.core import Array, Arrays, Split
from minprune.criteria.options import only_with
from minprune.curvature import ggn_rows, sample_grads
from minprune.curvature.checks import guard
from minprune.curvature.inverse import (
    LIMIT,
    block_inverses,
    check_damp,
    damped_inverse,
    inverse_from_rows,
)
from minprune.curvature.layerwise import alike, layer_hessian, sweep_layer, sweep_scores
from minprune.curvature.products import flat, unflat
from minprune.errors import ArgumentError, NonFiniteError
from minprune.evidence.request import Request
from minprune.nets.net import layer_of
from minprune.nets.rows import incoming
from minprune.nets.ties import Group

DAMP, BLOCK, CHUNK = 1e-6, 128, 16


class Rows(Iterable[Array]):
    """Blocks of rows that can be walked again: each walk makes them anew."""

    def __init__(self, make: Callable[[], Iterator[Array]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[Array]:
        return self.make()


def inverse_diag(asked: Request, data: Split) -> Arrays:
    """[H^-1]_qq, {name: shape} in float64, at the scale that the criterion is asked for"""
    scale = asked.settings.get("scale", "whole")
    damp(asked)  # refused before anything is run
    size = block(asked, scale)
    if scale == "layer":
        weights_alone(asked, "layer")
        return {name: _layer_diag(asked, data, name) for name in asked.names}
    shapes = {name: asked.model.net.params[name] for name in asked.names}
    if scale == "whole":
        found = _whole(asked, data, asked.names).diagonal()
    else:
        rows, share = _fisher_rows(asked, data, asked.names), _share(asked, asked.names)
        inverses = block_inverses(rows, len(data[0]), size, share, strict=False)
        found = np.concatenate([part.inverse.diagonal() for part in inverses])
    return unflat(found, shapes)


def inverse_block(asked: Request, data: Split) -> Arrays:
    """[H^-1]_SS, {group: (units, entries, entries)}, S the incoming weights, then the biases"""
    scale = asked.settings.get("scale", "whole")
    damp(asked)  # refused before anything is run
    places = _places(asked)
    nbytes = sum(8 * at.size * at.shape[1] for at in places.values())
    guard("obs: [H^-1]_SS of all units", nbytes, LIMIT, "score single weights, or a smaller net")
    if scale == "layer":
        return {name: _layer_blocks(asked, data, g) for name, g in asked.groups.items()}
    if scale == "whole":
        whole = _whole(asked, data, list(asked.model.net.params))
        return {name: whole[at[:, :, None], at[:, None, :]] for name, at in places.items()}
    return _unit_fisher(asked, data, places)


def sweep_loss(asked: Request, data: Split) -> Arrays:
    """The losses of exact row sweeps, {name: shape}; sorted, they replay each row's order"""
    weights_alone(asked, "rows")
    share, found = damp(asked), {}
    for name in asked.names:
        w = asked.model.params[name]
        h = layer_hessian(asked.model, data[0], name)
        with _of_layer(name):
            swept = sweep_layer(w, h, share, mask=asked.model.masks.get(name))
        found[name] = sweep_scores(swept, dtype=asked.model.dtype)
    return found


def damp(asked: Request) -> float:
    """The share of the mean of diag H that is added to it; raises ArgumentError for another."""
    given = asked.how.get("damp", DAMP)
    check_damp(given, strict=True)
    return float(given)


def block(asked: Request, scale: str) -> int:
    """Entries of the Fisher matrix in a block; raises ArgumentError for another scale."""
    if "block" in asked.how and scale != "blocks":
        only_with("obs", "block", "scale='blocks'", scale)
    return count("obs", "block", asked.how.get("block", BLOCK))


def weights_alone(asked: Request, scale: str) -> None:
    """Raises ArgumentError where biases are asked for at a scale that has none."""
    if asked.params == "all":
        raise ArgumentError(
            f"obs: scale={scale!r} needs params='weights', not params='all'; pass scale='whole' or "
            f"'blocks', or leave out params"
        )


def _whole(asked: Request, data: Split, names: list[str]) -> Array:
    live = _live(asked, names)  # what is masked cannot move: its rows of H are zero
    n, others = live.size, "'layer' or 'blocks'" if asked.groups else "'layer', 'rows' or 'blocks'"
    remedy = f"use scale={others}, or a smaller net"
    guard(f"obs: the inverse over {n:,} entries", 8 * n * n, LIMIT, remedy)

    def make() -> Iterator[Array]:
        return (block * live for block in ggn_rows(asked.model, data, names))

    share = _share(asked, names)
    return inverse_from_rows(Rows(make), len(data[0]), share, strict=False).inverse


def _live(asked: Request, names: list[str]) -> Array:
    """(N,): 1.0 where an entry is not masked"""
    masks, shapes = asked.model.masks, asked.model.net.params
    return np.concatenate([masks.get(n, np.ones(shapes[n], bool)).ravel() for n in names]) * 1.0


def _share(asked: Request, names: list[str]) -> float:
    """What share of the mean of diag H over all entries is `damp` of the mean over live ones."""
    return damp(asked) / (float(_live(asked, names).mean()) or 1.0)


@contextmanager
def _of_layer(name: str) -> Iterator[None]:
    """Refusals of a layer's H have its name in front."""
    try:
        yield
    except (ArgumentError, NonFiniteError) as e:
        raise type(e)(f"{name}: {e}") from None


def _layer_diag(asked: Request, data: Split, name: str) -> Array:
    shape = asked.model.net.params[name]
    live = asked.model.masks.get(name, np.ones(shape, bool)).reshape(shape[0], -1)
    inverses = _layer_inverses(asked, data, name)
    rows = np.arange(shape[0]).reshape(len(inverses), -1)
    diag = np.ones(live.shape)  # of what is masked: any number above 0, its weight is 0
    for mine, inverse in zip(rows, inverses, strict=True):
        for some, inner, kept in alike(mine, live, inverse):  # over what can still move
            diag[np.ix_(some, kept)] = inner.diagonal()
    return diag.reshape(shape)


def _layer_inverses(asked: Request, data: Split, name: str, bias: bool = False) -> Array:
    """inv(alpha I + (2/P) X X^T) of each group, (groups, n, n)"""
    h = layer_hessian(asked.model, data[0], name, bias=bias)
    with _of_layer(name):
        return damped_inverse(h, damp(asked)).inverse


def _layer_blocks(asked: Request, data: Split, group: Group) -> Array:
    """One block for each producer, with its bias: what a unit's producers share is neglected"""
    sizes = [_fan(asked, m.param) * m.index.shape[1] for m in group.producers]
    biased = [m for m in group.producers if _bias(m.param) in asked.model.params]
    total = sum(sizes) + sum(m.index.shape[1] for m in biased)
    found = np.zeros((group.size, total, total))
    start, last = 0, sum(sizes)
    for m in group.producers:
        has = _bias(m.param) in asked.model.params
        inverses = _layer_inverses(asked, data, m.param, has)
        per, n = len(asked.model.params[m.param]) // len(inverses), _fan(asked, m.param)
        for k in range(m.index.shape[1]):
            at = np.concatenate([np.arange(start, start + n), np.arange(last, last + has)])
            for unit, row in enumerate(m.index[:, k]):
                found[unit][np.ix_(at, at)] = inverses[row // per]
            start, last = start + n, last + has
    return found


def _fan(asked: Request, name: str) -> int:
    return int(np.prod(asked.model.net.params[name][1:]))


def _bias(name: str) -> str:
    return f"{layer_of(name)}.bias"


def _places(asked: Request) -> dict[str, Array]:
    """Where the entries of each unit are among all parameters, flat: {group: (units, entries)}"""
    params = asked.model.net.params
    n = sum(w.size for w in asked.model.params.values())
    places = unflat(np.arange(n), params)
    return {name: incoming(places, g, bias=True) for name, g in asked.groups.items()}


def _fisher_rows(asked: Request, data: Split, names: list[str]) -> Rows:
    """Rows g_p, 0 where masked"""
    live = _live(asked, names)

    def make() -> Iterator[Array]:
        for i in range(0, len(data[0]), CHUNK):
            part = data[0][i : i + CHUNK], data[1][i : i + CHUNK]
            found: dict[str, Any] = sample_grads(asked.model, part, params="all")
            rows = {name: found[name].reshape(len(part[0]), -1) for name in names}
            yield live * np.concatenate([rows[n] for n in names], axis=1, dtype=np.float64)

    return Rows(make)


def _unit_fisher(asked: Request, data: Split, places: dict[str, Array]) -> Arrays:
    """inv(alpha I + F_SS) of each unit, F the empirical Fisher"""
    names = list(asked.model.net.params)
    fisher = {name: np.zeros((*at.shape, at.shape[1])) for name, at in places.items()}
    for rows in _fisher_rows(asked, data, names):
        for name, at in places.items():
            mine = rows[:, at].transpose(1, 2, 0)
            fisher[name] += mine @ mine.transpose(0, 2, 1)
    live = flat({name: _live(asked, names)[at] for name, at in places.items()}, list(places))
    trace = sum(float(np.einsum("uss->", f)) for f in fisher.values()) / len(data[0])
    alpha = damp(asked) * trace / max(float(live.sum()), 1.0)
    if alpha == 0:
        raise ArgumentError(
            "obs: all gradients are zero, so the Fisher matrix is 0, which has no inverse; "
            "check the data, or whether the net's output depends on its weights"
        )
    found = {}
    for name, f in fisher.items():
        inverse = np.linalg.inv(f / len(data[0]) + alpha * np.eye(f.shape[1]))
        found[name] = (inverse + inverse.transpose(0, 2, 1)) / 2
    return found
