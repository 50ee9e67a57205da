"""The arrays of a file of another program, by what the file holds, not by its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from minprune.core import Arrays
from minprune.errors import ArgumentError, FileError, MissingError
from minprune.files import archive, onnx_initializers, safetensors
from minprune.files.container import Place, named
from minprune.files.reader import end_of, found_by, line, opened

TAKEN = (
    "pass a .safetensors file, an .npz of arrays, or a .pt file of torch.save(model.state_dict())"
)
OTHERS = {  # how files begin that their own program must write again
    b"\x80\x02\x8a\x0a": "load it in PyTorch and save its state_dict by torch.save",
    b"\x89HDF": "in Keras, write np.savez(path, **{w.path: w.numpy() for w in model.weights})",
}
ONNX = b"\x08"  # the first field of a model: the version of the format


def read_weights(path: Place) -> Arrays:
    """Read the arrays of a file of safetensors, NumPy, PyTorch or ONNX, without their packages

    What the file is, is told from its content. Nothing in it is trusted or executed: pickles are
    read by a small machine that knows tensors and dicts alone, and memory is taken once sizes fit
    those of the file.

    Parameters
    ----------
    path : path or file object
        A .safetensors file; an .npz of numpy.savez; a .pt file of PyTorch 1.6 or later that holds
        a state_dict, or dicts of tensors (their names are joined by dots); an .onnx file, whose
        initializers are read (this needs the package onnx).

    Returns
    -------
    dict of arrays
        By name, C-contiguous, in the order of the file; bfloat16 as float32, exactly. Tensors that
        share their storage in a .pt file share their memory.

    Raises
    ------
    FileError
        For a file that is missing, damaged, hostile or of another kind, in one sentence; for a
        whole module of PyTorch, whose state_dict must be saved instead.
    MissingError
        For an .onnx file where onnx is not installed.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> np.savez("other.npz", **{"fc.weight": np.eye(2)})
    >>> mp.read_weights("other.npz")
    {'fc.weight': array([[1., 0.],
           [0., 1.]])}
    """
    if not isinstance(path, str | os.PathLike) and not hasattr(path, "read"):
        raise ArgumentError(
            f"read_weights: path must be a path or a file object, not {path!r}; pass its name as "
            f"text"
        )
    with _one_sentence(path), opened(path) as f:
        size, table = end_of(f)
        f.seek(0)
        start = f.read(16)
        f.seek(0)
        if table is not None:
            return archive.read(f, size, table)
        if start[8:9] == b"{":
            return safetensors.read(f, size)
        if start[:1] == ONNX:
            return onnx_initializers.read(f)
        how = next((how for begin, how in OTHERS.items() if start.startswith(begin)), TAKEN)
        raise FileError(f"it must be a file of weights, not {found_by(start)}; {how}")


def is_onnx(path: Place) -> bool:
    """Whether a file begins as an ONNX model does; raises FileError where there is none"""
    with _one_sentence(path), opened(path) as f:
        start = f.read(9)
    return start[:1] == ONNX and start[8:] != b"{"


@contextmanager
def _one_sentence(path: Place) -> Iterator[None]:
    """Raises FileError for whatever a damaged or hostile file provokes"""
    try:
        yield
    except FileNotFoundError:
        raise FileError(f"{named(path)}: no such file; {TAKEN}") from None
    except (FileError, MissingError) as e:
        raise type(e)(f"{named(path)}: {line(e)}") from None
    except Exception as e:
        raise FileError(
            f"{named(path)}: must be a file of weights, and cannot be read ({line(e)}); fetch it "
            f"again"
        ) from None
