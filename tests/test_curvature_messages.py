"""Every sentence of curvature/, but for those of inverses and removal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from curving import made
from probing import X, Y, line

import minprune as mp
from minprune.curvature import (
    becker_lecun,
    diagonal,
    exact,
    gauss_newton,
    ggn,
    ggn_product,
    hessian,
    hutchinson,
    hvp,
    sample_grads,
    squared_grads,
)
from minprune.errors import ArgumentError, MinpruneError, ShapeError

NET, DATA = made((2,), mp.Dense(2, 3), mp.Tanh(), mp.Dense(3, 2))
NO_SAMPLES = (
    "data is empty, and this criterion looks at samples; give a pair (x, y), such as data.train"
)
PARAMS = "params is 'bias', expected 'weights' or 'all'; choose one of them"
ROWS = "data: x has 3 rows and y has 2; give one target to each input"
ONES = {"fc1.weight": np.ones((1, 2))}
Message = tuple[Callable[[], Any], type[MinpruneError], str]
OF_EACH: tuple[Message, ...] = tuple(
    message
    for fn in (exact, gauss_newton, becker_lecun, squared_grads, sample_grads, hutchinson,
               hessian, ggn)
    for message in (
        (lambda fn=fn: fn(line(), (X[:0], Y[:0])), ArgumentError, NO_SAMPLES),
        (lambda fn=fn: fn(line(), (X, Y[:2])), ShapeError, ROWS),
        (lambda fn=fn: fn(line(), (X, Y), params="bias"), ArgumentError, PARAMS),
    )
)  # fmt: skip
OF_PRODUCTS: tuple[Message, ...] = tuple(
    message
    for fn in (hvp, ggn_product)
    for message in (
        (lambda fn=fn: fn(line(), (X[:0], Y[:0]), ONES), ArgumentError, NO_SAMPLES),
        (lambda fn=fn: fn(line(), (X, Y[:2]), ONES), ShapeError, ROWS),
        (lambda fn=fn: fn(NET, DATA, {"l9.weight": np.ones(2)}), ArgumentError,
         "v has 'l9.weight', which is no parameter of this net; it has "
         "l1.weight, l1.bias, l3.weight, l3.bias"),
        (lambda fn=fn: fn(NET, DATA, {"l1.weight": np.ones((2, 3))}), ShapeError,
         "l1.weight: v is (2, 3), the parameter is (3, 2); give v the shapes of the parameters"),
        (lambda fn=fn: fn(NET, DATA, {}), ArgumentError,
         "v is empty, expected an array for a parameter; give one at least"),
    )
)  # fmt: skip
REMEDY = "use a smaller net or less data, or raise limit="
MESSAGES: tuple[Message, ...] = (
    *OF_EACH,
    *OF_PRODUCTS,
    (lambda: hessian(NET, DATA, limit=1151), ArgumentError,
     f"the Hessian would take 1,152 bytes, more than the limit of 1,151; {REMEDY}"),
    (lambda: hessian(NET, DATA, params="all", limit=0), ArgumentError,
     f"the Hessian would take 2,312 bytes, more than the limit of 0; {REMEDY}"),
    (lambda: ggn(NET, DATA, limit=1151), ArgumentError,
     f"the GGN would take 1,152 bytes, more than the limit of 1,151; {REMEDY}"),
    (lambda: sample_grads(NET, DATA, limit=479), ArgumentError,
     f"sample_grads would take 480 bytes, more than the limit of 479; {REMEDY}"),
    (lambda: hutchinson(NET, DATA, samples=1), ArgumentError,
     "samples is 1, expected an integer of at least 2; give samples=64"),
    (lambda: hutchinson(NET, DATA, samples=True), ArgumentError,
     "samples is True, expected an integer of at least 2; give samples=64"),
    (lambda: hutchinson(NET, DATA, samples=64.0), ArgumentError,  # type: ignore[arg-type]
     "samples is 64.0, expected an integer of at least 2; give samples=64"),
    (lambda: hutchinson(NET, DATA, seed=-1), ArgumentError,
     "seed is -1, expected an integer of at least 0 or a numpy Generator; "
     "pass seed=0, for example"),
    (lambda: diagonal(NET, DATA, "dense"), ArgumentError,
     "diagonal is 'dense', expected one of exact, gauss_newton, becker_lecun, empirical_fisher, "
     "hutchinson; choose one of them"),
    (lambda: exact(NET, None), ArgumentError,  # type: ignore[arg-type]
     "data is None, and this criterion looks at samples; give a pair (x, y), such as data.train"),
    (lambda: exact(NET, (DATA[0][:, :1], DATA[1])), ShapeError,
     "input is (5, 1), expected (n, 2); "
     "give a batch of samples of the shape the net was built for"),
    (lambda: exact(NET, (DATA[0], DATA[1] * 1.0)), ShapeError,
     "targets are float64 of shape (5,), expected integer classes (n,) for cross_entropy; "
     "give classes, or a net with loss='mse'"),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "kind", "text"), MESSAGES, ids=[m[2][:30] for m in MESSAGES])
def test_messages(provoke: Callable[[], Any], kind: type[MinpruneError], text: str) -> None:
    with pytest.raises(kind) as caught:
        provoke()
    assert caught.value.args == (text,)


def test_the_limits_let_through_what_just_fits() -> None:
    assert hessian(NET, DATA, limit=1152).shape == ggn(NET, DATA, limit=1152).shape == (12, 12)
    assert sample_grads(NET, DATA, limit=480)["l1.weight"].nbytes == 240
