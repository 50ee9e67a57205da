"""Nets of torchvision from PyTorch by ONNX and back; ResNet-18 with half of its units, timed

Each net is exported by torch with random weights (BatchNorm kept, and folded) and read; outputs are
held against the bound of rounding, and arrays are compared bit for bit. ResNet-18 then loses half
of its units by magnitude, is compacted and exported; onnxruntime times it beside the dense one, on
one thread, on inputs that rotate.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks.harness import Row, against, attempt, interleave, peer, stopwatch, within
from minprune.deploy.agreement import agreement
from minprune.deploy.run_onnx import run_onnx
from minprune.nets.model import Model

SIDE = {"VGG-11 with BatchNorm": 224}  # whose AdaptiveAvgPool takes other sizes otherwise
SAMPLES = 2
REPEATS = 15


def run(quick: bool, data: Path | None) -> list[Row]:
    """quick: smaller images, fewer repeats."""
    names = ("ResNet-18", "MobileNetV2") if quick else (*SIDE, "ResNet-18", "MobileNetV2")
    rows: list[Row] = []
    for name in names:
        rows += attempt(name, lambda name=name: _read(name, quick))  # type: ignore[misc]
    return rows + attempt("ResNet-18, half of its units", lambda: pruned(quick))


def _nets(folder: str, name: str, side: int, folded: bool) -> tuple[Any, Model, Path]:
    """A net of torch, the model that is read from its file, and the file"""
    for module in ("torch", "onnx", "onnxruntime"):
        peer(module)
    from benchmarks._torch_nets import export, random_net

    net, path = random_net(name), Path(folder) / "net.onnx"
    export(net, str(path), side, folded)
    return net, mp.from_onnx(path), path


def _samples(side: int, count: int) -> Any:
    return np.random.default_rng(0).standard_normal((count, 3, side, side)).astype(np.float32)


def _read(name: str, quick: bool) -> Iterator[Row]:
    side = SIDE.get(name, 64 if quick else 96)
    for folded in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            net, model, path = _nets(folder, name, side, folded)
            title = f"{name}, BatchNorm {'folded by torch' if folded else 'kept'}"
            found = agreement(model, *run_onnx(path), x=_samples(side, SAMPLES))
            note = f"largest difference {found.largest:.2g}, {found.runtime}"
            yield within(f"{title}: difference / bound", found.share, 1, "", note)
            if not folded:
                yield within(f"{title}: arrays of torch that differ", _differ(net, model), 0, "")
            again = Path(folder) / "again.onnx"
            mp.export_onnx(model, again)
            back = mp.from_onnx(again)
            apart = sum(a.tobytes() != b.tobytes() for a, b in _pairs(model, back))
            apart += back.net != model.net
            yield within(f"{title}: arrays that differ after export and import", apart, 0, "")


def _differ(net: Any, model: Model) -> int:
    """How many arrays of a state_dict are not in the model bit for bit, by their names there"""
    ours = model.params | model.buffers
    theirs = {k: v.numpy() for k, v in net.state_dict().items() if v.ndim}
    same = (k in ours and ours[k].tobytes() == a.tobytes() for k, a in theirs.items())
    return len(theirs) - sum(same)


def _pairs(a: Model, b: Model) -> Iterator[tuple[Any, Any]]:
    ours, theirs = a.params | a.buffers, b.params | b.buffers
    return ((ours[k], theirs[k]) for k in ours)


def pruned(quick: bool) -> Iterator[Row]:
    """ResNet-18 with half of the units of each layer: equal to the masked one, and its time"""
    side = 64 if quick else 224
    with tempfile.TemporaryDirectory() as folder:
        _, dense, _ = _nets(folder, "ResNet-18", side, False)
        units = mp.score(dense, None, "magnitude", unit=True)
        masked = mp.prune(dense, units, sparsity=0.5, scope="layer")
        small = mp.compact(masked)
        forms = {"dense": dense, "masked": masked, "compacted": small}
        runs: dict[str, Callable[[Any], Any]] = {}
        for name, model in forms.items():
            mp.export_onnx(model, Path(folder) / f"{name}.onnx")
            runtime, runs[name] = run_onnx(Path(folder) / f"{name}.onnx")
        sizes = [(Path(folder) / f"{name}.onnx").stat().st_size for name in forms]
        x = _samples(side, SAMPLES)
        found = agreement(masked, runtime, runs["compacted"], x=x)
        title = "ResNet-18, half of its units compacted"
        note = f"to the masked one; largest difference {found.largest:.2g}"
        yield within(f"{title}: difference / bound", found.share, 1, "", note)
        given = itertools.cycle(_samples(side, 8)[:, None])
        least = dict.fromkeys(forms, np.inf)

        def one(name: str) -> Callable[[], Any]:
            def call() -> None:
                x = next(given)
                least[name] = min(least[name], stopwatch(lambda: runs[name](x)))

            return call

        repeats = 7 if quick else REPEATS
        times = interleave({name: one(name) for name in forms}, repeats=repeats, warmup=3)
        for name, target in (("masked", None), ("compacted", 0.5)):
            note = (
                f"{runtime}, {side} x {side}, batch 1; least {least[name] * 1e3:.1f} ms against "
                f"{least['dense'] * 1e3:.1f} ms"
            )
            yield against(
                f"ResNet-18 {name} beside dense", times[name], times["dense"], target, note
            )
        yield within(f"{title}: bytes / bytes of dense", sizes[2] / sizes[0], 0.3, "")
