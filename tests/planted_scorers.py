"""Scorers of torch modules, right and wrong, for tests/test_verify_scorer.py, which needs torch."""

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, linear

Net, Batch = nn.Module, tuple[torch.Tensor, torch.Tensor]
Scores = dict[Any, Any]


def weights(net: Net) -> dict[str, nn.Parameter]:
    return {n: p for n, p in net.named_parameters() if p.ndim > 1}


@contextlib.contextmanager
def evaluating(net: Net) -> Iterator[None]:
    modes = {m: m.training for m in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def gradients(net: Net, batch: Batch, of: Any = None) -> list[torch.Tensor]:
    loss = cross_entropy(net(batch[0]), batch[1])
    return list(torch.autograd.grad(loss, list((of or weights(net)).values())))


def magnitude(net: Net, batch: Batch) -> Scores:
    return {n: p.detach().abs() for n, p in weights(net).items()}


def by_modules(net: Net, batch: Batch) -> Scores:
    return {
        m: m.weight.detach().abs() for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d)
    }


def in_order(net: Net, batch: Batch) -> list[torch.Tensor]:
    return [p.abs() for p in weights(net).values()]


def snip(net: Net, batch: Batch) -> Scores:
    with evaluating(net):
        g = gradients(net, batch)
    s = {n: (w * d).abs() for (n, w), d in zip(weights(net).items(), g, strict=True)}
    total = sum(float(a.sum().detach()) for a in s.values())
    return {n: a / (total or 1) for n, a in s.items()}


def taylor(net: Net, batch: Batch) -> Scores:
    """By .grad, which is put back."""
    before = {p: p.grad for p in net.parameters()}
    for p in net.parameters():
        p.grad = None
    with evaluating(net):
        cross_entropy(net(batch[0]), batch[1]).backward()
    found = {n: (p * p.grad).detach() ** 2 for n, p in weights(net).items()}
    for p, g in before.items():
        p.grad = g
    return found


def fisher(net: Net, batch: Batch) -> Scores:
    found = {n: torch.zeros_like(p) for n, p in weights(net).items()}
    with evaluating(net):
        for x, y in zip(*batch, strict=True):
            for n, g in zip(found, gradients(net, (x[None], y[None])), strict=True):
                found[n] += 0.5 * (g * weights(net)[n].detach()) ** 2 / len(batch[0])
    return found


def grasp(net: Net, batch: Batch) -> Scores:
    with evaluating(net):
        w = list(weights(net).values())
        loss = cross_entropy(net(batch[0]), batch[1])
        g = torch.autograd.grad(loss, w, create_graph=True)
        z = sum((a * a.detach()).sum() for a in g)
        hg = torch.autograd.grad(z, w)
    return {n: (p * h).detach() for n, p, h in zip(weights(net), w, hg, strict=True)}


def norms(net: Net, batch: Batch) -> Scores:
    return {n: p.detach().flatten(1).norm(dim=1) for n, p in weights(net).items()}


# wrong ones


def snip_in_mode(net: Net, batch: Batch) -> Scores:
    """shrinkbench: scored in the mode the net is in; statistics move."""
    g = gradients(net, batch)
    s = {n: (w * d).abs() for (n, w), d in zip(weights(net).items(), g, strict=True)}
    total = sum(float(a.sum().detach()) for a in s.values())
    return {n: a / total for n, a in s.items()}


def left_in_eval(net: Net, batch: Batch) -> Scores:
    net.eval()
    return snip(net, batch)


def left_in_train(net: Net, batch: Batch) -> Scores:
    found = snip(net, batch)
    net.train()
    return found


def root_mode(net: Net, batch: Batch) -> Scores:
    """Restores the mode of the whole from that of the root: frozen parts thaw."""
    was = net.training
    net.eval()
    g = gradients(net, batch)
    net.train(was)
    return {n: (w * d).abs() for (n, w), d in zip(weights(net).items(), g, strict=True)}


def backward(net: Net, batch: Batch) -> Scores:
    """Gradients stay."""
    with evaluating(net):
        net.zero_grad()
        cross_entropy(net(batch[0]), batch[1]).backward()
    return {n: (p * p.grad).detach() ** 2 for n, p in weights(net).items()}


def accumulating(net: Net, batch: Batch) -> Scores:
    """What was in .grad is part of the score."""
    with evaluating(net):
        cross_entropy(net(batch[0]), batch[1]).backward()
    return {n: (p * p.grad).detach() ** 2 for n, p in weights(net).items()}


def zeroed_after(net: Net, batch: Batch) -> Scores:
    found = backward(net, batch)
    net.zero_grad(set_to_none=False)
    return found


def hooks_left(net: Net, batch: Batch) -> Scores:
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv2d):
            m.register_forward_hook(lambda *_: None)
    return snip(net, batch)


def patched(net: Net, batch: Batch) -> Scores:
    """SNIP's code: forward is replaced, and stays so."""
    for m in net.modules():
        if isinstance(m, nn.Linear):
            m.forward = types.MethodType(lambda self, x: linear(x, self.weight, self.bias), m)
    return snip(net, batch)


def absolute(net: Net, batch: Batch) -> Scores:
    """SynFlow without the signs put back."""
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    return magnitude(net, batch)


def frozen(net: Net, batch: Batch) -> Scores:
    for p in net.parameters():
        p.requires_grad_(p.ndim > 1)
    return snip(net, batch)


def no_grad_left(net: Net, batch: Batch) -> Scores:
    found = snip(net, batch)
    torch.set_grad_enabled(False)
    return found


def seeded(net: Net, batch: Batch) -> Scores:
    torch.manual_seed(0)
    return {n: torch.rand_like(p) for n, p in weights(net).items()}


def shuffled(net: Net, batch: Batch) -> Scores:
    order = np.random.permutation(len(batch[0]))  # noqa: NPY002
    return snip(net, (batch[0][order], batch[1][order]))


def normalised_input(net: Net, batch: Batch) -> Scores:
    batch[0].sub_(batch[0].mean())
    return snip(net, batch)


def buffered(net: Net, batch: Batch) -> Scores:
    """Scores are kept in the net."""
    for n, s in magnitude(net, batch).items():
        net.get_submodule(n.removesuffix(".weight")).register_buffer("scores", s)
    return magnitude(net, batch)


def reset(net: Net, batch: Batch) -> Scores:
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.reset_running_stats()
    return magnitude(net, batch)


def linear_only(net: Net, batch: Batch) -> Scores:
    return {
        f"{n}.weight": m.weight.abs() for n, m in net.named_modules() if isinstance(m, nn.Linear)
    }


def one_number(net: Net, batch: Batch) -> Scores:
    return {n: s.mean() for n, s in magnitude(net, batch).items()}


def signed(net: Net, batch: Batch) -> Scores:
    return {n: p.detach() for n, p in weights(net).items()}


def summed(net: Net, batch: Batch) -> Scores:
    """The sum over samples."""
    return {n: s * len(batch[0]) ** 2 for n, s in taylor(net, batch).items()}


def unsquared(net: Net, batch: Batch) -> Scores:
    return {n: s.sqrt() for n, s in taylor(net, batch).items()}


def of_mean(net: Net, batch: Batch) -> Scores:
    """fisher: the square of the mean gradient."""
    return {n: s / 2 for n, s in taylor(net, batch).items()}


def last_sample(net: Net, batch: Batch) -> Scores:
    """Torch-Pruning: only the last sample's squared gradient."""
    return fisher(net, (batch[0][-1:], batch[1][-1:]))


def by_layer(net: Net, batch: Batch) -> Scores:
    return {n: s / s.sum() for n, s in snip(net, batch).items()}


def grasp_sign(net: Net, batch: Batch) -> Scores:
    return {n: -s for n, s in grasp(net, batch).items()}


def cold(net: Net, batch: Batch) -> Scores:
    """GraSP's code divides logits by 200."""
    with evaluating(net):
        w = list(weights(net).values())
        loss = cross_entropy(net(batch[0]) / 200, batch[1])
        g = torch.autograd.grad(loss, w)
    return {n: (p * a).detach().abs() for n, p, a in zip(weights(net), w, g, strict=True)}


def places(net: Net, batch: Batch) -> Scores:
    """Scores that depend on where a weight is."""
    return {
        n: p.detach().abs() + torch.arange(p.numel()).view_as(p) for n, p in weights(net).items()
    }


def infinite(net: Net, batch: Batch) -> Scores:
    return {n: p.detach().abs().log() - p.detach().clamp(min=0).log() * 0 for n, p in
            weights(net).items()}  # fmt: skip


def squared_norms(net: Net, batch: Batch) -> Scores:
    return {n: s**2 for n, s in norms(net, batch).items()}


def sorted_units(net: Net, batch: Batch) -> Scores:
    return {n: s.sort().values for n, s in norms(net, batch).items()}


Row = tuple[Callable[..., Any], "str | None", dict[str, Any]]
RIGHT: list[Row] = [
    (magnitude, "magnitude", {}), (by_modules, "magnitude", {}), (in_order, "magnitude", {}),
    (snip, "snip", {}), (taylor, "taylor", {}), (fisher, "fisher", {}), (grasp, "grasp", {}),
    (norms, "norm", {"unit": True}), (snip, None, {}),
]  # fmt: skip
WRONG: list[Row] = [
    *((fn, None, {}) for fn in (
        snip_in_mode, left_in_eval, left_in_train, root_mode, backward, accumulating, zeroed_after,
        hooks_left, patched, absolute, frozen, no_grad_left, seeded, shuffled, normalised_input,
        buffered, reset, linear_only, one_number, places, infinite)),
    (signed, "magnitude", {}), (summed, "taylor", {}), (unsquared, "taylor", {}),
    (of_mean, "fisher", {}), (last_sample, "fisher", {}), (by_layer, "snip", {}),
    (grasp_sign, "grasp", {}), (cold, "snip", {}), (squared_norms, "norm", {"unit": True}),
    (sorted_units, None, {"unit": True}),
]  # fmt: skip
