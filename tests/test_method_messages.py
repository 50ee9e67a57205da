"""What a method may not do, sentence by sentence."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from watching import changed, one_sample, one_weight, small_data, small_net

import minprune as mp
from minprune import schedule
from minprune.core import Arrays, Evidence, criterion
from minprune.errors import ArgumentError, ShapeError
from minprune.methods import Gradual
from minprune.nets.model import Model
from minprune.train.method import check_signatures

MESSAGES: tuple[tuple[Callable[[mp.View], mp.Change], type[ArgumentError], str], ...] = (
    (
        lambda view: mp.Change(params={"fc9.weight": np.ones(2)}), ArgumentError,
        "fc9.weight: Change.params must name arrays of View.params that may be replaced, and "
        "this is none of them; leave it out",
    ),
    (
        lambda view: mp.Change(extra={"sigma": np.ones(3)}), ShapeError,
        "sigma: Change.extra must have the shape (2,), not (3,); reshape it",
    ),
    (
        lambda view: mp.Change(opt_state={"mean": {"fc1.bias": np.ones(5)}}), ArgumentError,
        "fc1.bias: Change.opt_state['mean'] must name arrays of View.opt_state['mean'] that may "
        "be replaced, and this is none of them; leave it out",
    ),
    (
        lambda view: mp.Change(masks={"fc1.bias": np.ones(4, bool)}), ShapeError,
        "fc1.bias: the mask must have the weight's shape (5,), not (4,); "
        "score and mask the same parameters you apply the mask to",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(
    change: Callable[[mp.View], mp.Change], kind: type[ArgumentError], text: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        changed(change)
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


@dataclass(frozen=True)
class Odd(mp.Method):
    extra: Arrays = field(default_factory=dict)
    activations: tuple[str, ...] = ()  # type: ignore[misc]

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        return model, self.extra, None


def test_a_method_that_does_not_fit_the_net() -> None:
    for method, text in (
        (
            Odd(activations=("fc9",)),
            "'fc9' must be a layer of this net; choose among fc",
        ),
        (
            Odd({"fc.weight": np.ones(1)}),
            "fc.weight: an extra array must not have the name of a parameter; rename it",
        ),
    ):
        with pytest.raises(ArgumentError) as caught:
            mp.fit(one_weight(), one_sample(), epochs=1, method=method, progress=False)
        assert caught.value.args == (text,)


class Returns(mp.Method):
    """One hook, which returns what it is told."""

    def __init__(self, hook: str, found: object) -> None:
        self.hook, self.found = hook, found

    def uses(self, hook: str) -> bool:
        return hook == self.hook

    def start(self, model: Model, ctx: mp.Context) -> Any:
        return self.found if self.hook == "start" else super().start(model, ctx)

    def after(self, view: mp.View) -> Any:
        return self.found

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Any:
        return self.found


@pytest.mark.parametrize(
    ("hook", "found", "text"),
    [
        ("start", None, "start must return (model, extra, state), not NoneType"),
        ("start", (1, 2), "start must return (model, extra, state), not (int, int)"),
        ("after", 3, "after must return mp.Change(...) or None, not int"),
        ("after", {}, "after must return mp.Change(...) or None, not dict"),
        ("finish", None, "finish must return the model, not NoneType"),
    ],
)
@pytest.mark.parametrize("chained", [False, True])
def test_what_hooks_may_not_return(hook: str, found: object, text: str, chained: bool) -> None:
    method: mp.Method = Returns(hook, found)
    if chained:
        method = mp.methods.chain(mp.Method(), method)
    with pytest.raises(ArgumentError) as caught:
        mp.fit(one_weight(), one_sample(), epochs=1, method=method, progress=False)
    told = f"Returns: {text}; help(mp.Method.{hook}) says what each is"
    assert caught.value.args == (told,)


class Misspelt(mp.Method):
    def weigths(self, params: Any, extra: Arrays, ctx: mp.Context) -> Any:
        return params


class Helped(mp.Method):
    target = staticmethod(len)
    final = 0.5

    def losses(self) -> None:
        """Near loss, but a helper all the same where it begins with _."""

    def densities(self) -> None: ...


def test_a_name_near_a_hook_is_refused_and_others_are_not() -> None:
    for method in (Misspelt(), mp.methods.chain(mp.Method(), Misspelt())):
        with pytest.raises(ArgumentError) as caught:
            mp.fit(one_weight(), one_sample(), epochs=1, method=method, progress=False)
        assert caught.value.args == (
            "Misspelt: weigths must not be so like weights of mp.Method, since nothing calls it; "
            "name it weights, or _weigths if it is your own",
        )
    with pytest.raises(ArgumentError, match="losses must not be so like loss"):
        check_signatures(Helped())
    del Helped.losses
    check_signatures(Helped())


@criterion(needs=("weights", "hess_diag"))
def curvature(ev: Evidence) -> Arrays:
    raise NotImplementedError


def bare(ev: Evidence) -> Arrays:
    return {k: np.abs(w * ev.of("grads")[k]) for k, w in ev.of("weights").items()}


def one_layer(ev: Evidence) -> Arrays:
    return {k: np.abs(w) for k, w in ev.of("weights").items() if k == "fc1.weight"}


def fit(method: Gradual, model: Model) -> Any:
    return mp.fit(model, small_data(), epochs=2, batch_size=4, method=method, progress=False)


OF_GRADUAL = (
    (
        lambda: Gradual(partial(schedule.constant, final=0.5), criterion="geometric_median"),
        "geometric_median: scores units, not single weights; pass unit=True",
    ),
    (
        lambda: Gradual(lambda t: 90.0),
        "Gradual: schedule must give a share from 0 to 1 at step 0, not 90.0; pass a function of "
        "the step, such as functools.partial(mp.schedule.cubic, final=0.9, span=1000)",
    ),
    (
        lambda: fit(
            Gradual(partial(schedule.constant, final=0.5), criterion=one_layer), small_net()
        ),
        "one_layer: returned no scores for conv1.weight; return one array for each weight it gets",
    ),
    (  # gradients before the first update, asked for by a function without a mark
        lambda: fit(Gradual(partial(schedule.constant, final=0.5), criterion=bare), small_net()),
        "evidence has no grads, which this criterion needs; pass Evidence(grads=...), "
        "or use mp.score, which fills it",
    ),
    (
        lambda: fit(Gradual(lambda t: 0.5 if t < 2 else 0.0), small_net()),
        f"Gradual: sparsity=0.0 is below the present {92 / 183!r} of the net, and pruned weights "
        f"are not restored; pass at least the present sparsity",
    ),
)


@pytest.mark.parametrize(("provoke", "text"), OF_GRADUAL, ids=[text for _, text in OF_GRADUAL])
def test_messages_of_gradual(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)


@pytest.mark.parametrize("how", [{"method": mp.Method()}, {"train": {"method": mp.Method()}}])
def test_a_call_has_a_method_of_its_own(how: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        mp.methods.soft(small_net(), small_data(), sparsity=0.5, epochs=1, **how)
    assert caught.value.args == (
        "soft: method must be left out, since it is Soft here; pass mp.methods.chain(...) of both "
        "to mp.fit",
    )
