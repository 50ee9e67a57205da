"""A model of a net and of the arrays of another framework, whose names and shapes are checked.

Longer than a reader is: names, masks, layouts and checks are steps of one call.
"""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np

from minprune.arguments import LISTED, choice, instance, meant, number
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError, ShapeError
from minprune.files.keras import as_torch, written
from minprune.masking.apply import apply
from minprune.nets.model import Model, all_finite, hold_arrays
from minprune.nets.net import Net, layer_of

Rename = Mapping[str, str] | Callable[[str], str] | None
Layout = Literal["torch", "keras"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
SIZED = "build the net with the sizes of the arrays"
STEPS = "num_batches_tracked"  # of PyTorch's BatchNorm; nothing here reads it


def from_arrays(
    net: Net | Model,
    arrays: Mapping[str, Array],
    rename: Rename = None,
    layout: Layout = "torch",
    *,
    epsilon: float = 1e-3,
) -> Model:
    """Make a model of a net and arrays by name, such as a state_dict

    Every name and shape must be the net's. Pairs as torch.nn.utils.prune keeps them, "fc.weight"
    (or "fc.weight_orig") and "fc.weight_mask", become the weight and its mask.

    Parameters
    ----------
    net : Net or Model
        What `mp.build` makes, or a model, of which only the net counts.
    arrays : dict of arrays
        By full name, as `mp.read_weights` gives them, or {k: v.numpy() for k, v in
        module.state_dict().items()}. Counts of batches (num_batches_tracked) are left out.
    rename : dict or function, optional
        {their name: ours}, of arrays or of layers ("features.0": "conv1", "module": ""); or a
        function of a name.
    layout : {"torch", "keras"}
        "keras": names such as "dense/kernel:0", "bn/gamma" and "bn/moving_variance"; kernels
        (in, out), (y, x, in, out) and depthwise ones are turned, and so are the inputs of what
        follows a Flatten, whose channels come last there.
    epsilon : float
        Of normalisation layers in Keras: epsilon - 1e-5 is added to running variances, so that the
        outputs are the same.

    Returns
    -------
    Model
        In float64 if an array is float64, otherwise in float32; a weight is 0.0 where its mask is
        False.

    Raises
    ------
    ArgumentError
        For names that the net does not have, or lacks, all listed in one sentence; for arrays that
        are not floats, masks of other values than 0 and 1, and two arrays of one name.
    ShapeError
        For an array of another shape than the net's.
    NonFiniteError
        For weights that are not finite.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> net = mp.build((2,), [("fc", mp.Dense(2, 1))], loss="mse")
    >>> state = {"0.weight_orig": np.array([[1.0, 2.0]]), "0.weight_mask": np.array([[1.0, 0.0]]),
    ...     "0.bias": np.zeros(1)}
    >>> model = mp.from_arrays(net, state, rename={"0": "fc"})
    >>> model.params["fc.weight"], model.masks["fc.weight"]
    (array([[1., 0.]]), array([[ True, False]]))
    """
    net = net.net if isinstance(net, Model) else net
    instance("from_arrays", "net", net, Net, "what mp.build makes")
    choice("from_arrays", "layout", layout, LAYOUTS)
    number("from_arrays", "epsilon", epsilon)
    hold_arrays("from_arrays: arrays", arrays)
    keras = layout == "keras"
    given = _renamed(arrays, rename, written if keras else str)
    if keras:
        given = as_torch(net, given, epsilon)
    given, masks = _masks(net, given)
    _same_names(net, given)
    wide = any(a.dtype.kind == "f" and a.itemsize > 4 for a in given.values())
    found = {k: _fitting(net, k, a, np.float64 if wide else np.float32) for k, a in given.items()}
    params = {k: found[k] for k in net.params}
    return Model(net, apply(params, masks), {k: found[k] for k in net.buffers}, masks)


def _renamed(arrays: Mapping[str, Array], rename: Rename, form: Callable[[str], str]) -> Arrays:
    """The arrays by our names      form: how a name of theirs is written"""
    names = {k: form(k) for k in arrays}
    if callable(rename):
        names = {k: rename(name) for k, name in names.items()}
    elif rename is not None:
        instance("from_arrays", "rename", rename, Mapping, "{'features.0': 'conv1'}")
        ours = {form(k): v for k, v in rename.items()}
        unused = set(ours)
        for k, name in names.items():
            ahead = next((one for one in _ahead(name) if one in ours), None)
            if ahead is not None:
                names[k] = (ours[ahead] + name[len(ahead) :]).lstrip(".")
                unused.discard(ahead)
        for k in unused:
            known = sorted({one for name in map(form, arrays) for one in _ahead(name)})
            raise ArgumentError(
                f"from_arrays: rename must name arrays, or layers of them, not {k!r}; "
                f"{meant(k, known, f'there are {_listed([*arrays])}')}"
            )
    found: dict[str, str] = {}
    for k, name in names.items():
        if name in found:
            raise ArgumentError(
                f"from_arrays: {name} must be one array, not {found[name]} and {k}; change rename"
            )
        found[name] = k
    return {name: arrays[k] for name, k in found.items()}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + " and others" * (len(names) > LISTED)


def _ahead(name: str) -> list[str]:
    """ "a.b.weight" -> itself, "a.b", "a" """
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(len(parts), 0, -1)]


def _masks(net: Net, given: Arrays) -> tuple[Arrays, Arrays]:
    """(arrays by the net's names, masks), without counts of batches"""
    found: Arrays = {}
    masks: Arrays = {}
    for name, a in given.items():
        layer, _, kind = name.rpartition(".")
        weight, _, part = name.rpartition("_")
        if name in net.params or weight not in net.params or part not in ("mask", "orig"):
            if kind != STEPS or f"{layer}.running_mean" not in net.buffers:
                found[name] = a
        elif part == "mask":
            masks[weight] = _mask(net, weight, a)
        elif weight in given:
            raise ArgumentError(
                f"from_arrays: {weight} must be one array, not {weight} and {name}; leave one of "
                f"them out"
            )
        elif f"{weight}_mask" not in given:
            raise ArgumentError(
                f"from_arrays: {name} must come with {weight}_mask, which is absent; pass a whole "
                f"state_dict"
            )
        else:
            found[weight] = a
    return found, masks


def _mask(net: Net, weight: str, a: Array) -> Array:
    mask = a.astype(bool)
    if a.shape != net.params[weight]:
        raise ShapeError(
            f"from_arrays: {weight}_mask must be {net.params[weight]}, as in the net, not "
            f"{a.shape}; pass the mask of this weight"
        )
    if not (a == mask).all():
        raise ArgumentError(
            f"from_arrays: {weight}_mask must hold 0 and 1 alone; pass True, or 1, where a weight "
            f"is kept"
        )
    return mask


def _same_names(net: Net, given: Arrays) -> None:
    """Raises ArgumentError unless the arrays have the net's names, each of them"""
    wanted = net.params | net.buffers
    absent = [k for k in wanted if k not in given]
    other = [k for k in given if k not in wanted]
    if not absent and not other:
        return
    if absent and other:
        pair = f"{layer_of(other[0])!r}: {layer_of(absent[0])!r}"
        remedy = f"pass rename={{{pair}}}, for example, or change the net"
    elif absent:
        remedy = f"pass {absent[0]} too, or build the net without it"
    else:
        remedy = f"leave {other[0]} out, or build the net with it"
    said = [
        f"{what} {_listed(names)}"
        for what, names in (("without", absent), ("with", other)) if names
    ]  # fmt: skip
    raise ArgumentError(
        f"from_arrays: arrays must have the names of the net, and are {' and '.join(said)}; "
        f"{remedy}"
    )


def _fitting(net: Net, name: str, a: Array, dtype: type[np.floating]) -> Array:
    """The array in that dtype, its shape checked; a copy"""
    shape = (net.params | net.buffers)[name]
    if a.shape != shape:
        turned = sorted(a.shape) == sorted(shape)
        raise ShapeError(
            f"from_arrays: {name} must be {shape}, as in the net, not {a.shape}; "
            + ("transpose it, or pass layout='keras' for arrays of Keras" if turned else SIZED)
        )  # fmt: skip
    if name in net.indices:
        return a.astype(net.indices[name])
    if a.dtype.kind != "f":
        raise ArgumentError(
            f"from_arrays: {name} must hold floats, not {a.dtype}; convert it with astype"
        )
    all_finite("from_arrays", name, a, "train it again, or fetch the file again")
    return np.array(a, dtype, order="C")
