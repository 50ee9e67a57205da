"""The kit on torch: its selection holds, its optimizer with masks set right and wrong."""

from typing import Any

import numpy as np
import pytest
from test_verify_steps import Steps

from minprune.core import Array, Arrays
from minprune.verify import check_selector, check_steps

torch = pytest.importorskip("torch", reason="torch, the peer of these tests, is not installed")


def torch_l1(scores: Array, sparsity: float) -> Array:
    from torch.nn.utils import prune

    given = torch.from_numpy(np.ascontiguousarray(scores).copy())
    method = prune.L1Unstructured(amount=round(sparsity * scores.size))
    mask = method.compute_mask(given, torch.ones_like(given))
    return mask.numpy().astype(bool)


def torch_global(scores: Arrays, sparsity: float) -> Arrays:
    from torch.nn.utils import prune

    layers = []
    for s in scores.values():
        layer = torch.nn.Module()
        layer.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(s).copy()))
        layers.append(layer)
    total = sum(s.size for s in scores.values())
    prune.global_unstructured(
        [(layer, "weight") for layer in layers],
        pruning_method=prune.L1Unstructured,
        amount=round(sparsity * total),
    )
    masks = [layer.weight_mask.numpy().astype(bool) for layer in layers]
    return dict(zip(scores, masks, strict=True))


@pytest.mark.parametrize(("fn", "form"), [(torch_l1, "array"), (torch_global, "dict")])
def test_torch_counts_exactly_whatever_its_ties(fn: Any, form: Any) -> None:
    found = check_selector(fn, form=form, tie="any", signed=False, examples=60)
    assert [v.law for v in found.broken] in ([], ["empty layer"]), found


def test_steps_with_a_mask_on_the_weight_holds_and_on_its_gradient_does_not() -> None:
    def run(on_weights: bool) -> Steps:
        def fn(weights: Arrays, grads: list[Arrays], masks: list[Arrays]) -> list[Arrays]:
            params = {n: torch.nn.Parameter(torch.from_numpy(w.copy())) for n, w in weights.items()}
            rule = torch.optim.SGD(params.values(), lr=0.1, momentum=0.9, weight_decay=1e-3)
            seen = []
            for g, m in zip(grads, masks, strict=True):
                for n, p in params.items():
                    keep = torch.from_numpy(m[n])
                    p.grad = torch.from_numpy(g[n].copy()) * keep
                    p.data *= keep
                rule.step()
                for n, p in params.items():
                    p.data *= torch.from_numpy(m[n]) if on_weights else 1
                seen.append({n: p.detach().numpy().copy() for n, p in params.items()})
            return seen

        return fn

    assert check_steps(run(True), examples=30).ok
    found = check_steps(run(False), examples=60)
    assert [v.law for v in found.broken] == ["masked stay 0.0"], found
