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
     "give Evidence(weights=...), or use mp.score, which fills it"),
    (call("random"),
     "evidence has no rng, which this criterion needs; "
     "give Evidence(rng=...), or use mp.score, which fills it"),
    (call("norm", p=3),
     "norm: p is 3, expected 0, 1, 2 or inf; choose one of them"),
    (call("norm", p=True),
     "norm: p is True, expected 0, 1, 2 or inf; choose one of them"),
    (call("norm", tol=0.5),
     "norm: tol belongs to p=0, and p is 2; leave tol out"),
    (call("norm", p=0, tol=-1),
     "norm: tol is -1, expected a finite number of at least 0; "
     "p = 0 counts the weights with |w| > tol"),
    (call("norm", p=0, tol=np.nan),
     "norm: tol is nan, expected a finite number of at least 0; "
     "p = 0 counts the weights with |w| > tol"),
    (call("geometric_median", unit=False),
     "geometric_median: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("weight_entropy", unit=False),
     "weight_entropy: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("weight_entropy", bins=0),
     "weight_entropy: bins is 0, expected an integer of at least 1; give bins=10, for example"),
    (call("weight_entropy", bins=2.5),
     "weight_entropy: bins is 2.5, expected an integer of at least 1; give bins=10, for example"),
    (call("weight_entropy", prune="most"),
     "weight_entropy: prune is 'most', expected 'high' or 'low'; choose one of them"),
    (call("apoz", unit=False),
     "apoz: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("apoz", tol=-1),
     "apoz: tol is -1, expected a finite number of at least 0; "
     "an activation counts as silent where |a| <= tol"),
    (call("apoz", tol=np.inf),
     "apoz: tol is inf, expected a finite number of at least 0; "
     "an activation counts as silent where |a| <= tol"),
    (call("activation", kind="max"),
     "activation: kind is 'max', expected 'mean' or 'rms'; choose one of them"),
    (call("activation_entropy", prune="most"),
     "activation_entropy: prune is 'most', expected 'low' or 'high'; choose one of them"),
    (lambda: CRITERIA["activation_entropy"](Evidence(act_hist={"w": np.ones((2, 3))}, unit=True)),
     "activation_entropy: bins is 10, and act_hist of w has 3; say how many it has"),
    (call("similarity", unit=False),
     "similarity: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("correlation", source="gradients"),
     "correlation: source is 'gradients', expected 'activations' or 'weights'; "
     "choose one of them"),
    (lambda: CRITERIA["correlation"].spec.asked({"source": 1}, True),
     "correlation: source is 1, expected 'activations' or 'weights'; choose one of them"),
    (call("cosine", bias="no"),
     "cosine: bias is 'no', expected False or True; choose one of them"),
    (lambda: CRITERIA["lda"](Evidence(class_counts=np.array([0.0, 3]), class_means={}, within={},
                                      unit=True)),
     "lda: all samples are of one class, expected at least two classes; "
     "give data with more of them"),
    (lambda: CRITERIA["lda_joint"](Evidence(class_counts=np.array([3]), class_means={}, within={},
                                            unit=True)),
     "lda_joint: all samples are of one class, expected at least two classes; "
     "give data with more of them"),
    (call("taylor", order=3),
     "taylor: order is 3, expected 1 or 2; choose one of them"),
    (lambda: CRITERIA["taylor"].spec.asked({"order": 0}),
     "taylor: order is 0, expected 1 or 2; choose one of them"),
    (call("taylor", order=2, hessian="full"),
     "taylor: hessian is 'full', expected 'diag' or 'row'; choose one of them"),
    (call("taylor", hessian="row"),
     "taylor: hessian belongs to order=2, and order is 1; leave hessian out"),
    (call("taylor_activation", order=0),
     "taylor_activation: order is 0, expected 1 or 2; choose one of them"),
    (call("taylor_activation", unit=False),
     "taylor_activation: scores units, and the evidence is of single weights; "
     "give Evidence(..., unit=True), or unit=True to mp.score"),
    (call("obd", clip="yes"),
     "obd: clip is 'yes', expected False or True; choose one of them"),
    (call("obs", scale="net"),
     "obs with unit=True: scale is 'net', expected 'whole', 'layer' or 'blocks'; "
     "choose one of them"),
    (call("oracle", square=2),
     "oracle: square is 2, expected False or True; choose one of them"),
)  # fmt: skip


NO_GRADS = {"weights": {"w": np.ones(2), "v": np.ones(2)}, "grads": {"w": np.ones(2)}}
FITTING = "give evidence of the same entries, in the same order"


def misfit(name: str, kind: str, shape: tuple[int, ...]) -> Callable[[], Any]:
    """The criterion's first row of units, or of weights, with one array of another shape."""
    row = next(r for r in ROWS if r.name == name and kind in r.evidence)
    arrays = row.taken(range(len(row.want))) | {kind: np.ones(shape)}
    return lambda: row.fn(row.of(arrays), **row.options)


MISFITS = (
    (lambda: CRITERIA["snip"](Evidence(**NO_GRADS)),  # type: ignore[arg-type]
     "snip: v has weights and no grads; give both for every name"),
    *((misfit(name, kind, shape), f"{name}: {kind} of w is {shape}, expected {want}; {FITTING}")
      for name, kind, shape, want in (
          ("taylor", "grads", (2, 1), (2, 2)),  # which NumPy would stretch
          ("taylor", "hess_diag", (1, 2), (2, 2)),
          ("taylor", "hess_weight", (2,), (2, 2)),
          ("taylor_activation", "act_grads", (2, 2, 3), (2, 2, 2)),
          ("taylor_activation", "gate_hess", (1,), (2,)),
          ("fisher", "squared_grads", (2, 3), (2, 2)),
          ("snip", "grads", (1, 1), (2, 2)),
          ("grasp", "hess_grad", (2, 1), (2, 2)),
          ("synflow", "path_grads", (1, 2), (2, 2)),
          ("obd", "hess_diag", (1,), (3,)),
          ("obs", "inverse_diag", (1, 2), (2, 2)),
          ("obs", "inverse_block", (2, 3, 3), (2, 2, 2)),
          ("similarity", "act_gram", (3, 2), (3, 3)),
          ("correlation", "act_mean", (1,), (4,)),
          ("correlation", "weights", (3, 3), (4, 3)),
          ("cosine", "weights", (2, 3), (4, 3)),
          ("lda", "class_means", (1, 4), (2, 4)),
          ("lda_joint", "within", (4, 1), (4, 4)),
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
