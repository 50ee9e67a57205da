"""w = factor w where the scores are lowest, every so often; masked at the end: soft pruning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import count, share
from minprune.core import Arrays, Criterion
from minprune.errors import ArgumentError
from minprune.evidence.options import free_groups
from minprune.masking.apply import with_masks
from minprune.masking.choose import Scope
from minprune.masking.patterns import Given
from minprune.methods.choosing import Choosing
from minprune.methods.during import one_call
from minprune.nets.model import Model
from minprune.train.method import Change, Context, View


@dataclass(frozen=True, init=False)
class Soft(Choosing):
    """The weights, or filters, of the lowest scores are set to 0 each epoch, and go on training.

    Every `every` updates the lowest round(sparsity n) of n are chosen anew, among all, and become
    factor w. No mask holds them: the next updates change them, so that they may leave the lowest.
    With unit=True these are the weights that a unit reads (not its bias or normalisation, so that
    gradients reach it). The last choice, at the share `stop` of the training, is masked from there
    on, a unit with all that it owns; before, what was chosen last is masked in the model that is
    validated. It is meant for filters: of single weights at a high sparsity much is lost, and masks
    that gradients pass, Gradual(regrow="dense"), keep more. Null setting: sparsity = 0.

    Parameters
    ----------
    sparsity : float
        The share that is out, from 0 to 1: of weights, units or blocks.
    criterion, scope, unit, minimum, pattern, **options
        As for `Gradual`; the criterion must need no activations.
    factor : float
        What the weights that are out are multiplied with: 0, or up to 1.
    every : int, optional
        Updates between two choices; None: those of an epoch.
    stop : float
        The share of the training after which masks hold, above 0; 1: at its end.

    Raises
    ------
    ArgumentError
        For settings out of their range, a criterion that needs activations, and in training for a
        net without units. UnreachableError, at the first choice, where a layer is left less than
        the minimum.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> method = mp.methods.Soft(0.5, unit=True)
    >>> small, _ = mp.fit(model, data, epochs=2, method=method, progress=False)
    >>> mp.compact(small).net.params["fc1.weight"]
    (8, 64)

    Source: He et al. (2018), Soft filter pruning: unit=True, scope="layer", criterion="norm",
    factor=0, stop=1, every epoch. Their code zeroes the filters of convolutions alone.
    """

    sparsity: float
    criterion: str | Criterion
    scope: Scope
    unit: bool
    minimum: int
    factor: float
    every: int | None
    stop: float
    pattern: Given
    options: Mapping[str, Any]
    reads_total = True
    decay = 1.0  # of activations, which it does not read

    def __init__(
        self, sparsity: float, criterion: str | Criterion = "magnitude", scope: Scope = "global",
        unit: bool = False, minimum: int = 1, factor: float = 0.0, *, every: int | None = None,
        stop: float = 0.75, pattern: Given = None, **options: Any,
    ) -> None:  # fmt: skip
        given = (sparsity, criterion, scope, unit, minimum, factor, every, stop, pattern, options)
        for name, value in zip(self.__dataclass_fields__, given, strict=True):
            object.__setattr__(self, name, value)
        share("Soft", "sparsity", sparsity)
        share("Soft", "factor", factor)
        share("Soft", "stop", stop, above=True)
        if every is not None:
            count("Soft", "every", every)
        self.check_choosing()
        if self.kept_of is not None:
            raise ArgumentError(
                f"Soft: pattern must be None or a pair (rows, columns), not {pattern!r}; use "
                f"mp.methods.Gradual(pattern={pattern!r}, regrow='dense')"
            )

    def start(self, model: Model, ctx: Context) -> tuple[Model, Arrays, Any]:
        self.check_model(model)
        if self.places(model):
            raise ArgumentError(
                f"Soft: criterion must need no activations, not {self.criterion!r}; choose "
                f"'magnitude', for example"
            )
        return model, {}, None

    def after(self, view: View) -> Change | None:
        if not self.sparsity:
            return None
        ctx, last = view.ctx, self._last(view.ctx.total)
        every = self.every or ctx.updates_of_epoch
        due = ctx.step == last or (ctx.step < last and ctx.step % every == 0)
        if not due and ctx.step > 1:
            return None
        model = Model(ctx.net, dict(view.params), dict(view.buffers), dict(ctx.masks))
        if ctx.step == 1:
            self.check_reachable(model, self.sparsity)
        kept = self.chosen(model, self.sparsity, ctx, view.grads, {}, view.batch)
        if kept is None or not due:
            return None
        if ctx.step == last:
            return Change(masks=self.as_masks(model, kept), state=kept)
        params = {}
        for name, out in self._out(model, kept).items():
            w = view.params[name].copy()
            w[out] *= w.dtype.type(self.factor)
            params[name] = w
        return Change(params=params, state=kept)

    def _last(self, total: int) -> int:
        """The update of the last choice."""
        return max(1, round(self.stop * total))

    def _out(self, model: Model, kept: Arrays) -> Arrays:
        """{weight: what becomes smaller}: of units, all that they read"""
        if not self.unit:
            return {name: ~mask for name, mask in kept.items()}
        groups, found = free_groups(model), Arrays()
        for name, mask in kept.items():
            for m in groups[name].producers:
                out = found.setdefault(m.param, np.zeros(len(model.params[m.param]), bool))
                out[m.index[~mask].ravel()] = True
        return found

    def settled(self, step: int, total: int) -> bool:
        return self.sparsity == 0 or step >= self._last(total)

    def finish(self, model: Model, extra: Arrays, ctx: Context) -> Model:
        return with_masks(model, self.as_masks(model, ctx.state)) if ctx.state else model


soft = one_call(Soft, "soft", "sparsity=0.5")
