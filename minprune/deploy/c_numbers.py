"""Numbers in C: the types that a kernel computes with, and arrays of constants as text."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minprune.core import Array


@dataclass(frozen=True)
class Numbers:
    """The C types of a layer with weights: y[r] = finish(total = bias[r] + sum of w x)

    finish: an expression in {sum}, the total of row r; params: further parameters of a kernel,
    which finish may read. padded: a convolution multiplies x - into, so that padding is 0; bias is
    then without into.
    """

    tag: str
    weight: str
    value: str
    total: str
    out: str
    params: str = ""
    finish: str = "{sum}"
    padded: bool = False

    @property
    def direct(self) -> bool:
        """Whether totals are added up in y itself."""
        return self.out == self.total

    def last(self, sums: str, y: str, k: str, n: str) -> str:
        """The loop over k < n that makes y of the totals, or nothing"""
        done = self.finish.format(sum=f"{sums}[{k}]")
        at = y if not self.direct else f"{sums}[{k}]"
        return "" if at == done else f"for ({k} = 0; {k} < {n}; {k}++) {at} = {done};\n"


C_TYPES = {
    "float32": "float", "int8": "int8_t", "uint8": "uint8_t", "uint16": "uint16_t",
    "uint32": "uint32_t", "int32": "int32_t",
}  # fmt: skip
SIZES = {c: np.dtype(name).itemsize for name, c in C_TYPES.items()}


def literal(v: np.float32) -> str:
    """A float32 in the fewest decimals that mean it

    >>> import numpy as np
    >>> from minprune.deploy.c_numbers import literal
    >>> literal(np.float32(0.1)), literal(np.float32(1e-9)), literal(np.float32(-2))
    ('0.1f', '1e-09f', '-2.0f')
    """
    return f"{v!s}f"


def listed(a: Array) -> str:
    """The entries of an array as the inside of a C initialiser, in lines of 100 characters"""
    shown: Iterable[str] = map(literal, a.ravel()) if a.dtype == np.float32 else map(
        str, a.ravel().tolist())  # fmt: skip
    return textwrap.fill(", ".join(shown), 100, break_long_words=False, break_on_hyphens=False)
