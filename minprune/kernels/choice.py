"""MINPRUNE_KERNELS=numpy|numba chooses the implementation, once, at the first kernel call."""

import os
from importlib import import_module
from types import ModuleType

from minprune.errors import ArgumentError, MissingError

_impl: ModuleType | None = None
_sparse: ModuleType | None = None


def impl() -> ModuleType:
    """The module that computes: dense_jit or dense_ref."""
    global _impl
    if _impl is None:
        _impl = load(os.environ.get("MINPRUNE_KERNELS"))
    return _impl


def sparse_impl() -> ModuleType:
    """The same for the sparse kernels: sparse_jit or sparse_ref, loaded when first needed."""
    global _sparse
    if _sparse is None:
        _sparse = import_module(f"minprune.kernels.sparse_{impl().__name__.rsplit('_')[-1]}")
    return _sparse


def load(wanted: str | None) -> ModuleType:
    """The implementation called `wanted`; None: Numba's where it imports, else NumPy's."""
    if wanted not in (None, "numpy", "numba"):
        raise ArgumentError(
            f"MINPRUNE_KERNELS is {wanted!r}, expected 'numpy' or 'numba'; "
            f"set one of them, or unset it"
        )
    if wanted != "numpy":
        try:
            from minprune.kernels import dense_jit

            return dense_jit
        except ImportError as error:
            if wanted == "numba":
                raise MissingError(
                    f"MINPRUNE_KERNELS is 'numba' but Numba does not import ({error}); "
                    f"install it with `pip install numba`, or set MINPRUNE_KERNELS=numpy"
                ) from error
    from minprune.kernels import dense_ref

    return dense_ref


def backend() -> str:
    """'numba' or 'numpy': which implementation computes.

    Raises ArgumentError for another value of MINPRUNE_KERNELS, MissingError for 'numba' without it.
    """
    return "numpy" if impl().__name__.endswith("_ref") else "numba"
