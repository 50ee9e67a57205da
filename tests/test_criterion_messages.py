"""Every sentence of criteria/: options outside their choices, evidence that does not fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from criterion_rows import ROWS

from minprune.core import Evidence
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, ShapeError


def call(name: str, unit: bool = True, **options: Any) -> Callable[[], Any]:
    return lambda: CRITERIA[name](Evidence(weights={}, unit=unit), **options)


MESSAGES = (
    (lambda: CRITERIA["magnitude"](Evidence()),
     "evidence has no weights, which this criterion needs; "
     "pass Evidence(weights=...), or use mp.score, which fills it"),
    (call("random"),
     "evidence has no rng, which this criterion needs; "
     "pass Evidence(rng=...), or use mp.score, which fills it"),
    (call("norm", p=3),
     "norm: p must be 0, 1, 2 or inf, not 3; choose one of them"),
    (call("norm", p=True),
     "norm: p must be 0, 1, 2 or inf, not True; choose one of them"),
    (call("norm", tol=0.5),
     "norm: tol needs p=0, not p=2; leave tol out"),
    (call("norm", p=0, tol=-1),
     "norm: tol must be a finite number of at least 0, not -1; pass tol=1, for example"),
    (call("norm", p=0, tol=np.nan),
     "norm: tol must be a finite number of at least 0, not nan; pass tol=1, for example"),
    (call("lamp", unit=True),
     "lamp: scores single weights, and the evidence is of units; "
     "pass Evidence(..., unit=False)"),
    (call("geometric_median", unit=False),
     "geometric_median: scores units, and the evidence is of single weights; "
     "pass Evidence(..., unit=True)"),
    (call("weight_entropy", unit=False),
     "weight_entropy: scores units, and the evidence is of single weights; "
     "pass Evidence(..., unit=True)"),
    (call("weight_entropy", bins=0),
     "weight_entropy: bins must be an integer of at least 1, not 0; pass bins=1, for example"),
    (call("weight_entropy", bins=2.5),
     "weight_entropy: bins must be an integer of at least 1, not 2.5; pass bins=1, for example"),
    (call("weight_entropy", prune="most"),
     "weight_entropy: prune must be 'high' or 'low', not 'most'; choose one of them"),
    (call("apoz", unit=False),
     "apoz: scores units, and the evidence is of single weights; "
     "pass Evidence(..., unit=True)"),
    (call("apoz", tol=-1),
     "apoz: tol must be a finite number of at least 0, not -1; pass tol=1, for example"),
    (call("apoz", tol=np.inf),
     "apoz: tol must be a finite number of at least 0, not inf; pass tol=1, for example"),
    (call("activation", kind="max"),
     "activation: kind must be 'mean' or 'rms', not 'max'; choose one of them"),
    (call("activation_entropy", prune="most"),
     "activation_entropy: prune must be 'low' or 'high', not 'most'; choose one of them"),
    (lambda: CRITERIA["activation_entropy"](Evidence(act_hist={"w": np.ones((2, 3))}, unit=True)),
     "activation_entropy: bins must be 3, as act_hist of w has, not 10; pass bins=3"),
    (call("similarity", unit=False),
     "similarity: scores units, and the evidence is of single weights; "
     "pass Evidence(..., unit=True)"),
    (call("correlation", source="gradients"),
     "correlation: source must be 'activations' or 'weights', not 'gradients'; "
     "choose one of them"),
    (lambda: CRITERIA["correlation"].spec.asked({"source": 1}, True),
     "correlation: source must be 'activations' or 'weights', not 1; choose one of them"),
    (call("cosine", bias="no"),
     "cosine: bias must be False or True, not 'no'; choose one of them"),
    (lambda: CRITERIA["lda"](Evidence(class_counts=np.array([0.0, 3]), class_means={}, within={},
                                      unit=True)),
     "lda: the samples must be of at least two classes, not of one; "
     "pass data with more classes"),
    (lambda: CRITERIA["lda_joint"](Evidence(class_counts=np.array([3]), class_means={}, within={},
                                            unit=True)),
     "lda_joint: the samples must be of at least two classes, not of one; "
     "pass data with more classes"),
    (call("taylor", order=3),
     "taylor: order must be 1 or 2, not 3; choose one of them"),
    (lambda: CRITERIA["taylor"].spec.asked({"order": 0}),
     "taylor: order must be 1 or 2, not 0; choose one of them"),
    (call("taylor", order=2, hessian="full"),
     "taylor: hessian must be 'diag' or 'row', not 'full'; choose one of them"),
    (call("taylor", hessian="row"),
     "taylor: hessian needs order=2, not order=1; leave hessian out"),
    (call("taylor_activation", order=0),
     "taylor_activation: order must be 1 or 2, not 0; choose one of them"),
    (call("taylor_activation", unit=False),
     "taylor_activation: scores units, and the evidence is of single weights; "
     "pass Evidence(..., unit=True)"),
    (call("obd", clip="yes"),
     "obd: clip must be False or True, not 'yes'; choose one of them"),
    (call("obs", scale="net"),
     "obs with unit=True: scale must be 'whole', 'layer' or 'blocks', not 'net'; "
     "choose one of them"),
    (call("oracle", square=2),
     "oracle: square must be False or True, not 2; choose one of them"),
)  # fmt: skip


NO_GRADS = {"weights": {"w": np.ones(2), "v": np.ones(2)}, "grads": {"w": np.ones(2)}}
FITTING = "pass evidence of the same entries, in the same order"


def misfit(name: str, kind: str, shape: tuple[int, ...]) -> Callable[[], Any]:
    """The criterion's first row of units, or of weights, with one array of another shape."""
    row = next(r for r in ROWS if r.name == name and kind in r.evidence)
    arrays = row.taken(range(len(row.want))) | {kind: np.ones(shape)}
    return lambda: row.fn(row.of(arrays), **row.options)


MISFITS = (
    (lambda: CRITERIA["snip"](Evidence(**NO_GRADS)),  # type: ignore[arg-type]
     "v: evidence has its weights and not its grads; pass both for every name"),
    *((misfit(name, kind, shape),
       f"w: its {kind} must have the shape {want}, not {shape}; {FITTING}")
      for name, kind, shape, want in (
          ("taylor", "grads", (2, 1), (2, 2)),  # which NumPy would stretch
          ("taylor", "hess_diag", (1, 2), (2, 2)),
          ("taylor", "hess_weight", (2,), (2, 2)),
          ("taylor_activation", "act_grads", (2, 2, 3), (2, 2, 2)),
          ("taylor_activation", "gate_hess", (1,), (2,)),
          ("fisher", "squared_grads", (2, 3), (3,)),
          ("snip", "grads", (1, 1), (4,)),
          ("grasp", "hess_grad", (2, 1), (2, 2)),
          ("synflow", "path_grads", (1, 2), (2, 2)),
          ("obd", "hess_diag", (1,), (3,)),
          ("obs", "inverse_diag", (1, 2), (3,)),
          ("obs", "inverse_block", (2, 3, 3), (2, 2, 2)),
          ("similarity", "act_gram", (3, 2), (3, 3)),
          ("correlation", "act_mean", (1,), (2,)),
          ("correlation", "weights", (3, 3), (4, 3)),
          ("cosine", "weights", (3, 2), (2, 2)),
          ("lda", "class_means", (1, 3), (2, 3)),
          ("lda_joint", "within", (4, 1), (2, 2)),
      )),
)  # fmt: skip


@pytest.mark.parametrize(("provoke", "text"), MISFITS, ids=[text[:60] for _, text in MISFITS])
def test_evidence_that_does_not_fit_together(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ShapeError) as caught:
        provoke()
    assert caught.value.args == (text,)


@pytest.mark.parametrize(("provoke", "text"), MESSAGES, ids=[text[:60] for _, text in MESSAGES])
def test_messages(provoke: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        provoke()
    assert caught.value.args == (text,)
