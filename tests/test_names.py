"""Names and patterns of layers: one rule for prune, allocate, sparsify, obs and methods."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minprune as mp
from minprune.errors import ArgumentError
from minprune.nets.names import matched, of_parameters, values_of
from minprune.nets.net import layer_of

PARAMS = ("conv1.weight", "conv2.weight", "fc1.weight", "fc1.bias", "fc2.weight", "fc10.weight")
KNOWN = of_parameters(PARAMS)
WORDS = ("fc1", "fc2", "fc1.weight", "fc*", "*.weight", "conv?", "fc[12]", "*", "c*2", "fc??")
NEEDS = "{} must be a layer"


def star(word: str) -> bool:
    return any(c in word for c in "*?[")


def hit(word: str, name: str) -> bool:
    own = (name, layer_of(name))
    return any(fnmatchcase(n, word) for n in own) if star(word) else word in own


def slowly(given: dict[str, float]) -> dict[str, float] | None:
    """Each parameter by itself: the value of its names, or else of its patterns; None: two"""
    found = {}
    for name in PARAMS:
        exact, loose = (
            {v for word, v in given.items() if star(word) is kind and hit(word, name)}
            for kind in (False, True)
        )
        if len(exact) > 1 or len(loose) > 1:
            return None
        if exact or loose:
            found[name] = (exact or loose).pop()
    return found


@given(st.dictionaries(st.sampled_from(WORDS), st.sampled_from([0.25, 0.5])))
def test_names_before_patterns_and_no_two_of_a_kind_disagree(given: dict[str, float]) -> None:
    wanted = slowly(given)
    if wanted is None:
        with pytest.raises(ArgumentError, match="must be one number"):
            values_of(KNOWN, given, "prune: sparsity", NEEDS)
    else:
        assert values_of(KNOWN, given, "prune: sparsity", NEEDS) == wanted


@given(st.lists(st.sampled_from(WORDS)))
def test_several_mean_what_each_of_them_means(words: list[str]) -> None:
    found = matched(KNOWN, words, NEEDS)
    assert len(found) == len(set(found))
    assert set(found) == {n for n in PARAMS for w in words if hit(w, n)}


def net() -> mp.Model:
    return mp.zoo.lenet_300_100(((64,), 10), seed=0)


def layers_of(model: mp.Model) -> set[str]:
    return {layer_of(name) for name in model.masks}


def test_every_argument_that_takes_layers_takes_patterns() -> None:
    model = net()
    scores = mp.score(model, None, "magnitude")
    units = mp.score(model, None, "magnitude", unit=True)
    by_pattern = mp.prune(model, scores, sparsity={"fc*": 0.5, "fc3": 0.25})
    by_name = mp.prune(model, scores, sparsity={"fc1": 0.5, "fc2": 0.5, "fc3": 0.25})
    assert all(np.array_equal(by_pattern.masks[k], m) for k, m in by_name.masks.items())
    assert layers_of(mp.prune(model, scores, threshold={"fc[12]": 0.1})) == {"fc1", "fc2"}
    kept = mp.prune(model, scores, sparsity=0.5, protect=["*3"])
    assert layers_of(kept) == {"fc1", "fc2"}
    halved = mp.prune(model, units, sparsity={"fc*": 0.5})
    assert [int(halved.masks[f"fc{k}.weight"].any(axis=1).sum()) for k in (1, 2)] == [150, 50]
    assert set(mp.allocate(model, 0.5, protect="*2*")) == {"fc1.weight", "fc3.weight"}
    sparse = mp.sparsify(halved, {"*": "csr", "fc3": "dense"})
    kinds = {n.name: type(n.layer).__name__ for n in sparse.net.nodes if n.name.startswith("fc")}
    assert kinds == {"fc1": "SparseDense", "fc2": "SparseDense", "fc3": "Dense"}


def test_a_method_watches_layers_by_pattern() -> None:
    class Noting(mp.Method):
        activations = ("relu*",)

        def after(self, view: mp.View) -> None:
            seen.append(sorted(view.activations))

    seen: list[list[str]] = []
    data = mp.data.digits()
    model = mp.zoo.mlp(data, hidden=(4, 4))
    mp.fit(model, data, epochs=1, batch_size=2000, method=Noting(), progress=False)
    assert seen == [["relu_fc1", "relu_fc2"]]


S = mp.score(net(), None, "magnitude")
U = mp.score(net(), None, "magnitude", unit=True)
SCORED = "must be a scored parameter, or a layer of one"
ALL = "choose among fc1.weight, fc2.weight, fc3.weight"
MESSAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "a pattern that matches nothing": (
        lambda: mp.prune(net(), S, sparsity={"fd*": 0.5}),
        f"'fd*' {SCORED} (did you mean fc*?); {ALL}",
    ),
    "a number": (
        lambda: values_of(of_parameters(["0.weight"]), {0: 0.5}, "sparsity", NEEDS),
        '0 must be a layer (a name is text: "0", with its quotes); choose among 0.weight',
    ),
    "nothing is close": (
        lambda: mp.prune(net(), S, sparsity=0.5, protect="block?_conv"),
        f"'block?_conv' {SCORED}; {ALL}",
    ),
    "another case": (
        lambda: mp.prune(net(), S, threshold={"FC2": 0.5}),
        f"'FC2' {SCORED} (did you mean fc2?); {ALL}",
    ),
    "patterns that disagree": (
        lambda: mp.prune(net(), S, sparsity={"fc*": 0.5, "*2": 0.25}),
        "prune: sparsity of fc2.weight must be one number, not 0.5 and, by '*2', 0.25; leave one "
        "of them out",
    ),
    "of units": (
        lambda: mp.prune(net(), U, sparsity={"conv*": 0.5}),
        "prune: 'conv*' must make units that can be removed, and makes none; choose among "
        "fc1.weight, fc2.weight",
    ),
    "formats that disagree": (
        lambda: mp.sparsify(mp.prune(net(), S, sparsity=0.9), {"f*": "csr", "*1": "dense"}),
        "sparsify: format of fc1 must be one text, not 'csr' and, by '*1', 'dense'; leave one of "
        "them out",
    ),
}


@pytest.mark.parametrize("what", MESSAGES)
def test_messages(what: str) -> None:
    provoke, text = MESSAGES[what]
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
