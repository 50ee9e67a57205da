"""`minprune info`: the layers of a saved model, what is live in them, and the size of its file."""

import os
from dataclasses import asdict
from pathlib import Path

from minprune.errors import FileError
from minprune.files import load
from minprune.measures.size import size
from minprune.nets.counts import counts
from minprune.report.stages import ROWS, share
from minprune.text import table

TOLD = {"parameters", "live", "sparsity", "macs", "live_macs"}  # of the whole net


def info(path: str | os.PathLike[str]) -> str:
    """The model saved at `path` as text; raises FileError if there is none

    The third line has the bytes of the file, and bytes / (parameters x bytes of one parameter): the
    cost of header and masks. Reading verifies the checksum.
    """
    if Path(path).is_dir():
        example = next(iter(sorted(Path(path).glob("*.npz"))), Path(path, "fine-tuned.npz"))
        raise FileError(
            f"{path}: is a folder, but must be a saved model; pass {example}, for example"
        )
    model = load(path)
    found, total = counts(model.net, model.masks), size(model)
    stored, needed = Path(path).stat().st_size, total.bytes
    times = f", {stored / needed:.2f}x of the {needed:,} that its parameters need" if needed else ""
    weights = [
        [c.name, " x ".join(map(str, c.shape)), c.total, c.live, share(1 - c.live / c.total)]
        for c in found
        if c.name in model.net.every_weight
    ]
    told = asdict(total)
    rows = [row for row in ROWS if not TOLD.isdisjoint(row.computed)]
    return "\n\n".join(
        [
            f"{path}\nminprune model, checksum ok\n{stored:,} bytes{times}",
            str(model),
            table(["weight", "shape", "entries", "live", "sparsity"], weights),
            table(["whole net", ""], [[row.label, row.shown(told, told)] for row in rows]),
        ]
    )
