"""check_rewind: after pruning, training goes back to an earlier state, bit for bit."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from minprune.arguments import choice
from minprune.core import Array, Arrays
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.trees import leaves, mapped, moved, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS, BACK, STAY = Laws(), Laws(), Laws()

CHECK = "check_rewind"
PARTS = ("weights", "optimizer", "order", "step")
SHAPES = ((3,), (2, 3), (2, 1, 2, 2))
State = dict[str, Any]
Fn = Callable[[State, State, Arrays], State]


@dataclass(frozen=True)
class Case:
    """A state that was saved at an early step, the one at the end, and masks made there."""

    saved: State
    now: State
    masks: Arrays

    def given(self) -> tuple[State, State, Arrays]:
        """Copies of the arguments."""
        saved, now, masks = mapped((self.saved, self.now, self.masks), np.copy)
        return saved, now, masks

    def run(self, fn: Fn) -> State:
        """The state that training resumes from."""
        return sound(self, fn(*self.given()))

    def __str__(self) -> str:
        lines = [f"masks of {n} = {m.astype(int).tolist()}" for n, m in self.masks.items()]
        for what, state in (("saved", self.saved), ("now", self.now)):
            lines += [f"{what}: {name} = {a.tolist()}" for name, a in leaves(state)]
        return "\n".join(lines)


def sound(c: Case, found: Any) -> State:
    """The state with arrays of NumPy; ClauseError where a part is missing or has another shape."""
    if not hasattr(found, "items"):
        raise ClauseError(f"it is of type {type(found).__name__}, no dict")
    for part in PARTS:
        if part not in found:
            raise ClauseError(f"it has {', '.join(map(str, found)) or 'nothing'} and no {part}")
        want = {n: (a.shape, a.dtype) for n, a in leaves(c.saved[part])}
        got = {n: (a.shape, a.dtype) for n, a in leaves(found[part])}
        if part != "step" and got != want:
            raise ClauseError(f"its {part} holds {said(got)}, and {said(want)} was saved")
    return dict(found)


def said(what: dict[str, tuple[Any, Any]]) -> str:
    """b (3,) float64, w (2, 3) float64"""
    return ", ".join(f"{n} {shape} {dtype}".strip() for n, (shape, dtype) in what.items()) or "none"


@st.composite
def cases(draw: Any) -> Case:
    """One or two layers, momentum and a second moment, the order of six samples, two steps."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=2))
    kind = draw(st.sampled_from([np.float64, np.float32]))
    names = ("b.weight", "a.weight")[: len(shapes)]
    first = draw(st.integers(0, 50))

    def state(step: int) -> State:
        def arrays() -> Arrays:
            made = rng.standard_normal((len(names), 12))
            pairs = zip(names, shapes, made, strict=True)
            return {n: a[: int(np.prod(s))].reshape(s).astype(kind) for n, s, a in pairs}

        return {"weights": arrays(), "optimizer": {"momentum": arrays(), "square": arrays()},
                "order": rng.permutation(6), "step": step}  # fmt: skip

    saved, now = state(first), state(first + draw(st.integers(1, 99)))
    live = [True, True, False]
    masks = {n: rng.choice(live, s) for n, s in zip(names, shapes, strict=True)}
    return Case(saved, now, masks)


EXAMPLES = cases()


def other(found: Arrays, want: Arrays, masks: Arrays, whence: str) -> str | None:
    """A clause where live entries are not those, bit for bit."""
    for n, m in masks.items():
        a, b = np.asarray(found[n]), np.asarray(want[n])
        off = m & (a != b)
        if off.any():
            k = tuple(int(i) for i in np.argwhere(off)[0])
            return f"{n}{list(k)} is {a[k].item()!r}, and {whence} {b[k].item()!r}"
    return None


@LAWS("parts", EXAMPLES)
def parts(fn: Fn, c: Case) -> str | None:
    """the state has weights, optimizer, order and step, of the shapes and dtypes that were saved"""
    c.run(fn)
    return None


@LAWS("masked are 0.0", EXAMPLES)
def masked(fn: Fn, c: Case) -> str | None:
    """weights that are masked are exactly 0.0"""
    found = c.run(fn)["weights"]
    for n, m in c.masks.items():
        a = np.asarray(found[n])[~m]
        if a.any():
            return f"one of {n} is {a[a != 0][0].item()!r}"
    return None


@LAWS("step", EXAMPLES)
def position(fn: Fn, c: Case) -> str | None:
    """the schedule continues from the step that was saved"""
    found, want = c.run(fn)["step"], c.saved["step"]
    return None if int(found) == want else f"it continues from step {found}, and {want} was saved"


@LAWS("same bits", EXAMPLES)
def same_bits(fn: Fn, c: Case) -> str | None:
    """the same states give the same bits"""
    return repeats(lambda: c.run(fn))


@LAWS("input untouched", EXAMPLES)
def leaves_input(fn: Fn, c: Case) -> str | None:
    """neither the states nor the masks are changed"""
    return untouched(fn, *c.given())


@LAWS("rewound twice", EXAMPLES)
def twice(fn: Fn, c: Case) -> str | None:
    """training that continues in place changes nothing of what was saved: a second rewinding gives
    the same bits
    """
    saved, now, masks = c.given()
    before = mapped(sound(c, fn(saved, now, masks)), np.copy)
    for _, a in leaves(fn(saved, c.given()[1], masks)):
        if a.flags.writeable and a.ndim:
            a += 1  # in place, as an optimizer does
    return moved(c.saved, saved) or moved(before, sound(c, fn(saved, c.given()[1], masks)))


@LAWS("live apart", EXAMPLES)
def live_apart(fn: Fn, c: Case) -> str | None:
    """what is live does not depend on what is masked"""
    every = {n: np.ones_like(m) for n, m in c.masks.items()}
    found = c.run(fn)["weights"]
    whole = Case(c.saved, c.now, every).run(fn)["weights"]
    return other(found, whole, c.masks, "with nothing masked it is")


@BACK("weights", EXAMPLES)
def weights_return(fn: Fn, c: Case) -> str | None:
    """live weights are those that were saved, bit for bit"""
    return other(c.run(fn)["weights"], c.saved["weights"], c.masks, "there was")


@BACK("optimizer", EXAMPLES)
def optimizer_returns(fn: Fn, c: Case) -> str | None:
    """the optimizer's state of live weights is the one that was saved, every part of it"""
    found = c.run(fn)["optimizer"]
    for slot, arrays in c.saved["optimizer"].items():
        if clause := other(found[slot], arrays, c.masks, "there was"):
            return f"of the {slot} {clause}"
    return None


@BACK("data order", EXAMPLES)
def order_returns(fn: Fn, c: Case) -> str | None:
    """samples come in the order that was saved"""
    found: Array = np.asarray(c.run(fn)["order"])
    want = c.saved["order"]
    return None if (found == want).all() else f"it is {found.tolist()}, and was {want.tolist()}"


@STAY("weights stay", EXAMPLES)
def weights_stay(fn: Fn, c: Case) -> str | None:
    """live weights stay as they are at the end, bit for bit"""
    return other(c.run(fn)["weights"], c.now["weights"], c.masks, "at the end it is")


# what each way of going back asks
REWINDS = {"weights": LAWS | BACK, "learning_rate": LAWS | STAY}


def check_rewind(
    fn: Fn, like: Literal["weights", "learning_rate"] = "weights", *,
    laws: Collection[str] | None = None, examples: int = 100, seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `fn(saved, now, masks) -> state`, which goes back to an earlier state of training.

    Parameters
    ----------
    fn : callable
        saved, now: the states at an earlier step and at the end, {"weights": {name: array},
        "optimizer": {"momentum": {name: array}, "square": {name: array}}, "order": the order of
        the samples, "step": int}. masks: {name: array}, True = live. It returns such a state,
        which training continues from.
    like : {"weights", "learning_rate"}
        "weights": weights, optimizer, order and step return to what was saved (Frankle 2019).
        "learning_rate": the step returns, and with it the schedule; weights stay (Renda 2020);
        optimizer and order may be either.
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
        For another `like` or law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def keeps_momentum(saved, now, masks):
    ...     weights = {n: w * masks[n] for n, w in saved["weights"].items()}
    ...     return {"weights": weights, "optimizer": now["optimizer"],
    ...             "order": saved["order"].copy(), "step": saved["step"]}
    >>> [v.law for v in mp.verify.check_rewind(keeps_momentum).broken]
    ['optimizer']
    """
    choice(CHECK, "like", like, tuple(REWINDS))
    wanted = picked(CHECK, laws, REWINDS[like])
    callable_as(fn, "saved", "now", "masks")
    return Verdicts(judged(wanted, fn, examples=examples, seed=seed))
