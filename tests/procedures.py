"""Every procedure around training, on a small net: a row gets all laws of test_procedures.py."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from watching import small_data

import minprune as mp
from minprune.methods import Result

DATA = small_data()
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


Call = Callable[..., Result]  # (folder=) and settings
PROCEDURES: dict[str, Call] = {
    "at_init, tries": partial(at_init, criterion="random", sparsity=0.5, tries=2),
    "iterative, finetune": partial(iterative, rounds=2, retrain_epochs=1),
    "iterative, weight_rewind": partial(iterative, rounds=2, retrain="weight_rewind", rewind_to=4),
    "iterative, lr_rewind": partial(
        iterative, rounds=2, retrain="lr_rewind", rewind_to_epoch=1, optimizer=mp.Adam(0.01)
    ),
    "iterative, scratch": partial(iterative, retrain="scratch", method=mp.methods.L1(0.01)),
    "iterative, reinit": partial(iterative, retrain="reinit", unit=True, sparsity=0.5),
    "lottery_ticket": partial(lottery_ticket, rounds=2, rewind_to=2, method=mp.methods.L1(0.01)),
}  # fmt: skip
NULL: dict[str, Call] = {  # settings at which the model is that of plain training for 2 epochs
    "at_init": partial(at_init, sparsity=0.0),
    "iterative, no rounds": partial(iterative, rounds=0, retrain="weight_rewind", rewind_to=4),
    "iterative, weight_rewind": partial(
        iterative, sparsity=0.0, rounds=2, retrain="weight_rewind", rewind_to=4
    ),
    "iterative, scratch": partial(iterative, sparsity=0.0, retrain="scratch"),
    "lottery_ticket, no rounds": partial(lottery_ticket, rounds=0),
    "lottery_ticket, rates of 0": partial(
        lottery_ticket, rate=0.0, output_rate=0.0, rounds=2, rewind_to=3, controls=()
    ),
}  # fmt: skip


def digest(found: Result) -> str:
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


if __name__ == "__main__":
    print(json.dumps({name: digest(call()) for name, call in PROCEDURES.items()}))
