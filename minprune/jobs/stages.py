"""What `minprune run` writes besides its page: each stage measured and saved, and the histories."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from minprune.core import Dataset
from minprune.files import save, write_atomic
from minprune.jobs.job import Result, as_json
from minprune.measures.cost import latencies, size, speedup
from minprune.measures.measure import BATCHES, Measures
from minprune.measures.quality import evaluate
from minprune.nets.model import Model


def measured(models: dict[str, Model], dataset: Dataset, out: Path) -> list[Result]:
    """The entry of each stage, once its model is saved."""
    for name, model in models.items():
        save(model, out / f"{name}.npz")
    times = [latencies(models, batch) for batch in BATCHES]
    found: list[Result] = []
    for name, model in models.items():
        of = tuple(each[name] for each in times)
        numbers = Measures(evaluate(model, dataset.test), size(model), of).numbers()
        own = {"stage": name, "val_accuracy": evaluate(model, dataset.val).accuracy}
        for each in times if found else ():  # of the first stage there is none
            gain = speedup(next(iter(each.values())), each[name])
            words = {"": gain.times, "_spread": gain.spread, "_told": gain.told}
            own |= {f"speedup_{each[name].batch}{word}": value for word, value in words.items()}
        found.append(own | numbers | {"file_bytes": (out / f"{name}.npz").stat().st_size})
    return found


def write_history(history: dict[str, Any], out: Path) -> Result:
    """Write history.json, and what methods learned, as "phase/name" arrays, to history.npz."""
    extra: dict[str, Any] = {}
    plain: Result = {}
    for phase, one in history.items():
        plain[phase] = {"steps": one.steps, "epochs": one.epochs}
        extra |= {f"{phase}/{name}": array for name, array in one.extra.items()}
    write_atomic(out / "history.json", as_json(plain))
    if extra:
        np.savez(content := io.BytesIO(), **extra)
        write_atomic(out / "history.npz", content.getbuffer())
    return plain
