"""A layer for every row of the table of activations: ReLU, LeakyReLU, Tanh, Sigmoid, ELU, ...

`from minprune.nets.activation_layers import ELU` gives the class made of the row whose `layer` is
"ELU".
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from minprune import autograd as ag
from minprune.arguments import choice
from minprune.autograd import Value
from minprune.autograd.activations import ACTIVATIONS, Row
from minprune.nets.layer import ForwardContext, Params, Passing

EXAMPLE = """

>>> import minprune as mp
>>> mp.build((3,), [("fc", mp.Dense(3, 2)), ("act", mp.{0}())]).shapes["act"]
(2,)
"""


class Activation(Passing):
    """y = f(x), elementwise; a fused one runs inside the kernel of the layer before it."""

    kind: ClassVar[str]  # the key of its row
    bends: ClassVar[bool | None] = True

    @property
    def row(self) -> Row:
        """What the table says of it."""
        return ACTIVATIONS[self.kind]

    @property
    def fused(self) -> str:  # type: ignore[override]
        """Its name in the kernels, or "" where they do not know it."""
        return self.kind if self.row.fused else ""

    def apply(self, p: Params, xs: list[Value], run: ForwardContext, act: str = "none") -> Value:
        return ag.act(xs[0], kind=self.kind)

    def path(self, p: Params, xs: list[Value]) -> Value:
        """x: SynFlow takes activations as the identity"""
        return xs[0]


@dataclass(frozen=True)
class GELU(Activation):
    """y = x P(x), P the distribution function of the standard normal

    Parameters
    ----------
    approximate : {"none", "tanh"}
        "none" takes P by erf; "tanh" takes x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Raises
    ------
    ArgumentError
        For another word.

    Examples
    --------
    >>> import minprune as mp
    >>> mp.GELU(approximate="tanh")
    GELU(approximate='tanh')

    Source: Hendrycks & Gimpel (2016), Gaussian Error Linear Units.
    """

    approximate: str = "none"

    def __post_init__(self) -> None:
        choice("GELU", "approximate", self.approximate, ("none", "tanh"))

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The key of its row."""
        return "gelu_tanh" if self.approximate == "tanh" else "gelu"


LAYERS: dict[str, type[Activation]] = {
    row.layer: type(
        row.layer,
        (Activation,),
        {"kind": kind, "__doc__": row.says + EXAMPLE.format(row.layer), "__module__": __name__},
    )
    for kind, row in ACTIVATIONS.items()
    if row.layer
} | {"GELU": GELU}
ReLU, Sigmoid, Tanh = LAYERS["ReLU"], LAYERS["Sigmoid"], LAYERS["Tanh"]  # used by our own nets


def __getattr__(name: str) -> Any:
    if name not in LAYERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return LAYERS[name]
