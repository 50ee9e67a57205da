"""How the rows of an op's output depend on those of its inputs: the tie rules, in six words.

A row is an entry of the first axis: a channel or a feature, that is a unit. A pass over a trace
gives the words a meaning by its `links`: nets/labels.py collects what goes together,
structure/constants.py what is constant and what is needed.
"""

from typing import Any, Protocol

from minprune.autograd.tape import Tensor, Value


class Links(Protocol):
    """What a tie rule may say of an output."""

    def same(self, out: Tensor, *xs: Tensor) -> None:
        """Row k of out comes from row k of each x, and from nothing else."""

    def scale(self, out: Tensor, x: Tensor, s: Tensor) -> None:
        """Row k of out comes from row k of x times s[k], so from nothing of x where s[k] is 0."""

    def spread(self, out: Tensor, x: Tensor, times: int) -> None:
        """Row k of x becomes rows k times ... (k + 1) times - 1 of out."""

    def stack(self, out: Tensor, *xs: Tensor) -> None:
        """The rows of out are those of the xs, one after another."""

    def bind(self, out: Tensor, x: Tensor, groups: int) -> None:
        """Row k of out comes from row k of x, measured by all rows of its group.

        groups: how many runs of rows of equal length.
        """

    def mix(self, out: Tensor, w: Tensor, x: Tensor, groups: int, padded: bool) -> None:
        """Row o of out sums w[o, i] times the rows i of x (of its group of rows).

        padded: zeros are read beyond the edges of x, so a constant row of x is not constant to out.
        """


def rows(links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]) -> None:
    """Row k from row k: elementwise ops, pooling, normalisation."""
    links.same(out, *(x for x in inputs if isinstance(x, Tensor)))


def scaled(links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]) -> None:
    """(x, scale, shift): normalisation with known statistics."""
    x, scale, shift = inputs
    links.scale(out, x, scale)
    links.same(out, shift)


def linear(links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]) -> None:
    """(w, x, b): dense layers."""
    w, x, b = inputs
    links.mix(out, w, x, 1, False)
    if isinstance(b, Tensor):
        links.same(out, b)


def convolved(
    links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]
) -> None:
    """(x, w, b): convolutions."""
    x, w, b = inputs
    padded = any(settings.get("padding", ()))
    links.mix(out, w, x, settings.get("groups", 1), padded)
    if isinstance(b, Tensor):
        links.same(out, b)


def reshaped(
    links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]
) -> None:
    """(c, h, w, n) -> (c h w, n), or another shape of as many rows."""
    (x,) = inputs
    links.spread(out, x, out.shape[0] // x.shape[0])


def stacked(links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]) -> None:
    """One after another: concatenation."""
    links.stack(out, *inputs)


def bound(links: Links, out: Tensor, inputs: tuple[Value, ...], settings: dict[str, Any]) -> None:
    """(x): normalisation by the statistics of groups of rows."""
    (x,) = inputs
    links.bind(out, x, settings["groups"])
