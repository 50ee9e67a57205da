"""mask_l: a random share of it False, by allocate(sparsity, how): where sparse training begins."""

from collections.abc import Iterable

from minprune.core import Seed, stream
from minprune.masking.allocate import allocate
from minprune.masking.apply import prune
from minprune.nets.model import Model, dense_only, is_model


def start_sparse(
    model: Model,
    sparsity: float,
    how: str = "erk",
    *,
    power: float = 1.0,
    protect: Iterable[str] = (),
    seed: Seed = 0,
) -> Model:
    """Mask a random share of the weights, to train sparse: round(sparsity n) of n are masked.

    Parameters
    ----------
    model : Model
        A dense model; `mp.sparsify(..., "csr")` of the result stores the live weights only.
    sparsity : float
        The share of all weights to mask.
    how, power, protect : str, float, names
        The sparsity of each layer, see `mp.allocate`.
    seed : int or numpy Generator
        Of the masks.

    Returns
    -------
    Model
        The masked model.

    Raises
    ------
    UnreachableError
        Where a layer would keep nothing; ArgumentError as `allocate` and `prune` raise it.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.methods.start_sparse(mp.zoo.mlp(mp.data.digits(), hidden=(32,)), 0.8)
    >>> {name: int(mask.sum()) for name, mask in model.masks.items()}
    {'fc1.weight': 330, 'fc2.weight': 144}
    """
    is_model(model, "start_sparse")
    dense_only(model, "start_sparse")
    rng = stream(seed, "start_sparse")
    shares = allocate(model, sparsity, how, power=power, protect=protect)
    scores = {name: rng.random(model.params[name].shape) for name in model.net.weights}
    return prune(model, scores, sparsity=shares)
