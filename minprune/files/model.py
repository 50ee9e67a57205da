"""model.npz: the net as JSON; arrays "params/...", "buffers/..." and "masks/..." by full names.

Layers go by their names in nets/registry.py. Masks are packed, eight entries a byte (uint8). Of a
parameter whose masked entries are all 0.0, the live ones alone are stored, as a row, in their
order: `masked` turns them back. Version 2, of minprune 0.1.0, stored all entries; it is read too.
"""

import math
import os
from dataclasses import fields
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import ArgumentError, FileError
from minprune.files.container import Kind, Place, write
from minprune.files.reader import Reader, read
from minprune.nets.model import Model, is_model
from minprune.nets.net import Net, Node
from minprune.nets.registry import kind_of

PLAIN = (bool, int, float, str, type(None))  # what the fields of a layer may be
DTYPES = ("float32", "float64", "uint8", "uint32")
KIND = Kind("model", 3, "mp.save", "save it again", 2**20, DTYPES, deflated=True, older=(2,))


def save(model: Model, path: Place) -> None:
    """Write the model to a .npz file, whole or not at all; the same model gives the same bytes

    Of masked parameters the live entries are stored, and a bit for each entry.

    Parameters
    ----------
    model : Model
        Any model, dense, masked or sparse.
    path : path or file object
        The file, which is replaced if it exists: links are followed, its mode is kept. Or an
        object with a method `write` that takes bytes, such as io.BytesIO.

    Raises
    ------
    FileError
        If it cannot be written: a folder, a device, a read-only file, a file with several
        names (hard links), a folder in which nothing can be created.
    ArgumentError
        If `model` is not a Model, or `path` neither a path nor a file object.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.save(mp.zoo.mlp(((3,), 2), hidden=(4,)), "model.npz")
    >>> mp.load("model.npz").params["fc1.weight"].shape
    (4, 3)
    """
    is_model(model, "save")
    _checked("save", path, "write")
    arrays = {f"params/{k}": _live(model.params[k], model.masks.get(k)) for k in model.net.params}
    arrays |= {f"buffers/{k}": model.buffers[k] for k in model.net.buffers}
    arrays |= {f"masks/{k}": np.packbits(model.masks[k]) for k in sorted(model.masks)}
    write(KIND, path, {"net": describe(model.net)}, arrays)


def load(path: Place) -> Model:
    """The model that `save` wrote, with its masks; files of version 0.1.0 load too

    Nothing in the file is trusted: sizes are checked before memory is taken, the checksum before
    the model is returned, and nothing is unpickled.

    Parameters
    ----------
    path : path or file object
        A file that `save` wrote, or an object with a method `read` that gives its bytes.

    Returns
    -------
    Model
        The same net, parameters, buffers and masks.

    Raises
    ------
    FileError
        For a missing, damaged or hostile file, in one sentence.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> mp.save(model, "model.npz")
    >>> again = mp.load("model.npz")
    >>> bool((again.params["fc2.weight"] == model.params["fc2.weight"]).all())
    True
    """
    _checked("load", path, "read")
    return read(KIND, path, _model)


def _live(w: Array, mask: Array | None) -> Array:
    """The live entries as a row; w itself where a masked entry has a bit that is set, as of -0.0"""
    if mask is None or mask.all() or np.any(w[~mask].view(np.uint8)):
        return w
    found: Array = w[mask]
    return found


def masked(live: Array, mask: Array) -> Array:
    """w[mask] = live, and 0 elsewhere; raises ValueError for another number of live entries"""
    w = np.zeros(mask.shape, live.dtype)  # takes no memory where nothing is written
    w[mask] = live
    return w


def _checked(owner: str, path: object, needs: str) -> None:
    if not isinstance(path, str | os.PathLike) and not hasattr(path, needs):
        raise ArgumentError(
            f"{owner}: path must be a path or a file object, not {path!r}; pass its name as text"
        )


def describe(net: Net) -> dict[str, Any]:
    """The net as JSON: layers by name and kind, with their fields and what they read

    Raises FileError for a layer that `rebuild` could not make again.
    """
    layers = []
    for n in net.nodes:
        kind, own = type(n.layer), {f.name: getattr(n.layer, f.name) for f in fields(n.layer)}
        own = {k: v.item() if isinstance(v, np.generic) else v for k, v in own.items()}
        if kind_of(kind.__name__) is not kind:
            raise FileError(
                f"{n.name}: its class must be registered to be saved, and {kind.__name__} is not; "
                f"put @mp.layer above the class"
            )
        for name, value in own.items():
            if not _plain(value):
                raise FileError(
                    f"{n.name}: its {name} must be a number, text, None or a tuple of them to be "
                    f"saved, not {value!r}; keep the rest in parameters or buffers"
                )
        layers.append(
            {"name": n.name, "kind": kind.__name__, "inputs": list(n.inputs), "fields": own}
        )
    return {"input_shape": list(net.input_shape), "loss": net.loss, "layers": layers}


def _plain(value: object) -> bool:
    """Whether a layer may have it as a field"""
    return all(type(v) in PLAIN for v in (value if type(value) is tuple else (value,)))


def rebuild(description: dict[str, Any]) -> Net:
    """The net of a description by `describe`; raises FileError for a layer it does not know."""
    shape = tuple(description["input_shape"])
    if any(type(side) is not int or side < 1 for side in shape):
        raise KIND.bad(f"its input shape must hold integers of at least 1, not {shape}")
    nodes = []
    for entry in description["layers"]:
        kind = kind_of(entry["kind"])
        if kind is None:
            raise FileError(
                f"layer {entry['name']!r} must be of a known kind, not {entry['kind']!r}; put "
                f"@mp.layer above its class and import it first (--import MODULE), or use a newer "
                f"minprune"
            )
        own = {k: tuple(v) if isinstance(v, list) else v for k, v in entry["fields"].items()}
        for name, value in own.items():
            if not _plain(value):
                raise KIND.bad(
                    f"layer {entry['name']!r}: its {name} must be a number, text, None or a list "
                    f"of them, not {value!r}"
                )
        nodes.append(Node(entry["name"], kind(**own), tuple(entry["inputs"])))
    return Net(tuple(nodes), shape, description["loss"])


def _model(file: Reader) -> Model:
    net = rebuild(file.header["net"])
    needed = {f"params/{k}": shape for k, shape in net.params.items()}
    needed |= {f"buffers/{k}": shape for k, shape in net.buffers.items()}
    packed = {f"masks/{k}": (-(-math.prod(shape) // 8),) for k, shape in net.params.items()}
    expected = needed | packed
    in_part = {k for k in net.params if _in_part(file, k, net.params[k])}
    for name, shape in file.shapes.items():
        if name not in expected:
            raise KIND.foreign(f"it must not hold {name!r}")
        if shape != expected[name] and name.removeprefix("params/") not in in_part:
            raise KIND.bad(f"its {name} must have the shape {expected[name]}, not {shape}")
    for name in needed:
        if name not in file.shapes:
            raise KIND.foreign(f"it must hold {name}, and does not")
    arrays = file.arrays()
    masks = {}
    for k, shape in sorted(net.params.items()):
        if f"masks/{k}" in arrays:
            bits = np.unpackbits(arrays.pop(f"masks/{k}"), count=math.prod(shape))
            masks[k] = bits.view(bool).reshape(shape)
    for k in in_part:
        live, n = arrays[f"params/{k}"], np.count_nonzero(masks[k])
        if live.size != n:
            raise KIND.bad(f"its params/{k} must hold the {n} live entries, not {live.size}")
        arrays[f"params/{k}"] = masked(live, masks[k])
    params = {k: arrays[f"params/{k}"] for k in net.params}
    buffers = {k: arrays[f"buffers/{k}"] for k in net.buffers}
    return Model(net, params, buffers, masks)


def _in_part(file: Reader, name: str, shape: tuple[int, ...]) -> bool:
    """Whether the file claims to hold a mask of the parameter, and a row shorter than all of it"""
    row = file.shapes.get(f"params/{name}", shape)
    return f"masks/{name}" in file.shapes and len(row) == 1 and row[0] < math.prod(shape)
