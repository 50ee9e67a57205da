"""Which layer gave the first value that is not finite: what an error about NaN has to say."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minprune.autograd import Value, value
from minprune.core import Array
from minprune.nets.forward import Instead, run
from minprune.nets.layer import ForwardContext
from minprune.nets.net import Net


def not_finite(a: Array) -> int:
    """How many entries of a are NaN or infinite."""
    return a.size - int(np.count_nonzero(np.isfinite(a)))


def blame(
    net: Net, p: Mapping[str, Any], x: Array, how: ForwardContext | None = None,
    instead: Instead | None = None,
) -> str:  # fmt: skip
    """ "layer conv2 gave 3 of 100 values that are not finite": the first one, in net order

    p: parameters and buffers by full name, x: a batch, batch-last; see `run`.
    """
    if not_finite(x):
        return f"the input has {not_finite(x)} of {x.size} values that are not finite"
    found: list[str] = []

    def watch(name: str, out: Value) -> None:
        bad = not_finite(value(out))
        if bad and not found:
            total = value(out).size
            found.append(f"layer {name} gave {bad} of {total} values that are not finite")

    with np.errstate(all="ignore"):
        run(net, {k: value(v) for k, v in p.items()}, x, how, watch, instead)
    return found[0] if found else "all layers gave finite values, the loss overflowed"
