"""What SET, RigL and Change.buffers refuse; what the loop does with indices that a method gives."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from moving import Run
from watching import half_masked, small_data, small_net

import minprune as mp
from minprune.core import Array
from minprune.errors import ArgumentError, NonFiniteError, ShapeError
from minprune.methods import SET, RigL, start_sparse
from minprune.nets.model import Model


def sparse_net() -> Model:
    return mp.sparsify(half_masked(small_net()), "csr")


def fit(method: mp.Method, model: Model) -> Any:
    how: dict[str, Any] = {"epochs": 1, "batch_size": 4, "progress": False}
    return mp.fit(model, small_data(), method=method, **how)


@dataclass(frozen=True)
class Giving(mp.Method):
    """One change after the first update; what the later ones see."""

    change: Callable[[mp.View], mp.Change]
    seen: list[Array] = field(default_factory=list)

    def after(self, view: mp.View) -> mp.Change | None:
        if view.ctx.net.indices:
            self.seen.append(view.buffers["fc1.columns"])
        return self.change(view) if view.ctx.step == 1 else None


def test_the_loop_installs_copies_that_nobody_can_write_to() -> None:
    given: list[Array] = []

    def change(view: mp.View) -> mp.Change:
        given.append(view.buffers["fc1.columns"].copy())
        starts = view.buffers["fc1.row_start"]
        given[0][starts[0]] = next(k for k in range(12) if k not in given[0][: starts[1]])
        given[0][: starts[1]].sort()
        return mp.Change(buffers={"fc1.columns": given[0]})

    method, model = Giving(change), sparse_net()
    after, _ = fit(method, model)
    mine = given[0].copy()
    given[0][:] = 0
    assert not np.array_equal(mine, model.buffers["fc1.columns"])
    for columns in (*method.seen[1:], after.buffers["fc1.columns"]):
        assert np.array_equal(columns, mine)
        assert columns.flags.owndata
        assert not columns.flags.writeable


def columns(view: mp.View, **more: Any) -> Array:
    return np.array(view.buffers["fc1.columns"], **more)


def changing(change: Callable[[mp.View], dict[str, Array]], model: Callable[[], Model]) -> Any:
    return lambda: fit(Giving(lambda view: mp.Change(buffers=change(view))), model())


def blocks() -> Model:
    mask = np.zeros((5, 12), bool)
    mask[:, :4] = True
    model = mp.with_masks(small_net(), {"fc1.weight": mask})
    return mp.sparsify(model, {"fc1": "4x4"})


MESSAGES: tuple[tuple[Callable[[], Any], type[Exception], str], ...] = (
    (changing(lambda view: {"bn1.running_mean": np.zeros(3)}, sparse_net), ArgumentError,
     "bn1.running_mean: Change.buffers must name arrays of View.buffers that may be replaced, and "
     "this is none of them; leave it out"),
    (changing(lambda view: {"fc1.columns": np.zeros(3)}, small_net), ArgumentError,
     "fc1.columns: Change.buffers must name arrays of View.buffers that may be replaced, and "
     "this is none of them; leave it out"),
    (changing(lambda view: {"fc1.columns": columns(view)[1:]}, sparse_net), ShapeError,
     "fc1.columns: Change.buffers must have the shape (30,), not (29,); reshape it"),
    (changing(lambda view: {"fc1.columns": columns(view, dtype=np.int64)}, sparse_net),
     ArgumentError,
     "fc1.columns: Change.buffers must keep its dtype uint32, not int64; convert it with astype"),
    (changing(lambda view: {"fc1.columns": columns(view) + 12}, sparse_net), ArgumentError,
     "fc1: CSR: columns[0] must be below 12, not 15; pass indices that belong to "
        "this matrix and this batch"),
    (lambda: SET(1.5), ArgumentError,
     "SET: fraction must be a number from 0 to 1, not 1.5; pass fraction=0.5, for example"),
    (lambda: RigL(stop=0), ArgumentError,
     "RigL: stop must be a number above 0 and at most 1, not 0; pass stop=0.5, for example"),
    (lambda: RigL(every=0), ArgumentError,
     "RigL: every must be an integer of at least 1, not 0; pass every=1, for example"),
    (lambda: start_sparse(0.8, small_net()), ArgumentError,  # type: ignore[arg-type]
     "start_sparse: model must be a Model, not float; pass one that mp.zoo, mp.initialise or "
     "mp.load made"),
    (lambda: fit(SET(), small_net()), ArgumentError,
     "SET: a weight of the net must have a mask or be stored sparsely, and none does; start from "
     "mp.methods.start_sparse or mp.prune"),
    (lambda: fit(RigL(), blocks()), ArgumentError,
     "RigL: the format of fc1 must be 'csr', whose single weights can move, not '4x4'; use "
     "mp.sparsify(mp.densify(model), 'csr')"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert type(caught.value) is kind
    assert caught.value.args == (text,)


@pytest.mark.parametrize("stored", [False, True])
def test_what_is_not_finite_stops_the_move(stored: bool) -> None:
    plan = Run(RigL, every=1, stored=stored, lr=1e200)
    with pytest.raises(NonFiniteError) as caught:
        mp.fit(plan.model(), small_data(), method=plan.method(), **plan.how())
    expected = (
        r"step 1: \d+ of 27 entries of the gradient of conv1\.weight are not finite, but must be "
        r"numbers; lower the learning rate, 1e\+200, or check the data"
    )
    assert re.fullmatch(expected, str(caught.value))
