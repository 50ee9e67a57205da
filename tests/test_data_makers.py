"""The synthetic makers: each meets its definition, and changed data does not."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minprune.core import Dataset, stream
from minprune.data import blobs, spirals, teacher, xor
from minprune.errors import ArgumentError
from tests.places import ROOT

PARTS = ("train", "val", "test")


def obeys_xor(data: Dataset) -> bool:
    """Each noiseless point is a corner, its class the exclusive or, all four corners there."""
    rows = {(*map(float, x), int(y)) for x, y in zip(*data.train, strict=True)}
    return rows == {(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)}


def lies_on_two_arms(data: Dataset, turns: float = 1.5) -> bool:
    x, y = data.train[0].astype(np.float64), data.train[1]
    r = np.hypot(*x.T)
    turned = np.arctan2(x[:, 1], x[:, 0]) - 2 * np.pi * turns * r - np.pi * y
    # stored in float32: the angle is off by at most 2^-24, the winding by that times 2 pi turns;
    # twice that leaves room for float64
    bound = (1 + 2 * np.pi * turns) * 2.0**-24
    return bool((abs(np.exp(1j * turned) - 1) < 2 * bound).all())


def sits_on_shared_centres(data: Dataset, classes: int = 3) -> bool:
    centres = {
        (*map(float, x), int(y)) for p in PARTS for x, y in zip(*getattr(data, p), strict=True)
    }
    return len(centres) == classes


def can_be_recovered(made: tuple[Dataset, Any], live: int = 5) -> bool:
    """Least squares finds weights of 0.5 to 1.5 on the support and none elsewhere."""
    data, support = made
    w = np.linalg.lstsq(*data.train, rcond=None)[0].T
    right = support == (abs(w) > 0.25)
    on, off = abs(w[support]), abs(w[~support])
    near = 1e-3  # float32 data: far above its rounding, far below 0.25
    sized = on.min(initial=1) > 0.5 - near and on.max(initial=1) < 1.5 + near
    return bool(right.all() and sized and off.max(initial=0) < near) and set(
        support.sum(axis=1)
    ) == {live}


def change(data: Dataset, part: str, x: Any = None, y: Any = None) -> Dataset:
    parts = {p: getattr(data, p) for p in PARTS}
    old_x, old_y = parts[part]
    parts[part] = (old_x if x is None else x, old_y if y is None else y)
    return Dataset(**parts)


MAKERS: dict[str, tuple[Callable[..., Any], Callable[[Any], bool], list[Callable[[Any], Any]]]] = {
    "xor": (
        lambda **a: xor(**{"noise": 0, **a}),
        obeys_xor,
        [
            lambda d: change(d, "train", y=d.train[0].any(axis=1)),  # or
            lambda d: change(d, "train", y=1 - d.train[1]),
            lambda d: change(d, "train", x=2 * d.train[0] - 1),
        ],
    ),
    "spirals": (
        spirals,
        lies_on_two_arms,
        [
            lambda d: change(d, "train", y=1 - d.train[1]),
            lambda d: change(d, "train", y=0 * d.train[1]),
            lambda d: change(d, "train", x=d.train[0] * [1, -1]),  # winds the other way
        ],
    ),
    "blobs": (
        lambda **a: blobs(**{"spread": 0, **a}),
        sits_on_shared_centres,
        [
            lambda d: change(d, "val", x=d.val[0] + 1),  # centres of its own
            lambda d: change(d, "test", y=np.roll(d.test[1], 1)),
        ],
    ),
    "teacher": (
        teacher,
        can_be_recovered,
        [
            lambda made: (made[0], ~made[1]),
            lambda made: (made[0], np.roll(made[1], 1, axis=1)),
            lambda made: (change(made[0], "train", y=0 * made[0].train[1]), made[1]),
        ],
    ),
}


def dataset(made: Any) -> Dataset:
    return made if isinstance(made, Dataset) else made[0]


def bits(made: Any) -> list[bytes]:
    return [a.tobytes() for p in PARTS for a in getattr(dataset(made), p)]


@pytest.mark.parametrize("name", MAKERS)
@given(seed=st.integers(0, 2**40))
@settings(max_examples=25)
def test_makers_meet_their_definition(name: str, seed: int) -> None:
    make, law, _ = MAKERS[name]
    assert law(make(seed=seed, n=60))


@pytest.mark.parametrize("name", MAKERS)
def test_maker_laws_reject(name: str) -> None:
    make, law, wrong = MAKERS[name]
    for spoil in wrong:
        assert not law(spoil(make(seed=0, n=60)))


@pytest.mark.parametrize("make", [xor, spirals, blobs, teacher])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_makers_share_one_contract(make: Callable[..., Any], dtype: type) -> None:
    made = make(n=31, seed=4, dtype=dtype)
    assert bits(made) == bits(make(n=31, seed=4, dtype=dtype)) != bits(make(n=31, seed=5))
    assert bits(make(n=31, seed=np.random.default_rng(4), dtype=dtype)) != bits(made)
    data = dataset(made)
    assert data.name == make.__name__
    for part in PARTS:
        x, y = getattr(data, part)
        assert (len(x), x.dtype) == (31, dtype)
        assert y.dtype == (dtype if make is teacher else np.int64)
        if make is not teacher:  # classes within one of each other
            counts = Counter(y.tolist()).values()
            assert max(counts) - min(counts) <= 1
    assert len({getattr(data, p)[0].tobytes() for p in PARTS}) == 3


@pytest.mark.parametrize(("live", "outputs"), [(0, 1), (3, 4), (6, 2)])
def test_teacher_has_live_weights_per_output(live: int, outputs: int) -> None:
    made = teacher(6, live=live, outputs=outputs, n=40, dtype=np.float64)
    assert made[1].shape == (outputs, 6)
    assert made[1].dtype == bool
    assert can_be_recovered(made, live)


def test_noise_moves_points_and_targets_by_its_size() -> None:
    for clean, noisy in (
        (xor(5000, noise=0), xor(5000, noise=0.1)),
        (spirals(5000, noise=0), spirals(5000, noise=0.1)),
        (blobs(5000, spread=0), blobs(5000, spread=0.1)),
    ):
        moved = noisy.train[0] - clean.train[0]
        # 10,000 draws: the deviation of the estimate is 0.1 / sqrt(20,000), here six times that
        assert abs(moved.std() - 0.1) < 6 * 0.1 / 20_000**0.5
    shift = teacher(n=10_000, noise=0.1)[0].train[1] - teacher(n=10_000)[0].train[1]
    assert abs(shift.std() - 0.1) < 6 * 0.1 / 20_000**0.5


def test_same_bits_in_a_new_process() -> None:
    code = (
        "import hashlib; from minprune.data import xor, spirals, blobs, teacher\n"
        "for d in (xor(), spirals(), blobs(), teacher()[0]):\n"
        "    print(hashlib.sha256(d.val[0].tobytes() + d.val[1].tobytes()).hexdigest())"
    )
    here = [
        hashlib.sha256(d.val[0].tobytes() + d.val[1].tobytes()).hexdigest()
        for d in (xor(), spirals(), blobs(), teacher()[0])
    ]
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    there = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    )
    assert there.stdout.split() == here


def test_streams_of_the_makers_are_named_apart() -> None:
    """The same seed gives two makers different numbers."""
    a, b = stream(0, "xor.train").random(), stream(0, "spirals.train").random()
    assert a != b


MESSAGES = (
    (
        lambda: xor(0),
        "xor: n must be an integer of at least 1, not 0; pass n=1, for example",
    ),
    (
        lambda: spirals(noise=-1),
        "spirals: noise must be a finite number of at least 0, not -1; pass noise=1, for example",
    ),
    (
        lambda: blobs(spread=float("inf")),
        "blobs: spread must be a finite number of at least 0, not inf; pass spread=1, for example",
    ),
    (
        lambda: blobs(classes=2.0),
        "blobs: classes must be an integer of at least 1, not 2.0; pass classes=1, for example",
    ),
    (
        lambda: teacher(3, live=4),
        "teacher: live must be at most features, 3, not 4; lower live or raise features",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
