"""The main job: train, prune, fine-tune, compact, measure each stage, write it all down."""

import json
import math
import platform
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from minprune import data, kernels
from minprune.core import Dataset
from minprune.errors import ArgumentError
from minprune.files import save, sweep, write_atomic
from minprune.jobs.break_even import break_even
from minprune.jobs.facts import facts
from minprune.jobs.folder import CHECKPOINT, RESULT, discard, earlier
from minprune.jobs.plan import TrainPruneTune, optimizer
from minprune.jobs.settings import Settings
from minprune.masking.apply import prune
from minprune.measures.measure import measure
from minprune.measures.quality import evaluate
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.nets.zoo import ZOO
from minprune.probe import compatible, score
from minprune.report import comparison, page
from minprune.sparse import sparsify
from minprune.text import table
from minprune.train.fingerprint import machinery
from minprune.train.loop import fit
from minprune.train.plan import run_plan

VAL = 1 / 12  # of a folder's training images, for validation: 5,000 of the 60,000 of MNIST


def run(
    settings: Settings, *, quiet: bool = False, command: str = "", resume: bool = False
) -> dict[str, Any]:
    """The result of the job, as result.json holds it; everything is in its "out" folder then

    Writes the model of each stage, result.json, history.json and report.html. While it runs,
    out/checkpoint holds what is done; with `resume` it goes on from there, to the same models to
    the byte, and a job that is done is only read. Raises MinpruneError, in one sentence, for
    settings or data that it cannot use, or that are not those of the job to go on with.
    """
    _check(settings)
    dataset = load_data(settings.data)
    net, epochs, fine_tune, out = choices(settings, dataset)
    settings = replace(settings, net=net, epochs=epochs, fine_tune=fine_tune, out=str(out))
    plan = TrainPruneTune.of(settings)
    started = time.perf_counter()

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    model = plan.start(dataset)
    if resume and (finished := earlier(out, settings)):
        say(f"{out}: this job is done; without --resume it begins anew")
        return finished
    sizes = score(model, None, "magnitude", unit=settings.unit)
    prune(model, sizes, sparsity=settings.sparsity, scope=settings.scope)  # refused now or never
    if not resume:
        discard(out / RESULT, out / CHECKPOINT)
    sweep(out, "*.npz", "*.json", "*.html")
    warm_up(model, dataset, settings.batch_size)
    ready = time.perf_counter() - started
    say(f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
    done = run_plan(plan, dataset, out / CHECKPOINT, progress=not quiet)
    stages_only = {name: done.state[name] for name in plan.stages}
    models = stages_only | {"sparse": sparsify(stages_only["compacted"])}
    for name, m in models.items():
        save(m, out / f"{name}.npz")
    begun = time.perf_counter()
    stages = [stage(n, m, dataset, out) for n, m in models.items()]
    seconds = {"compile and warm up": ready} | done.seconds
    seconds["measure"] = time.perf_counter() - begun
    seconds["total"] = sum(seconds.values())
    tuned = models["fine-tuned"]
    result = {
        "name": out.name,
        "command": command,
        "out": str(out),
        "settings": asdict(settings),
        "data": about(dataset),
        "net": str(tuned),
        "stages": stages,
        "layers": [
            {"name": c.name, "shape": list(c.shape), "total": c.total, "kept": c.live}
            for c in counts(tuned.net, tuned.masks)
            if c.name in tuned.net.weights
        ],
        "seconds": seconds,
        "versions": versions(),
        "facts": facts(stages_only) | {"sparse": break_even(models["sparse"])},
    }
    history = {phase: asdict(h) for phase, h in done.state["history"].items()}
    write_atomic(out / "history.json", as_json(history))
    write_atomic(out / "report.html", page(result, history))
    write_atomic(out / RESULT, as_json(result))  # last: where it is, all is there
    discard(out / CHECKPOINT)
    return result


def text(result: dict[str, Any]) -> str:
    """The table of a result, where the time went, and where the files are."""
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"].items())
    compared = table(*comparison(result["stages"]))
    return f"{compared}\n\n{spent}\nwritten to {result['out']}; open report.html there"


def load_data(name: str) -> Dataset:
    """The embedded digits, or a folder of IDX files; the Dataset's name is the folder's."""
    if name == "digits":
        return data.digits()
    return replace(data.idx(name, val=VAL), name=Path(name).resolve().name)


def choices(s: Settings, dataset: Dataset) -> tuple[str, int, int, Path]:
    """(net, epochs, epochs of fine-tuning, folder): as asked for, else what suits the data."""
    side = min(dataset.input_shape[1:])
    net = s.net or ("lenet_5" if side >= 16 else "cnn_small" if side >= 4 else "mlp")
    epochs = s.epochs if s.epochs is not None else 30 if s.data == "digits" else 10
    fine_tune = s.fine_tune if s.fine_tune is not None else epochs
    kind = f"{s.criterion}-units" if s.unit else s.criterion
    name = f"{dataset.name}-{net}-{kind}-{s.sparsity:g}-seed{s.seed}"
    return net, epochs, fine_tune, Path(s.out) if s.out is not None else Path("runs", name)


def warm_up(model: Model, dataset: Dataset, batch_size: int) -> None:
    """One step and one evaluation, so that compilation is seen apart from the work."""
    x, y = (a[:batch_size] for a in dataset.train)
    few = Dataset((x, y), (x, y), (x, y))
    fit(
        model, few, epochs=1, batch_size=batch_size, optimizer=optimizer(Settings.lr),
        progress=False,
    )  # fmt: skip


def stage(name: str, model: Model, dataset: Dataset, out: Path) -> dict[str, Any]:
    """One column of the table: the measures of a model on the test part."""
    m = measure(model, dataset.test)
    assert m.quality is not None
    found: dict[str, Any] = {"stage": name} | asdict(m.quality) | asdict(m.size)
    found["val_accuracy"] = evaluate(model, dataset.val).accuracy
    found["file_bytes"] = (out / f"{name}.npz").stat().st_size
    for t in m.latency:
        found[f"latency_{t.batch}_ms"] = t.median_ms
        found[f"latency_{t.batch}_spread_ms"] = t.spread_ms
    return found


def about(dataset: Dataset) -> dict[str, Any]:
    """The name and the sizes of the data."""
    sizes = {part: len(getattr(dataset, part)[0]) for part in ("train", "val", "test")}
    return {"name": dataset.name, **sizes, "input": list(dataset.input_shape)}


def versions() -> dict[str, str]:
    """What the result hangs on: versions, kernels, BLAS threads."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()} | machinery()
    for name in ("minprune", "numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def as_json(value: Any) -> str:
    """JSON text; what is not finite becomes null, which is all that JSON has for it."""

    def clean(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: clean(x) for k, x in v.items()}
        if isinstance(v, list | tuple):
            return [clean(x) for x in v]
        return None if isinstance(v, float) and not math.isfinite(v) else v

    return json.dumps(clean(value), indent=1) + "\n"


def _check(s: Settings) -> None:
    """What can be said before any work is done."""
    if s.net is not None and s.net not in ZOO:
        raise ArgumentError(f"net is {s.net!r}, expected one of {', '.join(ZOO)}; choose one")
    if not 0 <= s.sparsity <= 1:
        raise ArgumentError(f"sparsity is {s.sparsity}, expected a share in [0, 1]; give 0.9")
    compatible(s.criterion, s.unit)
    if s.seed < 0:
        raise ArgumentError(f"seed is {s.seed}, expected an integer of at least 0; give 0")
    optimizer(s.lr)
    for what, given, least in (
        ("epochs", s.epochs, 0), ("fine_tune", s.fine_tune, 0), ("batch_size", s.batch_size, 1),
    ):  # fmt: skip
        if given is not None and given < least:
            raise ArgumentError(f"{what} is {given}, expected at least {least}; give a count")
