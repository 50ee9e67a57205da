"""The nouns that cross a border: Dataset, Evidence, the criterion spec, named random streams."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
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

    y: (n,) of integer classes, or (n, outputs) of floats for a net with the mse loss. Raises
    ArgumentError and ShapeError, naming the part, for what is no such pair.
    """

    train: Split
    val: Split
    test: Split
    name: str = "data"

    def __post_init__(self) -> None:
        for part in ("train", "val", "test"):
            given = getattr(self, part)
            many = given if isinstance(given, tuple | list) else [given]
            if len(many) != 2 or not all(map(_holds_samples, many)):
                kinds = [f"{type(a).__name__} {getattr(a, 'dtype', '')}".strip() for a in many]
                raise ArgumentError(
                    f"{part}: found {', '.join(kinds)}, expected a pair (x, y) of NumPy arrays of "
                    f"numbers, with a row for each sample; give mp.Dataset((x, y), (x, y), (x, y))"
                )
            x, y = many
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


def _holds_samples(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.ndim > 0 and a.dtype.kind in "biuf"


# What there is to look at, what it is, and what it takes to get it.
EVIDENCE_KINDS: dict[str, tuple[str, str]] = {
    "weights": ("w; of a unit: a row, see CriterionSpec.unit", "nothing"),
    "masks": ("True = kept", "nothing"),
    "rng": ("the caller's generator", "nothing"),
    "grads": ("g = dL/dw of the mean loss over the chunk", "one gradient"),
    "squared_grads": ("mean over samples of g_p^2", "one gradient of each sample"),
    "hess_diag": ("H_ww, the diagonal of d2L/dw2", "one gradient for each output"),
    "hess_grad": ("H g over the scored parameters", "two gradients"),
    "hess_weight": ("H w over the scored parameters", "two gradients"),
    "path_grads": ("dR/d|w|, R = 1^T (prod |W_l|) 1", "one gradient, no data"),
    "removal": ("L(w | entry removed) - L(w)", "one pass for each entry"),
    "gate_grads": ("dL/dc, c = 1 a factor on all that a unit sends on", "one gradient"),
    "gate_hess": ("d2L/dc2 of each unit's own gate", "one gradient for each output"),
    "activations": ("a, (n, units, positions)", "one pass"),
    "act_grads": ("dl_p/da of each sample's own loss, (n, units, positions)", "one gradient"),
    "labels": ("the classes of the chunk's samples, (n,)", "nothing"),
    "outgoing": ("the weights that read a unit, (units, entries)", "nothing"),
    "act_mean": ("mean over samples and positions of a, (units,)", "one pass"),
    "act_gram": ("mean over samples and positions of a a^T, (units, units)", "one pass"),
    "act_hist": ("counts of the mean a of each sample, over the unit's range", "two passes"),
    "class_counts": ("samples of each class, (classes,)", "nothing"),
    "class_means": ("class means of max a over positions, (classes, units)", "one pass"),
    "within": ("mean over samples of (a - class mean)(...)^T, (units, units)", "one pass"),
    "inverse_diag": ("[H^-1]_qq", "an inverse"),
    "inverse_block": ("[H^-1]_SS of each unit, (units, entries, entries)", "an inverse"),
    "sweep_loss": ("the loss of each step of exact row sweeps", "an inverse for each weight"),
}


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at, one dict of arrays per kind, keyed by parameter name.

    A field is None unless the criterion's spec asks for it; EVIDENCE_KINDS says what each is.
    Arrays may come from any framework. `ev.of("grads")` is the field, or a sentence that says it
    is absent.

    With unit=True the score of a unit is asked for, scores are (units,), and arrays are
    (units, entries), one row a unit, or (units,) where the unit's gate stands for it:
    CriterionSpec.unit says which. `ev.sum(a)` adds up the rows.
    """

    weights: Arrays | None = None
    masks: Arrays | None = None
    grads: Arrays | None = None
    squared_grads: Arrays | None = None
    hess_diag: Arrays | None = None
    hess_grad: Arrays | None = None
    hess_weight: Arrays | None = None
    path_grads: Arrays | None = None
    removal: Arrays | None = None
    gate_grads: Arrays | None = None
    gate_hess: Arrays | None = None
    activations: Arrays | None = None
    act_grads: Arrays | None = None
    labels: Array | None = None
    outgoing: Arrays | None = None
    act_mean: Arrays | None = None
    act_gram: Arrays | None = None
    act_hist: Arrays | None = None
    class_counts: Array | None = None
    class_means: Arrays | None = None
    within: Arrays | None = None
    inverse_diag: Arrays | None = None
    inverse_block: Arrays | None = None
    sweep_loss: Arrays | None = None
    rng: np.random.Generator | None = None
    unit: bool = False
    more: dict[str, Any] = field(default_factory=dict)  # kinds of one's own, see mp.score(needs=)

    def of(self, kind: str) -> Any:
        """The field of that name; raises ArgumentError where it was not filled."""
        found = self.more[kind] if kind in self.more else getattr(self, kind, None)
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

    def sum(self, a: Array) -> Array:
        """The sum over each unit's row, in float64, for units; a itself for single weights."""
        if not self.unit:
            return a
        over = tuple(range(1, a.ndim))  # reshape(len(a), -1) refuses a layer without units
        total: Array = np.asarray(a.sum(axis=over, dtype=np.float64)).astype(a.dtype)
        return total


@dataclass(frozen=True)
class Example:
    """Evidence of one tensor, and the scores that a criterion must give for it, worked by hand.

    Parameters
    ----------
    evidence : kind of evidence -> its array; a single array stands for {"w": array}, and
        `rng` is the seed of the generator.
    want : the scores of "w".
    options : the options of the criterion.
    unit : whether the score of a unit is asked for.
    within : how far a score may be from `want`, where `want` is not exact in binary.

    Examples
    --------
    >>> import minprune as mp
    >>> example = mp.Example({"weights": [3, -1, 0], "hess_diag": [2, 4, 9]}, want=[9, 2, 0])
    >>> mp.criteria.obd(example.given())["w"]
    array([9., 2., 0.])
    """

    evidence: Mapping[str, Any]
    want: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    unit: bool = False
    within: float = 0.0

    def given(self, dtype: npt.DTypeLike = np.float64) -> Evidence:
        """The evidence, as the criterion gets it"""
        held: dict[str, Any] = {}
        for kind, a in self.evidence.items():
            if kind == "rng":
                held[kind] = np.random.default_rng(a)
            elif kind in UNNAMED:
                held[kind] = np.array(a, dtype)
            else:
                many = a if isinstance(a, Mapping) else {"w": a}
                held[kind] = {name: np.array(part, dtype) for name, part in many.items()}
        return Evidence(unit=self.unit, **held)


UNNAMED = ("labels", "class_counts")  # kinds of evidence that are one array for all tensors
Criterion = Callable[..., Arrays]
Chunk = Literal["all", "batch", "sample"]
UnitView = Literal["incoming", "incoming and bias", "outgoing", "gate", "whole"]
C = TypeVar("C", bound=Criterion)


@dataclass(frozen=True)
class CriterionSpec:
    """What a criterion declares.

    needs: kinds of evidence, and chunk: what a chunk of data is; either may be a function of the
    criterion's options and of `unit`. cite: its source, and which version of it. unit: what the
    arrays of a unit hold: its "incoming" weights (of all tied producers), those "incoming and
    bias", its "outgoing" weights, its "gate" (weights = 1; grads, squared_grads, hess_diag and
    hess_weight in the gate), or "whole": evidence that is of units by nature; None: it cannot score
    units. single: whether it can score single weights. finish: what is done to the scores once all
    chunks are averaged. note: what is to be said of the evidence, or "": `mp.score` warns with it.
    examples: evidence and scores worked by hand, which the tests and `minprune verify` run.
    estimates: the power of |score| that estimates the change of the loss when an entry is removed;
    None: it estimates no such change. large: options that suit nets of any size, which `minprune
    run` and `compare` pass.
    """

    needs: tuple[str, ...] | Callable[..., tuple[str, ...]]
    chunk: Chunk | Callable[..., Chunk] = "all"
    cite: str = ""
    unit: UnitView | None = "incoming"
    single: bool = True
    finish: Callable[..., Arrays] | None = None
    note: Callable[..., str] | None = None
    raw: Criterion | None = field(default=None, compare=False)  # the criterion without its finish
    examples: tuple[Example, ...] = field(default=(), compare=False)
    estimates: float | None = None
    large: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def asked(self, options: dict[str, Any], unit: bool = False) -> tuple[tuple[str, ...], Chunk]:
        """(needs, chunk) for these options of the criterion, for units or for single weights."""
        how = options | {"unit": True} if unit else options
        needs = self.needs(**how) if callable(self.needs) else self.needs
        return needs, self.chunk(**how) if callable(self.chunk) else self.chunk


def criterion(
    *,
    needs: tuple[str, ...] | Callable[..., tuple[str, ...]],
    chunk: Chunk | Callable[..., Chunk] = "all",
    cite: str = "",
    unit: UnitView | None = "incoming",
    single: bool = True,
    finish: Callable[..., Arrays] | None = None,
    note: Callable[..., str] | None = None,
    examples: tuple[Example, ...] = (),
    estimates: float | None = None,
    large: Mapping[str, Any] | None = None,
) -> Callable[[C], C]:
    """Mark a function Evidence -> scores as a criterion; it stays callable by hand

    See CriterionSpec for the arguments. Called by hand it takes one chunk and finishes at once.
    Raises ArgumentError for another `chunk`.
    """
    if not callable(chunk) and chunk not in ("all", "batch", "sample"):
        raise ArgumentError(
            f"chunk is {chunk!r}, expected 'all', 'batch' or 'sample'; say what a chunk is"
        )

    def declare(fn: C) -> C:
        whole: Any = fn
        if finish is not None:

            @wraps(fn)
            def whole(*args: Any, **options: Any) -> Arrays:
                return finish(fn(*args, **options), **options)

        whole.spec = CriterionSpec(
            needs, chunk, cite, unit, single, finish, note, fn, examples, estimates, large or {}
        )  # fmt: skip
        return whole  # type: ignore[no-any-return]

    return declare
