"""Every kind from the command: right functions pass, wrong ones do not; lists and messages."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from minprune.core import Array, Arrays
from minprune.curvature import hvp
from minprune.errors import ArgumentError, MissingError
from minprune.verify import check_scorer, command, on_tensors
from minprune.verify.kinds import FUNCTION_KINDS, listing
from minprune.verify.networks import scorer
from minprune.verify.ours.checks import checks, kind_of
from minprune.verify.ours.networks import CURVATURE, ModelHost, of_mlp
from minprune.verify.ours.networks import scorer as ours
from minprune.verify.verdict import Verdicts


def cubes(x: Array) -> Array:
    return 3 * x**2


def along(x: Array, v: Array) -> Array:
    return 6 * x * v


def doubled(x: Array, v: Array) -> Array:
    return 12 * x * v


def product(net: Any, v: Arrays) -> Arrays:
    return hvp(*of_mlp(net), v)


def negated(net: Any, v: Arrays) -> Arrays:
    return {n: -a for n, a in product(net, v).items()}


def as_it_is(model: Any) -> Any:
    return model


PROCEDURES, NETWORKS = "planted_procedures", "planted_networks"
ME = __name__
# kind, function, options, whether it is right
ROWS: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("hvp", f"{ME}:along", {"against": f"{ME}:cubes"}, True),
    ("hvp", f"{ME}:doubled", {"against": f"{ME}:cubes"}, False),
    ("curvature", f"{ME}:product", {"like": "hvp"}, True),
    ("curvature", f"{ME}:negated", {"like": "hvp"}, False),
    ("compaction", f"{ME}:as_it_is", {}, False),
    ("counted", "minprune.verify.ours.procedures:gradual", {}, True),
    ("counted", f"{PROCEDURES}:one_behind", {}, False),
    ("rounds", f"{PROCEDURES}:per_layer", {"like": "synflow"}, False),
    ("rewind", f"{PROCEDURES}:rewound", {}, True),
    ("rewind", f"{PROCEDURES}:rewound", {"like": "learning_rate"}, False),
    ("drop_and_grow", f"{PROCEDURES}:rigl_code", {"like": "rigl", "facts": ["regrow=may"]}, True),
    ("drop_and_grow", f"{PROCEDURES}:rigl_code", {"like": "rigl"}, False),
    ("gate", "test_verify_gate:slope", {"like": "slope"}, True),
    ("gate", "test_verify_gate:warm", {"like": "test"}, False),
    ("layer_compaction", f"{NETWORKS}:shrunk", {}, True),
    ("layer_compaction", f"{NETWORKS}:in_place", {}, False),
    ("counter", f"{NETWORKS}:counted", {}, True),
    ("counter", f"{NETWORKS}:counted", {"facts": ["live=yes"]}, False),
    ("sparse_format", f"{NETWORKS}:of_values",
     {"like": "csr", "against": f"{NETWORKS}:uncsr", "facts": [f"product={NETWORKS}:times"]}, True),
    ("sparse_format", f"{NETWORKS}:of_values",
     {"like": "csr", "against": f"{NETWORKS}:uncsr", "facts": [f"product={NETWORKS}:by_reduceat"]},
     False),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "how", "right"), ROWS)
def test_the_command_checks_every_kind(
    kind: str, spec: str, how: dict[str, Any], right: bool
) -> None:
    found = command.check(spec, kind, examples=10, **how)
    assert found.ok == right, found


def test_self_takes_a_kind() -> None:
    text, ok = command.itself("rewind", 20, 0)
    assert ok, text
    assert [line.split()[0] for line in text.splitlines()] == ["rewind", "rewind"]
    assert {kind_of(name) for name, _ in checks()} <= set(FUNCTION_KINDS)
    assert set(FUNCTION_KINDS) - {kind_of(name) for name, _ in checks()} == {"shuffle"}
    assert set(CURVATURE) == set(FUNCTION_KINDS["curvature"].names())


EVERY = f"one of {len(FUNCTION_KINDS)} names"
BAD = (
    (lambda: command.itself("criterium", 1, 0),
     f"verify: --kind must be {EVERY}, not 'criterium'; did you mean criterion?"),
    (lambda: command.itself("shuffle", 1, 0),
     "verify: --kind must be a kind that minprune has functions of, not 'shuffle'; leave it out to "
     "check them all"),
    (lambda: command.check(f"{ME}:along", "hvp"), "a hvp needs --against, the gradient; give it"),
    (lambda: command.check(f"{ME}:product", "curvature"),
     "a curvature needs --as, the matrix, product or diagonal that it gives; give it"),
    (lambda: command.check(f"{NETWORKS}:shrunk", "layer_compaction", facts=["a=1"]),
     "--given has 'a', and this kind takes nothing"),
    (lambda: check_scorer(ours("apoz"), "apoz", host=ModelHost()),
     "check_scorer: apoz does not score single weights; say unit=True"),
)  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD, ids=[text[:40] for _, text in BAD])
def test_bad_use_is_one_sentence(call: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.args == (text,)


def test_every_kind_is_listed_with_what_it_needs() -> None:
    lines = listing().splitlines()
    assert "    needs --against, the gradient" in lines
    assert "    --as synflow, magnitude" in lines
    assert "    --given regrow=may by=sign count=floor" in lines


@pytest.mark.skipif(find_spec("torch") is not None, reason="torch is installed")
@pytest.mark.parametrize("call", [
    lambda: on_tensors(abs)(np.ones(3)), lambda: check_scorer(lambda net, batch: {}),
    lambda: command.check(f"{ME}:as_it_is", "steps", torch=True),
])  # fmt: skip
def test_without_torch_one_sentence_tells_it(call: Any) -> None:
    with pytest.raises(MissingError) as caught:
        call()
    assert caught.value.args == (
        "torch is not installed, and functions of tensors need it; run pip install torch",
    )


def test_a_function_of_tensors_is_told_of_torch() -> None:
    found = command.check(f"{ME}:of_tensors", "criterion", examples=1)
    assert command.hint(found, False) == "\nwhere it takes tensors of torch, add --torch"
    assert command.hint(found, True) == command.hint(Verdicts(()), False) == ""


def of_tensors(weights: Any) -> Any:
    return {n: w.abs() for n, w in weights.items()}


def changing(what: str) -> Any:
    """mp.score, and a slip."""

    def fn(model: Any, batch: Any) -> Arrays:
        found = ours("magnitude")(model, batch)
        first = next(iter(found))
        if what == "shape":
            del found[first]
        if what == "finite":
            found[first][:] = np.nan
        if what == "relabelling":
            found = {n: s + np.arange(s.size).reshape(s.shape) for n, s in found.items()}
        if what == "weights untouched":
            model.params[first][:] = 0
        if what == "statistics untouched":
            for a in model.buffers.values():
                a += 1
        if what == "batch untouched":
            batch[0][:] = 0
        if what == "random state untouched":
            np.random.rand()  # noqa: NPY002
        if what == "same bits":
            calls.append(0)
            found[first] = found[first] * len(calls)
        return {n: s**2 for n, s in found.items()} if what in scorer.LIKE else found

    calls: list[int] = []
    return fn


@pytest.mark.parametrize("law", [*scorer.LAWS, *scorer.LIKE])
def test_scorers_of_models_of_minprune_are_judged_without_torch(law: str) -> None:
    how: dict[str, Any] = {"host": ModelHost(), "laws": [law], "examples": 4}
    assert check_scorer(ours("magnitude"), "magnitude", **how).ok
    assert [v.law for v in check_scorer(changing(law), "magnitude", **how).broken] == [law]
