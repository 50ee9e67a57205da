"""`minprune info`: the layers of a saved model, what is live in them, and the size of its file."""

import os
from pathlib import Path

from minprune.errors import FileError
from minprune.files import load
from minprune.measures.measure import measure, share
from minprune.nets.counts import counts
from minprune.text import table


def info(path: str | os.PathLike[str]) -> str:
    """The model saved at `path` as text; raises FileError if there is none

    The third line has the bytes of the file, and bytes / (parameters x bytes of one parameter): the
    cost of header and masks. Reading verifies the checksum.
    """
    file = Path(path)
    if file.is_dir():
        example = min(file.glob("*.npz"), default=file / "fine-tuned.npz")
        raise FileError(f"{path}: must be a saved model, not a folder; pass {example}, for example")
    model = load(path)
    found = measure(model, time=False)
    stored, needed = file.stat().st_size, found.size.bytes
    times = f", {stored / needed:.2f}x of the {needed:,} that its parameters need" if needed else ""
    weights = [
        [c.name, " x ".join(map(str, c.shape)), c.total, c.live, share(1 - c.live / c.total)]
        for c in counts(model.net, model.masks)
        if c.name in model.net.every_weight
    ]
    parts = (
        f"{path}\nminprune model, checksum ok\n{stored:,} bytes{times}",
        str(model),
        table(["weight", "shape", "entries", "live", "sparsity"], weights),
        str(found),
    )
    return "\n\n".join(parts)
