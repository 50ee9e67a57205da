"""How much: each layer alone, and where the accuracy crosses a tolerance."""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.amount.find_sparsity import bisect
from minprune.amount.sensitivity import Sensitivity
from minprune.core import Arrays, Evidence
from minprune.errors import ArgumentError, MissingError, ShapeError
from minprune.masking.units import unit_sparsity

GRID = (0.0, 0.3, 0.5, 1.0)


def data_of(n: int = 100, seed: int = 0) -> mp.Dataset:
    """Noise whose class is the largest of three sums of inputs"""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3 * n, 1, 4, 4))
    y = x[:, 0, :3].sum(axis=2).argmax(axis=1)
    return mp.Dataset(*((x[k * n : (k + 1) * n], y[k * n : (k + 1) * n]) for k in range(3)))


def net() -> mp.Model:
    """Tied layers: a residual sum"""
    layers: list[Any] = [
        ("conv1", mp.Conv2d(1, 6, 3, padding=1)), ("relu1", mp.ReLU()),
        ("conv2", mp.Conv2d(6, 6, 3, padding=1)), ("sum", mp.Add(), ("conv2", "relu1")),
        ("flat", mp.Flatten()), ("fc1", mp.Dense(96, 8)), ("relu2", mp.ReLU()),
        ("fc2", mp.Dense(8, 3)),
    ]  # fmt: skip
    return mp.initialise(mp.build((1, 4, 4), layers), dtype=np.float64)


@pytest.fixture(scope="module")
def trained() -> mp.Model:
    return mp.fit(
        net(), data_of(), epochs=8, batch_size=20, optimizer=mp.Adam(0.01), progress=False
    )[0]


# --- sensitivity


@pytest.mark.parametrize("unit", [False, True])
def test_each_layer_alone(trained: mp.Model, unit: bool) -> None:
    data = data_of()
    found = mp.sensitivity(trained, data, "taylor", unit=unit, sparsities=GRID, progress=False)
    scores = mp.score(trained, data.train, "taylor", unit=unit)
    assert list(found.losses) == (
        ["conv1.weight", "fc1.weight"] if unit else list(trained.net.weights)
    )
    for name, losses in found.losses.items():
        for s, loss, accuracy in zip(GRID, losses, found.accuracies[name], strict=True):
            pruned = mp.prune(trained, scores, sparsity={name: s}, minimum=0)
            quality = mp.evaluate(pruned, data.val)
            assert (loss, accuracy) == (quality.loss, quality.accuracy)
        assert losses[0] == found.loss  # 0: nothing pruned
    assert found.counts == (
        {"conv1.weight": 6, "fc1.weight": 8} if unit
        else {k: trained.params[k].size for k in trained.net.weights}
    )  # fmt: skip
    again = mp.sensitivity(trained, data, "taylor", unit=unit, sparsities=GRID, progress=False)
    assert found == again


def others_pruned_too(model: mp.Model, data: mp.Dataset) -> Sensitivity:
    """A wrong variant: what was pruned before stays so while the next layer is measured"""
    scores, losses = mp.score(model, None, "magnitude"), dict[str, Any]()
    at = model
    for name in scores:
        row = []
        for s in GRID:
            at = mp.prune(at, scores, sparsity={name: s}, minimum=0)
            row.append(mp.evaluate(at, data.val).loss)
        losses[name] = tuple(row)
    return losses  # type: ignore[return-value]


def test_a_variant_with_the_others_pruned_is_another(trained: mp.Model) -> None:
    data = data_of()
    found = mp.sensitivity(trained, data, sparsities=GRID, progress=False)
    assert others_pruned_too(trained, data) != found.losses


def test_a_pruned_model_is_measured_from_where_it_is(trained: mp.Model) -> None:
    data = data_of()
    scores = mp.score(trained, None, "magnitude")
    half = mp.prune(trained, scores, sparsity={"conv2": 0.5, "fc1": 0.3})
    found = mp.sensitivity(half, data, sparsities=GRID, progress=False)
    assert found.loss == mp.evaluate(half, data.val).loss
    assert found.losses["conv2.weight"][:2] == (None, None)
    assert found.losses["conv2.weight"][2] == found.losses["fc1.weight"][1] == found.loss
    assert [s for s, _ in found.curves()["conv2.weight"]] == [0.5, 1.0]
    assert found.curves()["conv2.weight"][0] == (0.5, 0.0)
    assert " -  " in str(found)


def test_table_and_json(trained: mp.Model) -> None:
    found = mp.sensitivity(trained, data_of(), sparsities=(0.5, 0.9), progress=False)
    first, second, *_ = str(found).splitlines()
    own = f"{100 * (found.accuracy or 0):.2f}"
    assert first == f"validation accuracy in % with one layer pruned by magnitude; unpruned {own}"
    assert second.split() == ["layer", "weights", "0.5", "0.9"]
    read = json.loads(found.to_json())
    assert read["losses"]["fc1.weight"] == list(found.losses["fc1.weight"])
    assert read["counts"] == found.counts
    assert read["unit"] is False


def test_the_picture_has_every_layer_and_a_legend(trained: mp.Model) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    found = mp.sensitivity(trained, data_of(), sparsities=(0.5, 0.9), progress=False)
    for of in ("accuracy", "loss"):
        ax = found.plot(of=of)
        assert found.plot(ax) is ax
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert set(labels) == {*found.losses, "unpruned"}
        assert list(ax.lines[0].get_ydata()) == list(
            (found.losses if of == "loss" else found.accuracies)["conv1.weight"]
        )


def test_regression_has_losses_alone() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 4)), rng.standard_normal((20, 2))
    data = mp.Dataset((x, y), (x, y), (x, y))
    model = mp.initialise(mp.build((4,), [("fc", mp.Dense(4, 2))], loss="mse"), dtype=np.float64)
    found = mp.sensitivity(model, data, sparsities=(0.5,), progress=False)
    assert found.accuracy is None
    assert found.accuracies == {}
    assert str(found).startswith("validation loss with one layer pruned by magnitude; unpruned")
    with pytest.raises(ArgumentError) as caught:
        mp.find_sparsity(model, data, progress=False)
    assert "the targets must be classes" in str(caught.value)
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert found.plot().get_ylabel() == "validation loss"


def test_allocation_from_what_was_measured(trained: mp.Model) -> None:
    data = data_of()
    for unit in (False, True):
        found = mp.sensitivity(trained, data, unit=unit, progress=False)
        share = found.allocate(0.1)
        assert list(share) == list(found.counts)
        scores = mp.score(trained, None, "magnitude", unit=unit)
        pruned = mp.prune(trained, scores, sparsity=share, minimum=0)
        gone = sum(round(share[k] * n) for k, n in found.counts.items())
        assert gone > 0
        if unit:
            assert unit_sparsity(pruned) == pytest.approx(gone / sum(found.counts.values()))
        else:
            shapes = {k: trained.params[k].shape for k in found.counts}
            assert mp.allocate(trained, bound=0.1, curves=found.curves()) == share
            assert mp.allocate(shapes, bound=0.1, curves=found.curves()) == share
        fall = found.allocate(0.05, of="accuracy", protect="fc1")
        assert "fc1.weight" not in fall


# --- find_sparsity

functions = st.lists(st.booleans(), min_size=1, max_size=40).map(lambda rest: [True, *rest])
Search = Callable[[Callable[[int], bool], int, int], list[tuple[int, int]]]


def wrong_crossing(search: Search, within: list[bool]) -> bool:
    found = search(within.__getitem__, 0, len(within) - 1)
    if within[-1]:
        return found != []
    ((low, high),) = found
    return not (low >= 0 and high == low + 1 and within[low] and not within[high])


@given(within=functions)
def test_bisection_finds_a_crossing_of_any_function(within: list[bool]) -> None:
    assert not wrong_crossing(bisect, within)


def too_high(within: Callable[[int], bool], low: int, high: int) -> list[tuple[int, int]]:
    return [(a + 1, b + 1) for a, b in bisect(within, low, high)]


def stops_early(within: Callable[[int], bool], low: int, high: int) -> list[tuple[int, int]]:
    while high - low > 2 and not within(high):
        middle = (low + high) // 2
        low, high = (middle, high) if within(middle) else (low, middle)
    return [] if within(high) else [(low, high)]


def other_side(within: Callable[[int], bool], low: int, high: int) -> list[tuple[int, int]]:
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle) else (middle, high)
    return [] if within(high) else [(low, high)]


@pytest.mark.parametrize("wrong", [too_high, stops_early, other_side])
def test_wrong_searches_are_rejected(wrong: Search) -> None:
    cases = [[True] * k + [False] * (9 - k) for k in range(1, 9)]
    assert any(wrong_crossing(wrong, case) for case in cases)


@pytest.mark.parametrize("layer", [None, "fc1"])
@pytest.mark.parametrize("unit", [False, True])
def test_one_entry_more_is_beyond_the_tolerance(
    trained: mp.Model, layer: str | None, unit: bool
) -> None:
    data = data_of()
    found = mp.find_sparsity(trained, data, tolerance=0.1, layer=layer, unit=unit, progress=False)
    own = mp.evaluate(trained, data.val).accuracy
    assert own is not None
    assert found.unpruned == own
    ((low, high),) = [(c.low, c.high) for c in found.crossings]
    scores = mp.score(trained, None, "magnitude", unit=unit)
    sizes = [a.size for k, a in scores.items() if layer in (None, k.removesuffix(".weight"))]
    n = 14 if unit and layer is None else 8 if unit else sum(sizes)
    assert found.sparsity == low
    assert round((high - low) * n) == 1
    for s, inside in ((low, True), (high, False)):
        target: Any = s if layer is None else {layer: s}
        pruned = mp.prune(trained, scores, sparsity=target, minimum=0)
        accuracy = mp.evaluate(pruned, data.val).accuracy
        assert accuracy is not None
        assert (accuracy >= own - 0.1 - 1e-9) == inside
    assert mp.evaluate(found.model, data.val).accuracy == found.accuracy
    assert len(found.tried) <= 3 + n.bit_length()


def by_sample(ev: Evidence) -> Arrays:
    """Inputs by their number: the k-th entry decides the k-th sample (see below)"""
    return {"fc.weight": np.array(ev.weights["fc.weight"] > 0, float) * np.arange(1, 101)}


def hundred() -> tuple[mp.Model, mp.Dataset]:
    """100 samples, each of which one weight of row 1 gets right"""
    model = mp.initialise(mp.build((100,), [("fc", mp.Dense(100, 2))]), dtype=np.float64)
    weight = np.zeros((2, 100))
    weight[1] = 1
    model = mp.Model(model.net, {"fc.weight": weight, "fc.bias": np.zeros(2)})
    part = np.eye(100), np.ones(100, int)
    return model, mp.Dataset(part, part, part)


@pytest.mark.parametrize("points", [0, 1, 3, 7, 29])
def test_a_tolerance_of_a_hundredth_is_one_point(points: int) -> None:
    model, data = hundred()
    found = mp.find_sparsity(model, data, by_sample, tolerance=points / 100, progress=False)
    assert found.unpruned == 1.0
    assert found.accuracy == pytest.approx(1 - points / 100)
    assert found.sparsity == (100 + points) / 200  # row 0, whose weights decide nothing, goes first


def test_a_scan_lists_every_crossing() -> None:
    """Accuracy falls, rises and falls again, since pruning also removes what is wrong."""
    model, data = hundred()
    weight = np.where(np.arange(200).reshape(2, 100) < 100, 0.0, 1.0)
    weight[0, 20:30] = 2.0  # these are wrong until their weight of row 0 goes
    model = mp.Model(model.net, {"fc.weight": weight, "fc.bias": np.zeros(2)})

    def order(ev: Evidence) -> Arrays:
        s = np.zeros((2, 100))
        s[1] = 100 + np.arange(100.0)
        s[1, :20] = 10 + np.arange(20.0)  # first 20 right ones go, then 10 wrong ones
        s[0, 20:30] = 40
        s[0, 30:] = 41
        return {"fc.weight": s}

    found = mp.find_sparsity(model, data, order, tolerance=0.15, scan=True, progress=False)
    assert [c.falls for c in found.crossings] == [True, False, True]
    assert found.sparsity == found.crossings[0].low
    assert len(found.tried) == 101
    assert all(c.high - c.low == pytest.approx(0.01) for c in found.crossings)
    text = str(found).splitlines()
    assert [line.split()[0] for line in text] == ["unpruned", "falls", "rises", "falls"]
    one = mp.find_sparsity(model, data, order, tolerance=0.15, progress=False)
    assert len(one.crossings) == 1
    assert one.crossings[0].falls
    assert str(one).endswith("a crossing; there may be others, which scan=True finds on a grid")


def test_everything_within_the_tolerance(trained: mp.Model) -> None:
    for scan in (False, True):
        found = mp.find_sparsity(trained, data_of(), tolerance=1, scan=scan, progress=False)
        assert found.crossings == ()
        assert found.sparsity == 1.0
        assert str(found).endswith("no crossing: every sparsity tried is within the tolerance")


def test_a_pruned_model_is_searched_from_where_it_is(trained: mp.Model) -> None:
    scores = mp.score(trained, None, "magnitude")
    half = mp.prune(trained, scores, sparsity=0.5)
    found = mp.find_sparsity(half, data_of(), tolerance=0.05, progress=False)
    assert found.sparsity >= 0.5
    assert found.tried[0][0] == pytest.approx(0.5, abs=0.01)


# --- refusals

MODEL = mp.zoo.mlp(((3,), 2), (4,))
MESSAGES: tuple[tuple[Callable[[], Any], type[Exception], str], ...] = (
    (lambda: mp.sensitivity(MODEL, data_of().train), ArgumentError,  # type: ignore[arg-type]
     "sensitivity: data must be a Dataset, not tuple; pass mp.data.digits(), for example"),
    (lambda: mp.sensitivity(net(), data_of(), sparsities=()), ArgumentError,
     "sensitivity: sparsities must not be empty; pass (0.5, 0.9), for example"),
    (lambda: mp.sensitivity(net(), data_of(), sparsities=(0.5, 90)), ArgumentError,
     "sensitivity: sparsities must be numbers from 0 to 1, not 90; pass (0.5, 0.9), for example"),
    (lambda: mp.sensitivity(net(), data_of(), "magnitude").curves("time"), ArgumentError,
     "curves: of must be 'loss' or 'accuracy', not 'time'; choose one of them"),
    (lambda: mp.find_sparsity(net(), data_of(), tolerance=1.5), ArgumentError,
     "find_sparsity: tolerance must be a number from 0 to 1, not 1.5; pass tolerance=0.5, for "
     "example"),
    (lambda: mp.find_sparsity(net(), data_of(), layer="fc9"), ArgumentError,
     "'fc9' must be a scored parameter, or a layer of one; choose among "
     "conv1.weight, conv2.weight, fc1.weight, fc2.weight"),
    (lambda: mp.find_sparsity(net(), data_of(), layer="fc*"), ArgumentError,
     "find_sparsity: layer must be one layer, not fc1.weight, fc2.weight; name one, or leave it "
     "out for the net"),
    (lambda: mp.find_sparsity(hundred()[0], hundred()[1], unit=True), ArgumentError,
     "find_sparsity: model must have units that can be removed, and has none; pass unit=False"),
    (lambda: mp.sensitivity(mp.initialise(mp.build((3,), [("a", mp.ReLU())])), hundred()[1]),
     ArgumentError,
     "sensitivity: model must have weights that can be removed, and has none; pass another"),
    (lambda: mp.sensitivity(mp.sparsify(hundred()[0], "dense"), data_of()), ShapeError,
     "the input must be (n, 100), not (100, 1, 4, 4); pass a batch of samples of the net's "
     "input_shape"),
    (lambda: mp.find_sparsity(net(), data_of(), scan=3), ArgumentError,  # type: ignore[arg-type]
     "find_sparsity: scan must be False or True, not 3; choose one of them"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:50] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


def test_without_matplotlib(trained: mp.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    found = mp.sensitivity(trained, data_of(), sparsities=(0.5,), progress=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingError) as caught:
        found.plot()
    assert caught.value.args == (
        'Sensitivity.plot: it needs matplotlib, which is not installed; pip install '
        '"minprune[report]"',
    )  # fmt: skip


def test_progress_is_shown_on_stderr(
    trained: mp.Model, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr("minprune.train.progress.EVERY", 0.0)
    mp.sensitivity(trained, data_of(), sparsities=(0.5,))
    assert "sensitivity: 4 of 4 steps" in capsys.readouterr().err
    mp.find_sparsity(trained, data_of(), layer="fc2")
    assert "find_sparsity: 1 of 6 steps" in capsys.readouterr().err
