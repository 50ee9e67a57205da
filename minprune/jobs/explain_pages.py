"""The pages of `minprune explain`: each explanation with pictures, and a site."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minprune.files.atomic import write_atomic
from minprune.jobs.course_pages import write_lessons
from minprune.jobs.explain import (
    QUESTIONS,
    SIDE,
    Subject,
    curve,
    equation,
    every,
    explained,
    failed,
    row,
    sizes,
)
from minprune.report.explain_page import Drawing, explain_page, index_page, slug


def page(s: Subject, index: str = "") -> str:
    """The page of a subject"""
    return explain_page(s.kind, s.name, explained(s), drawings(s), index)


def site(folder: Path) -> str:
    """Writes index.html and a page for each subject"""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for s in every():
        write_atomic(folder / slug(s.kind, s.name), page(s, "index.html"))
        way = row(s)
        line = way.words if way else equation(s)[0].partition("\n")[0]
        entries.append((s.kind, s.name, line))
    home = folder / "index.html"
    course = write_lessons(folder, [(kind, name) for kind, name, _ in entries], home.name)
    write_atomic(home, index_page(QUESTIONS, entries, course))
    return f"{len(entries)} pages, {len(course)} lessons, and {home}"


def drawings(s: Subject) -> list[Drawing]:
    """What the page shows as pictures, by what the subject computes with"""
    if s.kind == "criterion":
        needs, found = s.thing.spec.asked({})[0], failed(s.name)
        made = [draw(s) for need, draw in BY_EVIDENCE.items() if need in needs]
        points = [] if found is None else [Drawing(
            f"Each entry of the net on which it fails. {found}", "true change of the loss",
            "score", {"entries": ("points", found.changes.tolist(), found.scores.tolist())},
        )]  # fmt: skip
        return made[:1] + points
    if s.kind == "schedule":
        at, values = zip(*curve(s.thing), strict=True)
        return [Drawing("Ten steps.", "step", "sparsity", {s.name: ("line", at, values)})]
    if s.kind == "format":
        shares, stored, dense = zip(*sizes(s.thing), strict=True)
        lines: dict[str, Any] = {s.name: ("line", shares, stored), "dense": ("dash", shares, dense)}
        return [Drawing(f"float32, {SIDE} x {SIDE}.", "sparsity", "bytes", lines)]
    if s.kind == "method" and (prox := proximal(s)):
        v = np.linspace(-3, 3, 61)
        of_one = [1.0] * (len(inspect.signature(prox).parameters) - 1)
        x = [float(np.ravel(prox(np.array([each]), *of_one))[0]) for each in v]
        curves: dict[str, Any] = {
            prox.__name__: ("line", v.tolist(), x),
            "v": ("dash", v.tolist(), v.tolist()),
        }
        return [Drawing("Of one entry, sizes of 1.", "v", "x", curves)]
    return []


def proximal(s: Subject) -> Any:
    """The proximal step that a method is, or that its penalty takes; None without one"""
    home = import_module("minprune.methods")
    steps = {name: getattr(home, name) for name in home.__all__ if name.startswith("prox_")}
    return steps.get(s.name) or steps.get(f"prox_{s.name}")


def valley(s: Subject) -> Drawing:
    """A quadratic loss in two weights: zeroing one alone, and with the other adjusted"""
    h, w = np.array([[2.0, 1.2], [1.2, 1.0]]), np.array([1.0, 1.0])
    angle = np.linspace(0, 2 * np.pi, 73)
    ring = np.linalg.solve(np.linalg.cholesky(h).T, np.stack([np.cos(angle), np.sin(angle)]))
    lines: dict[str, Any] = {}
    for loss in (0.1, 0.4, 1.0):
        x, y = w[:, None] + np.sqrt(2 * loss) * ring
        lines[f"loss {loss:g}"] = ("line", x.tolist(), y.tolist())
    free = float(w[1] + h[0, 1] / h[1, 1] * w[0])
    alone = 0.5 * h[0, 0] * w[0] ** 2
    solved = 0.5 * w[0] ** 2 / np.linalg.inv(h)[0, 0]
    lines["w1 = 0 alone (OBD)"] = ("dash", [w[0], 0.0], [w[1], w[1]])
    lines["w1 = 0, w2 adjusted (OBS)"] = ("dash", [w[0], 0.0], [w[1], free])
    said = (f"Without w1 the loss rises by h w^2 / 2 = {alone:.3g} if w2 stays, and by "
            f"w^2 / 2 / [H^-1]_11 = {solved:.3g} if w2 is adjusted.")  # fmt: skip
    return Drawing(said, "w1", "w2", lines)


def tangent(s: Subject) -> Drawing:
    """The loss along one weight, and what its slope says of the loss without it"""
    at, w = 1.5, np.linspace(-0.5, 2.5, 61)
    whole = 0.5 * (w - 1) ** 2 + 0.2
    here, gone = (0.5 * (v - 1) ** 2 + 0.2 for v in (at, 0.0))
    slope = at - 1
    lines: dict[str, Any] = {
        "loss": ("line", w.tolist(), whole.tolist()),
        "tangent at w": ("dash", w.tolist(), (here + slope * (w - at)).tolist()),
        "w, and without it": ("points", [at, 0.0], [here, gone]),
    }
    said = (f"At w = {at:g} the slope says that the loss changes by -g w = {-slope * at:.3g} "
            f"without the weight; it changes by {gone - here:.3g}.")  # fmt: skip
    return Drawing(said, "w", "loss", lines)


def active(s: Subject) -> Drawing:
    """The activations of its worked example, sorted, a line a unit"""
    first = next(e for e in s.thing.spec.examples if "activations" in e.evidence)
    a = np.moveaxis(np.asarray(first.evidence["activations"], float), 1, 0)
    rows = {f"unit {k}": np.sort(row.ravel()).tolist() for k, row in enumerate(a)}
    lines = {name: ("line", list(range(len(row))), row) for name, row in rows.items()}
    return Drawing("The worked example's activations, sorted.", "place", "activation", lines)


BY_EVIDENCE = {"hess_diag": valley, "inverse_diag": valley, "activations": active, "grads": tangent}
