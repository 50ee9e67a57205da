"""Where the parameters are and where the work is: two bars a layer, shares of the whole net."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.report.markup import text

Cost = Mapping[str, Any]
PAIRS = (("parameters", "live"), ("macs", "live_macs"))  # what the first stage had, what is left
TITLES = {"parameters": "weights", "macs": "multiply-adds"}


def costs_table(costs: Sequence[Cost], before: str, last: str) -> str:
    """A sentence and a table; a bar is a layer's share of the first stage, in front what is
    left in the last one. Nothing without layers.
    """
    if not costs:
        return ""
    totals = {key: sum(cost[key] for cost in costs) for key, _ in PAIRS}
    widest = max(share(cost[key], totals[key]) for cost in costs for key, _ in PAIRS) or 1.0
    body = []
    for cost in costs:
        cells = "".join(
            f'<td class="bar">{bar(cost[was], cost[now], totals[was] * widest)}</td>'
            f'<td class="n">{cost[was]:,}</td><td class="n">{cost[now]:,}</td>'
            for was, now in PAIRS
        )
        body.append(f'<tr><th scope="row">{text(cost["name"])}</th>{cells}</tr>')
    head = "".join(
        f'<th scope="col">{TITLES[was]}</th><th scope="col" class="n">{text(before)}</th>'
        f'<th scope="col" class="n">{text(last)}</th>'
        for was, _ in PAIRS
    )
    return (
        f'{who_holds_what(costs, totals)}<div class="wide"><table class="layers"><thead><tr>'
        f'<th scope="col">layer</th>{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>\n"
        f'<p class="note">Each bar: the layer\'s share of the {text(before)} net; '
        f"in front: what is left of it ({text(last)}).</p>"
    )


def share(part: float, whole: float) -> float:
    """part / whole; 0 of nothing is 0."""
    return part / whole if whole else 0.0


def bar(was: float, now: float, whole: float) -> str:
    """now within was within whole."""
    return (
        f'<span class="cost"><span style="width:{100 * share(was, whole):.2f}%">'
        f'<span style="width:{100 * min(share(now, was), 1.0):.2f}%"></span></span></span>'
    )


def who_holds_what(costs: Sequence[Cost], totals: Mapping[str, float]) -> str:
    """Convolutions against dense layers, in a sentence; nothing where a net has one kind only."""
    parts = {
        kind: [
            100 * share(sum(c[key] for c in costs if c["kind"] == kind), totals[key])
            for key in totals
        ]
        for kind in ("convolution", "dense")
        if any(c["kind"] == kind for c in costs)
    }
    if len(parts) < 2:
        return ""
    (held, done), (others_held, others_done) = parts["dense"], parts["convolution"]
    return (
        f"<p>Dense layers hold {held:.1f} % of the weights and do {done:.1f} % of the "
        f"multiply-adds; convolutions hold {others_held:.1f} % and do {others_done:.1f} %.</p>"
    )
