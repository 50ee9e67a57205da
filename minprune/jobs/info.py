"""What a saved model is: its layers, what is live in them, and what its file costs."""

import os
from pathlib import Path

from minprune.errors import FileError
from minprune.files import load
from minprune.measures.size import size
from minprune.nets.counts import counts
from minprune.report.stages import count, share
from minprune.text import table


def info(path: str | os.PathLike[str]) -> str:
    """The model saved at `path` in words and tables; raises FileError where there is none.

    file = its bytes, and bytes / (parameters x bytes of one): what header and masks cost. Only a
    file whose checksum fits can be read, so one that is told about is whole.
    """
    if Path(path).is_dir():
        example = next(iter(sorted(Path(path).glob("*.npz"))), Path(path, "fine-tuned.npz"))
        raise FileError(f"{path}: is a folder, expected a saved model; give {example}, for example")
    model = load(path)
    found, total = counts(model.net, model.masks), size(model)
    stored, needed = Path(path).stat().st_size, total.bytes
    times = f", {stored / needed:.2f}x of the {needed:,} that its parameters need" if needed else ""
    weights = [
        [c.name, " x ".join(map(str, c.shape)), c.total, c.live, share(1 - c.live / c.total)]
        for c in found
        if c.name in model.net.every_weight
    ]
    facts = [
        ["parameters", count(total.parameters)],
        ["live parameters", count(total.live)],
        ["sparsity of the weights", share(total.sparsity)],
        ["multiply-adds", count(total.macs)],
        ["live multiply-adds", count(total.live_macs)],
    ]
    return "\n\n".join(
        [
            f"{path}\nminprune model, checksum ok\n{stored:,} bytes{times}",
            str(model),
            table(["weight", "shape", "entries", "live", "sparsity"], weights),
            table(["whole net", ""], facts),
        ]
    )
