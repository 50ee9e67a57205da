"""A call, step by step: the arrays and numbers that its statements compute, as they run."""

import ast
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from minprune.text import cell

MOST = 24  # steps that are shown
QUIET = {  # which compute nothing to see
    "astype", "asarray", "of", "empty_like", "empty", "finfo", "copy", "zeros", "ones", "type",
    "len", "flatnonzero",
}  # fmt: skip
CHANGES = {"pop", "append", "sort", "fill", "remove", "add", "update", "setdefault", "shuffle"}
SHOWN = (ast.BinOp, ast.Call, ast.Compare, ast.UnaryOp)
Steps = list[tuple[str, str]]  # (expression, its value)
World = dict[str, Any]


def shown(value: object) -> str:
    """A number or array in one line, four digits each"""
    if isinstance(value, np.ndarray):
        real = value.dtype.kind == "f"
        text = np.array2string(
            value + 0.0 if real else value, separator=", ", threshold=60,
            formatter={"float_kind": "{:.4g}".format} if real else None,
        )  # fmt: skip
        return " ".join(text.split()).replace("[ ", "[")
    return cell(value)


def steps(call: Callable[[], Any], file: str) -> tuple[Any, Steps]:
    """(what the call returns, what the statements of that file compute, each the first time)

    Expressions are evaluated once more, just before their statement runs, so they must be pure:
    what draws random numbers, and what calls functions of that file, which show their own steps,
    is left out.
    """
    found: Steps = []
    seen: set[ast.stmt] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        node = statements(file).get(frame.f_lineno) if event == "line" else None
        if node is not None and node not in seen and len(found) < MOST:
            seen.add(node)
            found.extend(computed(node, dict(frame.f_globals), dict(frame.f_locals), file))
        return line

    def begin(frame: FrameType, event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename == file else None

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        result = call()
    finally:
        sys.settrace(before)
    return result, found[:MOST]


@cache
def statements(file: str) -> dict[int, ast.stmt]:
    """{line: the assignment or return that begins there}"""
    kinds = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
    nodes = ast.walk(ast.parse(Path(file).read_text("utf-8")))
    return {node.lineno: node for node in nodes if isinstance(node, kinds)}


def computed(node: Any, world: World, own: World, file: str) -> Steps:
    """The parts of a statement's expression, the innermost first, and its values"""
    target = getattr(node, "target", None) or getattr(node, "targets", [None])[0]
    whole = node.value
    if isinstance(node, ast.AugAssign) and isinstance(target, ast.Name):  # m -= t
        whole = ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value)
        ast.fix_missing_locations(whole)
    whole = Taken(world, own).visit(deepcopy(whole))
    found: Steps = []
    for part, given in parts(whole, world, own):
        if banned(part, world, own, file):
            continue
        value = value_of(part, world, given)
        if isinstance(value, np.ndarray | np.generic | float | int) and np.size(value):
            text = shown(value)
            if not found or found[-1][1] != text:  # astype and the like change nothing to see
                found.append((ast.unparse(part), text))
    if found and isinstance(target, ast.Name) and found[-1][0] == ast.unparse(whole):
        found[-1] = f"{target.id} = {found[-1][0]}", found[-1][1]
    return found


class Taken(ast.NodeTransformer):
    """Replaces a if b else c by the side that is computed"""

    def __init__(self, world: World, own: World) -> None:
        self.seen = world, own

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        """That side; what depends on a comprehension's own names stays whole"""
        self.generic_visit(node)
        test = value_of(node.test, *self.seen)
        return node if test is None else node.body if test else node.orelse


def parts(node: ast.AST | None, world: World, own: World) -> Iterator[tuple[ast.expr, World]]:
    """The expressions inside one, with the names that they see; of a comprehension the first item

    Conditions (a if b else c, a and b) stay whole, since only one side is computed.
    """
    if isinstance(node, ast.DictComp | ast.ListComp | ast.GeneratorExp):
        yield from inside(node, world, own)
        return
    if not isinstance(node, ast.IfExp | ast.BoolOp | ast.Lambda | type(None)):
        for child in ast.iter_child_nodes(node):
            yield from parts(child, world, own)
    if isinstance(node, SHOWN):
        yield node, own


def inside(node: Any, world: World, own: World) -> Iterator[tuple[ast.expr, World]]:
    """What a comprehension computes of its first item, whose names come first"""
    names = [n for n in ast.walk(node.generators[0].target) if isinstance(n, ast.Name)]
    loads = [ast.Name(n.id, ast.Load()) for n in names]
    each = ast.Dict([ast.Constant(n.id) for n in names], list(loads))
    items = value_of(ast.fix_missing_locations(ast.ListComp(each, node.generators)), world, own)
    if items:
        first = own | items[0]
        yield from ((name, first) for name in loads)
        yield from parts(node.value if isinstance(node, ast.DictComp) else node.elt, world, first)


def banned(part: ast.expr, world: World, own: World, file: str) -> bool:
    """Whether it draws random numbers, changes something, computes nothing, or calls that file"""
    for node in ast.walk(part):
        name = node.id if isinstance(node, ast.Name) else ""
        called = getattr(world.get(name), "__code__", None)
        if name == "rng" or isinstance(own.get(name), np.random.Generator):
            return True
        if called is not None and called.co_filename == file:
            return True
        if isinstance(node, ast.Attribute) and node.attr in CHANGES | {"finfo"}:
            return True
        if isinstance(node, ast.keyword) and node.arg == "out" and isinstance(node.value, ast.Name):
            return True
    if isinstance(part, ast.UnaryOp):
        return isinstance(part.operand, ast.Constant)
    called = getattr(part, "func", None)
    return getattr(called, "attr", getattr(called, "id", "")) in QUIET


def value_of(part: ast.expr, world: World, own: World) -> Any:
    """The value of an expression; None where it has none"""
    try:
        return eval(compile(ast.Expression(part), "<step>", "eval"), world, own)
    except Exception:
        return None
