"""Sparsities of layers: published values, the exact total, largest remainders, masks of them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watching import half_masked, small_data, small_net

import minprune as mp
from minprune.errors import ArgumentError, ShapeError, UnreachableError
from minprune.masking import allocate as file
from minprune.masking.allocate import RULES, densities
from minprune.masking.choose import choose
from minprune.methods import start_sparse
from minprune.verify import check_allocation
from minprune.verify.plain.rules import Shapes, allocated
from minprune.verify.selection.allocation import asked, shapes

LENET: Shapes = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
# jaxpruner's a (2, 4), b (3, 6), c (2, 4, 6), d (7, 4): (kernel, i, o) there, (o, i, kernel) here
A, B, C, C2, D = (4, 2), (6, 3), (6, 4, 2), (7, 6, 3), (4, 7)
PUBLISHED: tuple[tuple[tuple[tuple[int, ...], ...], float, dict[str, Any], tuple[float, ...]], ...]
PUBLISHED = (
    (tuple(LENET.values()), 0.5, {}, (0.565901, 0, 0)),
    (tuple(LENET.values()), 0.8, {}, (0.837759, 0.530638, 0)),
    (tuple(LENET.values()), 0.9, {}, (0.920432, 0.769811, 0)),
    (tuple(LENET.values()), 0.95, {}, (0.961516, 0.888666, 0.081493)),
    ((A, B, C), 0.5, {}, (0, 0.309524, 0.654762)),  # 0, 0.31, 0.655
    ((A, B, C), 0.5, {"how": "er"}, (0.207143, 0.471429, 0.559524)),  # 0.21, 0.47, 0.56
    ((A, B, C), 0.5, {"power": 2.0}, (0, 0.033333, 0.758333)),  # 0, 0.033, 0.758
    ((A, B, C), 0.8, {}, (0.588889, 0.725926, 0.862963)),  # before its floor in each layer
    ((A, C2, D), 0.5, {}, (0, 0.642857, 0)),  # 0, 0.64, 0
    ((A, B), 0.5, {"how": "uniform"}, (0.5, 0.5)),
)


def named(given: tuple[tuple[int, ...], ...]) -> Shapes:
    return {f"layer{k}.weight": shape for k, shape in enumerate(given)}


@pytest.mark.parametrize(("given", "sparsity", "how", "want"), PUBLISHED)
def test_published_densities(given: Any, sparsity: float, how: Any, want: Any) -> None:
    found = densities(named(given), sparsity, **how)
    assert [1 - d for d in found.values()] == pytest.approx(want, abs=5e-7)
    rounded = mp.allocate(named(given), sparsity, **how)
    for shape, share, s in zip(given, want, rounded.values(), strict=True):
        assert abs(s - share) < 1 / math.prod(shape) + 5e-7


def test_rounded_by_hand() -> None:
    def counts(found: Mapping[str, float], given: Shapes) -> list[float]:
        return [s * math.prod(given[k]) for k, s in found.items()]

    given = named((A, B, C))  # 0.8 of 74 is 59: 4.711, 13.067 and 41.422 give 4 + 13 + 41, + 1
    assert counts(mp.allocate(given, 0.8), given) == pytest.approx([5, 13, 41])
    odd: Shapes = {"a": (1, 5), "b": (3, 5), "c": (1, 5)}  # 2.5, 7.5, 2.5: 12.5 -> 12, one is left
    assert counts(mp.allocate(odd, 0.5, "uniform"), odd) == pytest.approx([3, 7, 2])
    tenth: Shapes = {"a": (1, 5), "b": (3, 5)}  # 0.5 and 1.5: equal remainders, 0.1 is no float
    assert counts(mp.allocate(tenth, 0.1, "uniform"), tenth) == pytest.approx([1, 1])


Rule = Callable[..., Mapping[str, float]]


@given(example=asked, how=st.sampled_from(RULES), power=st.sampled_from([0.5, 1.0, 3.0]))
def test_the_total_is_that_of_the_one_rounding_rule(
    example: tuple[Shapes, float], how: str, power: float
) -> None:
    given, sparsity = example
    found = mp.allocate(given, sparsity, how, power=power)
    sizes = {k: math.prod(shape) for k, shape in given.items()}
    counts = {k: round(s * sizes[k]) for k, s in found.items()}
    assert all(counts[k] == pytest.approx(found[k] * sizes[k], abs=1e-9) for k in found)
    assert sum(counts.values()) == round(sparsity * sum(sizes.values()))
    exact = densities(given, sparsity, how, power)
    assert all(abs(counts[k] - sizes[k] * (1 - d)) < 1 + 1e-6 for k, d in exact.items())


@given(given=shapes, sparsity=st.sampled_from([0.0, 0.125, 0.5, 0.75, 0.875, 1.0]))
def test_erk_is_the_definition_in_fractions(given: Shapes, sparsity: float) -> None:
    found, want = densities(given, sparsity), allocated("erk", given, sparsity)
    for k in given:  # sums and quotients of at most 4 layers: some roundings of 2^-53 each
        assert abs(1 - found[k] - want[k]) <= 64 * 2.0**-53


def clipped(given: Shapes, sparsity: float) -> dict[str, float]:
    ratio = {k: sum(s) / math.prod(s) for k, s in given.items()}
    e = (1 - sparsity) * sum(map(math.prod, given.values()))
    e /= sum(ratio[k] * math.prod(s) for k, s in given.items())
    return {k: 1 - min(1.0, e * ratio[k]) for k in given}


def floored(given: Shapes, sparsity: float) -> dict[str, float]:
    sizes = {k: math.prod(s) for k, s in given.items()}
    return {k: int(sizes[k] * (1 - d)) / sizes[k] for k, d in densities(given, sparsity).items()}


@pytest.mark.parametrize("wrong", [clipped, floored])
def test_wrong_rules_are_rejected(wrong: Rule) -> None:
    assert "exact total" in [v.law for v in check_allocation(wrong).broken]
    given = named((A, B, C))
    gone = [s * math.prod(given[k]) for k, s in wrong(given, 0.8).items()]
    half = [s * math.prod(given[k]) for k, s in wrong(given, 0.5).items()]
    assert (sum(gone), sum(half)) != pytest.approx((59, 37))


def test_a_later_layer_among_equals_is_another_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(names: Any, key: Any) -> list[str]:
        return sorted(reversed(list(names)), key=key)

    odd: Shapes = {"a": (1, 5), "b": (1, 5), "c": (1, 5)}
    right = mp.allocate(odd, 0.5, "uniform")
    assert list(right.values()) == [0.6, 0.6, 0.4]
    monkeypatch.setattr(file, "sorted", late, raising=False)
    assert list(mp.allocate(odd, 0.5, "uniform").values()) == [0.4, 0.6, 0.6]


@pytest.mark.parametrize("how", RULES)
def test_prune_takes_it(how: str) -> None:
    model = small_net()
    share = mp.allocate(model, 0.6, how)
    assert list(share) == list(model.net.weights)
    pruned = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=share)
    sizes = {k: model.params[k].size for k in share}
    dead = {k: int((~m).sum()) for k, m in pruned.masks.items()}
    assert dead == {k: round(s * sizes[k]) for k, s in share.items()}
    assert sum(dead.values()) == round(0.6 * sum(sizes.values()))


def test_protected_layers_are_left_out() -> None:
    model = small_net()
    share = mp.allocate(model, 0.6, "er", protect=["fc1", "conv1.weight"])
    assert list(share) == ["conv2.weight", "fc2.weight"]
    assert share == mp.allocate({k: model.net.params[k] for k in share}, 0.6, "er")


@pytest.mark.parametrize("how", RULES)
def test_a_net_that_is_sparse_from_the_start(how: str) -> None:
    model = small_net()
    sparse, again = (start_sparse(model, 0.6, how, protect=["conv1"], seed=3) for _ in range(2))
    share = mp.allocate(model, 0.6, how, protect=["conv1"])
    assert list(sparse.masks) == list(share)
    for k, mask in sparse.masks.items():
        assert int((~mask).sum()) == round(share[k] * mask.size)
        assert mask.tobytes() == again.masks[k].tobytes()
        assert np.array_equal(sparse.params[k], np.where(mask, model.params[k], 0))
    other = start_sparse(model, 0.6, how, protect=["conv1"], seed=4)
    assert any((other.masks[k] != m).any() for k, m in sparse.masks.items())
    fitted, _ = mp.fit(sparse, small_data(), epochs=1, progress=False)
    assert all((fitted.masks[k] == m).all() for k, m in sparse.masks.items())


def test_random_mask_counts() -> None:
    """rigl's counts, whose zeros are floored: here they are rounded, and meet them."""
    rng = np.random.default_rng(0)
    for shape, sparsity, ones in (((30, 4), 0.5, 60), ((1, 2, 1, 4), 0.8, 2), ((30,), 0.1, 27)):
        (mask,) = choose({"w": rng.random(shape)}, {}, sparsity=sparsity).values()
        assert mask.sum() == ones


SPARSE = "conv1.weight: {} needs the dense weight, and only its live entries are stored; pass " \
         "mp.densify(model), and mp.sparsify the result"  # fmt: skip
MESSAGES: tuple[tuple[Callable[[], Any], type[ArgumentError], str], ...] = (
    (lambda: mp.allocate(LENET, 0.5, "ERK"), ArgumentError,
     "allocate: how must be 'uniform', 'er', 'erk' or 'flops', not 'ERK'; did you mean erk?"),
    (lambda: mp.allocate(LENET, 0.5, power=0), ArgumentError,
     "allocate: power must be a finite number above 0, not 0; pass power=1, for example"),
    (lambda: mp.allocate(LENET, 1.5), ArgumentError,
     "allocate: sparsity must be a number from 0 to 1, not 1.5; pass sparsity=0.5, for "
     "example"),
    (lambda: mp.allocate({"fc1.bias": (3,)}, 0.5), ShapeError,
     "allocate: the shape of fc1.bias must be (o, i) or (o, i, y, x) with sides of at least "
     "1, not (3,); pass the shapes of weights alone"),
    (lambda: mp.allocate(LENET, 0.5, protect=["fc4"]), ArgumentError,
     "'fc4' must be a scored parameter, or a layer of one; choose among "
     "fc1, fc2, fc3"),
    (lambda: mp.allocate(LENET, 0.5, protect="fc*"), ArgumentError,
     "allocate: protect must leave weights to prune, and names all layers; leave one out"),
    (lambda: mp.allocate(mp.sparsify(half_masked(small_net()), "csr"), 0.5), ArgumentError,
     SPARSE.format("allocation")),
    (lambda: start_sparse(mp.sparsify(half_masked(small_net()), "csr"), 0.5), ArgumentError,
     SPARSE.format("start_sparse")),
    (lambda: start_sparse(small_net(), 1.0), UnreachableError,
     "prune: sparsity=1.0 leaves 0 of 27 weights of conv1.weight, fewer than minimum=1 for "
     "each layer; the largest reachable is 0.9629629629629629"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[ArgumentError], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)
