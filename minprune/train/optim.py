"""w = w - lr * step(g): SGD, Adam, AdamW, by PyTorch's rules, under a mask.

Of entry j with mask m_j: m_j = True takes the step; m_j = False sets w_j and every optimizer state
of it to exactly 0, so that neither momentum nor weight decay brings it back. The loops are the
kernels `sgd_step` and `adam_step`, compiled and plain; only there does an optimizer read a mask.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from minprune import kernels
from minprune.arguments import number, share
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError

OptState = dict[str, Arrays]  # {"velocity": {"fc1.weight": array, ...}}


@dataclass(frozen=True)
class Optimizer:
    """The learning rate, the names of its state, and one in-place update of one parameter."""

    lr: float
    slots: ClassVar[tuple[str, ...]] = ()  # names of the state: an array of each parameter's shape

    def __post_init__(self) -> None:
        number(type(self).__name__, "lr", self.lr)

    @property
    def undecayed(self) -> "Optimizer":
        """The same without weight decay: for what a method trains besides the weights."""
        return replace(self, **({"weight_decay": 0.0} if hasattr(self, "weight_decay") else {}))

    def start(self, params: Arrays) -> OptState:
        """Zeros for every slot and parameter."""
        return {slot: {k: np.zeros_like(w) for k, w in params.items()} for slot in self.slots}

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        """Move w in place by its gradient g; t counts updates from 1; mask None: all of it"""
        raise NotImplementedError(type(self).__name__)

    def metric(self, name: str, state: OptState, t: int) -> Array | float:
        """D of one parameter after update t: w - lr D^-1 g, on a gradient g that stays the same"""
        return 1.0


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay.

        v = m (momentum v + g + weight_decay w)
        w = m (w - lr v), nesterov: m (w - lr (g + weight_decay w + momentum v))

    Parameters
    ----------
    lr : float
        The learning rate, at least 0.
    momentum : float
        From 0 to below 1; without it there is no state.
    nesterov : bool
        Looks one step ahead; needs momentum.
    weight_decay : float
        At least 0.

    Raises
    ------
    ArgumentError
        For a number out of its range, and for nesterov without momentum.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.SGD(0.1, momentum=0.9).slots
    ('velocity',)
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        share("SGD", "momentum", self.momentum, below=True)
        number("SGD", "weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ArgumentError("SGD: nesterov needs momentum above 0, not 0; pass momentum=0.9")

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("velocity",) if self.momentum else ()

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        v = state["velocity"][name] if self.momentum else None
        kernels.sgd_step(w, g, v, mask, lr, self.momentum, self.nesterov, self.weight_decay)

    def metric(self, name: str, state: OptState, t: int) -> Array | float:
        """1 - momentum: the velocity tends to g / (1 - momentum)"""
        return 1 - self.momentum


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by moving means of the gradient and of its square.

        g = g + weight_decay w
        a = m (beta1 a + (1 - beta1) g),  s = m (beta2 s + (1 - beta2) g^2)
        w = m (w - lr ahat / (sqrt(shat) + eps)),  ahat = a / (1 - beta1^t), shat likewise of s

    Parameters
    ----------
    lr : float
        The learning rate, at least 0.
    beta1, beta2 : float
        How much of the two means stays at each update, from 0 to below 1.
    eps : float
        At least 0.
    weight_decay : float
        At least 0; it enters the gradient.

    Raises
    ------
    ArgumentError
        For a number out of its range.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.Adam(1e-3).slots
    ('mean', 'square')

    Source: Kingma & Ba (2015).
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    slots = ("mean", "square")
    decoupled: ClassVar[bool] = False  # whether the decay acts on w, not on the gradient

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        share(owner, "beta1", self.beta1, below=True)
        share(owner, "beta2", self.beta2, below=True)
        number(owner, "eps", self.eps)
        number(owner, "weight_decay", self.weight_decay)

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        kernels.adam_step(
            w, g, state["mean"][name], state["square"][name], mask, lr,
            self.beta1, self.beta2, self.eps, self.weight_decay, self.decoupled, t,
        )  # fmt: skip

    def metric(self, name: str, state: OptState, t: int) -> Array | float:
        """sqrt(shat) + eps"""
        square = state["square"][name]
        root: Array = np.sqrt(square)
        root *= square.dtype.type((1 - self.beta2**t) ** -0.5)
        root += square.dtype.type(self.eps)
        return root


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with the weight decay beside the gradient step: w = m (w (1 - lr weight_decay) - ...).

    Parameters
    ----------
    lr, beta1, beta2, eps : float
        As of Adam.
    weight_decay : float
        At least 0.

    Raises
    ------
    ArgumentError
        For a number out of its range.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.AdamW(1e-3).weight_decay
    0.01

    Source: Loshchilov & Hutter (2019).
    """

    weight_decay: float = 1e-2
    decoupled: ClassVar[bool] = True
