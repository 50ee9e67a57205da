"""net_run.load("net.npz")(x) = model(x): a model on NumPy alone, in few bytes

    plan        text: the dtype and the shape of the input and the kinds of numbers; then a line for
                each value: what makes it, the numbers of the values that it reads (0: the input),
                and its arguments: numbers "2,3", or "2,3:f4" for the next array of that kind
    f4          the bytes of all float32 entries that are not 0: all first bytes, all second ones,
                ..., since bytes of one place deflate best together; so f8, i1, i4, i8, u1
    f4_mask     a bit for each entry of float32, by numpy.packbits: 1 where it is not 0

All of it is deflated. The arrays are in the order in which the lines need them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy import net_run
from minprune.deploy import steps as plain
from minprune.deploy.byte_steps import ByteRows, ToBytes
from minprune.deploy.program import Program, program
from minprune.deploy.quantize import Quantized
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.files.container import head_of, zipped
from minprune.nets.model import Model

RUNNER = "net_run.py"


@dataclass
class Plan:
    """Lines and arrays as they are written      value: the numbers in the plan, by the program's"""

    lines: list[str]
    arrays: dict[str, list[Array]] = field(default_factory=dict)
    value: list[int] = field(default_factory=lambda: [0])

    def add(self, op: str, reads: Sequence[int], *given: Any) -> int:
        """The number of the value of a new line      given: arrays and tuples of integers"""
        words = [self._array(a) if isinstance(a, np.ndarray) else _listed(a) for a in given]
        self.lines.append(" ".join([op, _listed(reads), *words]))
        return len(self.lines) - 1

    @property
    def dtype(self) -> str:
        """That of the inputs, and of floats"""
        return self.lines[0].split()[0]

    def _array(self, a: Array) -> str:
        kind = a.dtype.str[1:]
        self.arrays.setdefault(kind, []).append(a)
        return f"{_listed(a.shape)}:{kind}"

    def file(self) -> memoryview:
        """The .npz"""
        text = "\n".join([" ".join([self.lines[0], *self.arrays]), *self.lines[1:]])
        entries = {"plan": text.encode()}
        for kind, arrays in self.arrays.items():
            row = np.concatenate([a.ravel() for a in arrays])
            live = row != 0
            held = row[live].astype(f"<{kind}").view(np.uint8).reshape(-1, row.itemsize).T
            entries |= {f"{kind}.npy": _row(held), f"{kind}_mask.npy": _row(np.packbits(live))}
        return zipped(entries, 2**63)


def _row(a: Array) -> bytes:
    """The .npy of bytes"""
    return head_of(a.dtype, a.size) + a.tobytes()


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def export_numpy(model: Model | Quantized, path: str | os.PathLike[str]) -> dict[str, int]:
    """Write a model to a .npz file, and beside it net_run.py, which runs it on NumPy alone

    Parameters
    ----------
    model : Model or Quantized
        Any: dense, masked, sparse or compacted; or what `mp.quantize` returned, whose weights are
        stored as int8 and whose integers the runner computes exactly.
    path : path
        The file, which is replaced if it exists; net_run.py in its folder too.

    Returns
    -------
    dict
        bytes: of the .npz; weights and live: how many weights its layers have, and how many are not
        0.

    Raises
    ------
    ArgumentError
        For a layer without a form in the file, and for weights that are not finite.
    FileError
        If a file cannot be written.

    Notes
    -----
    NumPy has no sparse products: the runner makes weights dense, so a masked model takes fewer
    bytes, not less time. `mp.compact` first, if units were pruned: that saves both.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> made = mp.export_numpy(model, "net.npz")
    >>> made["weights"], made["live"]
    (20, 20)
    >>> from minprune.deploy import net_run  # elsewhere: import net_run
    >>> net = net_run.load("net.npz")
    >>> net(np.ones((1, 3))).shape
    (1, 2)
    """
    whole = model.program if isinstance(model, Quantized) else program(model, "export_numpy")
    content = file_of(whole)
    write_atomic(path, content)
    write_atomic(Path(path).parent / RUNNER, Path(net_run.__file__).read_bytes())
    mixing = [s for s in whole.steps if isinstance(s, plain.Mixing | ByteRows)]
    return {
        "bytes": len(content), "weights": sum(s.weight.size for s in mixing),
        "live": sum(int(np.count_nonzero(s.weight)) for s in mixing),
    }  # fmt: skip


def file_of(whole: Program) -> memoryview:
    """The .npz of a lowered model"""
    integers = any(isinstance(step, ToBytes) for step in whole.steps)
    dtype = "f4" if integers else whole.model.dtype.str[1:]
    plan = Plan([f"{dtype} {_listed(whole.shapes[0])}"])
    for step in whole.steps:
        plan.value.append(written(step, plan, [plan.value[r] for r in step.reads]))
    if plan.value[whole.output] != len(plan.lines) - 1:
        plan.add("view", [plan.value[whole.output]], whole.shapes[whole.output])
    return plan.file()


@singledispatch
def written(step: Any, plan: Plan, reads: list[int]) -> int:
    """Add a step to the plan, and return the number of its value there; a rule a class of steps"""
    raise ArgumentError(
        f"export_numpy: {step.name} must have a form in {RUNNER}, and a {type(step).__name__} step "
        f"has none; register one with minprune.deploy.numpy_file.written"
    )


def _acted(step: plain.Acting, plan: Plan, z: int) -> int:
    """f(z)"""
    if step.act not in ("none", *net_run.OPS):
        raise ArgumentError(
            f"export_numpy: {step.name} must have an activation that {RUNNER} knows, not "
            f"{step.act}; add it to minprune/deploy/{RUNNER}"
        )
    return z if step.act == "none" else plan.add(step.act, [z])


def of_rows(a: Array, out: Sequence[int]) -> Array:
    """A number for each channel, to meet (n, c, ...)"""
    return a.reshape(-1, *[1] * (len(out) - 1))


@written.register
def _activate(step: plain.Activate, plan: Plan, reads: list[int]) -> int:
    return _acted(step, plan, reads[0])


@written.register
def _scale(step: plain.Scale, plan: Plan, reads: list[int]) -> int:
    given = of_rows(step.scale, step.out), of_rows(step.shift, step.out)
    return _acted(step, plan, plan.add("scale", reads, *given))


@written.register
def _linear(step: plain.Linear, plan: Plan, reads: list[int]) -> int:
    return _acted(step, plan, plan.add("dense", reads, step.weight, step.bias))


@written.register
def _convolve(step: plain.Convolve, plan: Plan, reads: list[int]) -> int:
    return _acted(step, plan, convolved(step, plan, reads, 0))


def convolved(step: Any, plan: Plan, reads: list[int], fill: int) -> int:
    """The sums of a convolution whose padding is `fill`"""
    w, g = step.weight, step.groups
    arrays = w.reshape(g, len(w) // g, prod(w.shape[1:])), of_rows(step.bias, step.out)
    how = w.shape[2:], step.stride, step.padding, step.dilation, (fill,)
    return plan.add("conv", reads, *arrays, *how)


@written.register
def _largest(step: plain.Largest, plan: Plan, reads: list[int]) -> int:
    return plan.add("max", reads, step.kernel, step.stride, step.padding * 2)


@written.register
def _mean(step: plain.Mean, plan: Plan, reads: list[int]) -> int:
    dtype = plan.dtype
    total = totalled(step, plan, reads, np.zeros(1, dtype))
    return plan.add("scale", [total], np.array([1 / prod(step.kernel)], dtype), np.zeros(1, dtype))


def totalled(step: plain.Pool, plan: Plan, reads: list[int], zero: Array) -> int:
    """The sum of x - zero over each window"""
    return plan.add("total", reads, zero, step.kernel, step.stride, step.padding * 2)


@written.register
def _normalise(step: plain.Normalise, plan: Plan, reads: list[int]) -> int:
    given = of_rows(step.gamma, step.out), of_rows(step.beta, step.out)
    eps = np.array([step.eps], plan.dtype)
    return _acted(step, plan, plan.add("norm", reads, *given, eps, (step.groups,)))


@written.register
def _sum(step: plain.Sum, plan: Plan, reads: list[int]) -> int:
    return _acted(step, plan, plan.add("sum", reads))


@written.register
def _concatenate(step: plain.Concatenate, plan: Plan, reads: list[int]) -> int:
    return plan.add("cat", reads)


@written.register
def _view(step: plain.View, plan: Plan, reads: list[int]) -> int:
    return plan.add("view", reads, step.out)
