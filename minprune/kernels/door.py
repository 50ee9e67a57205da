"""The door to the kernels: one mechanism that every declaration of signatures.py goes through.

MINPRUNE_KERNELS=numpy|numba chooses the implementation, once, at the first kernel call.

A call 1. copies floats that are read-only or not contiguous, so that Numba compiles once for each
dtype; 2. checks shapes, dtypes and options; 3. checks values where a rule says so; 4. allocates the
results and calls the implementation with all arguments and the results behind them. What step 2
finds is kept as a plan, by these shapes, dtypes and options: the next such call is one look-up.

Small nets are limited by the Python between two kernels, so these steps are written out as a
function of their own for each kernel, as dataclasses does it: print `source(...)` to read one.
"""

import os
from collections.abc import Callable
from functools import cache, update_wrapper
from importlib import import_module
from typing import Any, NamedTuple, NoReturn, ParamSpec, TypeVar

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, MissingError, ShapeError
from minprune.kernels import replay, shapes
from minprune.kernels.shapes import FLOATS, KINDS, TUPLES, Argument, Result, Sizes, filled, written
from minprune.kernels.workspace import empty

P = ParamSpec("P")
R = TypeVar("R")
Rule = Callable[[str, dict[str, Any], Sizes], None]  # of shapes: kernel, arguments, sizes so far
Shapes = list[tuple[tuple[int, ...], Any]]  # (shape, dtype) of each result
Plan = tuple[Sizes, Shapes]
MOST = 4096  # plans that a kernel keeps
KERNELS: dict[str, Callable[..., Any]] = {}  # all that are declared, by name
found: dict[str, Callable[..., Any]] = {}  # by kernel: the function that computes


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
            f"MINPRUNE_KERNELS must be 'numpy' or 'numba', not {wanted!r}; set one, or unset it"
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


def find(name: str, homes: tuple[str, str]) -> Callable[..., Any]:
    """The function that computes the kernel `name`; homes: the files of its twin and its loop"""
    module = import_module(f"minprune.kernels.{homes[backend() == 'numba']}")
    found[name] = function = getattr(module, name)
    return function  # type: ignore[no-any-return]


class Check(NamedTuple):
    """check(kernel, sizes, *arguments) of each call -> those arguments, or what replaces them"""

    arguments: tuple[str, ...]
    check: Callable[..., Any]


class Signature:
    """What the door knows of one kernel, read from its declaration"""

    def __init__(
        self, name: str, params: tuple[str, ...], text: str, rules: tuple[Rule, ...],
        checks: tuple[Check, ...],
    ) -> None:  # fmt: skip
        self.name, self.params, self.rules, self.checks = name, params, rules, checks
        self.arguments: list[Argument]
        self.results: list[Result]
        self.arguments, self.results = shapes.parsed(text)
        self.plans: dict[Any, Plan] = {}

    def contiguous(self, name: str, x: Array) -> Array:
        """A C-contiguous, aligned, writable copy; ArgumentError if x changes in place."""
        if any(a.name == name and a.kind == "changed" for a in self.arguments):
            raise ArgumentError(
                f"{self.name}: {name} must be writable and contiguous, since it changes in place; "
                f"pass {name}.copy() and keep that"
            )
        copy = empty(x.shape, x.dtype)
        copy[...] = x
        return copy

    def outside(self, name: str, x: Array, most: int) -> NoReturn:
        """Raises ArgumentError: an entry of x is not from 0 to most - 1."""
        bad = int(np.argmax((x < 0) | (x >= most)))
        raise ArgumentError(
            f"{self.name}: {name}[{bad}] must be from 0 to {most - 1}, not {x[bad]}; count from 0"
        )

    def plan(self, *args: Any) -> Plan:
        """The check of shapes, dtypes and options"""
        given, sizes = dict(zip(self.params, args, strict=True)), Sizes()
        seen: list[tuple[Argument, tuple[int, ...]]] = []
        first: tuple[str, Any] | None = None
        for a in self.arguments:
            x = given[a.name]
            if a.kind == "option" or (x is None and a.optional):
                continue
            if a.kind in TUPLES:
                shapes.check_sizes(self.name, a, x)
            else:
                shapes.check_array(self.name, a, x, first)
                if first is None and KINDS[a.kind].dtypes is FLOATS:
                    first = a.name, x.dtype
            seen.append((a, x[: len(a.dims)] if a.kind in TUPLES else x.shape))
            if not shapes.bind(a.dims, seen[-1][1], sizes):
                raise ShapeError(
                    f"{self.name}: {a.name} must have the shape {written(a.dims)}, not {x.shape}; "
                    f"reshape it, with the batch as the last axis of activations"
                )
        for rule in self.rules:
            rule(self.name, given, sizes)
        for a, shape in seen:
            expected = filled(a.dims, sizes)
            if shape != expected:
                raise ShapeError(
                    f"{self.name}: {a.name} must have the shape {written(a.dims)} = {expected}, "
                    f"not {shape}; pass arrays that belong to one layer and one batch"
                )
        if len(self.plans) >= MOST:
            self.plans.clear()
        dtype = None if first is None else first[1]
        return sizes, [(filled(r.dims, sizes), r.dtype or dtype) for r in self.results]


def check(owner: str, text: str, *rules: Rule, **given: Any) -> Sizes:
    """The sizes of these arguments; raises as a kernel called `owner` of this text would"""
    of, args = _signature(owner, tuple(given), text, rules, ()), given.values()
    try:
        key = (*((a.shape, a.dtype) if isinstance(a, np.ndarray) else (a, type(a)) for a in args),)
        if key not in of.plans:
            of.plans[key] = of.plan(*args)
    except TypeError:  # an argument that no dict can hold, and that the plan refuses
        return of.plan(*args)[0]
    return of.plans[key][0]


_signature = cache(Signature)  # its text is read once


def source(of: Signature) -> str:
    """The function that callers use, as text"""
    key, names = [], ", ".join(of.params)
    lines = [f"def {of.name}({names}):", "    try:"]
    for a in of.arguments:
        x, there = a.name, f"{a.name} is not None and " if a.optional else ""
        if a.kind in KINDS and (flags := KINDS[a.kind].flags.format(x)):
            lines.append(f"        if {there}not ({flags}): {x} = _copy({x!r}, {x})")
        if a.kind == "option":
            key += [x, f"{x}.__class__"]
        elif a.kind in TUPLES:
            key.append(x)
        else:
            key.append(f"{there}({x}.shape, {x}.dtype)" if there else f"{x}.shape, {x}.dtype")
    found = f"_sizes, _shapes = _plans[{', '.join(key)}]"
    lines += [f"        {found}", "    except _missed:", f"        {found} = _plan({names})"]
    for k, check in enumerate(of.checks):
        given = ", ".join(check.arguments)
        lines.append(f"    {given} = _check{k}({of.name!r}, _sizes, {given})")
    for a in (a for a in of.arguments if a.top):
        x, top = a.name, f"_sizes[{a.top!r}]"
        if a.optional:
            lines += [f"    if {x} is None: {x} = _arange({top})", "    else:"]
        step = "        " if a.optional else "    "
        lines += [
            f"{step}if {x}.dtype != _int64 or not {x}.flags.carray:",
            f"{step}    {x} = _require({x}, _int64, 'CWA')",
            # Seen as unsigned, a negative number is huge: one pass checks both ends.
            f"{step}if {x}.size and {x}.view(_uint64).max() >= {top}: _outside({x!r}, {x}, {top})",
        ]
    results = [f"_result{k}" for k in range(len(of.results))]
    for k, result in enumerate(results):
        make = "_own" if of.results[k].kept else "_empty"
        lines.append(f"    {result} = {make}(*_shapes[{k}])")
    given = ", ".join((*of.params, *results))
    lines += [
        f"    _function = _found({of.name!r}) or _find()",
        f"    _function({given})",
    ]
    for k, result in enumerate(results):
        if of.results[k].kept:
            lines.append(f"    {result}.flags.writeable = False")
    noted = ", ".join(("_function", f"({given},)", *results))
    lines += ["    _recording = _current()", f"    if _recording: _recording.add({noted})"]
    lines.append(f"    return {', '.join(results)}")
    return "\n".join(lines)


def kernel(
    homes: tuple[str, str], text: str, *rules: Rule, checks: tuple[Check, ...] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a declaration the function that its callers use

    homes: the files of its twin and its loop, ("dense.rows_ref", "dense.rows_jit"); text: see
    shapes.py; rules: of shapes and options, may add sizes; checks: of values, at every call.
    """

    def decorate(declared: Callable[P, R]) -> Callable[P, R]:
        code, name = declared.__code__, declared.__name__
        of = Signature(name, code.co_varnames[: code.co_argcount], text, rules, checks)
        space: dict[str, Any] = {
            "_copy": of.contiguous, "_plan": of.plan, "_plans": of.plans, "_empty": empty,
            "_own": np.empty, "_arange": replay.counted, "_require": np.require,
            "_outside": of.outside,
            "_int64": np.dtype(np.int64), "_uint64": np.uint64, "_found": found.get,
            "_find": lambda: find(name, homes), "_current": replay.current.get,
            "_missed": (LookupError, AttributeError, TypeError),  # the plan says what is wrong
        } | {f"_check{k}": each.check for k, each in enumerate(checks)}  # fmt: skip
        exec(source(of), space)
        made: Callable[P, R] = update_wrapper(space[name], declared)
        made.__defaults__ = declared.__defaults__
        KERNELS[name] = made
        return made

    return decorate
