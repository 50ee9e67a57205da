"""The page of `minprune page`: one criterion and one sparsity at a time, computed in the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minprune.report.page import Html, document, element, fill, text

WORDS = (
    "Choose a criterion and move the slider: the weights that it scores lowest become 0, in all "
    "layers together, as mp.prune does it. The net is not trained again."
)
IMAGES = Html(
    "<section><h2>Masks of the first layer</h2>\n"
    '<canvas id="masks" role="img" aria-label="A square for each unit of the first layer, with a '
    'pixel for each of its inputs; those that are kept are coloured"></canvas>\n'
    '<p class="note">A square for each unit, a pixel for each input; coloured: kept.</p></section>'
)
WRONG = Html(
    "<section><h2>What is wrong now</h2>\n"
    '<canvas id="wrong" role="img" aria-label="Images that get a wrong answer"></canvas>\n'
    '<p class="note" id="wrong-words"></p></section>'
)


def interactive_page(net: Mapping[str, Any], title: str, command: str) -> str:
    """The page as text

    net: what interactive.js reads: layers, x, y, scale, side, classes, orders, says, curves,
    accuracy, masked, most, steps, start.
    """
    options = "".join(element("option", name, value=name) for name in net["orders"])
    heads = "".join(element("th", name, scope="col") for name in net["classes"])
    data = json.dumps(net).replace("<", "\\u003c")  # so that no text ends the script
    sections = fill(
        "interactive.html", says=Html(element("p", WORDS)), options=Html(options),
        heads=Html(heads), steps=net["steps"], start=net["start"],
        images=IMAGES if net["side"] else Html(""), wrong=WRONG if net["side"] else Html(""),
        net=Html(data),
        script=Html(Path(__file__).with_name("interactive.js").read_text("utf-8")),
    )  # fmt: skip
    head = text("A net of dense layers on the digits, and what is left of it.")
    return document({"command": command}, title, head, sections, {})
