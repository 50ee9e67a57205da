"""Dropout: noise in training, the identity otherwise."""

from dataclasses import dataclass

from minprune import arguments
from minprune import autograd as ag
from minprune.autograd import Value
from minprune.errors import ArgumentError
from minprune.nets.layer import ForwardContext, Params, Passing
from minprune.nets.noise import bernoulli


@dataclass(frozen=True)
class Dropout(Passing):
    """Entries set to 0 at random in training.

    y = x m / (1 - rate), m ~ Bernoulli(1 - rate), in training; y = x otherwise

    Parameters
    ----------
    rate : float, default 0.5
        The share of entries that are set to 0, below 1.

    Raises
    ------
    ArgumentError
        If rate is not a number from 0 to below 1.

    References
    ----------
    Srivastava et al. (2014), Dropout; in the inverted form.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Dropout(0.2)
    Dropout(rate=0.2)
    """

    rate: float = 0.5

    def __post_init__(self) -> None:
        arguments.share("Dropout", "rate", self.rate, below=True)

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        if not run.train or self.rate == 0:
            return xs[0]
        if run.rng is None:
            raise ArgumentError(f"{run.layer}: dropout needs randomness; pass a Generator as rng=")
        x = ag.value(xs[0])
        return ag.mul(xs[0], bernoulli(run.rng, x.shape, x.dtype, self.rate))
