"""Pruning 90 % of 10 million weights by magnitude, beside PyTorch's global_unstructured."""

from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks.harness import Row, Timing, against, attempt, interleave, peer

SPARSITY, TARGET = 0.9, 0.15


def run(quick: bool, data: Path | None) -> list[Row]:
    """The selection alone, and the whole of score and prune, against the same peer time."""
    return attempt("smallest 90 % of 10 million", lambda: rows(1_000 if quick else 10_000))


def rows(inputs: int) -> list[Row]:
    torch = peer("torch")
    import torch.nn.utils.prune as torch_prune

    w = np.random.default_rng(0).standard_normal((1_000, inputs), np.float32)
    scores = np.abs(w)
    net = mp.build((inputs,), [("fc", mp.Dense(inputs, 1_000, bias=False))])
    model = mp.Model(net, {"fc.weight": w})
    layers = [torch.nn.Linear(inputs, 1_000, bias=False) for _ in range(9)]
    for layer in layers:
        layer.weight.data = torch.from_numpy(w.copy())
    waiting = iter(layers)  # each is pruned once: a second time would start from its mask

    def theirs() -> None:
        pair = [(next(waiting), "weight")]
        torch_prune.global_unstructured(
            pair, pruning_method=torch_prune.L1Unstructured, amount=SPARSITY
        )

    found: dict[str, Timing] = interleave(
        {
            "selection": lambda: mp.kernels.smallest(scores, round(SPARSITY * w.size)),
            "all": lambda: mp.prune(model, mp.score(model, None, "magnitude"), sparsity=SPARSITY),
            "peer": theirs,
        },
        repeats=7,
        warmup=2,
    )
    peer_time = found["peer"]
    size = f"{w.size / 1e6:g} million"
    return [
        against(f"smallest 90 % of {size}: selection", found["selection"], peer_time, TARGET),
        against(f"smallest 90 % of {size}: score, prune", found["all"], peer_time, TARGET),
    ]
