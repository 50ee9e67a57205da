"""lr_t = lr * rate(t, total): schedules of the learning rate, pure functions of t = 0, 1, ...

All raise ArgumentError for arguments that would turn a rate negative, or are no numbers.
"""

import math
from collections.abc import Callable

from minprune.train.optim import within

Rate = Callable[[int, int], float]  # (t, total updates) -> factor of the learning rate


def constant() -> Rate:
    """1"""
    return lambda t, total: 1.0


def step(every: int, factor: float = 0.1) -> Rate:
    """factor^floor(t / every)      every: updates, at least 1"""
    within("step", "every", every, 1)
    within("step", "factor", factor, 0)
    return lambda t, total: float(factor ** (t // every))


def cosine(floor: float = 0.0) -> Rate:
    """floor + (1 - floor) (1 + cos(pi t / total)) / 2      Loshchilov & Hutter (2017)"""
    within("cosine", "floor", floor, 0)
    return lambda t, total: (
        floor + (1 - floor) * (1 + math.cos(math.pi * min(t, total) / max(total, 1))) / 2
    )


def warmup(updates: int, then: Rate | None = None) -> Rate:
    """(t + 1) / updates for t < updates, then `then` on what is left (constant unless given)"""
    within("warmup", "updates", updates, 1)
    after = then or constant()
    return lambda t, total: (
        (t + 1) / updates if t < updates else after(t - updates, max(total - updates, 1))
    )
