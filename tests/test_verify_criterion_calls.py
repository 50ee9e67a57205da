"""How check_criterion calls a user's code, what it refuses, and what it reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minprune.core import Array, Arrays, Evidence, criterion
from minprune.errors import ArgumentError
from minprune.verify.command import new_process
from minprune.verify.criterion.check import check_criterion
from minprune.verify.criterion.general import GENERAL
from minprune.verify.criterion.hints import factor
from minprune.verify.plain.twin import TWINS

EXAMPLES = 8


def my_obd(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: hess_diag[name] * w**2 / 2 for name, w in weights.items()}


def unit_obd(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: s.sum(axis=1) for name, s in my_obd(weights, hess_diag).items()}


def doubled(weights: Arrays, hess_diag: Arrays) -> Arrays:
    return {name: hess_diag[name] * w**2 for name, w in weights.items()}


@criterion(needs=("weights", "grads"), chunk="sample", unit="gate")
def fisher_by_sample(ev: Evidence) -> Arrays:
    """One sample at a time: another way to the same score."""
    return {name: (w * ev.of("grads")[name]) ** 2 / 2 for name, w in ev.of("weights").items()}


def taylor_of_rows(weights: Arrays, grads: Arrays) -> Arrays:
    """The gate's derivative from outgoing weights."""
    return {name: (w * grads[name]).sum(axis=1) ** 2 for name, w in weights.items()}


def own_options(weights: Arrays, grads: Arrays, scale: float = 2.0, clip: bool = False) -> Arrays:
    return {name: (w * scale * grads[name] / scale) ** 2 for name, w in weights.items()}


@pytest.mark.parametrize(
    ("fn", "like", "more"),
    [
        (my_obd, "obd", {}),
        (my_obd, None, {}),
        (unit_obd, "obd", {"unit": True}),
        (fisher_by_sample, "fisher", {}),
        (fisher_by_sample, "fisher", {"unit": True}),
        (taylor_of_rows, "taylor", {"unit": "outgoing"}),
        (own_options, "taylor", {"options": {"scale": 4.0, "clip": True}}),
        (lambda ev: {n: np.abs(w) for n, w in ev.weights.items()}, "magnitude",
         {"needs": ("weights",)}),
    ],
)  # fmt: skip
def test_code_of_ones_own_passes(fn: Any, like: str | None, more: dict[str, Any]) -> None:
    found = check_criterion(fn, like, examples=EXAMPLES, **more)
    assert found.ok, str(found)


def test_a_verdict_gives_both_numbers_and_the_likely_slip() -> None:
    (verdict,) = check_criterion(doubled, "obd", laws=("exact",))
    assert verdict.sentence == (
        "doubled: at a minimum of a quadratic loss the score is the rise from zeroing the weight, "
        "but the score of w[0] is 1, and zeroing it raises this quadratic loss by 0.5: "
        "a factor 1/2 is missing"
    )
    assert verdict.example.splitlines()[0].startswith("params = {w: [1.")


class Tensor:
    """Scores of another framework: what np.asarray takes, and no method of numpy's."""

    def __init__(self, values: Array) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self.values if dtype is None else self.values.astype(dtype)


def of_tensors(weights: Arrays) -> dict[str, Tensor]:
    return {name: Tensor(np.abs(w)) for name, w in weights.items()}


def test_scores_of_any_framework_are_read() -> None:
    found = check_criterion(of_tensors, "magnitude", examples=EXAMPLES)
    assert found.ok, str(found)


def test_a_function_without_an_answer_is_told_once_what_it_was_given() -> None:
    found = check_criterion(taylor_of_rows, "taylor", unit=True)
    assert [(v.law, v.holds) for v in found] == [("shapes", False)]
    assert "but it raised AxisError: axis 1 is out of bounds for array of dimension 1" in str(found)
    assert "; no other law was asked\n" in str(found)
    assert found[0].example == (
        "an ordinary net of 3-4-3-3, unit='gate': one number for each unit, "
        "unit='outgoing' gives the weights that read it\n"
        "weights['fc1.weight'] (4,)\nweights['fc2.weight'] (3,)\n"
        "grads['fc1.weight'] (4,)\ngrads['fc2.weight'] (3,)"
    )


def no_zeros(weights: Arrays) -> Arrays:
    if not all(w.any() for w in weights.values()):
        raise ZeroDivisionError("nothing is left")
    return {name: np.abs(w) for name, w in weights.items()}


def test_an_exception_is_told_once() -> None:
    found = check_criterion(no_zeros, "magnitude")
    assert [v.law for v in found.broken] == ["shapes", "definition"]
    assert "but it raised ZeroDivisionError: nothing is left" in found.broken[0].sentence
    assert found.broken[1].sentence.endswith("but it raised the same as under 'shapes'")
    assert found.broken[1].example == ""


SAID = (
    (lambda w: w * w / 2, "a factor 1/2 is too many"),
    (lambda w: w**4, "a square is too many"),
    (lambda w: np.abs(w), "a square is missing"),
    (lambda w: np.square(w, dtype=np.float32), "six digits agree; look for float32, or for "
     "an epsilon that is added"),
    (lambda w: w * w * (w > 0), ""),
    (lambda w: w * w * (1 + 2.0**-50), ""),
)  # fmt: skip


@pytest.mark.parametrize(("wrong", "slip"), SAID, ids=[text for _, text in SAID])
def test_a_hint_names_what_could_make_all_scores_right(wrong: Any, slip: str) -> None:
    w = np.cos(np.arange(1.0, 31.0))
    assert factor({"w": wrong(w)}, {"w": w**2}).removeprefix(": ") == slip
    assert factor({"w": wrong(w[:9])}, {"w": w[:9] ** 2}) == ""  # of few numbers it may be chance


def test_a_hint_holds_for_all_scores_of_larger_nets() -> None:
    """A mean for a sum is a half for two samples, and no missing factor."""

    def mean(weights: Arrays) -> Arrays:
        return {n: np.abs(w).sum(axis=1) / w.shape[1] for n, w in weights.items()}

    found = check_criterion(mean, "norm", unit=True, options={"p": 1}, examples=EXAMPLES)
    assert "definition" in [v.law for v in found.broken]
    assert not any("factor" in v.sentence for v in found)


def test_a_definition_is_called_by_its_own_name() -> None:
    for p, said in ((0, "how many |w| > tol"), (np.inf, "max |w|"), (1, "(sum |w|^p)^(1/p)")):
        (verdict,) = check_criterion(
            lambda weights: {n: 1 + 0 * w for n, w in weights.items()}, "norm",
            options={"p": p}, laws=("definition",), examples=EXAMPLES,
        )  # fmt: skip
        assert f"and by the definition, {said}, " in verdict.sentence


def test_the_same_arguments_give_the_same_verdicts() -> None:
    one, two = (check_criterion(doubled, "obd", examples=4, seed=3) for _ in range(2))
    assert one == two


HASHED = """
import numpy as np

def right(weights):
    return {n: np.abs(w) for n, w in weights.items()}

def wrong(weights):
    '''Ties by noise whose seed is the hash of a name, as in rigl.'''
    found = {}
    for n, w in weights.items():
        noise = np.random.default_rng(hash(n) % 2**32).random(w.shape)
        found[n] = (np.abs(w) + 1e-9 * noise).astype(w.dtype)
    return found
"""


def test_another_process_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hashed.py").write_text(HASHED)
    monkeypatch.syspath_prepend(tmp_path)
    asked: dict[str, Any] = {"needs": None, "unit": False, "chunk": None}
    for name, holds in (("right", True), ("wrong", False)):
        found = new_process(
            f"hashed:{name}", "criterion.check", like="norm", options={"p": np.inf}, **asked
        )
        assert found.holds == holds, found


def only_units() -> Callable[..., Arrays]:
    @criterion(needs=("weights",), single=False)
    def widths(ev: Evidence) -> Arrays:
        return {}

    return widths


def no_units() -> Callable[..., Arrays]:
    @criterion(needs=("weights",), unit=None)
    def entries(ev: Evidence) -> Arrays:
        return {}

    return entries


def with_alpha(weights: Arrays, alpha: float) -> Arrays:
    return {name: alpha * np.abs(w) for name, w in weights.items()}


def of_nothing(a: Any, b: Any) -> Any:
    return a, b


MESSAGES = (
    (lambda: check_criterion(my_obd, "obs2", examples=1),
     f"check_criterion: like must be None, {', '.join(map(repr, [*TWINS][:-1]))} or "
     f"{[*TWINS][-1]!r}, not 'obs2'; choose one of them"),
    (lambda: check_criterion(my_obd, unit="row"),
     "check_criterion: unit must be True, False, 'incoming', 'incoming and bias', 'outgoing', "
     "'gate' or 'whole', not 'row'; choose one of them"),
    (lambda: check_criterion(of_nothing),
     "of_nothing: takes a, b, and its arguments must be kinds of evidence, such as weights and "
     "grads; rename them, or say needs=(...) if it takes Evidence"),
    (lambda: check_criterion(of_nothing, needs=("weigths",)),
     "of_nothing: needs 'weigths', of which verify/ makes no arrays; it must be one of weights, "
     "squared_grads, hess_diag, path_grads, removal, inverse_diag, sweep_loss, masks, grads, "
     "hess_grad, hess_weight, labels, rng"),
    (lambda: check_criterion(my_obd, "geometric_median"),
     "check_criterion: geometric_median scores units; say unit=True (--given unit=yes)"),
    (lambda: check_criterion(only_units()),
     "widths: its spec says it cannot score single weights; say unit=True"),
    (lambda: check_criterion(no_units(), unit=True),
     "entries: its spec says it cannot score units; say unit=False"),
    (lambda: check_criterion(my_obd, laws=("exakt",)),
     f"check_criterion: laws must be {', '.join(map(repr, [*GENERAL][:-1]))} or "
     f"{[*GENERAL][-1]!r}, not 'exakt'; choose one of them"),
    (lambda: check_criterion(my_obd, chunk="some"),  # type: ignore[arg-type]
     "check_criterion: chunk must be 'all', 'batch' or 'sample', not 'some'; choose one of them"),
    (lambda: check_criterion(my_obd, needs="weights"),
     "check_criterion: needs must be a tuple of names; write needs=('weights',)"),
    (lambda: check_criterion(my_obd, options={"p": 1}),
     "check_criterion: options has 'p', which my_obd does not take; correct the name, or leave "
     "it out"),
    (lambda: check_criterion(my_obd, "obd", options={"q": 1}),
     "check_criterion: options has 'q', which my_obd does not take, nor any definition; correct "
     "the name, or leave "
     "it out"),
    (lambda: check_criterion(with_alpha),
     "with_alpha: takes alpha, which is no evidence and no option that was given; "
     "say options={'alpha': ...}, or give it a default"),
    (lambda: check_criterion(dict),
     "dict: its parameters cannot be read; wrap it, as in def "
     "mine(weights, grads)"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text[:40] for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
