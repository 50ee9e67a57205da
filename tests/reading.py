"""Reads import statements from a package's code, for the checks of test_imports.py."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it is imported only when a function runs."""

    file: str  # "criteria/curvature.py"
    line: int
    target: str  # "minprune.kernels", "numpy.random"
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


@cache  # a tree is written once
def sources(tree: Path, package: str = "minprune") -> tuple[tuple[str, ast.Module], ...]:
    """(path inside the package, parsed code) for each file of the package in tree/package."""
    return tuple(
        (path.relative_to(tree / package).as_posix(), ast.parse(path.read_text("utf-8")))
        for path in sorted((tree / package).rglob("*.py"))
    )


def unit(path: str) -> str:
    """The entry of ORDER that a file belongs to: its folder, or its own name."""
    return path.split("/")[0].removesuffix(".py")


@cache
def imports(tree: Path, package: str = "minprune") -> tuple[Import, ...]:
    """Every import statement and import_module("constant"), relative ones made absolute."""
    return tuple(_imports(tree, package))


def _imports(tree: Path, package: str) -> Iterator[Import]:
    for file, code in sources(tree, package):
        late = {
            node
            for function in ast.walk(code)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
        }
        for node in ast.walk(code):
            for target in targets(tree, file, node):
                yield Import(file, getattr(node, "lineno", 0), target, node in late)


def targets(tree: Path, file: str, node: ast.AST) -> Iterator[str]:
    """The modules that one node imports; `from package import name` may import a submodule."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = ["minprune", *file.split("/")[:-1]]
            base = ".".join([*parents[: len(parents) + 1 - node.level], *base.split(".")]).strip(
                "."
            )
        for alias in node.names:
            inner = tree / base.replace(".", "/") / alias.name
            is_module = inner.is_dir() or inner.with_name(f"{alias.name}.py").exists()
            yield f"{base}.{alias.name}" if is_module or base == "numpy" else base
    elif isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func).split(".")[-1]
        first = node.args[0]
        if name in ("import_module", "__import__") and isinstance(first, ast.Constant):
            yield str(first.value)
