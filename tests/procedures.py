"""Every procedure around training, on a small net: a row gets all laws of test_procedures.py."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from watching import small_data

import minprune as mp
from benchmarks._plans import digest
from minprune.methods import Result

DATA = small_data()
NEW = mp.Dataset(*((x, y % 2) for x, y in (DATA.train, DATA.val, DATA.test)))
NET = mp.build(DATA.input_shape, [
    ("flat", mp.Flatten()), ("fc1", mp.Dense(20, 6)), ("relu1", mp.ReLU()),
    ("drop", mp.Dropout(0.2)), ("fc2", mp.Dense(6, 5)), ("relu2", mp.ReLU()),
    ("fc3", mp.Dense(5, DATA.outputs)),
])  # fmt: skip
HOW: dict[str, Any] = {
    "batch_size": 4, "optimizer": mp.SGD(0.1, momentum=0.9), "rate": mp.rates.step(4, 0.5),
    "progress": False,
}  # fmt: skip
UPDATES = 3  # of an epoch


def net(seed: int = 0) -> mp.Model:
    return mp.initialise(NET, seed=seed, dtype=np.float64)


def iterative(**how: Any) -> Result:
    return mp.methods.iterative(net(), DATA, **{**HOW, "epochs": 2, "sparsity": 0.75, **how})


def at_init(**how: Any) -> Result:
    return mp.methods.at_init(net(), DATA, **{**HOW, "epochs": 2, **how})


def lottery_ticket(**how: Any) -> Result:
    train = {k: v for k, v in HOW.items() if k != "progress"}
    usual = {"train": train, "epochs": 2, "look": 2, "progress": False}
    return mp.methods.lottery_ticket(net(), DATA, **{**usual, **how})


def rewind_on_plateau(**how: Any) -> Result:
    usual = {**HOW, "optimizer": mp.SGD(1.0, momentum=0.9), "epochs": 12, "patience": 1, "times": 2}
    return mp.methods.rewind_on_plateau(net(), DATA, **{**usual, **how})


def transfer(**how: Any) -> Result:
    usual = {**HOW, "epochs": 2, "sparsity": 0.5, "old": DATA}
    return mp.methods.transfer(net(), NEW, **{**usual, **how})


def sequence(**how: Any) -> Result:
    half = partial(mp.schedule.cubic, final=0.75, span=3)
    stages = how.pop("stages", None) or [
        mp.methods.AtInit(sparsity=0.5, criterion="snip", epochs=1),
        mp.methods.Gradual(half),
        mp.methods.Iterative(sparsity=0.8, epochs=2, retrain="weight_rewind", rewind_to=2),
        mp.compact,
    ]
    return mp.methods.sequence(net(), DATA, stages, **{**HOW, "epochs": 2, **how})


def scratch_against_joint(**how: Any) -> Result:
    usual = {**HOW, "epochs": 2, "sparsity": 0.6, "seeds": 2}
    return mp.methods.scratch_against_joint(net(), DATA, **{**usual, **how})


def narrow(share: float) -> mp.Model:
    return mp.zoo.mlp(DATA, hidden=(max(1, round(12 * share)),))


def large_sparse(**how: Any) -> Result:
    usual = {**HOW, "epochs": 2, "sparsity": 0.5, "seeds": 2, "small": narrow}
    return mp.methods.large_sparse(narrow(1.0), DATA, **{**usual, **how})


Call = Callable[..., Result]  # (folder=) and settings
PROCEDURES: dict[str, Call] = {
    "at_init, tries": partial(
        at_init, criterion="random", sparsity=0.5, tries=2, new_weights=True
    ),
    "iterative, finetune": partial(iterative, rounds=2, retrain_epochs=1),
    "iterative, weight_rewind": partial(iterative, rounds=2, retrain="weight_rewind", rewind_to=4),
    "iterative, lr_rewind": partial(
        iterative, rounds=2, retrain="lr_rewind", rewind_to_epoch=1, optimizer=mp.Adam(0.01)
    ),
    "iterative, scratch": partial(iterative, retrain="scratch", method=mp.methods.L1(0.01)),
    "iterative, reinit": partial(iterative, retrain="reinit", unit=True, sparsity=0.5),
    "lottery_ticket": partial(lottery_ticket, rounds=2, rewind_to=2, method=mp.methods.L1(0.01)),
    "lottery_ticket, seeds": partial(lottery_ticket, rounds=1, controls=["reinit"], seeds=2),
    "rewind_on_plateau, weights": rewind_on_plateau,
    "rewind_on_plateau, rate": partial(rewind_on_plateau, back="rate"),
    "transfer": transfer,
    "transfer, weights": partial(transfer, unit=False, criterion="magnitude", old=None),
    "sequence": sequence,
    "scratch_against_joint": scratch_against_joint,
    "large_sparse": large_sparse,
}  # fmt: skip
NULL: dict[str, Call] = {  # settings at which the model is that of plain training for 2 epochs
    "at_init": partial(at_init, sparsity=0.0),
    "rewind_on_plateau": partial(rewind_on_plateau, epochs=2, times=0, patience=3,
                                 optimizer=HOW["optimizer"]),
    "iterative, no rounds": partial(iterative, rounds=0, retrain="weight_rewind", rewind_to=4),
    "iterative, weight_rewind": partial(
        iterative, sparsity=0.0, rounds=2, retrain="weight_rewind", rewind_to=4
    ),
    "iterative, scratch": partial(iterative, sparsity=0.0, retrain="scratch"),
    "sequence, of training": partial(sequence, stages=[mp.methods.Fit(epochs=2, train={
        k: v for k, v in HOW.items() if k != "progress"})]),
    "lottery_ticket, no rounds": partial(lottery_ticket, rounds=0),
    "lottery_ticket, rates of 0": partial(
        lottery_ticket, rate=0.0, output_rate=0.0, rounds=2, rewind_to=3, controls=()
    ),
}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({name: digest(call()) for name, call in PROCEDURES.items()}))
