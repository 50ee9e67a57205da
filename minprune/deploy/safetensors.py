"""export_safetensors: the arrays of a model for every program that reads the format."""

import os
from collections.abc import Mapping

import numpy as np

from minprune.core import Array
from minprune.files.atomic import write_atomic
from minprune.files.safetensors import content
from minprune.nets.model import Model, hold_arrays
from minprune.sparse.convert import densify


def export_safetensors(
    model: Model | Mapping[str, Array], path: str | os.PathLike[str], *, masks: bool = False
) -> None:
    """Write the arrays of a model, or of a dict, to a safetensors file

    Each array is stored C-contiguous, whatever its strides. Layers that store live entries alone
    are written dense.

    Parameters
    ----------
    model : Model or dict of arrays
        Parameters and running statistics by full name, as PyTorch calls them.
    path : path
        The file, which is written whole or not at all.
    masks : bool
        Whether masks are written too, as "fc1.weight_mask"; `mp.from_arrays` reads them, and
        PyTorch's load_state_dict takes them with strict=False alone.

    Raises
    ------
    FileError
        If it cannot be written, or an array is of a type that the format does not have.
    ArgumentError
        If `model` is neither.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> mp.export_safetensors({"w": np.arange(6.0).reshape(2, 3).T}, "w.safetensors")
    >>> mp.read_weights("w.safetensors")["w"].tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    """
    if isinstance(model, Model):
        dense = densify(model)
        arrays = dict(dense.params) | dense.buffers
        if masks:
            arrays |= {f"{name}_mask": mask for name, mask in dense.masks.items()}
    else:
        hold_arrays("export_safetensors: model", model)
        arrays = {name: np.asarray(a) for name, a in model.items()}
    write_atomic(path, content(arrays))
