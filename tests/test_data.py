"""The embedded digits, the stratified draw and batches.

Long because each law stands here beside its wrong variants, and each message whole.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from minprune.core import Dataset
from minprune.data import batches, digits, split
from minprune.data.digits import TEST, TRAIN, VAL
from minprune.data.split import held_out, stratified
from minprune.errors import ArgumentError
from tests.places import ROOT

STEADY = settings(derandomize=True, database=None, phases=[Phase.generate])
PARTS = ("train", "val", "test")


def stored() -> dict[str, Any]:
    with np.load(ROOT / "minprune" / "data" / "digits.npz", allow_pickle=False) as f:
        return dict(f)


# Digits


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_digits_are_a_dataset_of_sixteenths(dtype: type) -> None:
    data = digits(dtype=dtype)
    assert [len(getattr(data, p)[0]) for p in PARTS] == [TRAIN, VAL, TEST] == [1197, 240, 360]
    assert (data.name, data.input_shape, data.outputs) == ("digits", (1, 8, 8), 10)
    x = np.concatenate([getattr(data, p)[0] for p in PARTS])
    y = np.concatenate([getattr(data, p)[1] for p in PARTS])
    assert (x.dtype, y.dtype) == (dtype, np.int64)
    np.testing.assert_array_equal(x[:, 0] * 16, stored()["images"])
    np.testing.assert_array_equal(y, stored()["labels"])
    assert (x.min(), x.max()) == (0, 1)


def test_digits_parts_have_the_class_shares_of_the_whole() -> None:
    data = digits()
    total = sum(np.bincount(getattr(data, p)[1], minlength=10) for p in PARTS)
    for part in PARTS:
        y = getattr(data, part)[1]
        found = np.bincount(y, minlength=10)
        assert (abs(found * 1797 - total * len(y)) < 1797).all()  # whole numbers: no rounding


def test_digits_parts_are_in_random_order() -> None:
    """Equal neighbours one time in ten: sorted classes have more, classes dealt in turn fewer."""
    for part in PARTS:
        y = getattr(digits(), part)[1]
        bound = 4 * (0.1 * 0.9 / (len(y) - 1)) ** 0.5  # four standard deviations
        assert abs((y[1:] == y[:-1]).mean() - 0.1) < bound


def test_digits_file_names_its_source_and_licence() -> None:
    text = str(stored()["source"])
    for word in ("Alpaydin & C. Kaynak (1998)", "archive.ics.uci.edu", "CC BY 4.0", "scikit-learn"):
        assert word in text
    assert {k: v.dtype.kind for k, v in stored().items()} == {
        "images": "u",
        "labels": "u",
        "source": "U",
    }


def test_digits_of_two_calls_share_nothing() -> None:
    digits().train[0][:] = 7
    assert digits().train[0].max() == 1


def test_digits_file_is_rebuilt_from_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    source = datasets.load_digits()
    labels = source.target
    key = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(labels))]
    late = [hashlib.sha256(f"order {i}".encode()).hexdigest() for i in range(len(labels))]

    def take(pool: list[int], count: int) -> tuple[list[int], list[int]]:
        n = len(pool)
        drawn = [(j + 1) * count // n > j * count // n for j in range(n)]
        pairs = list(zip(pool, drawn, strict=True))
        return [i for i, d in pairs if d], [i for i, d in pairs if not d]

    train, others = take(sorted(range(len(labels)), key=lambda i: (labels[i], key[i])), TRAIN)
    val, test = take(others, VAL)
    order = [i for part in (train, val, test) for i in sorted(part, key=late.__getitem__)]
    np.testing.assert_array_equal(stored()["images"], source.images[order])
    np.testing.assert_array_equal(stored()["labels"], labels[order])


# The stratified draw

label_lists = st.lists(st.integers(0, 3), min_size=1, max_size=40)
draws = label_lists.flatmap(lambda y: st.tuples(st.just(np.array(y)), st.integers(0, len(y))))


def draws_by_class(draw: Callable[..., Any], case: tuple[Any, int]) -> bool:
    y, count = case
    drawn = draw(y, count, np.random.default_rng(0))
    near = (abs(len(y) * drawn[y == c].sum() - count * (y == c).sum()) < len(y) for c in set(y))
    return bool(drawn.dtype == bool and drawn.shape == y.shape and drawn.sum() == count) and all(
        near
    )


def draws_at_random(draw: Callable[..., Any], case: tuple[Any, int]) -> bool:
    """Chunk 30 seeds each sample is drawn at least once, where its class has a fair share."""
    y, _ = case
    seen = [draw(np.sort(y), len(y) // 2, np.random.default_rng(s)) for s in range(30)]
    return len(y) < 8 or bool(np.any(seen, axis=0)[np.bincount(y)[np.sort(y)] >= 8].all())


def round_each_class(y: Any, count: int, rng: np.random.Generator) -> Any:
    drawn = np.zeros(len(y), bool)
    for c in set(y):
        here = np.flatnonzero(y == c)
        drawn[rng.permutation(here)[: round(count * len(here) / len(y))]] = True
    return drawn


def systematic_without_shuffle(y: Any, count: int, rng: np.random.Generator) -> Any:
    drawn = np.zeros(len(y), bool)
    drawn[np.argsort(y, kind="stable")] = np.diff(np.arange(len(y) + 1) * count // len(y)) > 0
    return drawn


@given(case=draws)
def test_stratified_draw(case: tuple[Any, int]) -> None:
    assert draws_by_class(stratified, case)


def test_stratified_draw_is_random_within_a_class() -> None:
    case = np.repeat([0, 1, 2], 20), 0
    assert draws_at_random(stratified, case)
    assert not draws_at_random(systematic_without_shuffle, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda y, count, rng: np.arange(len(y)) < count,
        lambda y, count, rng: rng.permutation(len(y)) < count,
        round_each_class,
    ],
)
def test_stratified_law_rejects(wrong: Callable[..., Any]) -> None:
    find(draws, lambda case: not draws_by_class(wrong, case), settings=STEADY)


def test_stratified_draw_of_nothing() -> None:
    assert stratified(np.zeros(0, int), 0, np.random.default_rng(0)).shape == (0,)


@pytest.mark.parametrize("given", [0.3, 0.25])
def test_stratified_draw_of_columns(given: float) -> None:
    classes = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 20, 20]))
    hot = np.eye(3)[classes]
    drawn = stratified(hot, round(given * 80), np.random.default_rng(0))
    assert drawn.sum() == given * 80
    assert (abs(hot[drawn].sum(axis=0) - given * hot.sum(axis=0)) < 1).all()


@pytest.mark.parametrize(
    ("val", "n", "count"),
    [(5, 10, 5), (0, 10, 0), (0.0, 10, 0), (0.2, 10, 2), (0.25, 10, 2), (0.01, 10, 1)],
)
def test_held_out_count(val: float, n: int, count: int) -> None:
    assert held_out("split", "val", val, n) == count


# Split

many = st.lists(st.integers(0, 3), min_size=3, max_size=40)
splits = st.tuples(
    many | many.map(sorted),
    st.sampled_from([0, 1, 0.1, 0.3]),
    st.sampled_from([0, 1, 0.2, 0.3]),
    st.sampled_from(["numbers", "text", "floats", "columns"]),
)


def splits_all(divide: Callable[..., Dataset], case: Any) -> bool:
    """Each sample is in one part, with its target, in its order; each class has its share."""
    given, val, test, kind = case
    y = np.array(given)
    n = len(y)
    made = {
        "numbers": y, "text": np.array(["no", "yes", "maybe", "10"])[y], "floats": y / 7,
        "columns": np.stack([y, -y], axis=1) / 7,
    }[kind]  # fmt: skip
    data = divide(np.arange(2 * n).reshape(n, 2), made, val=val, test=test)
    kept = {id(part): part for part in (data.train, data.val, data.test)}.values()
    at = [x[:, 0] // 2 for x, _ in kept]

    def named(targets: Any) -> Any:
        return np.array(data.classes)[targets] if kind == "text" else targets

    counts = [c if isinstance(c, int) else max(1, round(c * n)) for c in (val, test)]
    sizes = [c for c in (n - sum(counts), *counts) if c]
    off = {id(data.test): 1, id(data.val): 2} | {id(data.train): 3}  # test is drawn first
    near = all(
        abs((y[i] == c).sum() - (y == c).mean() * len(i)) < bound
        for i, bound in zip(at, (off[id(part)] for part in kept), strict=True)
        for c in given
    )
    return (
        sorted(np.concatenate(at)) == list(range(n))
        and [len(i) for i in at] == sizes
        and all((np.diff(i) > 0).all() for i in at)
        and all(np.array_equal(made[i], named(t)) for i, (_, t) in zip(at, kept, strict=True))
        and (data.val is data.train) == (counts[0] == 0)
        and near
    )


@given(case=splits)
def test_split_keeps_the_laws(case: Any) -> None:
    assert splits_all(split, case)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y, **k: split(x, y[::-1], **k),
        lambda x, y, **k: split(x[1:], y[1:], **k),
        lambda x, y, **k: split(x, y, **k | {"test": 0}),
        lambda x, y, **k: Dataset(*[split(x, y, **k).train] * 3, classes=tuple("abcd")),
        lambda x, y, **k: in_order(x, y, **k),
    ],
)
def test_split_law_rejects(wrong: Callable[..., Any]) -> None:
    find(splits, lambda case: not splits_all(wrong, case), settings=STEADY)


def in_order(x: Any, y: Any, **named: Any) -> Dataset:
    """The right sizes, along the file"""
    data = split(x, y, **named)
    sizes = np.cumsum([len(data.train[0]), len(data.val[0]) * (data.val is not data.train)])
    made = list(zip(np.split(x, sizes), np.split(y, sizes), strict=True))
    held = made[1] if len(made[1][0]) else made[0]
    return Dataset(made[0], held, made[2] if len(made[2][0]) else held)


def test_split_has_a_seed() -> None:
    x, y = np.arange(60)[:, None], np.arange(60) % 3
    first, again, other = (split(x, y, seed=s).test[0].tolist() for s in (0, 0, 1))
    assert first == again != other


# Batches

epochs = st.tuples(st.integers(0, 60), st.integers(1, 20), st.booleans())
Batches = Callable[..., Iterator[Any]]


def visits_all_once(make: Batches, case: tuple[int, int, bool]) -> bool:
    n, size, shuffle = case
    got = list(make(n, size, np.random.default_rng(0), shuffle))
    sizes = [size] * (n // size) + [n % size] * (n % size > 0)
    seen = sorted(int(i) for b in got for i in b)
    return [len(b) for b in got] == sizes and seen == list(range(n))


def shuffles_when_asked(make: Batches, case: tuple[int, int, bool]) -> bool:
    n, size, shuffle = case
    rng = np.random.default_rng(0)
    first, second = ([int(i) for b in make(n, size, rng, shuffle) for i in b] for _ in range(2))
    if shuffle:  # from 30 on, two equal orders are as good as impossible
        return n < 30 or (first != second and first != list(range(n)))
    return first == second == list(range(n))


def drop_last(n: int, size: int, rng: Any, shuffle: bool) -> Iterator[Any]:
    return (b for b in batches(n, size, rng, shuffle) if len(b) == size)


def with_replacement(n: int, size: int, rng: Any, shuffle: bool) -> Iterator[Any]:
    return (rng.integers(0, n, len(b)) for b in batches(n, size, rng, shuffle))


def shuffle_a_local(n: int, size: int, rng: Any, shuffle: bool) -> Iterator[Any]:
    return batches(n, size, rng, False)


def one_order_for_ever(n: int, size: int, rng: Any, shuffle: bool) -> Iterator[Any]:
    return batches(n, size, np.random.default_rng(0), shuffle)


def always_shuffled(n: int, size: int, rng: Any, shuffle: bool) -> Iterator[Any]:
    return batches(n, size, rng, True)


@given(case=epochs)
def test_batches_keep_the_laws(case: tuple[int, int, bool]) -> None:
    assert visits_all_once(batches, case)
    assert shuffles_when_asked(batches, case)


@pytest.mark.parametrize(
    ("law", "wrong"),
    [
        (visits_all_once, drop_last),
        (visits_all_once, with_replacement),
        (shuffles_when_asked, shuffle_a_local),
        (shuffles_when_asked, one_order_for_ever),
        (shuffles_when_asked, always_shuffled),
    ],
)
def test_batch_laws_reject(law: Callable[..., bool], wrong: Batches) -> None:
    find(epochs, lambda case: not law(wrong, case), settings=STEADY)


def test_batches_draw_their_order_at_the_call() -> None:
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    waiting = batches(50, 8, a)
    a.random()  # what happens to the generator later does not matter
    assert [list(i) for i in waiting] == [list(i) for i in batches(50, 8, b)]
    assert [list(i) for i in batches(5, 2, None, shuffle=False)] == [[0, 1], [2, 3], [4]]


MESSAGES = (
    (
        lambda: digits(dtype=np.int8),
        "digits: dtype must be float32 or float64, not <class 'numpy.int8'>; pass np.float32,"
        " for example",
    ),
    (
        lambda: digits(dtype=None),
        "digits: dtype must be float32 or float64, not None; pass np.float32, for example",
    ),
    (
        lambda: digits(dtype="half a float"),
        "digits: dtype must be float32 or float64, not 'half a float'; pass np.float32, for "
        "example",
    ),
    (
        lambda: batches(5, 0, None),
        "batches: size must be an integer of at least 1, not 0; pass size=1, for example",
    ),
    (
        lambda: batches(5, 2, 0),
        "batches: rng must be a Generator, not int; pass np.random.default_rng(0), or "
        "shuffle=False",
    ),
    (
        lambda: held_out("idx", "val", 10, 10),
        "idx: val must be from 0 to 9 of the 10 samples, as an integer or as a share below 1, not "
        "10; leave at least one sample for training",
    ),
    (
        lambda: held_out("idx", "val", 1.0, 10),
        "idx: val must be from 0 to 9 of the 10 samples, as an integer or as a share below 1, not "
        "1.0; leave at least one sample for training",
    ),
    (
        lambda: held_out("idx", "val", 0.96, 10),  # rounds to all ten
        "idx: val must be from 0 to 9 of the 10 samples, as an integer or as a share below 1, not "
        "0.96; leave at least one sample for training",
    ),
    (
        lambda: split(np.ones((10, 1)), np.ones(10, int), val=0.7, test=3),
        "split: val must be from 0 to 6 of the 10 samples, of which 3 are for test, as an integer "
        "or as a share below 1, not 0.7; leave at least one sample for training",
    ),
    (
        lambda: split(np.ones((10, 1)), np.ones(9, int)),
        "split: x and y must be arrays with one row for each sample, not of shapes (10, 1) and "
        "(9,); pass one target to each input",
    ),
    (
        lambda: split([[1, 2], [3]], [0, 1]),
        "split: x and y must be arrays with one row for each sample, not of shapes () and (); pass "
        "one target to each input",
    ),
    (
        lambda: split(np.ones((4, 1)), np.array([0, 1, None, 1])),
        "split: y must be (n,) of classes or (n, outputs) of numbers, not object of shape (4,); "
        "pass one target to each input",
    ),
    (
        lambda: split(np.ones((9, 1)), np.where(np.arange(9) == 7, np.nan, 1)),
        "split: y must be finite numbers, not nan as in y[7]; leave that sample out",
    ),
    (
        lambda: split(np.ones((9, 1)), np.where(np.arange(9) == 7, "", "a")),
        "split: y must hold names of classes, not '' as in y[7]; leave that sample out",
    ),
    (
        lambda: split(np.ones((0, 1)), np.ones(0, int)),
        "split: must have at least one sample, not 0; pass x and y of some",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
