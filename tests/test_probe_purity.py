"""mp.score: scoring changes nothing, criteria of one's own, and every sentence."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from probing import X, Y, line, on_grads, product, square

import minprune as mp
from minprune.core import Array, Arrays, Criterion, Evidence, criterion
from minprune.errors import (
    ArgumentError,
    MinpruneError,
    MinpruneWarning,
    NonFiniteError,
    ShapeError,
)
from minprune.probe import compatible
from minprune.probe.fill import FILL


def convolutional(dtype: Any) -> tuple[mp.Model, tuple[Array, Array]]:
    """A net with BatchNorm, some masks, and three images."""
    model = mp.zoo.resnet_small(((1, 6, 6), 3), width=3, seed=1, dtype=dtype)
    masks = {"fc.weight": np.arange(18).reshape(3, 6) % 3 > 0}
    x = np.random.default_rng(2).random((3, 1, 6, 6))
    return mp.with_masks(model, masks), (x, np.array([0, 2, 1]))


CRITERIA = [*mp.criteria.CRITERIA, on_grads("all", product), on_grads("sample", square)]


def takes(fn: str | Criterion, unit: bool) -> bool:
    try:
        compatible(fn, unit)
    except ArgumentError:
        return False
    return not unit or isinstance(fn, str)  # those of one's own here are for single weights


def stays_as_it_was(fn: str | Criterion, dtype: Any = np.float64) -> bool:
    """Twice the same bits; arrays, data and numpy's random state are untouched."""
    model, data = convolutional(dtype)
    given = (model.params, model.buffers, model.masks, dict(enumerate(data)))
    before = [{k: a.copy() for k, a in arrays.items()} for arrays in given]
    state = repr(np.random.get_state())  # noqa: NPY002
    kinds = [unit for unit in (False, True) if takes(fn, unit)]
    first, second = (
        {f"{name} {unit}": s for unit in kinds
         for name, s in mp.score(model, data, fn, seed=3, unit=unit).items()}
        for _ in range(2)
    )  # fmt: skip
    bits = all(first[n].tobytes() == second[n].tobytes() for n in first)
    held = all(np.array_equal(a[k], b[k]) for a, b in zip(given, before, strict=True) for k in a)
    return bits and held and repr(np.random.get_state()) == state  # noqa: NPY002


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fn", CRITERIA, ids=lambda f: f if isinstance(f, str) else f.mark.over)
def test_scoring_changes_nothing_and_keeps_dtype_and_shapes(fn: Any, dtype: Any) -> None:
    assert stays_as_it_was(fn, dtype)
    model, data = convolutional(dtype)
    if takes(fn, unit=True):
        for name, s in mp.score(model, data, fn, unit=True).items():
            assert (s.shape, s.dtype) == (model.net.params[name][:1], np.dtype(dtype))
    if not takes(fn, unit=False):
        return
    for params, names in (("weights", model.net.weights), ("all", tuple(model.net.params))):
        scores = mp.score(model, data, fn, params=params)  # type: ignore[arg-type]
        assert tuple(scores) == names
        assert {n: s.shape for n, s in scores.items()} == {n: model.net.params[n] for n in names}
        assert {s.dtype for s in scores.values()} == {np.dtype(dtype)}


def test_the_law_of_purity_rejects_noise_and_a_global_draw() -> None:
    def noisy(ev: Evidence) -> Arrays:
        return {n: np.random.default_rng().random(w.shape) for n, w in ev.of("weights").items()}

    def drawing(ev: Evidence) -> Arrays:
        np.random.random()  # noqa: NPY002
        return dict(ev.of("weights"))

    assert not stays_as_it_was(noisy)
    assert not stays_as_it_was(drawing)


def test_a_criterion_cannot_write_to_the_model() -> None:
    def careless(ev: Evidence) -> Arrays:
        return {n: np.abs(w, out=w) for n, w in ev.of("weights").items()}

    with pytest.raises(ValueError, match="read-only"):
        mp.score(line(), None, careless)


def test_arrays_of_any_layout_score_alike() -> None:
    model, (x, y) = convolutional(np.float64)
    x.flags.writeable = False
    odd = mp.Model(
        model.net, {n: np.asfortranarray(w) for n, w in model.params.items()}, model.buffers
    )
    twice = np.repeat(x, 2, axis=0)[::2], np.repeat(y, 2)[::2]
    want = mp.score(model, (x, y), on_grads("all", product))
    got = mp.score(odd, twice, on_grads("all", product))
    assert all(got[n].tobytes() == want[n].tobytes() for n in want)


def test_an_unmarked_function_gets_the_weights_and_its_options() -> None:
    def own(ev: Evidence, power: int = 1) -> Arrays:
        assert ev.grads is None
        assert ev.masks is None
        return {n: np.abs(w) ** power for n, w in ev.of("weights").items()}

    assert mp.score(line(), None, own)["fc1.weight"].tolist() == [[2, 1]]
    assert mp.score(line(), None, own, power=3)["fc1.weight"].tolist() == [[8, 1]]


def test_masks_are_evidence_and_seeds_choose_the_stream() -> None:
    @criterion(needs=("masks",))
    def kept(ev: Evidence) -> Arrays:
        return {n: m.astype(float) for n, m in ev.of("masks").items()}

    masked = mp.with_masks(line(), {"fc1.weight": np.array([[True, False]])})
    assert mp.score(masked, None, kept)["fc1.weight"].tolist() == [[1, 0]]
    draws = [mp.score(line(), None, "random", seed=s)["fc1.weight"].tolist() for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def spoilt(entry: float) -> mp.Model:
    return mp.Model(line().net, {"fc1.weight": np.array([[2.0, entry]])})


def gives(scores: Any) -> Criterion:
    def own(ev: Evidence) -> Any:
        return scores

    return own


@criterion(needs=("hessian",))
def ahead(ev: Evidence) -> Arrays:
    return {}


G = on_grads("all", product)
MESSAGES: tuple[tuple[Callable[[], Any], type[MinpruneError], str], ...] = (
    (lambda: mp.score(line(), None, "obdd"), ArgumentError,
     f"criterion is 'obdd', expected one of {', '.join(sorted(mp.criteria.CRITERIA))}, "
     "or a function Evidence -> scores"),
    (lambda: mp.score(line(), None, "magnitude", params="bias"), ArgumentError,  # type: ignore[arg-type]
     "params is 'bias', expected 'weights' or 'all'; choose one of them"),
    (lambda: mp.score(line(), None, ahead), ArgumentError,
     f"ahead: needs 'hessian', expected {', '.join(sorted(FILL))} or rng; "
     "ask for evidence that there is"),
    (lambda: mp.score(line(), None, "magnitude", diagonal="exact"), ArgumentError,
     "magnitude: diagonal says how hess_diag is gathered, which this criterion does not need; "
     "leave diagonal out"),
    (lambda: mp.score(line(), None, "norm", q=1), ArgumentError,
     "norm: got an unexpected keyword argument 'q'; of options it takes p, tol"),
    (lambda: mp.score(line(), None, "magnitude", p=1), ArgumentError,
     "magnitude: got an unexpected keyword argument 'p'; of options it takes none"),
    (lambda: mp.score(line(), (X, Y), "obd", diagonal="exactly"), ArgumentError,
     "diagonal is 'exactly', expected one of exact, gauss_newton, becker_lecun, empirical_fisher, "
     "hutchinson; choose one of them"),
    (lambda: mp.score(line(), (X, Y), "obd", samples=9), ArgumentError,
     "samples belongs to diagonal='hutchinson', and diagonal is 'exact'; leave it out"),
    (lambda: mp.score(line(), (X, Y), "obd", levenberg_marquardt=True), ArgumentError,
     "levenberg_marquardt belongs to diagonal='becker_lecun', and diagonal is 'exact'; "
     "leave it out"),
    (lambda: mp.score(line(), None, G), ArgumentError,
     "data is None, and this criterion looks at samples; give a pair (x, y), such as data.train"),
    (lambda: mp.score(line(), (X[:0], Y[:0]), G), ArgumentError,
     "data is empty, and this criterion looks at samples; give a pair (x, y), such as data.train"),
    (lambda: mp.score(line(), (X, Y[:2]), G), ShapeError,
     "data: x has 3 rows and y has 2; give one target to each input"),
    (lambda: mp.score(line(), (X[:, :1], Y), G), ShapeError,
     "input is (3, 1), expected (n, 2); "
     "give a batch of samples of the shape the net was built for"),
    (lambda: mp.score(line(), (X, Y), G, batch_size=0), ArgumentError,
     "batch_size is 0, expected an integer of at least 1; give batch_size=64, for example"),
    (lambda: mp.score(spoilt(np.nan), None, "magnitude"), NonFiniteError,
     "fc1.weight: 1 of 2 entries of the weight are not finite, expected numbers; "
     "train with a lower learning rate, or mend the data"),
    (lambda: mp.score(line(), (X * np.nan, Y), G), NonFiniteError,
     "fc1.weight: 2 of 2 entries of the grad are not finite, expected numbers; "
     "train with a lower learning rate, or mend the data"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": np.array([[1, np.inf]])})), NonFiniteError,
     "fc1.weight: 1 of 2 entries of the score are not finite, expected numbers; "
     "mend the criterion, or scale it to the dtype of the net"),
    (lambda: mp.score(line(np.float32), None, gives({"fc1.weight": np.array([[1, 1e60]])})),
     NonFiniteError,
     "fc1.weight: 1 of 2 entries of the score are not finite, expected numbers; "
     "mend the criterion, or scale it to the dtype of the net"),
    (lambda: mp.score(line(), None, gives(np.ones(2))), ArgumentError,
     "own: returned ndarray, expected a dict of arrays; "
     "return one array for each weight it is given"),
    (lambda: mp.score(line(), None, gives({})), ShapeError,
     "own: gave no scores for fc1.weight; return one array for each weight it is given"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": 1, "b": 1, "a": 1})), ShapeError,
     "own: scored the unknown a; return one array for each weight it is given"),
    (lambda: mp.score(line(), None, gives({"fc1.weight": np.ones(2)})), ShapeError,
     "own: score of fc1.weight is (2,), the weight is (1, 2); return one score for each entry"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:60] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_obd_says_how_many_second_derivatives_are_negative() -> None:
    """f = tanh(w x), l = f^2: at w = 1, x = 1 the second derivative is negative."""
    net = mp.build((1,), [("fc", mp.Dense(1, 1, bias=False)), ("t", mp.Tanh())], "mse")
    model, data = (
        mp.Model(net, {"fc.weight": np.ones((1, 1))}),
        (np.ones((1, 1)), np.zeros((1, 1))),
    )
    rest = "1 of 1 second derivatives are negative, so the net is at no minimum; "
    with pytest.warns(MinpruneWarning, match=f"^obd: {rest}their scores are negative, clip=True"):
        low = mp.score(model, data, "obd")["fc.weight"]
    with pytest.warns(MinpruneWarning, match=f"^obd: {rest}they count as 0$"):
        clipped = mp.score(model, data, "obd", clip=True)["fc.weight"]
    assert low < 0 == clipped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mp.score(model, data, "obd", diagonal="gauss_newton")  # never negative
