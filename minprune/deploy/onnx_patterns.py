"""Patterns of ONNX operators: "Mul(x, Sigmoid(x))" is written out, and found again in a graph.

Kind(argument, ..., attribute=number)
x, y        what the layer reads, one value wherever it stands; x... takes all inputs
weight      another word is a constant; bias? may be absent
0.5         a constant of one entry, equal to 1e-6 of it
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from minprune.core import Array

TOKEN = re.compile(r"[A-Za-z_]\w*\??(?:\.\.\.)?|-?\d[\d.e-]*|[(),=]")
CLOSE = 1e-6  # numbers in a file are float32
SWAPS = ("Add", "Mul")  # their two inputs may stand in any order
READ = ("x", "y", "x...")


class Op(NamedTuple):
    """A node of a graph: its name, its operator, the names of what it reads and makes"""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    at: dict[str, Any]


class Call(NamedTuple):
    """A pattern of an operator: its arguments are calls, words or numbers"""

    kind: str
    args: tuple[Any, ...]
    at: dict[str, float]


@dataclass
class Match:
    """What a pattern was found to be: ops by kind, the last one last, and the value of each word"""

    ops: list[Op] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    many: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The values that the layer reads"""
        return self.many or tuple(self.words[w] for w in ("x", "y") if w in self.words)


@cache
def pattern(text: str) -> Call:
    """The pattern that a text means"""
    found, _ = _parsed(TOKEN.findall(text))
    assert isinstance(found, Call), text
    return found


def _parsed(tokens: list[str]) -> tuple[Any, list[str]]:
    word, *rest = tokens
    if not word[0].isalpha():
        return _value(word), rest
    if rest[:1] != ["("]:
        return word, rest
    args, at = [], {}
    while rest[0] != ")":
        if rest[2:3] == ["="]:
            at[rest[1]], rest = _value(rest[3]), rest[4:]
        else:
            arg, rest = _parsed(rest[1:])
            args.append(arg)
    return Call(word, tuple(args), at), rest[1:]


def _value(word: str) -> int | float:
    """1 is an integer, 1.0 is none, as attributes have types"""
    return int(word) if word.lstrip("-").isdigit() else float(word)


def size(p: Any) -> int:
    """How many operators a pattern has"""
    return 1 + sum(map(size, p.args)) if isinstance(p, Call) else 0


def find(p: Call, op: Op, makers: Mapping[str, Op], constants: Mapping[str, Any]) -> Match | None:
    """The pattern with this op as the last one, or None

    makers: the op that makes each value; constants: those that do not depend on the input.
    """
    for found in _matches(p, op.outputs[0], makers, constants, Match()):
        return found
    return None


def _matches(p: Any, value: str, makers: Any, constants: Any, found: Match) -> list[Match]:
    """The ways in which this value is that pattern, given what the words mean already"""
    if isinstance(p, int | float):
        a = constants.get(value)
        same = isinstance(a, np.ndarray) and a.size == 1 and np.allclose(a, p, CLOSE, 0)
        return [found] if same else []
    if isinstance(p, str):
        word = p.rstrip("?")
        fixed = found.words.get(word, value) == value and (value in constants) != (word in READ)
        return [Match(found.ops, found.words | {word: value}, found.many)] if fixed else []
    op = makers.get(value)
    if op is None or op.kind != p.kind or op.outputs[0] != value:
        return []
    if any(not _equal(op.at.get(k), v) for k, v in p.at.items()):
        return []
    inputs = op.inputs
    if p.args == ("x...",):
        fresh = not any(i in constants or not i for i in inputs)
        return [Match([*found.ops, op], found.words, inputs)] if fresh else []
    orders = [inputs, inputs[::-1]] if p.kind in SWAPS and len(inputs) == 2 else [inputs]
    ways: list[Match] = []
    for order in orders:
        ways += _in_order(p.args, order, makers, constants, found, op)
    return ways


def _in_order(
    args: Any, inputs: tuple[str, ...], makers: Any, constants: Any, found: Match, op: Op
) -> list[Match]:
    if any(inputs[len(args) :]):
        return []
    ways = [found]
    for k, arg in enumerate(args):
        given = inputs[k] if k < len(inputs) else ""
        if given:
            ways = [m for w in ways for m in _matches(arg, given, makers, constants, w)]
        elif not str(arg).endswith("?"):
            return []
    return [Match([*w.ops, op], w.words, w.many) for w in ways]


def _equal(given: Any, wanted: float) -> bool:
    return isinstance(given, int | float) and bool(np.isclose(given, wanted, CLOSE, 0))


def spelled(op: Op, constants: Mapping[str, Any]) -> str:
    """An op in the notation of patterns, for messages"""
    args = ["x" if i not in constants else _short(constants[i]) for i in op.inputs if i]
    at = [f"{k}={_number(v)}" for k, v in sorted(op.at.items()) if isinstance(v, int | float)]
    return f"{op.kind}({', '.join(args + at)})"


def _short(a: Array | None) -> str:
    return _number(a.item()) if isinstance(a, np.ndarray) and a.size == 1 else "constant"


def _number(v: Any) -> str:
    return f"{v:.7g}" if isinstance(v, int | float) else str(v)
