"""`mp.measure(model, data.test)`: quality, size and latency in one printable value."""

from dataclasses import dataclass

from minprune.core import Split
from minprune.measures.cost import Latency, Size, latency, size
from minprune.measures.quality import Quality, evaluate
from minprune.nets.model import Model
from minprune.text import table

BATCHES = (1, 64)


@dataclass(frozen=True)
class Measures:
    """The result of `measure`; print it for a table

    Attributes
    ----------
    quality : Quality, or None without data
    size : Size
    latency : a Latency for each batch size; empty with time=False
    """

    quality: Quality | None
    size: Size
    latency: tuple[Latency, ...]

    def __str__(self) -> str:
        s, q = self.size, self.quality
        rows: dict[str, object] = {}
        if q is not None:
            worst, k = min((a, k) for k, a in enumerate(q.per_class) if a == a)  # NaN: no samples
            rows = {"accuracy": q.accuracy, "accuracy, top 5": q.top5, "loss": q.loss}
            rows |= {"calibration error": q.calibration, "worst class": f"{worst:.4f} (class {k})"}
        rows |= {
            "parameters": s.parameters,
            "live parameters": s.live,
            "weight sparsity": s.sparsity,
            "multiply-adds": s.macs,
            "live multiply-adds": s.live_macs,
            "activations": s.activations,
            "bytes, dense": s.bytes,
            "bytes, sparse": s.sparse_bytes,
            "bytes, stored": s.stored,
        }
        for t in self.latency:
            rows[f"latency, batch {t.batch}"] = f"{t.median_ms:.3f} ({t.spread_ms:.3f}) ms"
        shown = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in rows.items()}
        return table(("measure", "value"), [(k, v) for k, v in shown.items() if v is not None])


def measure(model: Model, data: Split | None = None, *, time: bool = True) -> Measures:
    """Quality, size and latency of a model, in one printable value

    Parameters
    ----------
    model : Model, dense, masked or sparse
    data : pair (x, y) to evaluate on, such as data.test; None: no quality
    time : whether to measure latency, in batches of 1 and 64

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
    measure             value
    ------------------  ------
    parameters          26
    live parameters     26
    weight sparsity     0.0000
    multiply-adds       20
    live multiply-adds  20
    activations         6
    bytes, dense        104
    bytes, sparse       104
    bytes, stored       104
    """
    return Measures(
        evaluate(model, data) if data is not None else None,
        size(model),
        tuple(latency(model, b) for b in BATCHES) if time else (),
    )
