"""What `fit` begins with, checked: what can be refused is refused before the first update."""

from collections.abc import Iterable
from numbers import Real
from typing import NamedTuple

from minprune.arguments import choice, count, instance
from minprune.core import Array, Dataset, Seed
from minprune.errors import ArgumentError
from minprune.nets.model import Model, checked_input, checked_targets, is_model
from minprune.nets.names import listed
from minprune.nets.net import Net
from minprune.train.freezing import frozen
from minprune.train.method import Method
from minprune.train.optim import Adam, Optimizer
from minprune.train.rates import Rate, constant
from minprune.train.step import Training


class Ready(NamedTuple):
    """Inputs and targets, the state before the first update, and how many there are an epoch."""

    x: Array
    y: Array
    state: Training
    updates: int


def ready(
    model: Model, data: Dataset, *, epochs: int, seed: Seed = 0, batch_size: int = 64,
    drop_last: bool = False, optimizer: Optimizer | None = None, rate: Rate | None = None,
    method: Method | None = None, patience: int | None = None, every: int | None = None,
    freeze: str | Iterable[str] = (), done: int = 0,
) -> Ready:  # fmt: skip
    """The arguments of `fit`, checked together, and its method begun, after `done` updates"""
    optimizer = Adam() if optimizer is None else optimizer
    rate, method = constant() if rate is None else rate, Method() if method is None else method
    is_model(model, "fit")
    instance("fit", "data", data, Dataset, "mp.Dataset(train, val, test)")
    instance("fit", "optimizer", optimizer, Optimizer, "mp.SGD(0.1)")
    instance("fit", "method", method, Method, "mp.methods.L1(1e-4), with its brackets")
    count("fit", "epochs", epochs, 0)
    count("fit", "batch_size", batch_size)
    choice("fit", "drop_last", drop_last, (False, True))
    count("fit", "patience", 1 if patience is None else patience)
    count("fit", "every", 1 if every is None else every)
    x = checked_input(model.net, data.train[0])
    if not len(x) or (patience is not None and not len(data.val[0])):
        part, when = ("val", f" where patience is {patience}") if len(x) else ("train", "")
        raise ArgumentError(
            f"fit: data.{part} must hold samples{when}, not none; pass a pair (x, y)"
        )
    y = checked_targets(model.net, data.train[1], "fit: data.train")
    checked_targets(model.net, data.val[1], "fit: data.val")
    still = frozen(model.net, freeze := listed(freeze)).layers
    updates = updates_of(model.net, len(x), batch_size, drop_last, still)
    total = epochs * updates
    factor, found = called(rate, 0, total) if total else (1.0, "")
    if factor is None:
        raise ArgumentError(
            f"fit: rate(0, {total}) must be a number, the factor of the learning rate, not {found};"
            f" pass mp.rates.cosine(), with its brackets, or a function of (t, total)"
        )
    state = Training(
        model, optimizer, rate, method, seed, len(x), batch_size, total, freeze, updates, done
    )
    return Ready(x, y, state, updates)


def updates_of(
    net: Net, n: int, batch_size: int, drop_last: bool, still: frozenset[str] = frozenset()
) -> int:
    """The updates of an epoch; raises ArgumentError where a batch would be too small

    still: the layers that run in evaluation mode, which takes any batch.
    """
    if drop_last:
        if n < batch_size:
            raise ArgumentError(
                f"fit: batch_size must be at most {n}, the number of samples, where drop_last is "
                f"True, not {batch_size}; pass a smaller one"
            )
        return n // batch_size
    last = n % batch_size or min(n, batch_size)
    for node in (node for node in net.nodes if node.name not in still):
        if last < node.layer.least_batch(net.shapes[node.name]):
            raise ArgumentError(
                f"fit: {node.name}: a batch must have at least "
                f"{node.layer.least_batch(net.shapes[node.name])} samples, and the last one of "
                f"{n} in batches of {batch_size} has {last}; pass another batch_size, or "
                f"drop_last=True"
            )
    return -(-n // batch_size)


def called(fn: object, *args: int) -> tuple[float | None, str]:
    """(fn(*args), its repr), for messages; None where it is no number, or calling it fails"""
    try:
        found = fn(*args)  # type: ignore[operator]
    except TypeError as e:
        return None, f"an error ({e})"
    number = isinstance(found, Real) and not isinstance(found, bool)
    return float(found) if number else None, repr(found)
