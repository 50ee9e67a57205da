"""The shared types: random streams, Dataset, Evidence, the criterion spec."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.core import (
    Arrays,
    CriterionSpec,
    Dataset,
    Evidence,
    channels_last,
    criterion,
    ordered,
    stream,
)
from minprune.errors import ArgumentError, MinpruneError, MinpruneWarning, ShapeError

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


def test_floats_of_one_axis_are_one_output() -> None:
    flat = part(3, [60134.0, 1.0, 2.5])
    assert Dataset(flat, flat, flat).outputs == 1
    names = Dataset(*[part(2, [0, 1])] * 3, classes=("a", "b", "c"))
    assert names.outputs == 3


texts = st.lists(st.sampled_from(["a", "10", "9", "-1.5", "x y", "é"]), min_size=1, max_size=9)


@given(cases=st.tuples(texts, texts, texts), kind=st.sampled_from([np.str_, object]))
def test_text_becomes_numbers_and_its_names_are_kept(cases: Any, kind: type) -> None:
    given = [(np.zeros((len(y), 1)), np.array(y, kind)) for y in cases]
    data = Dataset(*given)
    found = [[data.classes[k] for k in y] for _, y in (data.train, data.val, data.test)]
    assert found == list(cases)
    assert data.train[1].dtype == np.int64
    assert [y.tolist() for _, y in given] == list(cases)
    assert set(data.classes) == {name for y in cases for name in y}
    assert replace(data, name="other").classes == data.classes
    fixed = ("é", "x y", "-1.5", "9", "10", "a", "more")
    again = Dataset(*given, classes=fixed)
    assert [fixed[k] for k in again.val[1]] == cases[1]
    assert again.outputs == 7


def test_classes_are_sorted_as_numbers_if_all_are() -> None:
    assert ordered(["10", "9", "-1.5", "9"]) == ("-1.5", "9", "10")
    assert ordered(["10", "9", "a"]) == ("10", "9", "a")
    assert ordered(["10", "9", "nan"]) == ("10", "9", "nan")
    assert ordered([]) == ()


def test_parts_that_are_one_stay_one() -> None:
    one = part(2, ["b", "a"])
    data = Dataset(one, one, part(1, ["a"]))
    assert data.val is data.train
    assert data.test[1].tolist() == [0]


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (5, 6, 4)])
def test_channels_that_come_last_are_named(shape: tuple[int, ...]) -> None:
    with pytest.warns(MinpruneWarning) as caught:
        Dataset(*[part(2, shape=shape)] * 3)
    assert str(caught[0].message) == (
        f"data: images must be (n, channels, height, width), and (n, {shape[0]}, {shape[1]}, "
        f"{shape[2]}) looks channels-last (NHWC); pass x.transpose(0, 3, 1, 2)"
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 3), (16, 4, 4), (8, 8, 2), (28, 28), (9,)])
def test_channels_that_come_first_are_not(shape: tuple[int, ...]) -> None:
    assert channels_last(shape) == ""


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
RENUMBER = "number the classes by np.unique(y, return_inverse=True)[1], or pass floats for mse"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: stream(-1, "a"), ArgumentError, f"{SEED} -1; pass seed=0, for example"),
    (lambda: stream(True, "a"), ArgumentError, f"{SEED} True; pass seed=0, for example"),
    (lambda: stream("7", "a"), ArgumentError, f"{SEED} '7'; pass seed=0, for example"),  # type: ignore[arg-type]
    (lambda: Dataset(part(2), part(1, [0, 1]), part(1)), ShapeError,
     "val: x has 1 rows and y has 2; pass one target to each input"),
    (lambda: Dataset(part(2), part(1), part(1, shape=(3,))), ShapeError,
     "test: inputs are (3,), those of train are (2,); pass all parts with one shape"),
    (lambda: Dataset(part(2), part(2, np.zeros((2, 1))), part(2)), ShapeError,
     "val: targets are (2, 1), those of train are (2,); pass all parts with one shape"),
    (lambda: Dataset(*[part(2, np.zeros((2, 1, 1)))] * 3), ShapeError,
     "train: y must be (n,) of classes or (n, outputs) of numbers, not float64 of shape (2, 1, 1); "
     "pass one target to each input"),
    (lambda: Dataset(part(2), part(3, [0.5, np.nan, 1]), part(2)), ArgumentError,
     "val: y must be finite numbers, not nan as in y[1]; leave that sample out"),
    (lambda: Dataset(*[part(2, [[0.5, 1], [2, -np.inf]])] * 3), ArgumentError,
     "train: y must be finite numbers, not -inf as in y[1, 1]; leave that sample out"),
    (lambda: Dataset(part(2), part(2), part(2, [0, 10**9])), ArgumentError,
     "test: y must hold class numbers from 0 to 99999, not 1000000000 as in y[1]; " + RENUMBER),
    (lambda: Dataset(part(2), part(2, [0, -1]), part(2)), ArgumentError,
     "val: y must hold class numbers from 0 to 99999, not -1 as in y[1]; " + RENUMBER),
    (lambda: Dataset(*[part(2, [0, 2])] * 3, classes=("a", "b")), ArgumentError,
     "train: y must hold class numbers from 0 to 1, not 2 as in y[1]; " + RENUMBER),
    (lambda: Dataset(part(2, ["a", "b"]), part(2, ["a", "c"]), part(1, ["a"]),
                     classes=("a", "b")), ArgumentError,
     "val: y must hold names of classes, a, b, not 'c' as in y[1]; add it to classes, or leave "
     "that sample out"),
    (lambda: Dataset(*[part(2, ["a", " "])] * 3), ArgumentError,
     "train: y must hold names of classes, not ' ' as in y[1]; leave that sample out"),
    (lambda: Dataset(part(1, ["a"]), part(1, [0]), part(1, ["a"])), ArgumentError,
     "val: targets are int64, those of train are <U1; pass all parts as text, or all as numbers"),
    *((lambda classes=classes: Dataset(*[part(2)] * 3, classes=classes), ArgumentError,  # type: ignore[misc]
       f"classes must be different names in the order of the class numbers, not {classes!r}; pass "
       "('cat', 'dog'), for example") for classes in ("ab", ("a", "a"), (0, 1), None)),
    (lambda: criterion(needs=(), chunk="epoch"), ArgumentError,  # type: ignore[arg-type]
     "criterion: chunk must be 'all', 'batch' or 'sample', not 'epoch'; choose one of them"),
    (lambda: Evidence().of("grads"), ArgumentError,
     "evidence has no grads, which this criterion needs; "
     "pass Evidence(grads=...), or use mp.score, which fills it"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=range(len(MESSAGES)))
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
