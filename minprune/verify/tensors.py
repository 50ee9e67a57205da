"""Functions of torch tensors as functions of arrays. torch is found when one is called."""

from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import MissingError


def torch_module() -> Any:
    """torch; raises MissingError without it."""
    try:
        return import_module("torch")
    except ModuleNotFoundError as absent:
        if str(absent.name).partition(".")[0] != "torch":
            raise
        raise MissingError(
            "torch is not installed, and functions of tensors need it; run pip install torch"
        ) from absent


def tensor(a: Array) -> Any:
    """A tensor of the same numbers and dtype, over the same memory where torch can."""
    torch = torch_module()
    if any(step < 0 for step in a.strides) or not a.flags.writeable:
        a = a.copy()
    return torch.from_numpy(a)


def array(t: Any) -> Array:
    """A tensor as an array, without its history."""
    return np.asarray(t.detach().cpu().resolve_conj().resolve_neg().numpy())


def array_if_dense(t: Any) -> Any:
    """The array of a tensor; one of a sparse layout stays a tensor."""
    return array(t) if t.layout == torch_module().strided else t


def each(value: Any, kind: type, how: Callable[[Any], Any]) -> Any:
    """The value with how(part) for every part of that kind in its dicts, lists and tuples."""
    if isinstance(value, kind):
        return how(value)
    if isinstance(value, Mapping):
        return {k: each(v, kind, how) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(each(v, kind, how) for v in value))
    if isinstance(value, tuple | list):
        return type(value)(each(v, kind, how) for v in value)
    return value


def on_tensors(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of torch tensors as one of arrays, for every check of mp.verify.

    Arrays become tensors of the same dtype (float64 for most laws) over the same memory, so that a
    change in place is seen; tensors that come back are detached and become arrays. Numbers, text,
    generators and nets pass as they are.

    Parameters
    ----------
    fn : callable
        It takes and returns tensors, or dicts, lists and tuples of them.

    Returns
    -------
    callable
        The same of arrays, with the names of fn's parameters. Its call raises MissingError where
        torch is not installed.

    Examples
    --------
    >>> import minprune as mp
    >>> def squares(weights):
    ...     return {name: w**2 for name, w in weights.items()}
    >>> mine = mp.verify.on_tensors(squares)  # mp.verify.check_criterion(mine) gives it tensors
    >>> mine.__name__
    'squares'
    """

    @wraps(fn)
    def of_arrays(*args: Any, **named: Any) -> Any:
        torch = torch_module()
        args, named = each((args, named), np.ndarray, tensor)
        return each(fn(*args, **named), torch.Tensor, array_if_dense)

    return of_arrays
