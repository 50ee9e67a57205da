"""MINPRUNE_KERNELS=numpy|numba chooses the implementation, once, at the first kernel call."""

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from minprune.errors import ArgumentError, MissingError

found: dict[str, Callable[..., Any]] = {}  # by kernel: the function that computes


def find(name: str, homes: tuple[str, str]) -> Callable[..., Any]:
    """The function that computes the kernel `name`; homes: the files of its twin and its loop"""
    module = import_module(f"minprune.kernels.{homes[backend() == 'numba']}")
    found[name] = function = getattr(module, name)
    return function  # type: ignore[no-any-return]


@cache
def backend() -> str:
    """'numba' or 'numpy': which implementation computes.

    Raises ArgumentError for another value of MINPRUNE_KERNELS, MissingError for 'numba' without it.
    """
    return chosen(os.environ.get("MINPRUNE_KERNELS"))


def chosen(wanted: str | None) -> str:
    """The implementation called `wanted`; None: Numba's if it can be imported, else NumPy's."""
    if wanted not in (None, "numpy", "numba"):
        raise ArgumentError(
            f"MINPRUNE_KERNELS must be 'numpy' or 'numba', not {wanted!r}; "
            f"set one of them, or unset it"
        )
    if wanted == "numpy":
        return "numpy"
    try:
        import_module("minprune.kernels.compile_jit")
    except ImportError as error:
        if wanted == "numba":
            raise MissingError(
                f"MINPRUNE_KERNELS is 'numba', but Numba cannot be imported ({error}); "
                f"install it with `pip install numba`, or set MINPRUNE_KERNELS=numpy"
            ) from error
        return "numpy"
    return "numba"
