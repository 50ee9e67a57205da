"""w_old -> new head -> mask(score on the new task) -> fine-tuned: prune while a net is moved.

After Molchanov et al. (2017), Pruning convolutional neural networks for resource efficient
inference: what a new task does not need goes. Longer than most files: the plan and its controls are
read together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from minprune.arguments import choice, count, instance, one_of, several, share
from minprune.core import Criterion, Dataset, stream
from minprune.errors import ArgumentError, ShapeError
from minprune.masking.apply import with_masks
from minprune.methods.plans import Result, added, longer, row, run
from minprune.methods.pruning import Pruning
from minprune.methods.retrain import FORGOTTEN, renewed
from minprune.methods.tickets import output_weights
from minprune.nets.counts import counts
from minprune.nets.dense import Dense
from minprune.nets.initialise import SCHEMES, initialise
from minprune.nets.model import Model
from minprune.nets.net import Net, layer_of
from minprune.train.loop import Part
from minprune.train.plan import Phase, PhaseContext, State

CONTROLS = ("dense", "old_task", "scratch")


@dataclass(frozen=True, kw_only=True)
class Transfer(Pruning):
    """A new head, pruned by what matters to the new task, fine-tuned; `mp.methods.transfer`.

    It and its controls have the same schedule of the rate over all epochs, and pruning leaves the
    optimizer's state as it is. Null setting: sparsity=0 is training with the new head.

    Parameters
    ----------
    sparsity : float
        The share of the units, or weights, that is pruned. The head is not.
    epochs : int
        Of training on the new data, before and after pruning together; the same for the controls.
    before : int
        How many of them come before pruning, so that the scores see a head that is trained.
    old : Dataset, optional
        The data of the old task, for the control "old_task".
    controls : sequence of str
        Trained beside it: "dense" (no pruning), "old_task" (pruned by its scores on the old data,
        before it gets the new head), "scratch" (the pruned net with new initial weights).
    scheme : {"he", "glorot", "lecun"}
        Of new initial weights.
    criterion, unit, options : str or Criterion, bool, dict
        As of `mp.score`; Taylor of units by default.
    scope, protect, minimum, normalize, pattern
        As of `mp.prune`.
    seed : int
        Of the head, training and scores.
    train : dict
        Other arguments of `mp.fit`.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.Transfer(sparsity=0.5, epochs=10).controls
    ('dense', 'scratch')
    """

    sparsity: float
    criterion: str | Criterion = "taylor"
    unit: bool = True
    before: int = 1
    old: Dataset | None = None
    controls: Sequence[str] | None = None
    scheme: str = "he"

    def __post_init__(self) -> None:
        super().__post_init__()
        share(self.call, "sparsity", self.sparsity)
        choice(self.call, "unit", self.unit, (False, True))
        if count(self.call, "before", self.before, 0) > self.epochs:
            raise ArgumentError(
                f"{self.call}: before must be at most epochs, {self.epochs}, not {self.before}; "
                f"it is the part of them that comes before pruning"
            )
        one_of(self.call, "scheme", self.scheme, SCHEMES)
        if self.old is not None:
            instance(self.call, "old", self.old, Dataset, "mp.Dataset(train, val, test)")
        if self.controls is None:
            there = [name for name in CONTROLS if name != "old_task" or self.old is not None]
            object.__setattr__(self, "controls", tuple(there))
        several(self.call, "controls", self.controls, '["dense"], or [] for none')
        for name in self.controls or ():
            one_of(self.call, "a control", name, CONTROLS)
            if name == "old_task" and self.old is None:
                raise ArgumentError(
                    f"{self.call}: the control 'old_task' needs old=, the data of the old task; "
                    f"pass them, or leave the control out"
                )

    def check(self, model: Model, data: Dataset) -> None:
        head_of(model.net)
        for name, task in (("the new data", data), ("old", self.old)):
            if task is not None and tuple(task.input_shape) != tuple(model.net.input_shape):
                raise ShapeError(
                    f"{self.call}: {name} must have inputs of {model.net.input_shape}, as the net "
                    f"has, not {task.input_shape}; make them of one shape first"
                )
        new = with_head(model, data.outputs, self.seed, self.scheme)
        super().check(new, data)
        self._masked(new, self.rehearsed(new, data.train))

    def next_phase(self, state: State) -> Phase | None:
        """Train with the new head, prune, train again; then the controls."""
        if "headed" not in state:
            return Phase("train with the new head", self._head)
        if "pruned" not in state:
            return Phase("prune", self._prune)
        if "model" not in state:
            return Phase("fine-tune", self._tune)
        done, wanted = len(state["report"]["controls"]), self.controls or ()
        return (
            Phase(wanted[done], partial(self._control, wanted[done]))
            if done < len(wanted)
            else None
        )

    def _fit(self, here: PhaseContext, model: Model, **how: Any) -> Part:
        return here.fit_part(
            model, **{"epochs": self.epochs, "seed": self.seed, **self.train, **how}
        )

    def _head(self, here: PhaseContext) -> State:
        new = with_head(here.state["start"], here.data.outputs, self.seed, self.scheme)
        part = self._fit(here, new, until=self.before * self.updates(new, here.data))
        headed = part.last()
        first = row(here, 0, headed, len(part.history.steps["step"]), unit=self.unit)
        return {
            "new": new, "headed": headed, "point": part.point, "rounds": [first],
            "masks": [headed.masks], "history": {here.label: part.history},
        }  # fmt: skip

    def _masked(self, model: Model, scores: Mapping[str, Any]) -> Model:
        """The model pruned by these scores, its head protected"""
        target = {} if self.fixed else {"sparsity": self.sparsity}
        if self.unit:  # units of the head are outputs, which have no scores
            return self.prune(model, scores, **target)
        protect = (*self.protect, head_of(model.net))
        return replace(self, protect=protect).prune(model, scores, **target)

    def _prune(self, here: PhaseContext) -> State:
        model = here.state["headed"]
        pruned = self._masked(model, self.scores(model, here.data.train))
        return {"pruned": pruned, "spent": here.seconds}

    def _tune(self, here: PhaseContext) -> State:
        state, pruned, point = here.state, here.state["pruned"], here.state["point"]
        if live_of(pruned) < live_of(state["headed"]):  # the best epoch so far has another net
            point = point | {"place": point["place"] | FORGOTTEN}
        part = self._fit(here, pruned, begin=point)
        last = row(
            here, 1, part.model, len(part.history.steps["step"]), pruned=pruned, unit=self.unit,
            seconds=state["spent"],
        )  # fmt: skip
        return {
            "model": part.model, "point": None, **longer(state, "rounds", [last]),
            **longer(state, "masks", [part.model.masks]), "report": {"controls": []},
            **added(state, "history", **{here.label: part.history}),
        }  # fmt: skip

    def _control(self, name: str, here: PhaseContext) -> State:
        state, start = here.state, here.state["start"]
        outputs, new = here.data.outputs, state["new"]
        if name == "old_task":
            assert self.old is not None
            pruned = self._masked(start, self.scores(start, self.old.train))
            new = with_head(pruned, outputs, self.seed, self.scheme)
        elif name == "scratch":
            new = renewed(state["pruned"], stream(self.seed, "scratch"), self.scheme)
        model, history = self._fit(here, new)[:2]
        found = row(here, 1, model, len(history.steps["step"]), unit=self.unit)
        report = {"controls": [*state["report"]["controls"], {**found, "control": name}]}
        return {
            "report": report, **added(state, "history", **{name: history}),
            **added(state, "models", **{name: model}),
        }  # fmt: skip


def live_of(model: Model) -> int:
    """How many entries are not masked."""
    return sum(c.live for c in counts(model.net, model.masks))


def head_of(net: Net) -> str:
    """The layer that a new task replaces; raises ArgumentError unless it is one dense layer"""
    found = {layer_of(name) for name in output_weights(net)}
    if len(found) != 1 or not isinstance(net.node(next(iter(found))).layer, Dense):
        raise ArgumentError(
            f"transfer: the net must end in one Dense layer, its head, not in "
            f"{', '.join(sorted(found)) or 'none'}; pass a net that does"
        )
    return found.pop()


def with_head(model: Model, outputs: int, seed: int, scheme: str) -> Model:
    """The model with a new dense head of so many outputs; the rest of its arrays and masks stay"""
    head, nodes = head_of(model.net), []
    for node in model.net.nodes:
        layer = node.layer
        if node.name == head and isinstance(layer, Dense):
            layer = replace(layer, outputs=outputs)
        nodes.append(node._replace(layer=layer))
    net = replace(model.net, nodes=tuple(nodes))
    new = initialise(net, seed=stream(seed, "head"), scheme=scheme, dtype=model.dtype)
    kept = {k: w for k, w in model.params.items() if layer_of(k) != head}
    masks = {k: m for k, m in model.masks.items() if layer_of(k) != head}
    read = model.masks.get(f"{head}.weight")
    if read is not None:  # what no old output read, no new one does
        masks[f"{head}.weight"] = np.tile(read.any(axis=0), (outputs, 1))
    return with_masks(Model(net, new.params | kept, dict(model.buffers)), masks)


def transfer(
    model: Model,
    new_data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Move a trained net to a new task: a new head, pruned by what matters there, fine-tuned.

    w_old -> new head -> mask(score(w, new data)) -> fine-tuned.

    Parameters
    ----------
    model : Model
        Trained on the old task.
    new_data : Dataset
        The new task: inputs of the same shape; its number of classes makes the head.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.Transfer`: sparsity, epochs, before=1, criterion="taylor",
        unit=True, old, controls, seed, ...; and those of `mp.fit`: optimizer, rate, ...

    Returns
    -------
    Result
        .rounds: with the new head, and pruned and fine-tuned; .report["controls"] has such a row
        for each control, .models their models.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and a net that does not end in one dense layer.
    ShapeError
        For data of another shape.

    Examples
    --------
    >>> import minprune as mp
    >>> x, y = mp.data.digits().train
    >>> low, high = ((x[part], y[part] % 5) for part in (y < 5, y >= 5))
    >>> old, new = (mp.Dataset((a, b), (a, b), (a, b)) for a, b in (low, high))
    >>> model, _ = mp.fit(mp.zoo.mlp(old, hidden=(16,)), old, epochs=2, progress=False)
    >>> found = mp.methods.transfer(model, new, sparsity=0.5, epochs=2, progress=False)
    >>> mp.compact(found.model).net.params["fc1.weight"]
    (8, 64)
    >>> [row["control"] for row in found.report["controls"]]
    ['dense', 'scratch']

    Source: Molchanov et al. (2017).
    """
    return run(Transfer, model, new_data, how, folder, progress)
