"""Whether a training of other epochs has the bits of a checkpoint so far: equal rates until there.

The file holds a digest of the rates of its updates. Those of a schedule that depends on the total,
such as cosine, differ where the epochs do; so may what a method does that reads ctx.total.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.train.fingerprint import digest
from minprune.train.method import HOOKS, Method
from minprune.train.rates import Rate


class Rates:
    """The rates of a training, for any number of epochs of so many updates."""

    def __init__(self, rate: Rate, updates: int) -> None:
        self.updates = updates
        self.all = cache(lambda total: np.array([rate(t, total) for t in range(total)], np.float64))

    def digest(self, epochs: int, done: int) -> str:
        """Of the rates of the updates done, in a training of so many epochs."""
        found: Array = self.all(epochs * self.updates)
        return digest(found[:done])


def continues(
    path: Path, theirs: dict[str, Any], epochs: int, done: int, rates: Rates, method: Method,
    patient: bool,
) -> None:  # fmt: skip
    """Raises ArgumentError unless a training of so many epochs continues the file's

    theirs: its epochs, and the digest of the rates of the updates done.
    """
    before, least = theirs["epochs"], -(-done // rates.updates)
    if epochs < least:
        raise ArgumentError(
            f"{path}: epochs must be at least {least}, which this checkpoint has begun, not "
            f"{epochs}; pass epochs={least}, or delete it to start again"
        )
    longer = f"{path}: it was made with epochs {before}, and this call has {epochs}, and"
    remedy = f"pass epochs={before}, or delete it to start again"
    if theirs["rate"] != rates.digest(epochs, done):
        if epochs == before or theirs["rate"] != rates.digest(before, done):
            raise ArgumentError(
                f"{path}: it was made with another value of rate; pass the same, or delete it to "
                f"start again"
            )
        raise ArgumentError(
            f"{longer} the rate of the updates done depends on that, as mp.rates.cosine's does; "
            f"{remedy}"
        )
    for part in method.parts if epochs != before else ():
        name = type(part).__name__
        if part.reads_total or (patient and part.uses("settled")):
            raise ArgumentError(f"{longer} what {name} does depends on that; {remedy}")
        if part.reads_total is None and any(map(part.uses, HOOKS)):
            raise ArgumentError(
                f"{longer} {name} does not say whether it depends on that; set reads_total = False "
                f"in the class if it does not, or {remedy}"
            )
