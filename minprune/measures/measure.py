"""The measures, a row each, of `mp.measure`, `minprune run` and `minprune info`.

A row of ROWS gives the label of a measure and how it is printed; the numbers are the fields of
Quality, Size and Latency, by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minprune.core import Split
from minprune.measures.cost import REPEATS, Latency, Size, latency, size
from minprune.measures.quality import Quality, called, collapse, evaluate
from minprune.nets.model import Predictor
from minprune.text import table

BATCHES = (1, 64)
NOT_TOLD = "not told apart"
TIMES = (
    f"latency: the least of {REPEATS} repeats in turn; {NOT_TOLD}: the speedup varies more over "
    f"the repeats than it differs from 1x"
)
Numbers = Mapping[str, Any]  # the entry of a stage in result.json, for example
Shown = Callable[[Numbers, Numbers], str | None]  # of a model, beside a first one


def share(value: float) -> str:
    """0.97222 -> 97.22 %"""
    return f"{100 * value:.2f} %"


def times(value: float) -> str:
    """2.5 -> 2.5x, 2540.1 -> 2,540x"""
    return f"{value:.3g}x" if value < 1000 else f"{value:,.0f}x"


def of(key: str, show: Callable[[float], str]) -> Shown:
    """The entry of that name."""
    return lambda stage, first: None if stage.get(key) is None else show(stage[key])


def ratio(whole: str, part: str) -> Shown:
    """`whole` of the first stage over `part` of each, as 2.5x"""

    def shown(stage: Numbers, first: Numbers) -> str | None:
        before, now = first.get(whole), stage.get(part)
        return times(before / now) if before and now else None

    return shown


def gain(batch: int) -> Shown:
    """The measured speedup, if it is one; it is none of the first stage over itself."""

    def shown(stage: Numbers, first: Numbers) -> str | None:
        if stage is first:
            return "1x" if f"latency_{batch}_ms" in stage else None
        told = stage.get(f"speedup_{batch}_told")
        return times(stage[f"speedup_{batch}"]) if told else None if told is None else NOT_TOLD

    return shown


ROWS: dict[str, Shown] = {
    "no better than chance": lambda stage, first: "COLLAPSED" if stage.get("collapsed") else None,
    "accuracy": of("accuracy", share),
    "accuracy, top 5": of("top5", share),
    "loss": of("loss", "{:.4g}".format),
    "calibration error": of("calibration", share),
    "mean squared error": of("mse", "{:.4g}".format),
    "R2": of("r2", "{:.4f}".format),
    "parameters": of("parameters", "{:,}".format),
    "live parameters": of("live", "{:,}".format),
    "sparsity of the weights": of("sparsity", share),
    "multiply-adds": of("macs", "{:,}".format),
    "live multiply-adds": of("live_macs", "{:,}".format),
    "activations": of("activations", "{:,}".format),
    "bytes as dense arrays": of("bytes", "{:,}".format),
    "bytes as sparse arrays": of("sparse_bytes", "{:,}".format),
    "bytes in memory": of("stored", "{:,}".format),
    "bytes on disk": of("file_bytes", "{:,}".format),
    "compression on disk": ratio("bytes", "file_bytes"),
    **{
        f"{kind.replace('_', ' ')}latency, batch of {b}": of(
            f"latency_{b}_{kind}ms", "{:.3g} ms".format
        )
        for b in BATCHES
        for kind in ("", "median_")
    },
    "speedup in theory": ratio("macs", "live_macs"),
    **{f"speedup measured, batch of {b}": gain(b) for b in BATCHES},
}


@dataclass(frozen=True)
class Measures:
    """The result of `measure`; print it for a table

    Attributes
    ----------
    quality : Quality, or None without data
    size : Size
    latency : a Latency for each batch size; empty with time=False
    classes : the names of the classes, if they were given
    """

    quality: Quality | None
    size: Size
    latency: tuple[Latency, ...]
    classes: tuple[str, ...] = ()

    def numbers(self) -> dict[str, Any]:
        """All of them by name, as result.json holds them."""
        found = asdict(self.size) | (asdict(self.quality) if self.quality else {})
        for t in self.latency:
            ms = {"": t.least_ms, "median_": t.median_ms, "spread_": t.spread_ms}
            found |= {f"latency_{t.batch}_{kind}ms": value for kind, value in ms.items()}
        return found

    def __str__(self) -> str:
        found = self.numbers()
        rows = {label: shown(found, {}) for label, shown in ROWS.items()}
        if self.quality is not None:
            per_class = enumerate(self.quality.per_class)
            worst = min(((a, k) for k, a in per_class if a == a), default=None)  # NaN: no samples
            if worst:
                rows["worst class"] = f"{share(worst[0])} (class {called(worst[1], self.classes)})"
        loud = collapse(found, self.classes)
        shown = table(("measure", "value"), [row for row in rows.items() if row[1]])
        return f"{shown}\nCOLLAPSED to chance: {loud}" if loud else shown


def measure(
    model: Predictor, data: Split | None = None, *, time: bool = True, classes: Sequence[str] = ()
) -> Measures:
    """Quality, size and latency of a model, in one printable value

    Parameters
    ----------
    model : Model, dense, masked or sparse, or what mp.quantize returned
    data : pair (x, y) to evaluate on, such as data.test; None: no quality
    time : whether to measure latency, in batches of 1 and 64
    classes : names of the classes to print, such as those of a Dataset

    Returns
    -------
    Measures

    Raises
    ------
    ArgumentError : empty data
    ShapeError : targets that do not fit the net's loss
    NonFiniteError : the loss is not finite; the message names the layer

    Examples
    --------
    >>> import minprune as mp
    >>> print(mp.measure(mp.zoo.mlp(((3,), 2), (4,)), time=False))
    measure                   value
    -----------------------  ------
    parameters                   26
    live parameters              26
    sparsity of the weights  0.00 %
    multiply-adds                20
    live multiply-adds           20
    activations                   6
    bytes as dense arrays       104
    bytes as sparse arrays      104
    bytes in memory             104
    """
    return Measures(
        evaluate(model, data) if data is not None else None,
        size(model),
        tuple(latency(model, b) for b in BATCHES) if time else (),
        tuple(classes),
    )
