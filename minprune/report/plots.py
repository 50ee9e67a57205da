"""Training curves as inline SVG, drawn by matplotlib where it is installed.

The SVG takes its colours from the page (`--ink`, `--line-1`, ...), so one picture serves light,
dark and print. The figure is made without pyplot: no window, no state between two calls.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

# Drawn in these colours, which stand for the page's own.
PAGE_COLOURS = {
    "#010101": "var(--ink)",
    "#020202": "var(--faint)",
    "#030303": "var(--line-1)",
    "#040404": "var(--line-2)",
}
INK, FAINT, LINE_1, LINE_2 = PAGE_COLOURS
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
PANELS = {  # title: (label, what the history calls it, colour, dashes)
    "loss": [("training", "train_loss", LINE_1, "-"), ("validation", "val_loss", LINE_2, "--")],
    "accuracy": [("validation", "val_accuracy", LINE_2, "--")],
    "sparsity": [("weights", "sparsity", LINE_1, "-")],
}
Curve = tuple[list[float], list[float]]


def join(history: Mapping[str, Any], key: str) -> Curve:
    """(epochs run so far, values) over all phases; what was not recorded is a gap (NaN).

    A gap also parts two phases: what happens between them is no training.
    """
    x: list[float] = []
    y: list[float] = []
    before = 0
    for phase in history.values():
        epochs = phase["epochs"]
        n = len(epochs["epoch"])
        values = list(epochs.get(key, []))[:n]
        values += [None] * (n - len(values))
        x += [*range(before + 1, before + n + 1), before + n]
        y += [math.nan if value is None else float(value) for value in values] + [math.nan]
        before += n
    return x, y


def curves(history: Mapping[str, Any]) -> list[str] | None:
    """One SVG each for loss, accuracy and (where it changes) sparsity against epochs.

    history: {phase: {"epochs": {"epoch", "train_loss", "val_loss", "val_accuracy", "sparsity"}}}
    None without matplotlib; no SVG for what was not recorded; phases are marked.
    """
    drawn = []
    for title, lines in PANELS.items():
        found: list[Any] = [(label, join(history, key), *look) for label, key, *look in lines]
        if not any(math.isfinite(v) for _, (_, y), *_ in found for v in y):
            continue
        if title == "sparsity" and not changes(history):
            continue
        one = drawing(title, (4.6, 3.1), partial(panel, title=title, lines=found, history=history))
        if one is None:
            return None
        drawn.append(one)
    return drawn


def drawing(
    title: str, size: tuple[float, float], draw: Callable[[Any], None], font: float = 10
) -> str | None:
    """The axes that `draw` fills, `size` inches, as an <svg> element; None without matplotlib

    title: HTML text, what the picture is called, other than any other's on the page.
    """
    try:
        import matplotlib.style
        from matplotlib.figure import Figure
    except ImportError:
        return None
    # the salt: ids that are the same on each call and differ between two panels
    look = STYLE | {"svg.hashsalt": title, "font.size": font, "axes.titlesize": font}
    with matplotlib.style.context(["default", look]):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        return svg(figure, title)


def changes(history: Mapping[str, Any]) -> bool:
    """Whether the sparsity changes within a phase: else the table says all."""
    phases = (phase["epochs"].get("sparsity") or [0] for phase in history.values())
    return any(min(values) < max(values) for values in phases)


def panel(ax: Any, title: str, lines: list[Any], history: Mapping[str, Any]) -> None:
    """One pair of axes with its lines, and a mark where each phase begins."""
    lengths = {name: len(phase["epochs"]["epoch"]) for name, phase in history.items()}
    values = [v for _, (_, y), *_ in lines for v in y if math.isfinite(v)]
    marker = "o" if sum(lengths.values()) <= 30 else None
    for label, (x, y), colour, dash in lines:
        ax.plot(x, y, color=colour, linestyle=dash, label=label, marker=marker, markersize=3)
    if title == "loss" and min(values) > 0 and max(values) > 5 * min(values):
        ax.set_yscale("log")
        ax.yaxis.get_minor_locator().set_params(subs=(2, 5))  # more labels would overlap
    ax.yaxis.set_major_formatter("{x:.3g}")
    ax.yaxis.set_minor_formatter("{x:.2g}" if max(values) < 20 * min(values) else "")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epochs")
    ax.set_title(title if len(lines) > 1 else f"{title}, {lines[0][0]}", pad=20)
    if len(lines) > 1:
        ax.legend(loc="best")
    begin = 0.5
    for name, n in lengths.items():
        if n:
            ax.annotate(
                name,
                (begin, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, 3),
                textcoords="offset points",
                fontsize=8,
                parse_math=False,
            )
            ax.axvline(begin, color=FAINT, linewidth=0.8, linestyle=":")
        begin += n


def svg(figure: Any, title: str) -> str:
    """The figure as an <svg> element: no prolog, no outside names, the page's colours."""
    import io

    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("xlink:href", "href")
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    text = re.sub(
        r'<svg [^>]*?(viewBox="[^"]*")[^>]*>',
        rf'<svg \1 role="img" aria-label="{title}">',
        text,
        count=1,
    )
    text = re.sub(r' id="[A-Za-z]\w*?_\d+"| id="matplotlib[.\w]*"| id="legend\w*"', "", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    for drawn, shown in PAGE_COLOURS.items():
        text = text.replace(drawn, shown)
    return re.sub(r"\n\s*", "\n", text).strip()
