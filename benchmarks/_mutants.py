"""Mutants of files, by mutmut's operators, those of string literals left out.

mutmut itself leaves decorated functions alone, and most criteria are decorated; here they are not.
Left out as well are type annotations, type aliases, imports, `__all__`, decorators, and private
constants, which hold the examples that the decorators of criteria take.
"""

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

OPERATORS = [(kind, make) for kind, make in mutation_operators if make is not operator_string]
NOTHING = IgnoredCode(set(), set(), set())


@dataclass(frozen=True)
class Mutant:
    """One change of a file: its line, the whole text before and after.

    key: the same for the same change, wherever it stands in the file. scopes: the lines (first,
    last) that a test which could notice it reaches, from the narrowest on.
    """

    path: str
    key: str
    line: int
    scopes: tuple[tuple[int, int], ...]
    before: str
    after: str

    @property
    def change(self) -> str:
        """The changed lines, "- " before those that went, "+ " before those that came."""
        diff = difflib.ndiff(self.before.splitlines(), self.after.splitlines())
        return "\n".join(f"{d[:2]}{d[2:].strip()}" for d in diff if d[:2] in ("- ", "+ "))


class Finder(MutationVisitor):
    """mutmut's visitor, for decorated functions and for statements outside functions too."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return False
        if isinstance(node, cst.Import | cst.ImportFrom) or names_no_value(node):
            return True
        return bool(super()._skip_node_and_children(node))


def names_no_value(node: cst.CSTNode) -> bool:
    """Whether the node is `_EXAMPLE = ...`, `__all__ = ...` or `Scores = dict[str, Array]`."""
    if not isinstance(node, cst.Assign) or not isinstance(node.targets[0].target, cst.Name):
        return False
    name = node.targets[0].target.value
    a_type = len(name) > 1 and name[0].isupper() and not name.isupper()
    return a_type or (len(name) > 1 and name[0] == "_")


class Place(NamedTuple):
    """Where a mutant comes from; sorted, they are in the order of the sample."""

    rank: bytes
    key: str
    file: "File"
    found: Any


class File:
    """A source file and the mutations that mutmut finds in it; each is made when it is wanted."""

    def __init__(self, root: Path, path: str) -> None:
        self.path, self.text = path, (root / path).read_text()
        self.wrapper = MetadataWrapper(cst.parse_module(self.text))
        self.finder = Finder(OPERATORS, NOTHING)
        self.module: Any = self.wrapper.visit(self.finder)
        self.lines = self.wrapper.resolve(PositionProvider)

    def places(self, seed: int) -> Iterator[Place]:
        """All mutations; their ranks come from the change alone, so that edits keep the sample."""
        seen: Counter[str] = Counter()
        for found in self.finder.mutations:
            pair = (found.original_node, found.mutated_node)
            key = " -> ".join([self.path, *map(self.module.code_for_node, pair)])
            seen[key] += 1
            key = f"{key} #{seen[key]}"
            yield Place(hashlib.sha256(f"{seed} {key}".encode()).digest(), key, self, found)

    def mutant(self, key: str, found: Any) -> Mutant | None:
        """The whole file, mutated; None where that is no Python."""
        after = self.module.deep_replace(found.original_node, found.mutated_node).code
        try:
            compile(after, self.path, "exec")
        except (SyntaxError, ValueError):
            return None
        at = self.lines[found.original_node]
        first, last = at.start.line, at.end.line
        return Mutant(self.path, key, first, self.scopes(first, last), self.text, after)

    def scopes(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """The lines themselves, unless they run at import, the function or class, the file."""
        around = [
            node for node in ast.walk(ast.parse(self.text))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and node.lineno <= first and last <= (node.end_lineno or 0)
        ]  # fmt: skip
        own = [(node.lineno, node.end_lineno or 0) for node in around[::-1]]
        ran = any(isinstance(n, ast.FunctionDef) and n.body[0].lineno <= first for n in around)
        return (*([(first, last)] if ran else []), *own, (1, self.text.count("\n")))


def sample(root: Path, paths: Iterable[str], size: int, seed: int) -> list[Mutant]:
    """`size` mutants of these files, each as likely as any other; all where there are fewer."""
    places = sorted(
        (place for path in paths for place in File(root, path).places(seed)), key=lambda p: p[:2]
    )
    made = (place.file.mutant(place.key, place.found) for place in places)
    return list(islice((m for m in made if m is not None and m.after != m.before), size))
