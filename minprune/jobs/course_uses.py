"""What each lesson uses: criteria that it scores by, and methods and so on that it calls."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from minprune.jobs.course import scripts

HOMES = ("mp.methods", "mp.schedule", "mp.sparse")
Named = Sequence[tuple[str, str]]  # (kind, name)


def uses(file: Path, there: Named) -> Iterator[tuple[str, str]]:
    """Those of `there` that a script uses, in its order"""
    known = {key(kind, name): (kind, name) for kind, name in there if kind != "law"}
    yield from (known[each] for each in said(file) if each in known)


def taught_in(kind: str, name: str) -> int | None:
    """The number of the lesson that says the name most often, for how late it is in the course"""
    found = {n: said(file).get(key(kind, name), 0) / n for n, file in scripts().items()}
    best = max(found, key=found.__getitem__)
    return best if found[best] and kind != "law" else None


def key(kind: str, name: str) -> tuple[bool, str]:
    """(whether it is a criterion, its name); RigL and rigl are one"""
    return kind == "criterion", name.lower().replace("_", "")


@cache
def said(file: Path) -> dict[tuple[bool, str], int]:
    """{key: how often} of texts, where the script scores by names, and of what it calls of HOMES"""
    parts = [
        n for n in ast.parse(file.read_text("utf-8")).body if getattr(n, "name", "") != "figure"
    ]
    nodes = [node for part in parts for node in ast.walk(part)]
    calls = [node for node in nodes if isinstance(node, ast.Attribute)]
    found = []
    if "score" in [node.attr for node in calls]:
        texts = [node.value for node in nodes if isinstance(node, ast.Constant)]
        found += [key("criterion", text) for text in texts if isinstance(text, str)]
    found += [key("method", node.attr) for node in calls if ast.unparse(node.value) in HOMES]
    return {each: found.count(each) for each in found}
