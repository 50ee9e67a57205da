"""m_k = m_{k-1} less a fifth of its smallest weights; w = m_k w_0: lottery tickets, with controls.

Source: Frankle & Carbin (2018), The Lottery Ticket Hypothesis; Frankle et al. (2019) for rewinding
to an early update. Longer than most files: a third is docstrings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

from minprune.arguments import choice, count, one_of, several, share
from minprune.core import Arrays, Dataset, stream
from minprune.errors import ArgumentError
from minprune.masking.apply import with_masks
from minprune.masking.choose import Scope
from minprune.methods.chain import chained
from minprune.methods.overlap import overlap, together
from minprune.methods.plans import Procedure, Result, added, longer, row, run
from minprune.methods.retrain import Before, Start, reinit, renewed, weight_rewind
from minprune.methods.tickets import Tickets, output_weights
from minprune.methods.validate import Validate
from minprune.nets.initialise import SCHEMES
from minprune.nets.model import Model, dense_only
from minprune.nets.net import Net
from minprune.train.history import Learned
from minprune.train.plan import Phase, PhaseContext, State

Control = Callable[[Before, Callable[[], Model]], Start]  # (.., the model pruned in one shot)


def shuffled(model: Model, seed: int) -> Model:
    """The model with the entries of each mask of a weight permuted among themselves"""
    rng = stream(seed, "shuffle")
    masks = {k: m for k, m in model.masks.items() if k in model.net.weights}
    return with_masks(
        model, {k: rng.permutation(m.ravel()).reshape(m.shape) for k, m in masks.items()}
    )


CONTROLS: dict[str, Control] = {
    "reinit": lambda b, once: reinit(b),
    "shuffle": lambda b, once: weight_rewind(replace(b, pruned=shuffled(b.pruned, b.seed))),
    "random": lambda b, once: reinit(replace(b, pruned=shuffled(b.pruned, b.seed))),
    "one_shot": lambda b, once: weight_rewind(replace(b, pruned=once())),
}


@dataclass(frozen=True, kw_only=True)
class LotteryTicket(Procedure):
    """Iterative magnitude pruning with rewinding; the plan of `mp.methods.lottery_ticket`.

    Null setting: rounds=0 is `mp.fit`.

    Parameters
    ----------
    rate : float
        The share of the weights left that each round removes: round k leaves (1 - rate)^k of the
        original number.
    rounds : int
        Of pruning, rewinding and training.
    rewind_to : int
        The update that everything but the masks returns to: weights, optimizer state, order of the
        data, schedule. 0: the initial weights.
    output_rate : float, optional
        The same of the output layers; half of rate by default.
    scope : {"layer", "global"}
        Whether each layer is pruned by that share, or all but the output layers together.
    controls : sequence of str
        Trained beside the tickets: "reinit" (the mask of the ticket, new initial weights),
        "shuffle" (the weights of the ticket, its mask permuted within each layer), "random" (a
        random mask of the same counts of each layer, and new weights), "one_shot" (the ticket that
        the trained net gives when it is pruned at once). "random" has the mask of "shuffle" and the
        weights of "reinit", so that mask and weights are crossed.
    controls_at : sequence of int, optional
        Rounds whose tickets they are compared with; the last one by default.
    seeds : int
        Of how many seeds, `seed` and those after it, tickets are found. The others begin with new
        initial weights and have other orders of the data; the overlap of their masks is reported.
    look : int
        Updates between two looks at data.val, for early stopping.
    epochs : int
        Of each training.
    scheme : {"he", "glorot", "lecun"}
        Of new initial weights.
    seed : int
        Of training, masks and new weights.
    train : dict
        Other arguments of `mp.fit`.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used.

    Examples
    --------
    >>> import minprune as mp
    >>> plan = mp.methods.LotteryTicket(rounds=15, epochs=20, controls_at=(3, 15))
    >>> plan.rate, plan.rate_of_outputs, plan.rewind_to
    (0.2, 0.1, 0)
    """

    rate: float = 0.2
    rounds: int = 5
    rewind_to: int = 0
    output_rate: float | None = None
    scope: Scope = "layer"
    controls: Sequence[str] = tuple(CONTROLS)
    controls_at: Sequence[int] | None = None
    seeds: int = 1
    look: int = 100
    scheme: str = "he"

    def __post_init__(self) -> None:
        super().__post_init__()
        count(self.call, "epochs", self.epochs)
        if callable(self.rate):
            raise ArgumentError(
                f"{self.call}: rate must be the share that each round removes, not a schedule of "
                f"the learning rate; pass that as train={{'rate': mp.rates.cosine()}}"
            )
        share(self.call, "rate", self.rate, below=True)
        share(self.call, "output_rate", self.rate_of_outputs, below=True)
        count(self.call, "seeds", self.seeds)
        count(self.call, "rounds", self.rounds, 0)
        count(self.call, "rewind_to", self.rewind_to, 0)
        count(self.call, "look", self.look)
        choice(self.call, "scope", self.scope, ("layer", "global"))
        one_of(self.call, "scheme", self.scheme, SCHEMES)
        several(self.call, "controls", self.controls, '["reinit"], or [] for none')
        at = () if self.controls_at is None else self.controls_at
        several(self.call, "controls_at", at, "[1], for example")
        for name in self.controls:
            one_of(self.call, "a control", name, CONTROLS)
        for k in at:
            choice(self.call, "a round of controls_at", k, range(1, self.rounds + 1))

    @property
    def rate_of_outputs(self) -> float:
        """The rate of the output layers."""
        return self.rate / 2 if self.output_rate is None else self.output_rate

    @property
    def pictures(self) -> tuple[Learned, ...]:
        looks, own = Validate.pictures, super().pictures
        return chained([own, looks]) if "method" in self.train else looks

    def check(self, model: Model, data: Dataset) -> None:
        dense_only(model, "pruning")
        if not len(data.val[0]):
            raise ArgumentError(
                f"{self.call}: data.val must hold samples, not none; pass a pair (x, y)"
            )
        self.tickets(model.net).check(model, data)

    def first(self, model: Model, data: Dataset) -> tuple[Any, int | None] | None:
        return {
            "epochs": self.epochs, "seed": self.seed, "train": self.train, "look": self.look,
        }, self.rewind_to * (self.rounds > 0)  # fmt: skip

    def tickets(self, net: Net) -> Tickets:
        """The rounds, without controls."""
        own = self.train.get("method")
        return Tickets(
            epochs=self.epochs, seed=self.seed, train=self.train, sparsity=self.rate,
            rounds=self.rounds, retrain="weight_rewind", rewind_to=self.rewind_to,
            scope=self.scope, scheme=self.scheme, outputs=output_weights(net),
            output_rate=self.rate_of_outputs, rate=self.rate, look=self.look,
            prefix="" if own is None else f"{len(own.parts)}.",
        )  # fmt: skip

    def next_phase(self, state: State) -> Phase | None:
        """The rounds, then a phase for each control, then the rounds of each other seed."""
        phase = self.tickets(state["start"].net).next_phase(state)
        if phase is not None:
            return phase
        at = self.controls_at if self.controls_at is not None else [self.rounds] * (self.rounds > 0)
        wanted = [(name, k) for k in at for name in self.controls]
        done = len(state.get("report", {}).get("controls", []))
        if done < len(wanted):
            name, k = wanted[done]
            return Phase(f"{name} {k}", partial(self._control, name, k))
        more = 1 + len(state.get("others", []))
        if more >= self.seeds:
            return None
        plan = replace(self.tickets(state["start"].net), seed=self.seed + more)
        fresh = stream(plan.seed, "tickets")
        inner = state.get("inner") or {"start": renewed(state["start"], fresh, self.scheme)}
        phase = plan.next_phase(inner)
        assert phase is not None
        work = partial(self._another, plan, phase, inner)
        return Phase(f"seed {plan.seed}: {phase.name}", work)

    def _another(self, plan: Tickets, phase: Phase, inner: State, here: PhaseContext) -> State:
        """A phase of the rounds of another seed."""
        state, name = here.state, f"seed {plan.seed}: "
        new = phase.work(replace(here, state=dict(inner), label=phase.name))
        inner = {**inner, **new}
        if plan.next_phase(inner) is not None:
            return {"inner": inner}
        rows = [{"seed": plan.seed, **each} for each in inner["rounds"]]
        others = [*state.get("others", []), inner["masks"]]
        report, found = state.get("report", {}), [state["masks"], *others]
        return {
            "inner": None, "others": others,
            **added(state, "history", **{name + k: v for k, v in inner["history"].items()}),
            "report": {
                **report, **longer(report, "seeds", rows), "overlap": self._overlaps(found),
            },
        }  # fmt: skip

    def _overlaps(self, masks: list[list[Arrays]]) -> list[dict[str, Any]]:
        """A row for each round of each pair of seeds      masks: by seed and round"""
        return [
            {"between seeds": f"{self.seed + a}, {self.seed + b}", "after round": k}
            | together(overlap(masks[a][k], masks[b][k]))
            for k in range(1, self.rounds + 1)
            for a, b in combinations(range(len(masks)), 2)
        ]

    def _control(self, name: str, k: int, here: PhaseContext) -> State:
        state = here.state
        plan, trained = self.tickets(state["start"].net), state["models"]["trained"]
        ticket = with_masks(trained, state["masks"][k])
        scores = plan.scores(trained, here.data.train)
        target = plan.target(k, trained, state["start"], scores)
        once = partial(plan.prune, trained, scores, **target)
        how = CONTROLS[name](plan.before(here, ticket, k), once)
        part = plan.fit(here, how.model, epochs=how.epochs, rate=how.rate, begin=how.begin)
        told = row(here, k, part.model, len(part.history.steps["step"]))
        told |= plan.noted(part.history) | {"control": name}
        told["overlap"] = overlap(ticket, part.model)
        report = state.get("report", {})
        return {
            "report": {**report, **longer(report, "controls", [told])},
            **added(state, "history", **{here.label: part.history}),
        }


def lottery_ticket(
    model: Model,
    data: Dataset,
    *,
    progress: bool = True,
    folder: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Result:
    """Find lottery tickets: train, prune the smallest weights of each layer, rewind, repeat.

    m_k keeps (1 - rate)^k of each layer, and w_k = train(m_k w_0).

    Parameters
    ----------
    model : Model
        The untrained model, step 0.
    data : Dataset
        What it is trained, validated and tested on.
    progress : bool
        Whether to show progress.
    folder : path, optional
        Where the state is kept. If it holds an unfinished run of the same arguments, that is
        resumed, and ends with the same bits.
    **how : Any
        The settings of `mp.methods.LotteryTicket`: epochs, rate=0.2, rounds=5, rewind_to=0,
        output_rate=rate/2, scope="layer", controls, controls_at, seeds=1, look=100, seed, ...; and
        those of `mp.fit`: optimizer, rate, batch_size, ... (`train={"rate": ...}` is the schedule.)

    Returns
    -------
    Result
        .rounds have besides "early_update", the update of the least validation loss,
        "early_val_loss", "early_val_accuracy" and "early_test_accuracy" there;
        .report["controls"] has such a row for each control, with "control", its name, and
        "overlap", that of its masks with the ticket's, see `mp.methods.overlap`. With seeds above
        1, .report["seeds"] has the rows of the others, and .report["overlap"] a row for each round
        of each pair of seeds: how many live weights are "shared", how many are "expected" by
        chance, the "deviation" by chance, and "layers", the same of each. .masks are of the first;
        rounds of one seed are nested, so that their overlap is the whole smaller ticket.

    Raises
    ------
    ArgumentError
        For arguments that cannot be used, and as `prune` and `fit` do.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> found = mp.methods.lottery_ticket(
    ...     mp.zoo.mlp(data, hidden=(16,)), data, rounds=2, epochs=2, look=10, progress=False
    ... )
    >>> [tuple(row["live"].values()) for row in found.rounds]
    [(1024, 160), (819, 144), (655, 130)]
    >>> [row["control"] for row in found.report["controls"]]
    ['reinit', 'shuffle', 'random', 'one_shot']

    Sources: Frankle & Carbin (2018); Frankle et al. (2019).
    """
    return run(LotteryTicket, model, data, how, folder, progress)
