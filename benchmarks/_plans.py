"""state(killed, resumed) = state(whole): every plan around training as a job of `resilience`."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks._jobs import Job, everything
from minprune.files import write_atomic
from minprune.jobs.job import as_json
from minprune.methods.plans import Procedure, result
from minprune.train.plan import run_plan

m = mp.methods
USUAL: dict[str, Any] = {
    "epochs": 3, "train": {
        "batch_size": 16, "optimizer": mp.SGD(0.1, momentum=0.9), "rate": mp.rates.step(40, 0.5),
        "every": 3,
    },
}  # fmt: skip
ROUNDS: dict[str, Any] = {**USUAL, "sparsity": 0.8, "rounds": 2}


def digits() -> mp.Dataset:
    """Six hundred of them for training."""
    data = mp.data.digits()
    return mp.Dataset(*((x[:600], y[:600]) for x, y in (data.train, data.val, data.test)))


def net(share: float = 1.0) -> mp.Model:
    return mp.zoo.mlp(((1, 8, 8), 10), (max(1, round(24 * share)), 12))


def plans() -> dict[str, Procedure]:
    """{name, and what it tries: plan}; each name of `mp.methods.PLANS` and each retraining."""
    data = digits()
    return {
        "agent, layer": m.Agent(**USUAL, episodes=120, sparsity=0.5),
        "agent, unit": m.Agent(**USUAL, episodes=120, by="unit"),
        "at_init, tries": m.AtInit(**USUAL, criterion="random", sparsity=0.5, tries=2),
        "iterative, finetune": m.Iterative(**ROUNDS),
        "iterative, lr_rewind": m.Iterative(**ROUNDS, retrain="lr_rewind", rewind_to_epoch=1),
        "iterative, weight_rewind": m.Iterative(**ROUNDS, retrain="weight_rewind", rewind_to=7),
        "iterative, scratch": m.Iterative(**ROUNDS, retrain="scratch"),
        "iterative, reinit": m.Iterative(**ROUNDS, retrain="reinit", unit=True),
        "iterative, distil": m.Iterative(**ROUNDS, retrain="distil"),
        "large_sparse": m.LargeSparse(**USUAL, sparsity=0.5, seeds=2, small=net),
        "lottery_ticket": m.LotteryTicket(**USUAL, rounds=2, rewind_to=5, look=4),
        "rewind_on_plateau, weights": m.RewindOnPlateau(**USUAL | {"epochs": 9}, patience=1),
        "rewind_on_plateau, rate": m.RewindOnPlateau(
            **USUAL | {"epochs": 9}, patience=1, back="rate"
        ),
        "scratch_against_joint": m.ScratchAgainstJoint(**USUAL, sparsity=0.6, seeds=2),
        "sequence": m.Stages(**USUAL, stages=[
            m.AtInit(sparsity=0.3, criterion="snip", epochs=1),
            m.Gradual(partial(mp.schedule.cubic, initial=0.3, final=0.6, span=80)),
            m.Iterative(sparsity=0.8, epochs=2, retrain="weight_rewind", rewind_to=2), mp.compact,
        ]),
        "transfer": m.Transfer(**USUAL, sparsity=0.5, old=data),
        "transfer, weights": m.Transfer(**USUAL, sparsity=0.8, unit=False, criterion="magnitude"),
    }  # fmt: skip


def worked(plan: Procedure) -> Callable[[Path], None]:
    """The plan in a folder; what it gave stands beside it."""

    def work(out: Path) -> None:
        done = run_plan(plan, digits(), out / "checkpoint", False, {"start": net()})
        found = result(done)
        mp.save(found.model, out / "model.npz")
        write_atomic(out / "result.json", as_json({"rounds": found.rounds, "all": digest(found)}))

    return work


def jobs() -> dict[str, Job]:
    return {name: Job(name, worked(plan), everything) for name, plan in plans().items()}


def digest(found: m.Result) -> str:
    """Of all that a procedure gives, but for the seconds."""
    sha = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, np.ndarray):
            sha.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
        elif isinstance(value, mp.Model):
            take({"params": value.params, "buffers": value.buffers, "masks": value.masks})
        elif isinstance(value, mp.History):
            take({"steps": value.steps, "epochs": value.epochs, "extra": value.extra})
        elif isinstance(value, dict):
            for key in sorted(value):
                sha.update(key.encode())
                if key != "seconds":
                    take(value[key])
        elif isinstance(value, list | tuple):
            for each in value:
                take(each)
        else:
            sha.update(repr(value).encode())

    take(vars(found) | {"seconds": sorted(found.seconds)})
    return sha.hexdigest()
