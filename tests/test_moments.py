"""Moments of activations: those of all of them at once, however the data are split up."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from capturing import evidence
from hypothesis import find, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from randomnets import batch, filled, last
from selection import SEARCH
from structures import NETS

import minprune as mp
from minprune.core import Array, Split
from minprune.evidence import activation_moments as home
from minprune.evidence.activation_moments import Moments, classes_of, moments_of
from minprune.evidence.activations import activations
from minprune.nets.model import Model
from minprune.nets.net import Net, Node

KINDS = ("act_mean", "act_gram", "act_cov", "act_hist", "class_counts", "class_means", "within")
EPS = 2.0**-52


def case(name: str, seed: int, n: int = 23) -> tuple[Model, Split]:
    net = NETS[name]
    more = Node("more", mp.Dense(last(net)[0], 5), (net.nodes[-1].name,))
    model = filled(Net((*net.nodes, more), net.input_shape), seed)
    x, _ = batch(model, n, seed)
    return model, (x, np.arange(n) ** 2 % 5)  # classes 0, 1, 4: 2 and 3 are empty


def at_once(model: Model, data: Split, before: bool = False) -> dict[str, Any]:
    """From all activations, by the definitions."""
    groups = {g.name: g for g in mp.ties(model) if g.free}
    found: dict[str, Any] = {kind: {} for kind in KINDS}
    y = data[1]
    found["class_counts"] = np.array([np.sum(y == c) for c in range(y.max() + 1)])
    for name, a in activations(model, data, groups, before).items():
        flat = np.moveaxis(a, 1, 2).reshape(-1, a.shape[1])
        found["act_mean"][name] = flat.mean(axis=0)
        found["act_gram"][name] = flat.T @ flat / len(flat)
        off = flat - flat.mean(axis=0)
        found["act_cov"][name] = off.T @ off / len(flat)
        found["act_hist"][name] = np.array([np.histogram(m, 10)[0] for m in a.mean(axis=2).T])
        top = a.max(axis=2)
        means = np.array([top[y == c].mean(axis=0) if (y == c).any() else 0 * top[0]
                          for c in range(y.max() + 1)])  # fmt: skip
        found["class_means"][name] = means
        found["within"][name] = (top - means[y]).T @ (top - means[y]) / len(y)
    return found


def near(got: Any, want: Any, model: Model, data: Split) -> bool:
    """To the rounding of sums of squares over all positions."""
    size = max(np.abs(a).max() for a in want["act_gram"].values()) + 1
    terms = max(len(data[0]) * 64, 1)
    return all(
        np.allclose(got[kind][name], a, rtol=0, atol=terms * EPS * size)
        for kind in ("act_mean", "act_gram", "act_cov", "class_means", "within")
        for name, a in want[kind].items()
    )


names = st.sampled_from(sorted(NETS))


@given(name=names, seed=st.integers(0, 99))
def test_evidence_is_that_of_all_activations_at_once(name: str, seed: int) -> None:
    model, data = case(name, seed)
    ev, want = evidence(model, data, *KINDS), at_once(model, data)
    got = {kind: getattr(ev, kind) for kind in KINDS}
    assert near(got, want, model, data)
    assert got["class_counts"].tolist() == want["class_counts"].tolist()
    assert got["class_counts"].dtype == model.dtype
    for group, hist in want["act_hist"].items():
        assert np.array_equal(got["act_hist"][group].sum(axis=1), np.full(len(hist), 23))
        for row, wanted in zip(got["act_hist"][group], hist, strict=True):
            constant = np.count_nonzero(wanted) == 1 == np.count_nonzero(row)  # in whichever bin
            assert constant or np.abs(row - wanted).sum() <= 2  # a value on an edge


def in_parts_of(size: int) -> Callable[..., Iterator[Split]]:
    def chunks(model: Model, data: Split) -> Iterator[Split]:
        for i in range(0, len(data[0]), size):
            yield data[0][i : i + size], data[1][i : i + size]

    return chunks


@given(name=names, seed=st.integers(0, 9), size=st.integers(1, 24))
def test_they_do_not_hang_on_how_data_are_split_or_ordered(name: str, seed: int, size: int) -> None:
    model, data = case(name, seed)
    want = at_once(model, data)
    places = np.random.default_rng(seed).permutation(23)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "chunks", in_parts_of(size))
        ev = evidence(model, (data[0][places], data[1][places]), *KINDS)
    assert near({kind: getattr(ev, kind) for kind in KINDS}, want, model, data)


values = st.integers(2, 5).flatmap(
    lambda n: arrays(np.float64, (n, 2, 3), elements=st.floats(-2, 2, width=16))
)
Merge = Callable[[Moments, Moments], Moments]


def merges(fn: Merge, a: Array, b: Array, mean: float) -> bool:
    """Both together, to the rounding of what is CENTRED, plus that of the mean itself."""
    a, b = a + mean, b + mean
    got, want = fn(moments_of(a), moments_of(b)), moments_of(np.concatenate([a, b]))
    off = np.moveaxis(np.concatenate([a, b]), 1, 0).reshape(2, -1) - mean  # exact: few digits
    cov = np.cov(off, bias=True)
    return bool(
        np.allclose(got.mean, want.mean, rtol=0, atol=64 * EPS * (abs(mean) + 2))
        and np.allclose(got.cov, cov, rtol=0, atol=64 * EPS * (abs(mean) + 4))
        and got.weight == want.weight
    )


def from_squares(a: Moments, b: Moments) -> Moments:
    """mean of squares less square of the mean"""
    n = a.weight + b.weight
    mean = (a.weight * a.mean + b.weight * b.mean) / n
    gram = (a.weight * a.gram + b.weight * b.gram) / n
    return Moments(n, mean, gram - np.outer(mean, mean))


def unweighted(a: Moments, b: Moments) -> Moments:
    same = Moments(b.weight, a.mean, a.cov).merged(b)
    return Moments(a.weight + b.weight, same.mean, same.cov)


def without_gap(a: Moments, b: Moments) -> Moments:
    found = a.merged(b)
    share = b.weight / found.weight
    return Moments(found.weight, found.mean, a.cov + share * (b.cov - a.cov))


far = st.sampled_from([0.0, 2.0**10, 2.0**20])


@given(a=values, b=values, mean=far)
def test_merged_moments_keep_their_digits_far_from_0(a: Array, b: Array, mean: float) -> None:
    assert merges(Moments.merged, a, b, mean)


@pytest.mark.parametrize("wrong", [from_squares, unweighted, without_gap])
def test_the_law_of_merging_rejects(wrong: Merge) -> None:
    find(st.tuples(values, values, far), lambda drawn: not merges(wrong, *drawn), settings=SEARCH)


@given(a=values, b=values, shift=st.sampled_from([0.0, 2.0**20]))
def test_merged_classes_are_those_of_all_samples(a: Array, b: Array, shift: float) -> None:
    y = np.arange(len(a) + len(b)) % 3
    both = np.concatenate([a, b]) + shift
    got = classes_of(a + shift, y[: len(a)]).merged(classes_of(b + shift, y[len(a) :]))
    want = classes_of(both, y)
    assert got.counts.tolist() == want.counts.tolist()
    assert np.allclose(got.means, want.means, rtol=0, atol=64 * EPS * (2 + shift))
    assert np.allclose(got.within, want.within, rtol=0, atol=64 * EPS * (4 + shift))


def test_a_constant_unit_has_no_variance_in_any_split() -> None:
    """So that correlation and lda know it: 0.1 has no exact sum."""
    parts = [moments_of(np.full((n, 1, 3), 0.1)) for n in (7, 1, 30)]
    got = parts[0].merged(parts[1]).merged(parts[2])
    assert got.cov[0, 0] <= EPS**2
    assert abs(got.gram[0, 0] - got.mean[0] ** 2) <= EPS * got.gram[0, 0]


def test_memory_does_not_grow_with_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "chunks", in_parts_of(64))
    model = mp.zoo.cnn_small(((1, 8, 8), 3))
    groups = {g.name: g for g in mp.ties(model) if g.free}
    peaks = []
    for n in (128, 1280):
        x, _ = batch(model, n)
        data = x, np.arange(n) % 3
        tracemalloc.start()
        home.moments(model, data, groups)
        home.class_moments(model, data, groups)
        home.histograms(model, data, groups)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > 2**19
    assert peaks[1] <= 1.2 * peaks[0]  # some small objects of each pass wait for the collector


@pytest.mark.parametrize("name", ["correlation", "similarity", "lda", "lda_joint"])
def test_all_moments_come_from_one_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of them is that of other data: each call has its own."""
    calls: list[int] = []
    fn = home._parts
    monkeypatch.setattr(home, "_parts", lambda *a: calls.append(len(a[1][0])) or fn(*a))
    for n in (23, 20):
        model, data = case("chain", 0, n)
        mp.score(model, data, name, unit=True)
    assert calls == [23, 20]


def test_before_the_nonlinearity() -> None:
    """Behind BatchNorm, in front of the activation."""
    for name in ("chain", "batchnorm", "residual", "sigmoid"):
        model, data = case(name, 3)
        want = at_once(model, data, before=True)
        ev = evidence(model, data, *KINDS, nonlinearity="before")
        assert near({kind: getattr(ev, kind) for kind in KINDS}, want, model, data)
        after = evidence(model, data, "act_mean", nonlinearity="after")
        *hidden, _ = ev.act_mean.items()  # type: ignore[union-attr]
        assert all((after.act_mean[n] != a).any() for n, a in hidden)  # type: ignore[index]
    model, data = case("batchnorm", 3)
    raw = model.params["a.weight"], data[0]
    patches = np.lib.stride_tricks.sliding_window_view(raw[1], (3, 3), axis=(2, 3))
    z = np.einsum("oiyx,nihwyx->ohwn", raw[0], patches).reshape(4, -1).mean(axis=1)
    b, p = model.buffers, model.params
    z = (z - b["a_bn.running_mean"]) / np.sqrt(b["a_bn.running_var"] + 1e-5)
    z = z * p["a_bn.weight"] + p["a_bn.bias"]
    got = evidence(model, data, "act_mean", nonlinearity="before").act_mean
    assert np.allclose(got["a.weight"], z, rtol=1e-12)  # type: ignore[index]


def test_bins_and_biases_are_as_asked() -> None:
    model, data = case("chain", 0)
    assert evidence(model, data, "act_hist", bins=3).act_hist["a.weight"].shape == (4, 3)  # type: ignore[index]
    for bias, entries in ((True, 4), (False, 3)):
        ev = evidence(model, data, "weights", row="incoming and bias", bias=bias)
        assert ev.weights["a.weight"].shape == (4, entries)  # type: ignore[index]


def test_a_value_on_an_edge_is_in_the_bin_above_and_the_last_bin_is_closed() -> None:
    net = mp.build((1,), [("a", mp.Dense(1, 1)), ("fc", mp.Dense(1, 2))])
    params = {n: np.ones(s) * (n == "a.weight") for n, s in net.params.items()}
    x = np.array([[0.0], [1], [2], [3], [4]])
    ev = evidence(Model(net, params), (x, np.zeros(5, int)), "act_hist", bins=4)
    assert ev.act_hist["a.weight"].tolist() == [[1, 1, 1, 2]]  # type: ignore[index]
