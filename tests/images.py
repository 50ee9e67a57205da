"""Small folders of images in the format of MNIST, made from a seed."""

import gzip
from pathlib import Path

import numpy as np


def idx_folder(folder: Path, side: int) -> Path:
    """60 and 20 images of ten classes, side x side."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for kind, a in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, a.ndim]) + b"".join(d.to_bytes(4, "big") for d in a.shape)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + a.tobytes()))
    return folder
