"""theta += policy_lr (R - b) / s dlog pi(a): an agent that learns what to prune, by REINFORCE.

Longer than most files: the plan and its policy are read together, and half of it is docstrings.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minprune.arguments import choice, count, filled, number, several, share
from minprune.core import Array, Arrays, Criterion, Dataset, Split, stream
from minprune.errors import ArgumentError
from minprune.evidence import find, score
from minprune.evidence.options import free_groups
from minprune.masking.apply import prune, with_masks
from minprune.masking.units import live_units, silenced, unit_scores
from minprune.measures.quality import accuracy_of, evaluate
from minprune.methods.plans import Procedure, Result, added, longer, row, run
from minprune.nets.counts import counts
from minprune.nets.model import Model, dense_only
from minprune.nets.net import layer_of
from minprune.train.history import History, Learned
from minprune.train.plan import Phase, PhaseContext, State

RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
CHUNK = 50  # episodes of a phase: what is lost where a run is stopped
MEMORY = 0.9  # of the baseline and of the rewards' spread
FIRST = 2.0  # the first logit of a unit: kept with chance 0.88


@dataclass(frozen=True, kw_only=True)
class Agent(Procedure):
    """Learns which units to prune from rewards; the plan of `mp.methods.agent`.

    After `epochs` of training, each of the episodes draws an action from the policy, prunes the
    trained net by it, without training, and has the reward R = accuracy - lam max(0, share - macs),
    on validation samples, with the share of the multiply-adds that are left. The policy's logits
    theta move by policy_lr (R - b) / s times the gradient of the action's log chance, b and s being
    moving means of R and of abs(R - b). At the end the net is pruned by the likeliest action, or by
    that of the best episode where its R is higher, and trains for `retrain_epochs`. A phase has 50
    episodes, after each of which the search can be resumed with the same bits.
    `.history["search"].extra` holds "reward", "accuracy" and "multiply-adds" of all episodes,
    "LAYER kept", the expected share of units after each, and "LAYER chance", of each unit to be
    kept. It has no null setting: what it prunes is learned.

    Parameters
    ----------
    by : {"layer", "unit"}
        "layer": the action is a keep ratio for each group of units, one of `ratios`, whose units of
        the lowest scores go. "unit": it is for each unit whether it is kept.
    lam : float
        At least 0: the accuracy that all multiply-adds are worth.
    macs : float
        The share of the multiply-adds that costs nothing. 0: R = accuracy - lam share. For a
        budget, take a lam that exceeds what accuracy can gain, such as macs=0.3, lam=2.
    sparsity : float, optional
        The share of the units that is pruned at the end, those with the lowest chance to be kept.
        None: by an action; the likeliest one keeps the likeliest ratio, or the units of a chance
        of at least 1/2. A group keeps one at least.
    episodes : int
        Of the search.
    policy_lr : float
        The learning rate of the policy's logits.
    ratios : tuple of float
        From which the agent chooses.
    samples : int
        Of data.val, at most: the first ones.
    criterion : str or Criterion
        The scores of units, on data.train.
    epochs : int
        Of training before the search; 0: the model is trained already.
    retrain_epochs : int, optional
        After pruning; `epochs` by default.
    seed : int
        Of training, scores and actions.
    train : dict
        Other arguments of `mp.fit`.

    Raises
    ------
    ArgumentError
        For settings out of their range; before training, for a net without units that may be
        removed, and data.val without samples or classes.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.methods.Agent(epochs=20, by="unit", episodes=400).lam
    0.3

    Source: Huang et al. (2018), Learning to Prune Filters in Convolutional Neural Networks, for
    the filters, one agent a layer there. Keep ratios by layer: He et al. (2018), AMC, by DDPG
    there. REINFORCE: Williams (1992).
    """

    by: str = "layer"
    lam: float = 0.3
    macs: float = 0.0
    sparsity: float | None = None
    episodes: int = 400
    policy_lr: float = 0.3
    ratios: Sequence[float] = RATIOS
    samples: int = 1000
    criterion: str | Criterion = "magnitude"
    retrain_epochs: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.call, "by", self.by, ("layer", "unit"))
        if self.sparsity is not None:
            share(self.call, "sparsity", self.sparsity)
        number(self.call, "lam", self.lam)
        share(self.call, "macs", self.macs)
        number(self.call, "policy_lr", self.policy_lr)
        count(self.call, "episodes", self.episodes)
        count(self.call, "samples", self.samples)
        several(self.call, "ratios", self.ratios, "[0.25, 0.5, 1.0], for example")
        filled(self.call, "ratios", self.ratios, "pass (0.25, 0.5, 1.0), for example")
        for ratio in self.ratios:
            share(self.call, "each of ratios", ratio)
        find(self.criterion)
        if self.retrain_epochs is not None:
            count(self.call, "retrain_epochs", self.retrain_epochs, 0)

    @property
    def pictures(self) -> tuple[Learned, ...]:
        return (
            Learned("reward", "reward", over="episode"),
            Learned("accuracy", "accuracy of the pruned net", over="episode"),
            Learned("multiply-adds", "share of multiply-adds", over="episode"),
            Learned("* kept", "expected share of units kept", over="episode"),
            Learned("* chance", "chance to be kept"),
            *super().pictures,
        )

    def check(self, model: Model, data: Dataset) -> None:
        dense_only(model, "pruning")
        filled(self.call, "data.val", data.val[0], "pass a pair (x, y)")
        if evaluate(model, self._part(data)).accuracy is None:
            raise ArgumentError(
                f"{self.call}: data.val must hold classes, whose accuracy is the reward, not "
                f"numbers; use mp.methods.iterative"
            )
        filled(
            self.call, "groups of units", free_groups(model),
            "print(mp.ties(model)) shows which may be removed",
        )  # fmt: skip
        if self.sparsity is not None:
            scores = score(model, None, "magnitude", unit=True)
            prune(model, scores, sparsity=self.sparsity)

    def next_phase(self, state: State) -> Phase | None:
        """Train, search in chunks of episodes, prune and train again."""
        if "policy" not in state:
            return Phase("train", self._train)
        done = len(state["policy"]["reward"])
        if done < self.episodes:
            return Phase(f"search {done + 1} to {min(done + CHUNK, self.episodes)}", self._search)
        return None if len(state["rounds"]) > 1 else Phase("retrain", self._retrain)

    def _train(self, here: PhaseContext) -> State:
        start = here.state["start"]
        how = {"epochs": self.epochs, "seed": self.seed, **self.train}
        model, history = here.fit(start, **how)
        raw = score(model, here.data.train, self.criterion, unit=True, seed=self.seed)
        orders, logits = {}, {}
        for name, g in free_groups(model).items():
            own = np.asarray(unit_scores(g, raw), np.float64)
            own = np.where(live_units(g, model.masks), own, -np.inf)
            ranked = np.argsort(-own, kind="stable")
            orders[name] = np.argsort(ranked)  # 0: the unit that goes last
            wide = len(self.ratios) if self.by == "layer" else g.size
            logits[name] = np.full(wide, 0.0 if self.by == "layer" else FIRST)
        policy: dict[str, Any] = {
            "logits": logits, "orders": orders, "baseline": None, "spread": None, "best": None,
            "reward": [], "accuracy": [], "multiply-adds": [],
            "kept": {name: [] for name in logits},
        }  # fmt: skip
        return {
            "model": model, "policy": policy, **added(here.state, "models", trained=model),
            "history": {"train": history}, "masks": [model.masks],
            "rounds": [row(here, 0, model, len(history.steps["step"]), unit=True)],
        }  # fmt: skip

    def _search(self, here: PhaseContext) -> State:
        policy, model = here.state["policy"], here.state["model"]
        p = policy | {k: list(policy[k]) for k in ("reward", "accuracy", "multiply-adds")}
        p["kept"] = {name: list(seen) for name, seen in policy["kept"].items()}
        logits = {name: a.copy() for name, a in policy["logits"].items()}
        done = len(p["reward"])
        rng = stream(self.seed, f"agent {done}")
        part = self._part(here.data)
        for _ in range(min(CHUNK, self.episodes - done)):
            slopes, kept = {}, {}
            for name, theta in logits.items():
                kept[name], slopes[name] = self._act(rng, theta, p["orders"][name])
            accuracy, left = worth(model, kept, part)
            reward = self._reward(accuracy, left)
            if p["best"] is None or reward > p["best"]["reward"]:
                p["best"] = {"reward": reward, "episode": len(p["reward"]) + 1, "kept": kept}
            b = reward if p["baseline"] is None else p["baseline"]
            far = abs(reward - b)
            s = far if p["spread"] is None else MEMORY * p["spread"] + (1 - MEMORY) * far
            for name in logits if far else ():
                logits[name] += self.policy_lr * (reward - b) / s * slopes[name]
            p["baseline"], p["spread"] = MEMORY * b + (1 - MEMORY) * reward, s or None
            found = {"reward": reward, "accuracy": accuracy, "multiply-adds": left}
            for k, v in found.items():
                p[k].append(float(v))
            for name in logits:
                chance = self._chances(logits[name], p["orders"][name])
                p["kept"][name].append(float(chance.mean()))
        return {"policy": p | {"logits": logits}}

    def _retrain(self, here: PhaseContext) -> State:
        policy, model = here.state["policy"], here.state["model"]
        chances = {
            name: self._chances(theta, policy["orders"][name])
            for name, theta in policy["logits"].items()
        }
        if self.sparsity is None:
            by, kept = self._chosen(model, policy, self._part(here.data))
            pruned = only(model, kept)
        else:
            by, pruned = "a share of all units", self._pruned(model, chances, policy)
        epochs = self.epochs if self.retrain_epochs is None else self.retrain_epochs
        how = {"epochs": epochs, "seed": self.seed, **self.train}
        final, history = here.fit(pruned, **how)
        steps = len(history.steps["step"])
        last = row(here, 1, final, steps, pruned=pruned, unit=True)
        extra = {k: np.array(policy[k]) for k in ("reward", "accuracy", "multiply-adds")}
        extra |= {f"{layer_of(k)} kept": np.array(seen) for k, seen in policy["kept"].items()}
        extra |= {f"{layer_of(k)} chance": a for k, a in chances.items()}
        live = {k: live_units(g, final.masks) for k, g in free_groups(model).items()}
        table = [
            {"layer": layer_of(k), "units": a.size, "kept": int(live[k].sum()),
             "expected": round(float(a.mean()), 4)}
            for k, a in chances.items()
        ]  # fmt: skip
        return {
            "model": final, **added(here.state, "history", search=History(extra=extra),
                                    retrain=history),
            **longer(here.state, "masks", [final.masks]),
            **longer(here.state, "rounds", [last]), "report": {"policy": table, "pruned by": by},
        }  # fmt: skip

    def _part(self, data: Dataset) -> Split:
        """The validation samples of the rewards"""
        x, y = data.val
        return x[: self.samples], y[: self.samples]

    def _act(self, rng: np.random.Generator, theta: Array, order: Array) -> tuple[Array, Array]:
        """(which units are kept, the gradient of the log chance of that)"""
        if self.by == "unit":
            p = 1 / (1 + np.exp(-theta))
            drawn = rng.random(theta.size) < p
            kept = drawn if drawn.any() else order == 0
            return kept, drawn - p
        p = softmax(theta)
        a = min(int(np.searchsorted(p.cumsum(), rng.random(), "right")), p.size - 1)
        return order < self._counts(order.size)[a], (np.arange(p.size) == a) - p

    def _counts(self, n: int) -> Array:
        """How many units each ratio keeps, one at least"""
        return np.array([max(1, round(r * n)) for r in self.ratios])

    def _chances(self, theta: Array, order: Array) -> Array:
        """(units,) the chance of each to be kept"""
        if self.by == "unit":
            found: Array = 1 / (1 + np.exp(-theta))
            return found
        kept = order[:, None] < self._counts(order.size)
        found = (kept * softmax(theta)).sum(axis=1)
        return found

    def _reward(self, accuracy: float, left: float) -> float:
        """R = accuracy - lam max(0, share - macs)"""
        return accuracy - self.lam * max(0.0, left - self.macs)

    def _chosen(self, model: Model, policy: State, part: Split) -> tuple[str, Arrays]:
        """(what, which units it keeps) of the likeliest action and the best episode"""
        kept = {}
        for name, theta in policy["logits"].items():
            order = policy["orders"][name]
            most = self._counts(order.size)[theta.argmax()] if self.by == "layer" else 0
            own = order < most if self.by == "layer" else theta >= 0
            kept[name] = own if own.any() else theta == theta.max()
        best = policy["best"]
        if best["reward"] > self._reward(*worth(model, kept, part)):
            return f"the action of episode {best['episode']}", best["kept"]
        return "the likeliest action", kept

    def _pruned(self, model: Model, chances: Arrays, policy: State) -> Model:
        """Without the units of the lowest chances; of equals the lowest of the criterion go"""
        groups, scores = free_groups(model), Arrays()
        for name, chance in chances.items():
            order = policy["orders"][name]
            own = np.round(chance, 9) - 1e-10 * (order + 1) / (order.size + 1)
            for m in groups[name].producers:
                found = scores.setdefault(m.param, np.zeros(len(model.params[m.param])))
                found[m.index] = own[:, None]
        return prune(model, scores, sparsity=self.sparsity)


def softmax(theta: Array) -> Array:
    """p = exp(theta) / sum exp(theta)"""
    e = np.exp(theta - theta.max())
    found: Array = e / e.sum()
    return found


def only(model: Model, kept: Arrays) -> Model:
    """The net without the other units      kept: {group: bool (units,)}"""
    groups = free_groups(model)
    gone = {name: (groups[name], ~alive) for name, alive in kept.items()}
    return with_masks(model, silenced(model, gone))


def worth(model: Model, kept: Arrays, part: Split) -> tuple[float, float]:
    """(accuracy of the net with these units alone, the share of its multiply-adds)"""
    pruned = only(model, kept)
    found = counts(pruned.net, pruned.masks)
    left = sum(c.live_macs for c in found) / max(1, sum(c.macs for c in found))
    return accuracy_of(pruned, part, "agent"), left


def agent(
    model: Model, data: Dataset, *, folder: str | os.PathLike[str] | None = None,
    progress: bool = True, **how: Any,
) -> Result:  # fmt: skip
    """Train, let an agent learn by rewards which units to prune, prune, train again.

    Parameters
    ----------
    model : Model
        What training begins with; with epochs=0 it is trained.
    data : Dataset
        What it trains on; the rewards are of data.val.
    folder : path, optional
        Where the state is kept; a run that was stopped resumes there with the same bits.
    progress : bool
        Whether to show progress.
    **how : Any
        The parameters of `mp.methods.Agent`, and what `mp.fit` takes.

    Returns
    -------
    Result
        .history["search"].extra holds rewards and policy; .report["policy"] a row for each layer.

    Raises
    ------
    ArgumentError
        As `mp.methods.Agent` does, and for an argument that is not known.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> model = mp.zoo.mlp(data, hidden=(16,))
    >>> how = {"episodes": 20, "epochs": 2, "retrain_epochs": 1, "progress": False}
    >>> found = mp.methods.agent(model, data, sparsity=0.5, **how)
    >>> found.report["policy"][0]["kept"], len(found.history["search"].extra["reward"])
    (8, 20)
    """
    return run(Agent, model, data, how, folder, progress)
