"""w = w - lr * step(g): SGD, Adam, AdamW, by PyTorch's rules; what is masked stays exactly 0."""

from dataclasses import dataclass, replace
from numbers import Real

import numpy as np

from minprune import kernels
from minprune.core import Array, Arrays
from minprune.errors import ArgumentError

OptState = dict[str, Arrays]  # {"velocity": {"fc1.weight": array, ...}}


@dataclass(frozen=True)
class Optimizer:
    """The learning rate, the names of its state, and one in-place update of one parameter."""

    lr: float

    def __post_init__(self) -> None:
        within(type(self).__name__, "lr", self.lr, 0)

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the state: one array of the parameter's shape each."""
        return ()

    @property
    def undecayed(self) -> "Optimizer":
        """The same without weight decay: for what a method trains besides the weights."""
        decay = {"weight_decay": 0.0} if hasattr(self, "weight_decay") else {}
        return replace(self, **decay)

    def start(self, params: Arrays) -> OptState:
        """Zeros for every slot and parameter."""
        return {slot: {k: np.zeros_like(w) for k, w in params.items()} for slot in self.slots}

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        """Move w in place by its gradient g; t counts updates from 1."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True)
class SGD(Optimizer):
    """v = momentum v + g + weight_decay w;  w = w - lr v (nesterov: lr (g + momentum v))"""

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        within("SGD", "momentum", self.momentum, 0, 1)
        within("SGD", "weight_decay", self.weight_decay, 0)
        if self.nesterov and not self.momentum:
            raise ArgumentError("SGD: nesterov needs momentum, found 0; give momentum=0.9")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        v = state["velocity"][name] if self.momentum else None
        kernels.sgd_step(w, g, v, mask, lr, self.momentum, self.nesterov, self.weight_decay)


@dataclass(frozen=True)
class Adam(Optimizer):
    """m, s = moving means of g, g^2;  w = w - lr mhat / (sqrt(shat) + eps); decay enters g

    Source: Kingma & Ba (2015).
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = type(self).__name__
        within(owner, "beta1", self.beta1, 0, 1)
        within(owner, "beta2", self.beta2, 0, 1)
        within(owner, "eps", self.eps, 0)
        within(owner, "weight_decay", self.weight_decay, 0)

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square")

    @property
    def decoupled(self) -> bool:
        """Whether the decay acts on w itself, beside the gradient step."""
        return False

    def update(
        self, name: str, w: Array, g: Array, state: OptState, mask: Array | None, lr: float, t: int
    ) -> None:
        kernels.adam_step(
            w, g, state["mean"][name], state["square"][name], mask, lr,
            self.beta1, self.beta2, self.eps, self.weight_decay, self.decoupled, t,
        )  # fmt: skip


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with w = w (1 - lr weight_decay) beside the step; Loshchilov & Hutter (2019)"""

    weight_decay: float = 1e-2

    @property
    def decoupled(self) -> bool:
        return True


def within(owner: str, what: str, given: object, low: float, high: float = np.inf) -> None:
    """Raises ArgumentError unless it is a number of at least low, and below high."""
    if isinstance(given, bool) or not isinstance(given, Real) or not low <= float(given) < high:
        end = "" if high == np.inf else f" and below {high:g}"
        raise ArgumentError(
            f"{owner}: {what} is {given!r}, expected a number of at least {low:g}{end}; "
            f"give another {what}"
        )
