"""pruned = round(sparsity n), half to even: how many entries are pruned, and of which layers."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from minprune.arguments import share
from minprune.errors import ArgumentError
from minprune.nets.names import matched, of_parameters, values_of

Value = TypeVar("Value")
Target = float | Mapping[str, float]  # one number, or layers and parameters with their own
SCORED = "{} must be a scored parameter, or a layer of one"


def pruned_count(sparsity: float, n: int, owner: str = "prune") -> int:
    """round(sparsity n), half to even, of the float product: how many of n entries are pruned

    The one place where a share becomes a count. Raises ArgumentError, which begins with `owner`,
    unless 0 <= sparsity <= 1.
    """
    return round(share(owner, "sparsity", sparsity) * n)


def grown_count(
    owner: str, sparsity: float, n: int, dead: int, what: str, things: str = "weights"
) -> int:
    """pruned_count of n, dead of which are pruned; raises ArgumentError where it is fewer"""
    gone = pruned_count(sparsity, n)
    if gone < dead:
        raise ArgumentError(
            f"{owner}: sparsity={sparsity} is below the present {dead / n!r} of {what}, and pruned "
            f"{things} are not restored; pass at least the present sparsity"
        )
    return gone


def raised_count(kept: int, round_to: int, most: int) -> int:
    """The next multiple of round_to from `kept` on, at most `most`: how many units are kept"""
    return min(-(-kept // round_to) * round_to, most)


def named(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """The parameters that `wanted` means: full names, layers, or patterns of either

    Raises ArgumentError for what means none.
    """
    return matched(of_parameters(names), wanted, SCORED)


def for_each(
    names: Iterable[str], given: Mapping[str, Value], what: str, owner: str = "prune",
    kind: str = "number",
) -> dict[str, Value]:  # fmt: skip
    """{parameter: its value} for all that the keys of `given` mean; raises as `values_of` does"""
    return values_of(of_parameters(names), given, f"{owner}: {what}", SCORED, kind)
