"""Which classes the pruning forgot: change = accuracy of the last stage - accuracy of the first."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import text
from minprune.report.stages import share

Stage = Mapping[str, Any]
Row = tuple[int, list[float | None], float | None]


def by_class(stages: Sequence[Stage]) -> tuple[list[str], list[Row]]:
    """(stages, rows of (class, its accuracy in each stage, change)); the worst change first.

    The stages are those with a `per_class`. A class that one of the ends did not measure has no
    change and stands last; without stages there are no rows.
    """
    measured = [stage for stage in stages if stage.get("per_class")]
    classes = max((len(stage["per_class"]) for stage in measured), default=0)
    rows: list[Row] = []
    for k in range(classes):
        values = [(stage["per_class"][k : k + 1] or [None])[0] for stage in measured]
        known = [None if v is None or v != v else float(v) for v in values]
        first, last = known[0], known[-1]
        rows.append((k, known, None if first is None or last is None else last - first))
    rows.sort(key=lambda row: (row[2] is None, row[2] or 0.0))
    return [str(stage.get("stage", "")) for stage in measured], rows


def points(change: float) -> str:
    """-0.0277 -> -2.77: percentage points, with their sign."""
    return f"{100 * change:+.2f}" if change else "0"


def forgotten(stages: Sequence[Stage]) -> str:
    """A sentence about the worst class, and a table with a bar for each change; may be empty."""
    names, rows = by_class(stages)
    if not rows:
        return ""
    changes = [change for _, _, change in rows if change is not None]
    most = max(map(abs, changes), default=0.0)
    compared = len(names) > 1
    head = "".join(f'<th scope="col" class="n">{text(name)}</th>' for name in names)
    if compared:
        head += '<th scope="col" class="n">change</th><th></th>'
    body = []
    for k, values, change in rows:
        cells = "".join(f'<td class="n">{"-" if v is None else share(v)}</td>' for v in values)
        if compared:
            shown = "-" if change is None else points(change)
            cells += f'<td class="n">{shown}</td><td class="bar">{swing(change or 0.0, most)}</td>'
        body.append(f'<tr><th scope="row">{k}</th>{cells}</tr>')
    return (
        (sentence(rows, changes) if compared else "")
        + f'<div class="wide"><table><thead><tr><th scope="col">class</th>{head}</tr></thead>\n'
        + f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>"
    )


def sentence(rows: Sequence[Row], changes: Sequence[float]) -> str:
    """The class that lost most, and how many lost nothing."""
    lost = sum(change < 0 for change in changes)
    if not lost:
        return "<p>No class lost accuracy.</p>" if changes else ""
    return (
        f"<p>Class {rows[0][0]} lost most: {points(changes[0])} percentage points; "
        f"{len(changes) - lost} of {len(changes)} classes lost nothing.</p>"
    )


def swing(change: float, most: float) -> str:
    """A bar to the left of the middle for a loss, to its right for a gain; the longest is half."""
    width = 50 * abs(change) / most if most else 0.0
    side, colour = ("right", "loss") if change < 0 else ("left", "gain")
    bar = f'<span class="{colour}" style="{side}:50%;width:{width:.2f}%"></span>' if width else ""
    return f'<span class="swing">{bar}</span>'
