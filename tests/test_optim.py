"""SGD, Adam, AdamW: PyTorch's rules, written a second time, number by number, and wrong rules.

The numbers of SGD are multiples of powers of two, so that its steps are exact in float64.
"""

import math
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from watching import Watching, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.errors import ArgumentError
from minprune.train.optim import Optimizer

HALF = 2.0**-53
STEPS = 4
START = [1.0, -2.0, 0.5, 3.0, 0.0]
GRADS = [[0.5 * (t + k) * (-1) ** k for k in range(5)] for t in range(STEPS)]
KEPT = [True, True, False, True, True]
Rule = Callable[..., Any]


def sgd(
    o: mp.SGD, w: float, g: float, v: float, t: int, damp: float = 0.0, late: bool = False,
    outside: bool = False,
) -> tuple[float, float]:  # fmt: skip
    """torch.optim.SGD: one number and its velocity after step t = 1, 2, ..."""
    if not outside:
        g = g + o.weight_decay * w
    before, v = v, o.momentum * v + (1 - damp) * g
    step = g + o.momentum * (before if late else v) if o.nesterov else v if o.momentum else g
    return w - o.lr * step - (o.weight_decay * w if outside else 0), v


def adam(
    o: mp.Adam, w: float, g: float, ms: tuple[float, float], t: int, decoupled: bool = False,
    correct: bool = True, inside: bool = False, square: bool = True,
) -> tuple[float, tuple[float, float]]:  # fmt: skip
    """torch.optim.Adam and AdamW: one number and its two means after step t"""
    if decoupled:
        w = w * (1 - o.lr * o.weight_decay)
    else:
        g = g + o.weight_decay * w
    m = o.beta1 * ms[0] + (1 - o.beta1) * g
    s = o.beta2 * ms[1] + (1 - o.beta2) * (g * g if square else abs(g))
    mhat, shat = (m / (1 - o.beta1**t), s / (1 - o.beta2**t)) if correct else (m, s)
    root = math.sqrt(shat + o.eps) if inside else math.sqrt(shat) + o.eps
    return w - o.lr * mhat / root, (m, s)


def adamw(o: mp.AdamW, *a: Any, **how: Any) -> Any:
    return adam(o, *a, **({"decoupled": True} | how))


ADAM = {"lr": 0.125, "beta1": 0.5, "beta2": 0.75}
ROWS: dict[str, tuple[Optimizer, Rule, list[dict[str, Any]]]] = {
    "sgd": (mp.SGD(0.5), sgd, []),
    "sgd with decay": (mp.SGD(0.5, weight_decay=0.25), sgd, [{"outside": True}]),
    "momentum": (mp.SGD(0.5, momentum=0.5), sgd, [{"damp": 0.5}]),
    "momentum with decay": (
        mp.SGD(0.5, momentum=0.75, weight_decay=0.25), sgd, [{"outside": True}, {"damp": 0.75}],
    ),
    "nesterov": (mp.SGD(0.5, momentum=0.5, nesterov=True), sgd, [{"late": True}, {"damp": 0.5}]),
    "nesterov with decay": (
        mp.SGD(0.5, momentum=0.5, nesterov=True, weight_decay=0.25), sgd, [{"outside": True}],
    ),
    "adam": (
        mp.Adam(**ADAM, eps=0.125), adam, [{"correct": False}, {"inside": True}, {"square": False}],
    ),
    "adam with decay": (mp.Adam(**ADAM, weight_decay=0.5), adam, [{"decoupled": True}]),
    "adamw": (mp.AdamW(**ADAM, weight_decay=0.5), adamw, [{"decoupled": False}]),
}  # fmt: skip


def moves(o: Optimizer, mask: Array | None = None) -> list[Array]:
    """The array after each step."""
    w = np.array(START)
    state, seen = o.start({"w": w}), []
    for t, g in enumerate(GRADS, 1):
        o.update("w", w, np.array(g), state, mask, o.lr, t)
        seen.append(w.copy())
    return seen


def follows(o: Optimizer, rule: Rule, **how: Any) -> bool:
    got = moves(o)
    # a step of Adam has about 16 roundings, on numbers of at most 4; the rule here has as many
    bound = 2 * 16 * STEPS * 4 * HALF if isinstance(o, mp.Adam) else 0.0
    for k, w in enumerate(START):
        state: Any = 0.0 if isinstance(o, mp.SGD) else (0.0, 0.0)
        for t in range(1, STEPS + 1):
            w, state = rule(o, w, GRADS[t - 1][k], state, t, **how)
            if not abs(got[t - 1][k] - w) <= bound:
                return False
    return True


@pytest.mark.parametrize("name", ROWS)
def test_an_optimizer_follows_its_rule(name: str) -> None:
    o, rule, wrong = ROWS[name]
    assert follows(o, rule)
    for how in wrong:
        assert not follows(o, rule, **how), how


@pytest.mark.parametrize("name", ROWS)
def test_what_is_masked_is_zero_and_the_rest_does_not_notice(name: str) -> None:
    o, mask = ROWS[name][0], np.array(KEPT)
    for dense, sparse in zip(moves(o), moves(o, mask), strict=True):
        assert np.array_equal(sparse, np.where(mask, dense, 0.0))
        assert not np.signbit(sparse[2])


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (2, 1, 2)])
@pytest.mark.parametrize("name", ROWS)
def test_an_array_moves_as_its_entries_do(name: str, shape: tuple[int, ...]) -> None:
    o, rng = ROWS[name][0], np.random.default_rng(0)
    start, mask = rng.standard_normal(shape), np.arange(math.prod(shape)).reshape(shape) % 2 == 1
    for kept in (None, mask):
        w, line = start.copy(), start.ravel().copy()
        state, flat = o.start({"w": w}), o.start({"w": line})
        for t in (1, 2):
            g = rng.standard_normal(shape)
            o.update("w", w, g, state, kept, o.lr, t)
            o.update("w", line, g.ravel(), flat, None if kept is None else kept.ravel(), o.lr, t)
            assert np.array_equal(w.ravel(), line)
            assert kept is None or not w[~kept].any()


@pytest.mark.parametrize("name", ROWS)
def test_the_rule_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is no part of the test extra")
    o = ROWS[name][0]
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    if isinstance(o, mp.SGD):
        theirs = torch.optim.SGD(
            [w], o.lr, o.momentum, nesterov=o.nesterov, weight_decay=o.weight_decay
        )
    else:
        kind = torch.optim.AdamW if isinstance(o, mp.AdamW) else torch.optim.Adam
        theirs = kind([w], o.lr, (o.beta1, o.beta2), o.eps, o.weight_decay)
    for g, ours in zip(GRADS, moves(o), strict=True):
        w.grad = torch.tensor(g, dtype=torch.float64)
        theirs.step()
        assert abs(w.detach().numpy() - ours).max() <= 2 * 16 * STEPS * 4 * HALF


def test_defaults_are_those_of_torch_and_state_is_no_more_than_needed() -> None:
    assert (mp.Adam().lr, mp.Adam().beta1, mp.Adam().beta2) == (1e-3, 0.9, 0.999)
    assert (mp.Adam().eps, mp.Adam().weight_decay, mp.AdamW().weight_decay) == (1e-8, 0, 1e-2)
    assert mp.SGD(0.1).start({"w": np.ones(2)}) == {}
    assert mp.Adam().start({"w": np.ones(2)}).keys() == {"mean", "square"}
    assert mp.AdamW().decoupled
    assert not mp.Adam().decoupled


def test_without_decay_all_else_is_the_same() -> None:
    nesterov = {"momentum": 0.9, "nesterov": True}
    assert mp.SGD(0.1, **nesterov, weight_decay=0.5).undecayed == mp.SGD(0.1, **nesterov)  # type: ignore[arg-type]
    assert mp.AdamW(beta1=0.5).undecayed == mp.AdamW(beta1=0.5, weight_decay=0.0)
    assert Optimizer(0.1).undecayed == Optimizer(0.1)  # one that has no decay


MESSAGES = (
    (
        lambda: mp.SGD(-0.1),
        "SGD: lr must be a finite number of at least 0, not -0.1; pass lr=1, for example",
    ),
    (
        lambda: mp.SGD(0.1, momentum=1.0),
        "SGD: momentum must be a number from 0 to below 1, not 1.0; pass momentum=0.5, for example",
    ),
    (
        lambda: mp.SGD(0.1, nesterov=True),
        "SGD: nesterov needs momentum above 0, not 0; pass momentum=0.9",
    ),
    (
        lambda: mp.AdamW(float("nan")),
        "AdamW: lr must be a finite number of at least 0, not nan; pass lr=1, for example",
    ),
    (
        lambda: mp.Adam(beta2=1.5),
        "Adam: beta2 must be a number from 0 to below 1, not 1.5; pass beta2=0.5, for example",
    ),
    (
        lambda: mp.SGD("0.1"),  # type: ignore[arg-type]
        "SGD: lr must be a finite number of at least 0, not '0.1'; pass lr=1, for example",
    ),
    (
        lambda: mp.SGD(0.1, weight_decay=float("inf")),
        "SGD: weight_decay must be a finite number of at least 0, not inf; pass weight_decay=1, "
        "for example",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Optimizer], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


NUMBERS = [
    (kind, field.name)
    for kind in (mp.SGD, mp.Adam, mp.AdamW)
    for field in fields(kind)
    if field.name != "nesterov"
]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_every_number_is_checked_by_its_name(kind: type[Optimizer], name: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        kind(**{"lr": 0.1} | {name: -1})
    assert re.fullmatch(
        rf"{kind.__name__}: {name} must be a (finite number of at least 0|number from 0 to below 1)"
        rf", not -1; pass {name}=(1|0.5), for example",
        str(caught.value),
    )


@pytest.mark.parametrize("name", ROWS)
def test_fit_counts_the_updates(name: str) -> None:
    """The gradients of each update, through the optimizer by hand, give the weights after it."""
    o, watching, model = ROWS[name][0], Watching(), small_net()
    mp.fit(model, small_data(), epochs=2, batch_size=4, optimizer=o, method=watching,
           progress=False)  # fmt: skip
    w = {k: a.copy() for k, a in model.params.items()}
    state = o.start(w)
    for t, (view, after) in enumerate(zip(watching.views, watching.params, strict=True), 1):
        for k in w:
            o.update(k, w[k], view.grads[k], state, None, o.lr, t)
            assert np.array_equal(w[k], after[k]), (k, t)


def test_the_first_step_of_adam_in_fit_is_the_learning_rate() -> None:
    """m = (1 - beta1) g, s = (1 - beta2) g^2, both corrected with t = 1: w moves by lr sign(g)."""
    net = mp.build((2,), [("fc", mp.Dense(2, 2))])
    model = mp.initialise(net, seed=0, dtype=np.float64)
    part = (np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([0, 1]))
    trained, _ = mp.fit(
        model, mp.Dataset(part, part, part), epochs=1, optimizer=mp.Adam(0.01), progress=False
    )
    moved = np.abs(trained.params["fc.weight"] - model.params["fc.weight"])
    assert np.abs(moved - 0.01).max() < 0.01 * 1e-6  # eps / |g|, with |g| above 0.01
