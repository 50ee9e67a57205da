"""Accuracy, top 5, loss and calibration error by hand, by slow twins, and against slips."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.errors import ArgumentError, MinpruneError, NonFiniteError, ShapeError
from minprune.measures.quality import (
    BINS,
    Quality,
    calibration_error,
    called,
    collapse,
    evaluate,
    places,
)

EPS = 2.0**-52


def passing(outputs: int, loss: Any = "cross_entropy") -> mp.Model:
    """A net that puts out its input."""
    net = mp.build((outputs,), [("fc1", mp.Dense(outputs, outputs, bias=False))], loss)
    return mp.Model(net, {"fc1.weight": np.eye(outputs)})


LN2 = math.log(2)
X = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0]]) * LN2  # e^x = 2 and 1


def test_accuracy_loss_and_classes_by_hand() -> None:
    # answers 0, 1, 0 (of equals the first), 1; softmax 2/4, 1/4 or 1/3
    found = evaluate(passing(3), (X, np.array([0, 0, 0, 1])))
    want = (LN2 + math.log(4) + math.log(3) + LN2) / 4
    assert abs(found.loss - want) <= 16 * EPS * want
    assert found.accuracy == 0.75
    assert found.per_class[:2] == (2 / 3, 1.0)
    assert math.isnan(found.per_class[2])


def test_a_single_output_is_judged_at_one_half() -> None:
    x, y = np.array([[0.5], [0.75], [2.0], [-1.0]]), np.array([[1.0], [1.0], [1.0], [0.0]])
    found = evaluate(passing(1, "mse"), (x, y))  # 0.5 is not above 0.5
    loss = (0.25 + 0.0625 + 1 + 1) / 4
    assert found == Quality(
        0.75,
        loss,
        (1.0, 2 / 3),
        (1, 3),
        mse=loss,
        r2=1 - loss / (3 / 16),
        chance=0.75,
        collapsed=True,
    )


def test_several_outputs_with_mse_answer_by_the_largest() -> None:
    x = np.array([[1.0, 3.0], [2.0, 0.0]])
    found = evaluate(passing(2, "mse"), (x, np.array([[0.0, 1.0], [0.0, 1.0]])))
    assert found == Quality(
        0.5,
        ((1 + 4) + (4 + 1)) / 2,
        (found.per_class[0], 0.5),
        (0, 2),
        mse=(1 + 4 + 4 + 1) / 4,
        r2=0.0,
        chance=1.0,
        collapsed=True,
    )
    assert math.isnan(found.per_class[0])


ROWS = 400
ANSWERS = {  # of classes 0, 1, 2 with 200, 100 and 100 samples -> whether that is chance
    "all one class": (lambda t, r: np.zeros_like(t), True),
    "all one class, a rare one": (lambda t, r: np.full_like(t, 2), True),
    "at random": (lambda t, r: r.integers(0, 3, ROWS), True),
    "right": (lambda t, r: t, False),
    "six in ten": (lambda t, r: np.where(r.random(ROWS) < 0.6, t, (t + 1) % 3), False),
    # no more often right than always answering 0, but it knows the classes
    "all but the frequent class": (lambda t, r: np.where(t == 0, np.arange(ROWS) % 3, t), False),
}  # fmt: skip


@pytest.mark.parametrize(("answers", "collapsed"), ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_better_than_chance(answers: Callable[..., Any], collapsed: bool) -> None:
    truth = np.repeat([0, 1, 2], [200, 100, 100])
    for seed in range(5):
        given = answers(truth, np.random.default_rng(seed))
        found = evaluate(passing(3), (np.eye(3)[given], truth))
        assert (found.collapsed, found.chance) == (collapsed, 0.5)
        assert found.only == (given[0] if len(set(given.tolist())) == 1 else None)


def test_no_verdict_where_a_constant_is_right() -> None:
    found = evaluate(passing(2), (np.eye(2)[[1, 1]], np.array([1, 1])))
    assert (found.accuracy, found.chance, found.only, found.collapsed) == (1.0, 1.0, 1, False)


def test_regression_at_the_mean_has_collapsed() -> None:
    y = np.array([[1.0], [2.0], [6.0]])
    for x, collapsed in ((y, False), (y + 9, True), (np.full_like(y, 3.0), True)):
        found = evaluate(passing(1, "mse"), (x, y))
        assert (found.collapsed, found.accuracy) == (collapsed, None)


def test_yes_and_no_of_several_outputs() -> None:
    y = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    constant, good = np.tile([1, 0], (4, 1)), y
    for answers, accuracy, collapsed in ((constant, 0.75, True), (good, 1.0, False)):
        found = evaluate(passing(2, "binary_cross_entropy"), (answers - 0.5, y))
        assert (found.accuracy, found.chance) == (accuracy, 0.75)
        assert (found.collapsed, found.only) == (collapsed, None)


WORDS = (
    ({"collapsed": False, "accuracy": 0.1}, ""),
    ({}, ""),
    ({"collapsed": True, "accuracy": 0.1, "chance": 0.1, "only": 1},
     "every answer is class 1, dog: accuracy 10.00 %"),
    ({"collapsed": True, "accuracy": 0.11, "chance": 0.1, "only": None},
     "accuracy 11.00 %, and always giving the same answer has 10.00 %"),
    ({"collapsed": True, "accuracy": None, "r2": -0.66},
     "R2 -0.6600, and always answering the mean has 0"),
)  # fmt: skip


@pytest.mark.parametrize(("found", "words"), WORDS)
def test_collapse_in_words(found: dict[str, Any], words: str) -> None:
    assert collapse(found, ("cat", "dog")) == words


def test_a_class_that_is_called_by_its_number_is_written_once() -> None:
    assert (called(1), called(1, ("0", "1")), called(1, ("a", "b"))) == ("1", "1", "1, b")


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_accuracy_is_a_count(pairs: list[tuple[int, int]]) -> None:
    answers, truth = np.array(pairs).T
    found = evaluate(passing(3), (np.eye(3)[answers], truth))
    assert found.accuracy == sum(a == t for a, t in pairs) / len(pairs)
    for k, share in enumerate(found.per_class):
        mine = [a == t for a, t in pairs if t == k]
        assert math.isnan(share) if not mine else share == sum(mine) / len(mine)


tied = st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=7, max_size=7), min_size=1)


@given(tied, st.data())
def test_top_5_is_a_place_in_a_stable_order(rows: list[list[float]], data: st.DataObject) -> None:
    truth = np.array([data.draw(st.integers(0, 6)) for _ in rows])
    order = [sorted(range(7), key=lambda k: -row[k]) for row in rows]  # of equals the first
    assert places(np.array(rows), truth).tolist() == [
        o.index(t) for o, t in zip(order, truth.tolist(), strict=True)
    ]
    found = evaluate(passing(7), (np.array(rows), truth))
    in_five = [t in o[:5] for o, t in zip(order, truth.tolist(), strict=True)]
    assert found.top5 == sum(in_five) / len(rows)
    assert found.accuracy == sum(o[0] == t for o, t in zip(order, truth, strict=True)) / len(rows)


def test_top_5_says_nothing_of_five_classes() -> None:
    assert evaluate(passing(5), (np.eye(5), np.arange(5))).top5 is None
    assert evaluate(passing(6), (np.eye(6), np.arange(6))).top5 == 1.0
    assert evaluate(passing(7, "mse"), (np.eye(7), np.eye(7)[::-1])).top5 == 5 / 7


def slow_calibration(out: Any, right: Any) -> float:
    """The definition, bin by bin."""
    sure = [max(math.exp(v - max(row)) for v in row) / sum(math.exp(v - max(row)) for v in row)
            for row in out.tolist()]  # fmt: skip
    total = 0.0
    for b in range(BINS):
        mine = [k for k, p in enumerate(sure) if b / BINS < p <= (b + 1) / BINS]
        if mine:
            accuracy = sum(bool(right[k]) for k in mine) / len(mine)
            confidence = sum(sure[k] for k in mine) / len(mine)
            total += len(mine) / len(sure) * abs(accuracy - confidence)
    return total


def _softmax(out: Any) -> Any:
    e = np.exp(out - out.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def of_one_bin(out: Any, right: Any) -> float:
    """Chunk- and underconfidence make up for each other."""
    return abs(float(right.mean() - _softmax(out).max(axis=1).mean()))


def of_bins_alike(out: Any, right: Any) -> float:
    """Each bin counts as much as any other, however few samples it has."""
    sure = _softmax(out).max(axis=1)
    bins = np.ceil(sure * BINS)
    return float(np.mean([abs((right - sure)[bins == b].mean()) for b in np.unique(bins)]))


def of_each_sample(out: Any, right: Any) -> float:
    """No bins: a right answer of confidence 0.9 would count 0.1."""
    return float(np.abs(right - _softmax(out).max(axis=1)).mean())


RNG = np.random.default_rng(0)
OUT, RIGHT = 3 * RNG.standard_normal((60, 4)), RNG.random(60) < 0.6


def test_calibration_is_the_definition_and_slips_are_seen() -> None:
    want = slow_calibration(OUT, RIGHT)
    assert abs(calibration_error(OUT, RIGHT) - want) <= 60 * 8 * EPS
    for slip in (of_one_bin, of_bins_alike, of_each_sample):
        assert abs(slip(OUT, RIGHT) - want) > 0.01


def test_calibration_by_hand() -> None:
    x = np.array([[3.0, 1], [3, 1], [3, 1], [3, 1]])  # e^ln: 3/4 sure each time
    sure = passing(2), np.log(x)
    assert evaluate(sure[0], (sure[1], np.array([0, 0, 0, 1]))).calibration == pytest.approx(
        0, abs=4 * EPS
    )
    assert evaluate(sure[0], (sure[1], np.array([1, 1, 1, 1]))).calibration == pytest.approx(0.75)
    even = np.zeros((2, 2))  # 1/2 sure, answers 0
    assert evaluate(sure[0], (even, np.array([0, 0]))).calibration == 0.5
    assert evaluate(passing(2, "mse"), (even, even)).calibration is None


CROSS = "evaluate: the targets of cross_entropy must be integer classes (n,), not float64 of shape"
CLASSES = "pass classes, or build the net with loss='mse'"
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: evaluate(passing(3), (X[:0], np.zeros(0, int))), ArgumentError,
     "evaluate: data must be a pair (x, y) of at least one sample, not empty; pass "
     "data.train, for example"),
    (lambda: evaluate(passing(3), (X, np.zeros(3, int))), ShapeError,
     "evaluate: x has 4 rows and y has 3; pass one target for each input"),
    (lambda: evaluate(passing(3), (X, np.zeros(4))), ShapeError,
     f"{CROSS} (4,); {CLASSES}"),
    (lambda: evaluate(passing(3), (X, np.eye(4)[:, :3])), ShapeError,
     f"{CROSS} (4, 3); {CLASSES}"),
    (lambda: evaluate(passing(3, "mse"), (X, np.zeros(4))), ShapeError,
     "evaluate: the targets of mse must be numbers (n, 3), not float64 of shape (4,); "
     "pass one column for each output, or build the net with loss='cross_entropy'"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_a_loss_that_is_not_finite_names_the_layer() -> None:
    net = mp.build((1,), [("fc1", mp.Dense(1, 2)), ("relu1", mp.ReLU()), ("fc2", mp.Dense(2, 2))])
    params = {
        "fc1.weight": np.ones((2, 1)), "fc1.bias": np.zeros(2),
        "fc2.weight": np.full((2, 2), 1e200), "fc2.bias": np.zeros(2),
    }  # fmt: skip
    x = np.array([[1.0], [1e150], [2.0]])
    with pytest.raises(NonFiniteError) as caught:
        mp.evaluate(mp.Model(net, params), (x, np.array([0, 1, 0])))
    assert caught.value.args == (
        "evaluate: the loss must be finite, not nan: layer fc2 gave 2 of 2 values that are not "
        "finite; check the model and the data",
    )
