"""model.npz: the net as JSON, its parameters, buffers and masks as arrays.

Layers go by their names in nets/table.py. Masks are packed, eight entries a byte.
"""

import math
import os
from dataclasses import fields
from typing import Any

import numpy as np

from minprune.errors import FileError
from minprune.files.container import Kind, Reader, read, write
from minprune.nets.model import Model
from minprune.nets.net import Net, Node
from minprune.nets.table import LAYERS

KIND = Kind("model", 1, "mp.save", "save it again", 2**20, indent=1)


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model to `path` (.npz); raises FileError where it cannot be written."""
    arrays = {f"params/{k}": model.params[k] for k in model.net.params}
    arrays |= {f"buffers/{k}": model.buffers[k] for k in model.net.buffers}
    arrays |= {f"masks/{k}": np.packbits(m) for k, m in sorted(model.masks.items())}
    about = {
        "dtype": model.dtype.name,
        "net": describe(model.net),
        "masks": sorted(model.masks),
    }
    write(KIND, path, about, arrays)


def load(path: str | os.PathLike[str]) -> Model:
    """The model saved at `path`; raises FileError, in one sentence, for anything else."""
    return read(KIND, path, _model)


def describe(net: Net) -> dict[str, Any]:
    """The net as JSON: layers by name and kind, with their fields and what they read."""
    return {
        "input_shape": list(net.input_shape),
        "loss": net.loss,
        "layers": [
            {
                "name": n.name,
                "kind": type(n.layer).__name__,
                "inputs": list(n.inputs),
                "fields": {f.name: getattr(n.layer, f.name) for f in fields(n.layer)},
            }
            for n in net.nodes
        ],
    }


def rebuild(description: dict[str, Any]) -> Net:
    """The net that `describe` described."""
    shape = tuple(description["input_shape"])
    if any(type(side) is not int or side < 1 for side in shape):
        raise FileError(
            f"its input shape is {shape}, expected integers of at least 1; save it again"
        )
    nodes = []
    for entry in description["layers"]:
        kind = LAYERS.get(entry["kind"])
        if kind is None:
            raise FileError(
                f"layer {entry['name']!r} is a {entry['kind']!r}, which this version does not "
                f"know; use a newer minprune"
            )
        nodes.append(Node(entry["name"], kind(**entry["fields"]), tuple(entry["inputs"])))
    return Net(tuple(nodes), shape, description["loss"])


def _model(file: Reader) -> Model:
    header = file.header
    net = rebuild(header["net"])
    if header["dtype"] not in ("float32", "float64"):
        raise FileError(
            f"its dtype is {header['dtype']!r}, expected float32 or float64; save it again"
        )
    dtype: np.dtype[Any] = np.dtype(header["dtype"])
    params = {k: file.array(f"params/{k}", shape, dtype) for k, shape in net.params.items()}
    buffers = {k: file.array(f"buffers/{k}", shape, dtype) for k, shape in net.buffers.items()}
    masks = {}
    if header["masks"] != sorted(set(header["masks"]) & set(net.params)):
        raise FileError("its masks are no sorted list of the net's parameters; save it again")
    for k in header["masks"]:
        size = math.prod(net.params[k])
        bits = file.array(f"masks/{k}", (-(-size // 8),), np.dtype(np.uint8))
        masks[k] = np.unpackbits(bits, count=size).astype(bool).reshape(net.params[k])
    file.check()
    return Model(net, params, buffers, masks)
