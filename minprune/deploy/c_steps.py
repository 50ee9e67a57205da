"""Each step in C: a rule (step, writing) -> Calls for each class of steps.

A step without a rule is refused by its layer's name. Rules of other steps register themselves:
@in_c.register.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from math import prod
from string import Template
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.deploy import c_products as products
from minprune.deploy.c_convolve import convolve
from minprune.deploy.c_numbers import C_TYPES, Numbers, listed
from minprune.deploy.places import Encoding
from minprune.deploy.steps import Step
from minprune.errors import ArgumentError

WINDOWS = """\
static void ${prefix}_$name(const $kind *x, $kind *y, size_t channels$params)
{
    int32_t i, j, a, b;
    size_t c;
    for (c = 0; c < channels; c++, x += $plane)
        for (i = $top; i < $high; i += $down)
            for (j = $left; j < $wide; j += $across) {
                $total t = $start;
                for (a = $first; a < $last; a++)
                    for (b = $near; b < $far; b++) {
                        const $total v = x[a * $width + b];
                        $each
                    }
                *y++ = $finish;
            }
}
"""
FEWEST = 4  # entries of an array: loops that take 4 at a time, or none, make gcc warn of fewer
Y, SCRATCH = "$y", "$scratch"  # what a step makes, and its memory for work, in the text of a call


def x(k: int = 0) -> str:
    """What a step reads, in the text of a call"""
    return f"$x{k}"


@dataclass(frozen=True)
class Calls:
    """lines: calls of C functions, with x(0), x(1), ..., Y and SCRATCH as arguments

    out: the C type of the value; scratch: its type and entries; view: nothing is done.
    """

    lines: tuple[str, ...]
    out: str = "float"
    scratch: tuple[str, int] = ("float", 0)
    view: bool = False


@dataclass
class Writing:
    """The C file so far: kernels and constants, each once; chosen: how weights are stored"""

    prefix: str
    choose: Callable[[Any, bool], tuple[str, Encoding]]
    shapes: tuple[tuple[int, ...], ...] = ()  # of the values of the program
    constants: dict[str, str] = field(default_factory=dict)  # {declared name: text}
    kernels: dict[str, str] = field(default_factory=dict)  # {text: ""}, an ordered set
    types: tuple[str, ...] = ("float",)  # of the values so far, by number
    stored: list[dict[str, Any]] = field(default_factory=list)  # for each layer with a weight
    nbytes: int = 0

    def kernel(self, text: str) -> None:
        """A function or type of the file, written once."""
        self.kernels.setdefault(text, "")

    def function(self, template: str, **at: Any) -> None:
        """The same, of a template with $prefix."""
        self.kernel(Template(template).substitute(prefix=self.prefix, **at))

    def array(self, name: str, a: Array) -> str:
        """The name of a constant array."""
        ctype = C_TYPES[a.dtype.name]
        if a.size < FEWEST:
            a = np.concatenate([a.ravel(), np.zeros(FEWEST - a.size, a.dtype)])
        return self.constant(ctype, name, f"[{a.size}]", f"{{\n{listed(a)}\n}}", a.nbytes)

    def constant(self, ctype: str, name: str, shape: str, value: str, nbytes: int) -> str:
        """The name of a constant; one of the same text is written once."""
        declared = f"static {self.prefix.upper()}_CONST {ctype} {{}}{shape} = {value};"
        if declared not in self.constants:
            self.constants[declared] = f"{self.prefix}_{name}"
            self.nbytes += nbytes
        return self.constants[declared]


@singledispatch
def in_c(step: Step, w: Writing) -> Calls:
    """The step in C."""
    raise ArgumentError(
        f"export_c: {step.name}: a {type(step).__name__} step must have a form in C, and has none; "
        f"register one with minprune.deploy.c_steps.in_c"
    )


def weighted(
    step: Any, w: Writing, numbers: Numbers, bias: Array, also: tuple[str, ...] = (),
    window: Any = None,
) -> Calls:  # fmt: skip
    """y = W x + b or w * x + b, stored as w.choose says      also: arguments for numbers.params"""
    kind, stored = w.choose(step, window is not None)
    name = f"l{len(w.stored) + 1}"
    w.stored.append({"layer": step.name, "format": kind, "stored": int(stored.values.size),
                     "bytes": stored.nbytes + bias.nbytes})  # fmt: skip
    types = products.stored_types(stored)
    arrays = [w.array(f"{name}_{k}", a) for k, a in stored.arrays.items()]
    constants = [w.array(f"{name}_bias", bias), *arrays, *also]
    rows, inputs = stored.shape
    scratch = 0
    if window is None:
        made = products.linear(kind, w.prefix, types, numbers)
        sizes = [str(inputs), str(rows)] if "size_t inputs" in made.text else [str(rows)]
        if stored.by_column and not numbers.direct:
            sizes, scratch = [SCRATCH, *sizes], rows
        arguments = [x(), Y, *sizes, *constants]
    else:
        made = convolve(kind, w.prefix, types, numbers, _fixed(step, w))
        scratch = 0 if numbers.direct else prod(step.out[1:])
        arguments = [*window, x(), Y, *([SCRATCH] if scratch else []), *constants]
    for text in (*made.needs, made.text):
        w.kernel(text)
    line = f"{made.name}({', '.join(arguments)});"
    return Calls((line,), numbers.out, (numbers.total, scratch))


def window(step: Any, w: Writing, shape: tuple[int, ...]) -> tuple[str, str]:
    """The constants of a convolution: its sizes, and the places of its window"""
    (outputs, high, wide), (c, h, width) = step.out, shape
    if max(step.out[1:]) >= 2**16:
        raise ArgumentError(
            f"export_c: {step.name}: sides of its output must be at most 65,535, as C has them in "
            f"16 bits, not {max(step.out[1:])}; use shorter inputs or a larger stride"
        )
    ky, kx = step.weight.shape[2:]
    (sy, sx), (top, left, _, _), (dy, dx) = step.stride, step.padding, step.dilation
    taps = []
    for a, b in np.ndindex(ky, kx):
        t, bottom = _reach(a * dy - top, sy, h, high)
        near, right = _reach(b * dx - left, sx, width, wide)
        first = (t * sy + a * dy - top) * width + near * sx + b * dx - left
        taps.append((first if t < bottom and near < right else 0, t, bottom, near, right))
    per = c // step.groups
    sizes = (outputs, outputs // step.groups, per * ky * kx, ky * kx, per * h * width, h * width,
             high * wide, wide, sy * width, sx)  # fmt: skip
    shown = ", ".join(f"{{{', '.join(map(str, t))}}}" for t in taps)
    at, name = f"struct {w.prefix}_", f"l{len(w.stored) + 1}"
    text = f"{{{', '.join(map(str, sizes))}}}"
    return (
        "&" + w.constant(f"{at}window", f"{name}_window", "", text, 80),
        w.constant(f"{at}tap", f"{name}_taps", f"[{len(taps)}]", f"{{{shown}}}", 12 * len(taps)),
    )  # fmt: skip


def _fixed(step: Any, w: Writing) -> dict[str, int] | None:
    """The lengths of the loops of a convolution without padding"""
    width, (sy, sx), (_, high, wide) = w.shapes[step.reads[0]][2], step.stride, step.out
    if any(step.padding):
        return None
    return {"high": high, "wide": wide, "down": sy * width, "across": sx}


def _reach(first: int, stride: int, side: int, outputs: int) -> tuple[int, int]:
    """The outputs k, from and to, for which 0 <= first + k stride < side"""
    start = max(0, -(first // stride))
    stop = min(outputs, -(-(side - first) // stride)) if side > first else 0
    return min(start, max(stop, 0)), max(stop, 0)


def pooled(
    step: Any, w: Writing, kinds: tuple[str, str, str], start: str, each: str, finish: str,
    params: str = "", given: str = "",
) -> Calls:  # fmt: skip
    """A number of each window: t = start, each with v, finish of t

    kinds: what it is called, the C types of values and of t; params, given: further ones of finish
    """
    what, kind, total = kinds
    (c, h, width), (_, high, wide) = w.shapes[step.reads[0]], step.out
    (ky, kx), (sy, sx), (top, left) = step.kernel, step.stride, step.padding
    sizes = {"plane": h * width, "width": width, "down": sy, "across": sx, "top": -top,
             "left": -left, "high": high * sy - top, "wide": wide * sx - left}  # fmt: skip
    ends = {"first": "i", "last": f"i + {ky}", "near": "j", "far": f"j + {kx}"}
    if top or left:  # a window is cut at the edges
        ends = {"first": "(i < 0 ? 0 : i)", "last": f"i + {ky} && a < {h}",
                "near": "(j < 0 ? 0 : j)", "far": f"j + {kx} && b < {width}"}  # fmt: skip
    name = "_".join(map(str, [what, kind, *sizes.values(), ky, kx])).replace("-", "m")
    w.function(WINDOWS, name=name, kind=kind, total=total, start=start, each=each, finish=finish,
               params=params, **sizes, **ends)  # fmt: skip
    return Calls((f"{w.prefix}_{name}({x()}, {Y}, {c}{given});",), kind)
