"""The shared types: random streams, Dataset, Evidence, the criterion spec."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import Arrays, CriterionSpec, Dataset, Evidence, criterion, stream
from minprune.errors import ArgumentError, MinpruneError, ShapeError

Stream = Callable[[Any, str], np.random.Generator]
N = 256


def numbers(make: Stream, seed: Any, name: str) -> list[float]:
    return make(seed, name).random(N).tolist()


def repeats_and_separates(make: Stream, seed: int) -> bool:
    """One (seed, name) has one stream; another seed or name has another, unrelated to it."""
    all_ = [numbers(make, s, name) for s in (seed, seed + 1) for name in "ab"]
    apart = all(
        len({*one, *other}) == 2 * N
        # independent: a mean of N products of variance 1/144, within 7 standard errors
        and abs(np.mean((np.array(one) - 0.5) * (np.array(other) - 0.5))) <= 7 / 12 / np.sqrt(N)
        for one, other in combinations(all_, 2)
    )
    return apart and all_[0] == numbers(make, seed, "a")


@given(seed=st.integers(0, 2**63))
def test_streams_repeat_and_are_apart(seed: int) -> None:
    assert repeats_and_separates(stream, seed)


WRONG: dict[str, Stream] = {
    "one stream for all names": lambda seed, name: np.random.default_rng(seed),
    "seed + hash collides": lambda seed, name: np.random.default_rng(seed + len(name) + ord(name)),
    "fresh entropy": lambda seed, name: np.random.default_rng(),
    "the name alone": lambda seed, name: np.random.default_rng(ord(name)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_law_of_streams_rejects(name: str) -> None:
    assert not repeats_and_separates(WRONG[name], 3)


def test_a_generator_is_advanced_by_one_draw() -> None:
    ours, twin = np.random.default_rng(5), np.random.default_rng(5)
    first, second = numbers(stream, ours, "a"), numbers(stream, ours, "a")
    assert first != second
    assert first == numbers(stream, int(twin.integers(2**63)), "a")
    twin.integers(2**63)
    assert ours.random() == twin.random()
    assert numbers(stream, np.int64(4), "a") == numbers(stream, 4, "a")


def part(n: int, y: Any = None, shape: tuple[int, ...] = (2,)) -> tuple[Any, Any]:
    return np.zeros((n, *shape)), np.zeros(n, int) if y is None else np.array(y)


def test_a_dataset_knows_its_shape_and_its_outputs() -> None:
    images = (1, 4, 4)
    data = Dataset(part(2, [0, 1], images), part(1, [3], images), part(0, np.zeros(0, int), images))
    assert (data.input_shape, data.outputs, data.name) == ((1, 4, 4), 4, "data")
    columns = np.zeros((3, 2))
    assert Dataset(*[part(3, columns)] * 3, name="sums").outputs == 2
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]


def test_evidence_gives_what_it_holds() -> None:
    weights = {"w": np.ones(2)}
    assert Evidence(weights=weights).of("weights")["w"] is weights["w"]
    assert Evidence(weights={"w": [-128, 2]}).of("weights")["w"].dtype == np.float64  # type: ignore[dict-item]
    assert Evidence(weights={}).of("weights") == {}


def test_a_mark_only_declares() -> None:
    @criterion(needs=("weights",), chunk="sample", cite="a paper")
    def own(ev: Evidence) -> Arrays:
        """s = w"""
        return dict(ev.of("weights"))

    assert own.spec == CriterionSpec(("weights",), "sample", "a paper")
    assert (own.__name__, own.__doc__) == ("own", "s = w")
    assert own(Evidence(weights={"w": np.ones(1)}))["w"].tolist() == [1]

    @criterion(needs=())
    def plain(ev: Evidence) -> Arrays:
        return {}

    assert plain.spec == CriterionSpec(())


SEED = "seed must be an integer of at least 0 or a numpy Generator, not"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: stream(-1, "a"), ArgumentError, f"{SEED} -1; pass seed=0, for example"),
    (lambda: stream(True, "a"), ArgumentError, f"{SEED} True; pass seed=0, for example"),
    (lambda: stream("7", "a"), ArgumentError, f"{SEED} '7'; pass seed=0, for example"),  # type: ignore[arg-type]
    (lambda: Dataset(part(2), part(1, [0, 1]), part(1)), ShapeError,
     "val: x has 1 rows and y has 2; pass one target to each input"),
    (lambda: Dataset(part(2), part(1), part(1, shape=(3,))), ShapeError,
     "test: inputs are (3,), those of train are (2,); pass all parts with one shape"),
    (lambda: criterion(needs=(), chunk="epoch"), ArgumentError,  # type: ignore[arg-type]
     "criterion: chunk must be 'all', 'batch' or 'sample', not 'epoch'; choose one of them"),
    (lambda: Evidence().of("grads"), ArgumentError,
     "evidence has no grads, which this criterion needs; "
     "pass Evidence(grads=...), or use mp.score, which fills it"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
