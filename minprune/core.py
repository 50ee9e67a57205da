"""The nouns that cross a border: Dataset, Evidence, the criterion mark, named random streams."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from minprune.errors import ArgumentError, ShapeError

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Split = tuple[Array, Array]
Seed: TypeAlias = "int | np.random.Generator"


def stream(seed: Seed, name: str) -> np.random.Generator:
    """A generator of its own for each (seed, name): the streams of one seed are independent.

    An int gives the same stream each time; a Generator is advanced by one draw.
    """
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(
            f"seed is {seed!r}, expected an integer of at least 0 or a numpy Generator; "
            f"pass seed=0, for example"
        )
    key = zlib.crc32(name.encode())
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(key,)))


@dataclass(frozen=True)
class Dataset:
    """(x, y) pairs for training, validation and test; x: (n, features) or (n, c, h, w).

    y: (n,) of integer classes, or (n, outputs) of floats for a net with the mse loss.
    """

    train: Split
    val: Split
    test: Split
    name: str = "data"

    def __post_init__(self) -> None:
        for part in ("train", "val", "test"):
            x, y = getattr(self, part)
            if len(x) != len(y):
                raise ShapeError(
                    f"{part}: x has {len(x)} rows and y has {len(y)}; give one target to each input"
                )
            if x.shape[1:] != self.train[0].shape[1:]:
                raise ShapeError(
                    f"{part}: inputs are {x.shape[1:]}, those of train are {self.input_shape}; "
                    f"give all parts one shape"
                )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, without the batch axis."""
        return tuple(self.train[0].shape[1:])

    @property
    def outputs(self) -> int:
        """How many outputs a net for these targets has: classes, or target columns."""
        if self.train[1].ndim == 2:
            return int(self.train[1].shape[1])
        return 1 + max(int(y.max(initial=0)) for _, y in (self.train, self.val, self.test))


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at, one dict of arrays per kind, keyed by parameter name.

    A field is None unless the criterion's mark asks for it. Arrays may come from any framework.
    `ev.of("grads")` is the field, or a sentence that says it is absent.

    With unit=True the score of a unit is asked for: weights are (units, incoming), one row a unit
    with the incoming weights of all tied producers, and scores are (units,).
    """

    weights: Arrays | None = None
    masks: Arrays | None = None
    grads: Arrays | None = None  # of the mean loss over this chunk
    rng: np.random.Generator | None = None
    unit: bool = False

    def of(self, kind: str) -> Any:
        """The field of that name; raises ArgumentError where it was not filled."""
        found = getattr(self, kind)
        if found is None:
            raise ArgumentError(
                f"evidence has no {kind}, which this criterion needs; "
                f"give Evidence({kind}=...), or use mp.score, which fills it"
            )
        if isinstance(found, dict):  # of any framework: what np.asarray takes; whole numbers too
            arrays = {name: np.asarray(a) for name, a in found.items()}
            return {
                n: a.astype(np.float64) if a.dtype.kind in "iu" else a for n, a in arrays.items()
            }
        return found


Criterion = Callable[..., Arrays]
C = TypeVar("C", bound=Criterion)


@dataclass(frozen=True)
class Mark:
    """What a criterion declares: the evidence it needs, what a chunk of data is, its source."""

    needs: tuple[str, ...]
    over: Literal["all", "batch", "sample"]
    cite: str


def criterion(
    *, needs: tuple[str, ...], over: Literal["all", "batch", "sample"] = "all", cite: str = ""
) -> Callable[[C], C]:
    """Mark a function Evidence -> scores as a criterion; it stays callable by hand

    Raises ArgumentError for another `over`.
    """
    if over not in ("all", "batch", "sample"):
        raise ArgumentError(
            f"over is {over!r}, expected 'all', 'batch' or 'sample'; say what a chunk is"
        )

    def mark(fn: C) -> C:
        fn.mark = Mark(needs, over, cite)  # type: ignore[attr-defined]
        return fn

    return mark
