"""model.npz = header.json + one .npy an array: saved whole or not at all, read without pickle.

A plain .npz: `numpy.load` reads its arrays anywhere. Same model, same bytes. Layers go by their
names in nets/table.py. Masks are packed, eight entries a byte.
"""

import math
import os
from dataclasses import fields
from io import BytesIO
from typing import Any

import numpy as np

from minprune.core import Array, Arrays
from minprune.errors import FileError, MinpruneError
from minprune.nets.model import Model
from minprune.nets.net import Net, Node
from minprune.nets.table import LAYERS

FORMAT, VERSION = "minprune model", 1
NPY = b"\x93NUMPY\x01\x00"
ROOM = 4096  # bytes that an .npy header may take beside its data
HEADER = 16 * 2**20  # bytes of header.json at most


def write_atomic(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write the content under another name, then rename: nothing half-written is ever seen."""
    import tempfile
    from pathlib import Path

    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as e:
        raise FileError(
            f"{path}: cannot be written ({e.strerror or e}); choose a folder you may write to"
        ) from None


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model to `path` (.npz); raises FileError where it cannot be written."""
    import hashlib
    import json
    import zipfile

    arrays = _arrays(model)
    bodies = {key: _npy(a) for key, a in arrays.items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": model.dtype.name,
        "net": describe(model.net),
        "masks": sorted(model.masks),
    }
    header = json.loads(json.dumps(header, default=lambda v: v.item()))
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for key, body in bodies.items():
        digest.update(key.encode() + b"\0" + body)
    header["sha256"] = digest.hexdigest()
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        texts = {"header.json": json.dumps(header, indent=1).encode()}
        for key, body in (texts | bodies).items():
            entry = zipfile.ZipInfo(key)  # its date is fixed: same model, same bytes
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # on any system
            archive.writestr(entry, body)
    write_atomic(path, out.getvalue())


def load(path: str | os.PathLike[str]) -> Model:
    """The model saved at `path`; raises FileError, in one sentence, for anything else."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file; give the path of a saved model") from None
    except FileError as e:
        raise FileError(f"{path}: {e}") from None
    except (MinpruneError, ArithmeticError, LookupError, TypeError, ValueError) as e:
        raise FileError(f"{path}: not a sound minprune model ({e}); save it again") from None
    except (OSError, zipfile.BadZipFile, EOFError, RuntimeError, MemoryError) as e:
        raise FileError(f"{path}: not a readable .npz ({e}); save it again") from None


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
    nodes = []
    for entry in description["layers"]:
        kind = LAYERS.get(entry["kind"])
        if kind is None:
            raise FileError(
                f"layer {entry['name']!r} is a {entry['kind']!r}, which this version does not "
                f"know; use a newer minprune"
            )
        nodes.append(Node(entry["name"], kind(**entry["fields"]), tuple(entry["inputs"])))
    return Net(tuple(nodes), tuple(description["input_shape"]), description["loss"])


def _arrays(model: Model) -> Arrays:
    found = {f"params/{k}.npy": model.params[k] for k in model.net.params}
    found |= {f"buffers/{k}.npy": model.buffers[k] for k in model.net.buffers}
    return found | {f"masks/{k}.npy": np.packbits(m) for k, m in sorted(model.masks.items())}


def _npy(a: Array) -> bytes:
    out = BytesIO()
    np.lib.format.write_array(out, np.ascontiguousarray(a), version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _read(archive: Any) -> Model:
    import hashlib
    import json

    def stored(key: str, most: int) -> bytes:
        if key not in archive.namelist():
            raise FileError(f"{key} is not in it; give a file that mp.save wrote")
        entry = archive.getinfo(key)
        if entry.compress_type or entry.file_size > most:
            raise FileError(f"{key} is compressed, or larger than {most} bytes; save it again")
        body: bytes = archive.read(entry)
        return body

    header = json.loads(stored("header.json", HEADER))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileError("it is no minprune model; give a file that mp.save wrote")
    if header["version"] > VERSION:
        raise FileError(
            f"it has format version {header['version']}, and this minprune reads up to {VERSION}; "
            f"use a newer minprune"
        )
    net = rebuild(header["net"])
    if header["dtype"] not in ("float32", "float64"):
        raise FileError(
            f"its dtype is {header['dtype']!r}, expected float32 or float64; save it again"
        )
    dtype: np.dtype[Any] = np.dtype(header["dtype"])
    claimed = header.pop("sha256")
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())

    def array(folder: str, name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
        key = f"{folder}/{name}.npy"
        body = stored(key, math.prod(shape) * kind.itemsize + ROOM)
        digest.update(key.encode() + b"\0" + body)
        if body[: len(NPY)] != NPY:
            raise FileError(f"{key} is not in version 1.0 of the .npy format; save it again")
        f = BytesIO(body)
        f.seek(len(NPY))
        found, _, held = np.lib.format.read_array_header_1_0(f)
        if found != shape or held != kind:  # before anything is read or made room for
            raise FileError(f"{key} is {held} {found}, expected {kind} {shape}; save it again")
        whole = f.tell() + math.prod(shape) * kind.itemsize
        if len(body) != whole:
            raise FileError(f"{key} holds {len(body)} bytes, expected {whole}; save it again")
        return np.frombuffer(body, kind, offset=f.tell()).reshape(shape).copy()

    params = {k: array("params", k, shape, dtype) for k, shape in net.params.items()}
    buffers = {k: array("buffers", k, shape, dtype) for k, shape in net.buffers.items()}
    masks = {}
    for k in header["masks"]:
        size = math.prod(net.params[k])
        bits = array("masks", k, (-(-size // 8),), np.dtype(np.uint8))
        masks[k] = np.unpackbits(bits, count=size).astype(bool).reshape(net.params[k])
    if digest.hexdigest() != claimed:
        raise FileError("its checksum does not match what it holds; it is damaged: save it again")
    return Model(net, params, buffers, masks)
