"""Fingerprints: equal for equal content, in a new process too, and different for what differs."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT
from watching import half_masked, small_net

import minprune as mp
from minprune import schedule
from minprune.core import Dataset
from minprune.train.fingerprint import data_print, difference, digest, fingerprint, threads


class Plain:
    """An object that is no dataclass."""

    def __init__(self, size: int = 0) -> None:
        self.size = size


def by(k: float) -> Callable[[int], float]:
    return lambda step: k


def counted(step: int) -> float:
    return counted(step - 1)  # closes over nothing, and names itself


def looping() -> Callable[[], Any]:
    def inner() -> Any:
        return inner

    return inner


def with_default(value: int) -> Callable[..., int]:
    def inner(*, by: int = value) -> int:
        return by

    return inner


def plain(t: int) -> float:
    return 0.5


APART: list[tuple[Any, Any]] = [
    (1, 2), (1, 1.5), (None, 0), ("a", "b"), ([1, 2], [2, 1]), ({"a": 1}, {"b": 1}),
    (np.ones(2), np.ones(3)), (np.ones(2), np.zeros(2)), (np.ones(1), np.ones(1, np.float32)),
    (by(0.5), by(0.25)), (lambda t: 0.5, lambda t: 0.25), (plain, counted),
    (functools.partial(plain), functools.partial(plain, 1)),
    (functools.partial(schedule.constant, final=1), functools.partial(schedule.constant, final=0)),
    (Plain(), Plain(1)), (Plain(), {}),
    (mp.SGD(0.1), mp.SGD(0.2)), (mp.Adam(), mp.AdamW()), (mp.methods.L1(0.5), mp.methods.L2(0.5)),
    (mp.rates.cosine(), mp.rates.cosine(0.1)), (np.random.default_rng(0), np.random.default_rng(1)),
    (small_net(), half_masked(small_net())), (small_net(), small_net(0.5)),
    (mp.SGD(0.1).start, mp.SGD(0.2).start),
    ({1, 2}, {1, 3}), (set("abcdefgh"), set("abcdefgx")), (b"a", b"b"), (Path("a"), Path("b")),
    (range(2), range(3)), (np.dtype("f4"), np.dtype("f8")), (1j, 2j),
    (lambda t: np.sin(t), lambda t: np.cos(t)), (lambda t: (0.1, 0.2)[t], lambda t: (0.1, 0.3)[t]),
    (lambda t: (lambda: 1)(), lambda t: (lambda: 2)()), (with_default(1), with_default(2)),
    (lambda t: t in {"a", "b"}, lambda t: t in {"a", "c"}),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), APART)
def test_fingerprints_tell_apart(a: Any, b: Any) -> None:
    one, two = (json.loads(json.dumps(fingerprint(v))) for v in (a, b))
    assert difference({"x": one}, {"x": two})
    for value, found in ((a, one), (b, two)):
        assert difference({"x": found}, {"x": fingerprint(value)}) is None


def test_a_number_of_numpy_is_the_number() -> None:
    for given in (np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), np.str_("a")):
        found = fingerprint(given)
        assert type(found) in (bool, int, float, str)
        assert difference({"lr": found}, {"lr": given.item()}) is None


def test_fingerprints_of_what_has_no_end() -> None:
    assert json.dumps(fingerprint(looping())) == json.dumps(fingerprint(looping()))
    assert fingerprint(object()) == {"type": "builtins.object"}  # its repr is its place in memory
    assert fingerprint(Plain(3)) == {"type": f"{__name__}.Plain", "size": 3}


PRINT = """
import sys
sys.path.insert(0, "tests")
import functools, json
import test_fingerprint as t
print(json.dumps([t.fingerprint(v) for pair in t.APART for v in pair]))
"""


def test_fingerprints_are_the_same_in_a_new_process() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PRINT], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(found.stdout) == [fingerprint(v) for pair in APART for v in pair]


def test_the_first_difference_is_named() -> None:
    assert difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == (
        "a c 2, and this call has 3"
    )
    assert difference({"a": 1}, {}) == "a 1, and this call has None"
    assert difference({"a": float("nan")}, {"a": float("nan")}) is None
    assert difference({"a": "x" * 99}, {"a": digest(np.ones(1))}) == "another value of a"
    assert difference({"a": "x" * 99}, {"a": 1}) == f"a '{'x' * 55} ..., and this call has 1"


def test_data_is_told_apart_by_part() -> None:
    part = np.ones((2, 3)), np.arange(2)
    a, b = Dataset(part, part, part), Dataset(part, part, (part[0], part[1] + 1))
    assert difference(data_print(a, "train", "test"), data_print(b, "train", "test")) == (
        "another value of test data"
    )
    assert digest(np.zeros(0)) != digest(np.zeros((0, 1)))
    assert digest(np.arange(4)[::2]) == digest(np.array([0, 2]))


def test_the_number_of_threads_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert threads() == f"all {os.cpu_count()}"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == "3"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert threads() == "2"
