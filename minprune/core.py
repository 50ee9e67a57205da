"""The nouns that cross a border: Dataset, Evidence, the criterion spec, named random streams.

Longer than most files because each noun is documented where it is declared.
"""
# ruff: noqa: RUF009 (_kind returns a dataclass field)

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import wraps
from typing import Any, Literal, NamedTuple, ParamSpec, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from minprune.arguments import choice, is_count, shaped
from minprune.errors import ArgumentError, MinpruneWarning, ShapeError

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
    if not is_count(seed, 0):
        raise ArgumentError(
            f"seed must be an integer of at least 0 or a numpy Generator, not {seed!r}; "
            f"pass seed=0, for example"
        )
    key = zlib.crc32(name.encode())
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=(key,)))


def flat(arrays: Arrays, names: Iterable[str]) -> Array:
    """The named arrays one after another, (N,)"""
    return np.concatenate([arrays[name].ravel() for name in names])


def unflat(vector: Array, shapes: Mapping[str, tuple[int, ...]]) -> Arrays:
    """(N,) -> {name: shape}, views of it"""
    found, start = Arrays(), 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        found[name] = vector[start : start + size].reshape(shape)
        start += size
    return found


@dataclass(frozen=True)
class Dataset:
    """Pairs (x, y) for training, validation and test.

    Parameters
    ----------
    train, val, test
        Pairs (x, y) with one row for each sample; x: (n, features), (n, c, h, w) or
        (n, c, length); y: (n,) of classes, which are integers from 0 or text; or floats for
        another loss, (n, outputs), or (n,) for one output. Text is replaced by class numbers.
    name
        The name that reports and files show.
    classes
        The names of the classes, in the order of their numbers. If y is text and none are given,
        they are all that occur, sorted, as numbers if all are numbers. They are kept here alone:
        a model and its file have the numbers only.

    Raises
    ------
    ArgumentError
        Naming the part, where it is not a pair of arrays of numbers; naming the target, where it
        is no class or is not finite.
    ShapeError
        Where x and y of a part, or two parts, do not fit together.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> part = np.zeros((2, 3)), np.array([0, 4])
    >>> data = mp.Dataset(part, part, part)
    >>> data.input_shape, data.outputs
    ((3,), 5)
    >>> part = np.zeros((2, 3)), np.array(["dog", "cat"])
    >>> data = mp.Dataset(part, part, part)
    >>> data.train[1].tolist(), data.classes
    ([1, 0], ('cat', 'dog'))
    """

    train: Split
    val: Split
    test: Split
    name: str = "data"
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in PARTS:
            given = getattr(self, part)
            many = given if isinstance(given, tuple | list) else [given]
            if len(many) != 2 or not (_numeric(many[0]) and (_numeric(many[1]) or _text(many[1]))):
                kinds = [f"{type(a).__name__} {getattr(a, 'dtype', '')}".strip() for a in many]
                raise ArgumentError(
                    f"{part} must be a pair (x, y) of NumPy arrays of numbers with a row for each "
                    f"sample, not {', '.join(kinds)}; pass mp.Dataset((x, y), (x, y), (x, y))"
                )
            x, y = many
            if len(x) != len(y):
                raise ShapeError(
                    f"{part}: x has {len(x)} rows and y has {len(y)}; pass one target to each input"
                )
            if x.shape[1:] != self.train[0].shape[1:]:
                raise ShapeError(
                    f"{part}: inputs are {x.shape[1:]}, those of train are {self.input_shape}; "
                    f"pass all parts with one shape"
                )
            if y.shape[1:] != self.train[1].shape[1:]:
                raise ShapeError(
                    f"{part}: targets are {y.shape}, those of train are {self.train[1].shape}; "
                    f"pass all parts with one shape"
                )
            if _text(y) != _text(self.train[1]):
                raise ArgumentError(
                    f"{part}: targets are {y.dtype}, those of train are {self.train[1].dtype}; "
                    f"pass all parts as text, or all as numbers"
                )
        self._name_classes()
        for part in PARTS:
            check_targets(part, getattr(self, part)[1], len(self.train[1]), len(self.classes))
        if hint := channels_last(self.input_shape):
            shape = ", ".join(map(str, self.input_shape))
            warnings.warn(
                f"{self.name}: images must be (n, channels, height, width), and (n, {shape}) "
                f"{hint}", MinpruneWarning, stacklevel=3,
            )  # fmt: skip

    def _name_classes(self) -> None:
        """Checks the names of the classes, and replaces text among the targets by numbers."""
        listed = isinstance(self.classes, tuple | list)
        names: tuple[Any, ...] = tuple(self.classes) if listed else (None,)
        if len(set(names)) < len(names) or not all(isinstance(name, str) for name in names):
            raise ArgumentError(
                f"classes must be different names in the order of the class numbers, not "
                f"{self.classes!r}; pass ('cat', 'dog'), for example"
            )
        text = {part: pair for part in PARTS if _text((pair := getattr(self, part))[1])}
        names = names or ordered(name for _, y in text.values() for name in y.tolist())
        made: dict[int, Split] = {}  # parts that are one pair stay one
        for part, (x, y) in text.items():
            key = id(getattr(self, part))
            made[key] = made.get(key) or (x, _numbers(part, y, names))
            object.__setattr__(self, part, made[key])
        object.__setattr__(self, "classes", names)

    def __repr__(self) -> str:
        """The name, how many samples the parts have, and the shapes, not the arrays."""
        many = ", ".join(f"{len(getattr(self, part)[0]):,} {part}" for part in PARTS)
        what = "outputs" if self.train[1].dtype.kind == "f" else "classes"
        return f"Dataset {self.name}: {many}; inputs {self.input_shape}, {self.outputs} {what}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, without the batch axis."""
        return tuple(self.train[0].shape[1:])

    @property
    def outputs(self) -> int:
        """How many outputs a net for these targets has: classes, or target columns."""
        y = self.train[1]
        if y.ndim == 2 or y.dtype.kind == "f":
            return int(y.shape[1]) if y.ndim == 2 else 1
        most = max(int(y.max(initial=0)) for _, y in (self.train, self.val, self.test))
        return len(self.classes) or 1 + most


PARTS = ("train", "val", "test")
MOST_CLASSES = 100_000  # a class number beyond this, and beyond the number of samples, is a mistake


def _numeric(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.ndim > 0 and a.dtype.kind in "biuf"


def _text(a: Any) -> bool:
    if not isinstance(a, np.ndarray) or a.ndim != 1:
        return False
    objects = a.dtype.kind == "O" and a.size and all(isinstance(c, str) for c in a)
    return a.dtype.kind in "UT" or bool(objects)


def ordered(texts: Iterable[str]) -> tuple[str, ...]:
    """The different texts, sorted, as numbers if all are numbers"""
    found = set(texts)
    numeric = all(map(is_number_text, found))
    return tuple(sorted(found, key=lambda c: (float(c) if numeric else 0, c)))


def is_number_text(text: str) -> bool:
    """Whether the text is a finite number"""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _numbers(part: str, y: Array, names: tuple[str, ...]) -> Array:
    """The number of each target's class; raises ArgumentError for one without a name."""
    check_targets(part, y, len(y))
    at = {name: k for k, name in enumerate(names)}
    for i, name in enumerate(y.tolist()):
        if name not in at:
            raise ArgumentError(
                f"{part}: y must hold names of classes, {first_of(names)}, not {name!r} as in "
                f"y[{i}]; add it to classes, or leave that sample out"
            )
    return np.array([at[name] for name in y.tolist()], np.int64)


def first_of(names: Sequence[str], most: int = 8) -> str:
    """The names as text; of many the first ones, and how many there are"""
    more = f", ... ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def check_targets(part: str, y: Array, samples: int, classes: int = 0) -> None:
    """Raises ArgumentError for a target that is not finite, blank, or no class number

    samples: of training; classes: how many there are, if that is known.
    """
    if y.ndim not in (1, 2) or not (_numeric(y) or _text(y)):
        raise ShapeError(
            f"{part}: y must be (n,) of classes or (n, outputs) of numbers, not {y.dtype} of shape "
            f"{y.shape}; pass one target to each input"
        )
    bad, rule, then = np.zeros(y.shape, bool), "hold names of classes", "leave that sample out"
    if _text(y):
        bad = np.array([not name.strip() for name in y.tolist()], bool)
    elif y.dtype.kind == "f":
        bad, rule = ~np.isfinite(y), "be finite numbers"
    elif y.ndim == 1:
        end = classes or max(MOST_CLASSES, samples)
        bad, rule = (y < 0) | (y >= end), f"hold class numbers from 0 to {end - 1}"
        then = "number the classes by np.unique(y, return_inverse=True)[1], or pass floats for mse"
    if bad.any():
        at = np.unravel_index(int(bad.argmax()), y.shape)
        found, place = y[at], ", ".join(map(str, at))
        found = repr(str(found)) if _text(y) else found
        raise ArgumentError(f"{part}: y must {rule}, not {found} as in y[{place}]; {then}")


def channels_last(shape: Sequence[int]) -> str:
    """What to do where images of that shape seem to be (h, w, c); "" where they do not."""
    if len(shape) != 3 or shape[2] not in (1, 3, 4) or min(shape[:2]) <= 4:
        return ""
    return "looks channels-last (NHWC); pass x.transpose(0, 3, 1, 2)"


class Kind(NamedTuple):
    """A kind of evidence: what it is, and what it costs to compute."""

    what: str
    cost: str


def _kind(what: str, cost: str = "nothing") -> Any:
    return field(default=None, metadata={"kind": Kind(what, cost)})


@dataclass(frozen=True)
class Evidence:
    """The arrays that a criterion reads, one dict per kind, keyed by parameter name.

    A field is None unless the criterion's spec asks for it. Arrays may come from any framework.
    With unit=True scores are (units,) and arrays are (units, entries), one row for each unit, or
    (units,) where the unit's gate stands for it: see CriterionSpec.

    Parameters
    ----------
    KINDS
    unit : whether the score of a unit is asked for
    more : kinds of evidence of one's own; see `needs` of mp.score

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> ev = mp.Evidence(weights={"w": np.array([3.0, -1.0, 0.0])})
    >>> mp.criteria.magnitude(ev)["w"]
    array([3., 1., 0.])
    """

    weights: Arrays | None = _kind("w")
    masks: Arrays | None = _kind("True = kept")
    grads: Arrays | None = _kind("g = dL/dw of the mean loss over the chunk", "one gradient")
    squared_grads: Arrays | None = _kind("mean over samples of g_p^2", "one gradient per sample")
    hess_diag: Arrays | None = _kind("H_ww, the diagonal of d2L/dw2", "one gradient per output")
    hess_grad: Arrays | None = _kind("H g, a product: no matrix", "two gradients")
    hess_weight: Arrays | None = _kind("H w, a product: no matrix", "two gradients")
    path_grads: Arrays | None = _kind("dR/d|w|, R = 1^T (prod |W_l|) 1", "one gradient, no data")
    removal: Arrays | None = _kind("L(w | entry removed) - L(w)", "one pass per entry")
    gate_grads: Arrays | None = _kind("dL/dc, c = 1 a factor on a unit's output", "one gradient")
    gate_hess: Arrays | None = _kind("d2L/dc2 of each unit's own gate", "one gradient per output")
    activations: Arrays | None = _kind("a, (samples, units, positions)", "one pass")
    act_grads: Arrays | None = _kind("dl_p/da of each sample's own loss", "one gradient")
    labels: Array | None = _kind("the classes of the chunk's samples, (n,)")
    outgoing: Arrays | None = _kind("the weights that read a unit, (units, entries)")
    scales: Arrays | None = _kind("gamma of what normalises a unit, (units, k); 1 without it")
    act_mean: Arrays | None = _kind("mean over samples and positions of a", "one pass")
    act_gram: Arrays | None = _kind(
        "mean over samples and positions of a a^T, (units, units)", "one pass"
    )
    act_cov: Arrays | None = _kind(
        "mean of (a - mean)(a - mean)^T over both, (units, units)", "one pass"
    )
    act_hist: Arrays | None = _kind("counts of each sample's mean a, in bins", "two passes")
    class_counts: Array | None = _kind(
        "samples of each class, (classes,): one array for all layers"
    )
    class_means: Arrays | None = _kind(
        "class means of max a over positions, (classes, units)", "one pass"
    )
    within: Arrays | None = _kind(
        "mean of (a - class mean)(a - class mean)^T, (units, units)", "one pass"
    )
    inverse_diag: Arrays | None = _kind("[H^-1]_qq", "an inverse")
    inverse_block: Arrays | None = _kind("[H^-1]_SS of each unit", "an inverse")
    sweep_loss: Arrays | None = _kind("the losses of exact row sweeps", "an inverse per weight")
    rng: np.random.Generator | None = _kind("the caller's generator")
    unit: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> Any:
        """The field of that name; raises ArgumentError where it was not filled."""
        found = self.more[kind] if kind in self.more else getattr(self, kind, None)
        if found is None:
            raise ArgumentError(
                f"evidence has no {kind}, which this criterion needs; "
                f"pass Evidence({kind}=...), or use mp.score, which fills it"
            )
        if not isinstance(found, dict):
            return found
        arrays = {name: np.asarray(a) for name, a in found.items()}  # of any framework
        whole = {name: a.astype(np.float64) for name, a in arrays.items() if a.dtype.kind in "iu"}
        return arrays | whole

    def together(self, *kinds: str) -> dict[str, tuple[Array, ...]]:
        """{name: its arrays of these kinds}; raises ShapeError for a name without one of them."""
        first, *others = found = [self.of(kind) for kind in kinds]
        for kind, arrays in zip(kinds[1:], others, strict=True):
            for name in first.keys() - arrays.keys():
                raise ShapeError(
                    f"{name}: evidence has its {kinds[0]} and not its {kind}; "
                    f"pass both for every name"
                )
        return {name: tuple(arrays[name] for arrays in found) for name in first}

    def alike(self, *kinds: str) -> dict[str, tuple[Array, ...]]:
        """As `together`; raises ShapeError unless all arrays of a name have one shape."""
        found = self.together(*kinds)
        for name, (first, *others) in found.items():
            for kind, a in zip(kinds[1:], others, strict=True):
                fits(name, kind, a, first.shape)
        return found

    def rows(self, kind: str) -> Arrays:
        """{name: (units, entries)}: all entries of a unit in one row, whatever its axes"""
        found = self.of(kind)
        return {name: a.reshape(len(a), math.prod(a.shape[1:])) for name, a in found.items()}

    def live_rows(self) -> dict[str, tuple[Array, Array]]:
        """{name: (weights, which of them are live), in rows}; all are, where there are no masks"""
        weights = self.rows("weights")
        if self.masks is None:
            return {name: (w, np.ones(w.shape, bool)) for name, w in weights.items()}
        masks = self.rows("masks")
        for name, w in weights.items():
            fits(name, "masks", masks[name], w.shape)
        return {name: (w, masks[name].astype(bool)) for name, w in weights.items()}

    def sum(self, a: Array) -> Array:
        """The sum over each unit's row, in float64, for units; a itself for single weights."""
        if not self.unit:
            return a
        over = tuple(range(1, a.ndim))  # reshape(len(a), -1) refuses a layer without units
        total: Array = np.asarray(a.sum(axis=over, dtype=np.float64)).astype(a.dtype)
        return total


EVIDENCE_KINDS: dict[str, Kind] = {
    f.name: f.metadata["kind"] for f in fields(Evidence) if "kind" in f.metadata
}
Evidence.__doc__ = (Evidence.__doc__ or "").replace(
    "KINDS", "\n    ".join(f"{name} : {kind.what}" for name, kind in EVIDENCE_KINDS.items())
)


def fits(name: str, kind: str, a: Array, shape: tuple[int, ...]) -> None:
    """Raises ShapeError unless a, evidence of that kind, has that shape."""
    if a.shape != shape:
        remedy = "pass evidence of the same entries, in the same order"
        shaped(f"{name}: its {kind}", a, shape, remedy)


@dataclass(frozen=True)
class Example:
    """Evidence of one tensor and the scores that a criterion must give for it, worked by hand.

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
P = ParamSpec("P")


class Marked(Protocol[P]):
    """A criterion with its spec."""

    __name__: str
    spec: CriterionSpec

    def __call__(self, *args: P.args, **options: P.kwargs) -> Arrays: ...


@dataclass(frozen=True)
class CriterionSpec:
    """What a criterion declares; `criterion`, the same class, marks a function with it.

    A criterion is a function Evidence -> scores. It can be called by hand: then it takes the
    evidence of one chunk and finishes at once.

    Parameters
    ----------
    needs
        The kinds of evidence that it reads, or a function of its options, and of `unit`.
    chunk
        The samples that it gets at once: "all", a "batch", or one "sample"; or a function of its
        options. Scores of chunks are averaged.
    cite
        Its source, and which version of it.
    unit
        What the arrays of a unit hold: its "incoming" weights (of all tied producers), those
        "incoming and bias", its "outgoing" weights, its "gate" (weights = 1; grads, squared_grads,
        hess_diag and hess_weight in the gate), or "whole": evidence that is of units by nature.
        None: it cannot score units.
    single
        Whether it can score single weights.
    finish
        What is done to the scores once all chunks are averaged.
    note
        A function of the evidence that gives a warning for `mp.score`, or "".
    examples
        Evidence and scores worked by hand, which the tests and `minprune verify` run.
    estimates
        The power of |score| that estimates the change of the loss when an entry is removed; None:
        it estimates no such change.
    at_init
        Whether it is meant for nets before training.
    large
        Options that suit nets of any size, which `minprune run` and `compare` pass.
    raw
        The marked function, of one chunk, without checks and without its finish.

    Raises
    ------
    ArgumentError
        For another chunk. The criterion raises it for evidence of units, or of single weights,
        that it cannot score.

    Examples
    --------
    >>> import numpy as np, minprune as mp
    >>> @mp.criterion(needs=("weights", "grads"), chunk="batch")
    ... def saliency(ev):
    ...     return {name: np.abs(w * g) for name, (w, g) in ev.alike("weights", "grads").items()}
    >>> saliency.spec.asked({})
    (('weights', 'grads'), 'batch')
    """

    needs: tuple[str, ...] | Callable[..., tuple[str, ...]]
    chunk: Chunk | Callable[..., Chunk] = "all"
    cite: str = ""
    unit: UnitView | None = "incoming"
    single: bool = True
    finish: Callable[..., Arrays] | None = None
    note: Callable[..., str] | None = None
    examples: tuple[Example, ...] = field(default=(), compare=False)
    estimates: float | None = None
    at_init: bool = False
    large: Mapping[str, Any] = field(default_factory=dict, compare=False)
    raw: Criterion | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.chunk):
            choice("criterion", "chunk", self.chunk, ("all", "batch", "sample"))

    def __call__(self, fn: Callable[P, Arrays]) -> Marked[P]:
        """The function with this spec"""

        @wraps(fn)
        def whole(*args: P.args, **options: P.kwargs) -> Arrays:
            ev = args[0] if args else None
            if isinstance(ev, Evidence) and not (self.unit if ev.unit else self.single):
                other, given = ("single weights", "units")[:: 1 if ev.unit else -1]
                raise ArgumentError(
                    f"{whole.__name__}: scores {other}, and the evidence is of {given}; "
                    f"pass Evidence(..., unit={not ev.unit})"
                )
            scores = fn(*args, **options)
            return self.finish(scores, **options) if self.finish else scores

        whole.__name__ = getattr(fn, "__name__", "criterion")
        whole.spec = replace(self, raw=fn)  # type: ignore[attr-defined]
        return whole  # type: ignore[return-value]

    def asked(
        self, options: Mapping[str, Any], unit: bool = False
    ) -> tuple[tuple[str, ...], Chunk]:
        """(needs, chunk) for these options of the criterion, for units or for single weights."""
        how = {**options, "unit": True} if unit else options
        needs = self.needs(**how) if callable(self.needs) else self.needs
        return needs, self.chunk(**how) if callable(self.chunk) else self.chunk


criterion = CriterionSpec
