"""The layers by name, for `mp.NAME`, files and people: every public class of FAMILIES is one."""

from importlib import import_module
from typing import TypeVar

from minprune.errors import ArgumentError
from minprune.nets import convolution, dense, dropout, joining, normalisation, pooling
from minprune.nets.activation_layers import LAYERS as ACTIVATIONS
from minprune.nets.layer import Layer

FAMILIES = dense, convolution, pooling, normalisation, dropout, joining
LAYERS: dict[str, type[Layer]] = {
    name: kind
    for family in FAMILIES
    for name, kind in vars(family).items()
    if getattr(kind, "__module__", "") == family.__name__
    if isinstance(kind, type) and issubclass(kind, Layer) and not name.startswith("_")
} | ACTIVATIONS
# Layers of a folder further down, which is imported where a file asks for them.
ELSEWHERE = {"SparseDense": "minprune.sparse.layers", "SparseConv": "minprune.sparse.layers"}

OWN: dict[str, type[Layer]] = {}  # layers that users registered
Kind = TypeVar("Kind", bound=type[Layer])


def layer(kind: Kind) -> Kind:
    """Register a layer of your own by the name of its class: a decorator

    A model with it can then be saved, and loaded where the class is registered too. Fields of the
    class must be numbers, text, None, or tuples of them.

    Parameters
    ----------
    kind : class
        A frozen dataclass that is a Layer.

    Returns
    -------
    class
        The same.

    Raises
    ------
    ArgumentError
        If it is no layer, or its name is that of another one.

    Examples
    --------
    >>> import minprune as mp
    >>> @mp.layer
    ... class Wide(mp.Dense):
    ...     pass
    >>> model = mp.initialise(mp.build((4,), [("fc", Wide(4, 2))]))
    >>> mp.save(model, "wide.npz")
    >>> mp.load("wide.npz").net.node("fc").layer
    Wide(inputs=4, outputs=2, bias=True)
    """
    if not (isinstance(kind, type) and issubclass(kind, Layer)):
        raise ArgumentError(f"layer: the class must be a Layer, not {kind!r}; derive it from one")
    name, other = kind.__name__, kind_of(kind.__name__)
    if other and (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ArgumentError(
            f"layer: the name must be free, and {name} is {other.__module__}.{other.__qualname__}; "
            f"rename the class"
        )
    OWN[name] = kind
    return kind


def kind_of(name: str) -> type[Layer] | None:
    """The layer of that name, or None."""
    if name in LAYERS or name in OWN:
        return LAYERS.get(name) or OWN[name]
    home = ELSEWHERE.get(name)
    found: type[Layer] | None = getattr(import_module(home), name) if home else None
    return found
