"""check_scorer: functions of a model and a batch, which may leave nothing behind.

Longer than most files: beside its laws stand the nets that they are tried on.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import one_of
from minprune.core import Array, Arrays, Evidence
from minprune.errors import ArgumentError
from minprune.verify.criterion import subject as criteria
from minprune.verify.criterion.bounds import clause, rounding, steady
from minprune.verify.criterion.check import OF_CLASSES, said
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.networks.host import MODES, Host, Left, TorchHost, hidden
from minprune.verify.plain.evidence import two_classes
from minprune.verify.plain.layers import (
    Layers,
    names,
    net,
    reversed_units,
    sample_grads,
    weighted,
)
from minprune.verify.plain.net import Mlp, mlps
from minprune.verify.plain.twin import TWINS, Twin, known
from minprune.verify.trees import moved
from minprune.verify.verdict import Verdicts, short

LAWS, TORCH, LIKE = Laws(), Laws(), Laws()

CHECK = "check_scorer"
HALF = 2.0**-26
OF_SAMPLES = {"weights", "grads", "squared_grads"}  # what complex steps of any net give
Scorer = Callable[[Any, Any], Any]


class Ran(NamedTuple):
    """Scores, and what there was before and after."""

    scores: Arrays
    before: Left
    after: Left


@dataclass(frozen=True)
class Subject:
    """fn(net, batch) on models of the host; unit: whether it scores units; twin: what it equals"""

    fn: Scorer
    host: Host
    unit: bool
    twin: Twin | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads_classes(self) -> bool:
        return self.twin is not None and bool(OF_CLASSES & set(self.twin.needs))

    def model(self, c: "Case", mode: str = "eval", stale: bool = False) -> Any:
        """The net as a model of the host."""
        return self.host.build(c.layers, c.x.shape[1:], mode, stale)

    def run(self, c: "Case", mode: str = "eval", stale: bool = False, model: Any = None) -> Ran:
        """One call on a fresh model, or on this one."""
        model = self.model(c, mode, stale) if model is None else model
        batch = self.host.batch(c.x, c.y)
        with self.host.calling():
            before = self.host.left(model, batch)
            found = self.fn(model, batch)
            after = self.host.left(model, batch)
        scores = self.host.scores(model, found)
        for name, shape in c.shapes(self.unit).items():
            got = scores[name].shape if name in scores else "missing"
            if got != shape:
                raise ClauseError(f"those of {name} are {got}, expected {shape}")
        return Ran(scores, before, after)


@dataclass(frozen=True)
class Case:
    """A net and a batch."""

    layers: Layers
    x: Array
    y: Array

    def shapes(self, unit: bool) -> dict[str, tuple[int, ...]]:
        """The shape of each score."""
        if unit:
            return {n: (k,) for n, k in hidden(self.layers).items()}
        at = weighted(self.layers)
        return {f"{names(self.layers)[k]}.weight": self.layers[k]["weight"].shape for k in at}

    def __str__(self) -> str:
        made = [f"{n} {layer['weight'].shape}" if "weight" in layer else n
                for n, layer in zip(names(self.layers), self.layers, strict=True)]  # fmt: skip
        return f"net: {', '.join(made)}\nx = {short(self.x)}\ny = {self.y.tolist()}"


def case(layers: Layers, shape: tuple[int, ...], seed: int, samples: int) -> Case:
    """A batch for the net; every class has a sample, if there are enough."""
    rng = np.random.default_rng(seed)
    classes = len(layers[weighted(layers)[-1]]["weight"])
    y = rng.permutation(np.arange(samples) % classes)
    return Case(layers, rng.standard_normal((samples, *shape)), y)


def of_mlp(p: Mlp) -> Case:
    """A dense net of verify/plain/net.py."""
    layers: Layers = []
    for k, name in enumerate(p.weights, 1):
        b = p.params.get(f"fc{k}.bias")
        layers.append({"kind": "dense", "weight": p.params[name], "bias": b})
        if k < p.depth and p.act != "linear":
            layers.append({"kind": p.act})
    return Case(layers, p.x, p.y.argmax(axis=1))


def imaged(seed: int, samples: int) -> Case:
    """Two convolutions, normalisation, pooling and dropout before a layer of three classes."""
    layers = net(seed, (3, 3, 1), "batchnorm", "relu", "maxpool", (4, 2, 0), "batchnorm", "relu",
                 "flatten", "dropout", 3, x=(2, 6, 6))  # fmt: skip
    return case(layers, (2, 6, 6), seed, samples)


IMAGES = st.builds(imaged, st.integers(0, 99), st.integers(3, 6))
DENSE = mlps(losses=("cross_entropy",))
FIXED = [imaged(seed, samples) for seed, samples in ((0, 3), (1, 6))]


@LAWS("shape", IMAGES)
def shape(s: Subject, c: Case) -> str | None:
    """there is one score for each weight (for each hidden unit) of each layer"""
    s.run(c)
    return None


@LAWS("finite", IMAGES)
def finite(s: Subject, c: Case) -> str | None:
    """every score is a finite number"""
    for name, a in s.run(c).scores.items():
        if a.dtype.kind not in "fiu" or not np.isfinite(a).all():
            return f"those of {name} hold {a.dtype}, {int((~np.isfinite(a)).sum())} not finite"
    return None


@LAWS("same bits", FIXED)
def same_bits(s: Subject, c: Case) -> str | None:
    """the same net and batch give the same bits, on a fresh model and on one that was scored"""
    model = s.model(c)
    one, two = (s.run(c, model=model).scores for _ in range(2))
    return moved(one, two) or moved(one, s.run(c).scores)


@LAWS("weights untouched", FIXED)
def weights_untouched(s: Subject, c: Case) -> str | None:
    """weights and biases keep their bits"""
    return over_modes(s, c, lambda ran: moved(ran.before.weights, ran.after.weights))


@LAWS("statistics untouched", FIXED)
def statistics_untouched(s: Subject, c: Case) -> str | None:
    """running means, variances and counts of batches keep their bits, in any mode"""
    return over_modes(s, c, lambda ran: moved(ran.before.statistics, ran.after.statistics))


@LAWS("batch untouched", FIXED)
def batch_untouched(s: Subject, c: Case) -> str | None:
    """inputs and classes keep their bits"""
    return over_modes(s, c, lambda ran: moved(ran.before.batch, ran.after.batch))


@LAWS("random state untouched", FIXED)
def random_untouched(s: Subject, c: Case) -> str | None:
    """no global generator moves, that of NumPy, of Python or of torch"""
    return over_modes(
        s, c, lambda ran: None if ran.before.random == ran.after.random else "one has moved"
    )


def over_modes(s: Subject, c: Case, broken: Callable[[Ran], str | None]) -> str | None:
    """The first clause over the modes that a model may be in."""
    for mode in MODES if s.host.torch else MODES[:1]:
        found = broken(s.run(c, mode))
        if found:
            return f"{found} (the net was in {mode} mode)" if s.host.torch else found
    return None


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The first entry that differs."""
    for name in dict.fromkeys([*before, *after]):
        a, b = before.get(name, "nothing"), after.get(name, "nothing")
        if a != b:
            return f"{name} was {a} and is {b}"
    return None


@TORCH("mode restored", FIXED)
def mode_restored(s: Subject, c: Case) -> str | None:
    """every module is in the mode it was in, training, evaluation, or some of each"""
    return over_modes(s, c, lambda ran: changed(
        {n: "training" if m else "evaluating" for n, m in ran.before.modes.items()},
        {n: "training" if m else "evaluating" for n, m in ran.after.modes.items()}))  # fmt: skip


@TORCH("no gradients left", FIXED)
def no_gradients_left(s: Subject, c: Case) -> str | None:
    """where there was no gradient there is none, and what was there keeps its bits"""
    for stale in (False, True):
        ran = s.run(c, stale=stale)
        was, now = ran.before.gradients, ran.after.gradients
        if list(was) != list(now):
            return f"there was {len(was) or 'none'}, then {', '.join(now) or 'none'}"
        if found := moved(was, now):
            return found
    return None


@TORCH("stale gradients", FIXED)
def stale_gradients(s: Subject, c: Case) -> str | None:
    """gradients that a net still holds do not enter the scores"""
    found = moved(s.run(c).scores, s.run(c, stale=True).scores)
    return f"with gradients of 3 left in the net {found}" if found else None


@TORCH("parts as before", FIXED)
def parts_as_before(s: Subject, c: Case) -> str | None:
    """hooks are removed, no method is replaced, gradients are on for what they were on for"""
    return over_modes(s, c, lambda ran: changed(ran.before.parts, ran.after.parts))


@TORCH("evaluation mode", FIXED)
def evaluation_mode(s: Subject, c: Case) -> str | None:
    """scores are taken in evaluation mode, whatever mode the net is in"""
    found = moved(s.run(c).scores, s.run(c, "train").scores)
    return f"in train mode {found}" if found else None


@LAWS("relabelling", IMAGES)
def relabelling(s: Subject, c: Case) -> str | None:
    """hidden units in reverse give the scores in reverse"""
    scores = {n: s.run(c).scores[n] for n in c.shapes(s.unit)}
    turned = s.run(replace(c, layers=reversed_units(c.layers))).scores
    at = weighted(c.layers)
    kinds: Layers = []
    for k, layer in enumerate(c.layers):  # the scores as if they were the weights
        name = f"{names(c.layers)[k]}.weight"
        own = {"weight": scores[name]} if name in scores and not s.unit else {}
        kinds.append({"kind": layer["kind"]} | own)
    if s.unit:
        want = {n: a[::-1] for n, a in scores.items()}
    else:
        back = reversed_units(kinds)
        want = {f"{names(c.layers)[k]}.weight": back[k]["weight"] for k in at}
    bound = {n: HALF * float(np.abs(a).max(initial=0)) + 1e-300 for n, a in want.items()}
    return clause({n: turned[n] for n in want}, want, bound, "before it was")


def plain(s: Subject) -> criteria.Subject:
    """The subject as one that the laws of criteria know, of no evidence of its own."""
    assert s.twin is not None
    view = s.twin.unit if s.unit else None
    return criteria.Subject("scorer", lambda ev: {}, (), "all", view, twin=s.twin,
                            options=dict(s.options))  # fmt: skip


@LIKE("definition", DENSE, lambda s: "rng" not in s.twin.needs)
def definition(s: Subject, p: Mlp) -> str | None:
    """on dense nets, with the mean cross-entropy, scores are those of the definition"""
    assert s.twin is not None
    if s.reads_classes and not two_classes(p):
        return None
    own = plain(s)
    ref = criteria.reference(own)
    ref = replace(ref, chunk="all" if ref.chunk == "batch" else ref.chunk)
    if s.twin.unsure(ref.of(p), **known(s.twin.unsure, dict(s.options))):
        return None
    want, ran = criteria.total(ref, p), s.run(of_mlp(p))
    found = {n: ran.scores[n] for n in want}
    off = clause(found, want, rounding(own, ref, p), f"by the definition, {said(own)},")
    return off if off and steady(ref, p) else None


def by_samples(s: Subject) -> bool:
    """Whether the definition needs only what complex steps give."""
    assert s.twin is not None
    return set(s.twin.needs) <= OF_SAMPLES and not s.unit


@LIKE("convolutions", FIXED, by_samples)
def convolutions(s: Subject, c: Case) -> str | None:
    """on a net of convolutions and normalisation scores are those of the definition, gradients by
    complex steps
    """
    assert s.twin is not None
    each = sample_grads(c.layers, c.x, c.y)
    at = zip(c.shapes(False), weighted(c.layers), strict=True)
    w = {n: np.asarray(c.layers[k]["weight"]) for n, k in at}
    row, options = s.twin, dict(s.options)

    def scored(rows: list[int]) -> Arrays:
        g = {n: a[rows] for n, a in each.items()}
        ev = Evidence(weights=w, grads={n: a.mean(axis=0) for n, a in g.items()},
                      squared_grads={n: (a**2).mean(axis=0) for n, a in g.items()})  # fmt: skip
        found: Arrays = row.score(ev, **known(row.score, options))
        return found

    every = list(range(len(c.x)))
    parts = [scored([k]) for k in every] if row.chunk == "sample" else [scored(every)]
    want = {n: np.mean([part[n] for part in parts], axis=0) for n in w}
    want = row.finish(want) if row.finish else want
    bound = {n: 2.0**-24 * float(np.abs(a).max(initial=0)) for n, a in want.items()}
    own = plain(s)
    return clause(s.run(c).scores, want, bound, f"by the definition, {said(own)},")


def check_scorer(
    fn: Scorer, like: str | None = None, *, unit: bool = False,
    options: Mapping[str, Any] | None = None, host: Host | None = None,
    laws: Collection[str] | None = None, examples: int = 15, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `fn(net, batch) -> scores`, of torch modules by default, which may change nothing.

    Parameters
    ----------
    fn : callable
        net: a torch.nn.Sequential of Linear, Conv2d, BatchNorm2d, ReLU, ... in float64, which
        classifies; batch: (x, y), y int64. It returns {part: tensor}, where a part is a weight or
        its name ("fc1.weight"), or a module or its name; or a list, in the order of the weights.
    like : str, optional
        The criterion that it should equal, of the mean cross-entropy over the batch. None: only
        what holds for any.
    unit : bool
        Whether it scores hidden units.
    options : dict, optional
        Of the definition: {"p": 1} for a norm.
    host : Host, optional
        What makes models of plain nets, see minprune/verify/networks/host.py; torch by default.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For an unknown criterion or law, and a function that cannot be called so; MissingError
        where torch is needed and not installed.

    Examples
    --------
    >>> import minprune as mp
    >>> from minprune.verify.ours.networks import ModelHost
    >>> def magnitude(model, batch):
    ...     return mp.score(model, batch, "magnitude")
    >>> mp.verify.check_scorer(magnitude, "magnitude", host=ModelHost(), examples=3).ok
    True
    """
    row = None
    if like is not None:
        one_of(CHECK, "like", like, TWINS)
        row = criteria.twin_of(like, dict(options or {}), unit)
        if (unit and row.unit is None) or (not unit and not row.single):
            kind, other = ("units", False) if unit else ("single weights", True)
            raise ArgumentError(f"{CHECK}: {like} does not score {kind}; say unit={other}")
    callable_as(fn, "net", "batch")
    there: Host = TorchHost() if host is None else host
    table = LAWS | (TORCH if there.torch else {}) | (LIKE if row else {})
    wanted = picked(CHECK, laws, table)
    there.batch(np.zeros(1), np.zeros(1))  # raises MissingError before anything is tried
    subject = Subject(fn, there, unit, row, dict(options or {}))
    return Verdicts(judged(wanted, subject, examples=examples, seed=seed))
