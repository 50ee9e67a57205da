"""A method that uses all there is to save, and every state that `fit` writes: for the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watching import half_masked, same, small_data, small_net

import minprune as mp
from minprune.core import Arrays
from minprune.nets.model import Model
from minprune.train import checkpoint

HOW: dict[str, Any] = {"epochs": 3, "batch_size": 4, "progress": False}  # 9 updates


@dataclass(frozen=True)
class Busy(mp.Method):
    """Draws, masks, resets optimizer state, trains an extra array, keeps a nested state."""

    reads_total = False

    def start(self, model: Model, ctx: mp.Context) -> tuple[Model, Arrays, Any]:
        state = {"seen": [], "mean": np.zeros((), np.float32), "pair": (1, None), "n": np.int64(0)}
        return model, {"scale": np.ones(3, model.dtype)}, state

    def weights(self, params: Any, extra: Any, ctx: mp.Context) -> Any:
        noise = float(ctx.rng.normal())
        return params | {"fc2.bias": params["fc2.bias"] + extra["scale"] * noise}

    def after(self, view: mp.View) -> mp.Change:
        w = view.params["fc1.weight"]
        mask = view.ctx.masks.get("fc1.weight", np.ones(w.shape, bool)).copy()
        mask.flat[int(view.ctx.rng.integers(w.size))] = False
        slots = {k: {"fc2.bias": v["fc2.bias"] / 2} for k, v in view.opt_state.items()}
        old = view.ctx.state
        state = {
            "seen": [*old["seen"], view.ctx.step],
            "mean": old["mean"] + w.mean(dtype=np.float32),
            "pair": (old["pair"][0] + 1, {"last": w.copy()}),
            "n": old["n"] + np.int64(1),
        }
        return mp.Change(masks={"fc1.weight": mask}, opt_state=slots, state=state)

    def finish(self, model: Model, extra: Arrays, ctx: mp.Context) -> Model:
        state = ctx.state
        moved = state["mean"] + state["pair"][0] + len(state["seen"]) + extra["scale"].sum()
        bias = model.params["fc2.bias"] + np.asarray(moved, model.dtype)
        return Model(model.net, model.params | {"fc2.bias": bias}, model.buffers, model.masks)


class Kept(Busy):
    """Masked weights keep their values and are updated."""

    dense = True


def gradual(step: int) -> float:
    return min(step / 20, 0.4)


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum, dropout": {"optimizer": mp.SGD(0.1, momentum=0.9), "dropout": 0.5},
    "cosine": {"optimizer": mp.SGD(0.1), "rate": mp.rates.cosine()},
    "busy": {"method": Busy(), "dropout": 0.5},
    "busy, float32": {"method": Busy(), "dtype": np.float32, "optimizer": mp.AdamW(0.1)},
    "gradual": {"method": mp.methods.Gradual(gradual, "random")},
    "chain": {"method": mp.methods.chain(Busy(), mp.methods.Gradual(gradual, "random"), Busy())},
    "dense": {"method": Kept()},
    "penalty": {"method": mp.methods.L1(0.1)},
    "patience": {"patience": 2, "optimizer": mp.SGD(0.8), "method": Busy(), "epochs": 9},
    "frozen": {"optimizer": mp.SGD(0.1, momentum=0.9), "freeze": ("bn*", "fc1"), "dropout": 0.5},
    "generator": {"seed": 5, "generator": True},
}


def train(path: Path | None, case: str = "plain", **more: Any) -> tuple[Model, mp.History]:
    how = HOW | CASES[case] | more
    net = small_net(how.pop("dropout", 0.0), how.pop("dtype", np.float64))
    data = small_data(dtype=net.dtype.type)
    if how.pop("generator", False):
        how["seed"] = np.random.default_rng(how["seed"])
    return mp.fit(half_masked(net) if case == "penalty" else net, data, checkpoint=path, **how)


Fitted = tuple[Model, mp.History]


def states(
    monkeypatch: pytest.MonkeyPatch, path: Path, case: str, **more: Any
) -> tuple[Fitted, list[bytes]]:
    """What fit returns, and each content of the file on the way."""
    return written(monkeypatch, path, lambda: train(path, case, **more))


def written(
    monkeypatch: pytest.MonkeyPatch, path: Path, fit: Callable[[], Fitted]
) -> tuple[Fitted, list[bytes]]:
    """The same of any call that writes its states to `path`."""
    seen: list[bytes] = []
    real = checkpoint.save_tree

    def spy(*args: Any) -> None:
        real(*args)
        seen.append(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_tree", spy)
        return fit(), seen


def equal(a: Fitted, b: Fitted) -> bool:
    """The same bits, masks and history, but for the seconds."""
    epochs = [{k: v for k, v in h.epochs.items() if k != "seconds"} for h in (a[1], b[1])]
    masks = [{k: m.tolist() for k, m in model.masks.items()} for model in (a[0], b[0])]
    extra = [{k: repr(v.tolist()) for k, v in h.extra.items()} for h in (a[1], b[1])]
    whole = extra[0] == extra[1] and a[1].steps == b[1].steps and repr(epochs[0]) == repr(epochs[1])
    lengths = len(a[1].epochs["seconds"]) == len(b[1].epochs["seconds"])
    return same(a[0], b[0]) and masks[0] == masks[1] and whole and lengths


Forget = Callable[[dict[str, Any], dict[str, Any]], None]  # (what is read, what was there first)


def forget(part: str) -> Forget:
    def change(tree: dict[str, Any], first: dict[str, Any]) -> None:
        tree[part] = first[part]

    return change


def forget_place(part: str) -> Forget:
    def change(tree: dict[str, Any], first: dict[str, Any]) -> None:
        tree["place"][part] = first["place"].get(part)

    return change


def forget_stream(k: int) -> Forget:
    def change(tree: dict[str, Any], first: dict[str, Any]) -> None:
        tree["streams"][k] = first["streams"][k]

    return change


PATIENT = ("best", "best_loss", "waited")
FORGETFUL: dict[str, Forget] = (
    {
        part: forget(part)
        for part in (
            "params",
            "buffers",
            "masks",
            "extra",
            "opt_state",
            "state",
            "done",
            "taken",
            "history",
        )
    }
    | {
        "dropout's stream": forget_stream(0),
        "the method's stream": forget_stream(1),
    }
    | {part: forget_place(part) for part in ("epoch", "batch", "losses", "shuffle", *PATIENT)}
)
