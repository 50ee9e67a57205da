"""The main job: run its plan, measure each stage, write it all down."""

import platform
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from minprune import data, kernels
from minprune.core import Dataset
from minprune.files import alone, save, write_atomic
from minprune.jobs.break_even import break_even
from minprune.jobs.facts import facts
from minprune.jobs.folder import CHECKPOINT, RESULT, as_json, begin, discard, named
from minprune.jobs.plan import TrainPruneTune, optimizer
from minprune.jobs.possible import OPTIONS, check, possible, reachable
from minprune.jobs.settings import Settings
from minprune.measures.latency import Latency, latencies
from minprune.measures.measure import BATCHES, measure
from minprune.measures.quality import evaluate
from minprune.nets.counts import counts
from minprune.nets.model import Model
from minprune.report import comparison, headline, page
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
    the byte, and a job that is done is only read. The formats of the sparse stage hang on the
    speeds of the machine besides; they are chosen once. "seconds" has all that is done here and
    the last attempt at each phase; the page, which is made before its time is known, has the rest.

    Raises MinpruneError, in one sentence, for settings or data that it cannot use, or that are not
    those of the job to go on with.
    """
    started = time.perf_counter()
    check(settings)
    dataset = load_data(settings.data)
    settings = choices(settings, dataset)
    out = Path(str(settings.out))
    plan = TrainPruneTune.of(settings)

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    model = plan.start(dataset)
    reachable(model, settings.unit, [settings.sparsity], settings.scope)
    possible(settings.criterion, model, dataset.train, settings.unit, samples=None)
    with alone(out):
        if finished := begin(out, settings, resume, "*.npz", "*.json", "*.html"):
            say(f"{out}: this job is done; without --resume it begins anew")
            return finished
        warm_up(model, dataset, settings.batch_size)
        ready = time.perf_counter() - started
        say(f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
        done = run_plan(plan, dataset, out / CHECKPOINT, progress=not quiet)
        models: dict[str, Model] = {name: done.state[name] for name in plan.stages}
        seconds = {"compile and warm up": ready} | done.seconds
        say("measure: all forms, then every layer's shape, dense and sparse")
        with timed(seconds, "measure"):
            stages = measured(models, dataset, out)
        with timed(seconds, "break-even"):
            limits = break_even(models["sparse"])
        tuned = models["fine-tuned"]
        result = {
            "name": out.name,
            "command": command,
            "out": str(out),
            "settings": asdict(settings),
            "options": OPTIONS.get((settings.criterion, settings.unit), {}),
            "data": about(dataset),
            "net": str(tuned),
            "stages": stages,
            "layers": [
                {"name": c.name, "shape": list(c.shape), "total": c.total, "kept": c.live}
                for c in counts(tuned.net, tuned.masks)
                if c.name in tuned.net.weights
            ],
            "seconds": seconds | {"total but for this page": sum(seconds.values())},
            "versions": versions(),
            "speeds": done.state["speeds"],
            "facts": facts({name: models[name] for name in plan.stages[:-1]}) | {"sparse": limits},
        }
        history = {phase: asdict(h) for phase, h in done.state["history"].items()}
        with timed(seconds, "page"):
            write_atomic(out / "history.json", as_json(history))
            write_atomic(out / "report.html", page(result, history))
        result["seconds"] = seconds | {"total": sum(seconds.values())}
        write_atomic(out / RESULT, as_json(result))  # last: where it is, all is there
        discard(out / CHECKPOINT)
        return result


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """seconds[name] = how long the block took"""
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


def text(result: dict[str, Any]) -> str:
    """What came out in a line, the table, where the time went, and where the files are."""
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"].items())
    compared = table(*comparison(result["stages"]))
    files = f"written to {result['out']}; open report.html there"
    return f"{headline(result['stages'])}\n\n{compared}\n\n{spent}\n{files}"


def load_data(name: str) -> Dataset:
    """The embedded digits, or a folder of IDX files; the Dataset's name is the folder's."""
    if name == "digits":
        return data.digits()
    return replace(data.idx(name, val=VAL), name=Path(name).resolve().name)


def choices(s: Settings, dataset: Dataset) -> Settings:
    """The settings with nothing left open: as asked for, else what suits the data."""
    usual, net = suited(s.data, dataset)
    epochs = s.epochs if s.epochs is not None else usual
    fine_tune = s.fine_tune if s.fine_tune is not None else epochs
    made = replace(s, net=s.net or net, epochs=epochs, fine_tune=fine_tune)
    if s.out is not None:
        return made
    kind = f"{s.criterion}-units" if s.unit else s.criterion
    base = f"{dataset.name}-{made.net}-{kind}-{s.sparsity}-seed{s.seed}"
    return replace(made, out=named(base, made, Settings(epochs=usual, fine_tune=epochs)))


def suited(name: str, dataset: Dataset) -> tuple[int, str]:
    """(epochs, net) that suit the data."""
    side = min(dataset.input_shape[1:])
    net = "lenet_5" if side >= 16 else "cnn_small" if side >= 4 else "mlp"
    return (30 if name == "digits" else 10), net


def warm_up(model: Model, dataset: Dataset, batch_size: int) -> None:
    """One step and one evaluation, so that compilation is seen apart from the work."""
    x, y = (a[:batch_size] for a in dataset.train)
    few = Dataset((x, y), (x, y), (x, y))
    fit(
        model, few, epochs=1, batch_size=batch_size, optimizer=optimizer(Settings.lr),
        progress=False,
    )  # fmt: skip


def measured(models: dict[str, Model], dataset: Dataset, out: Path) -> list[dict[str, Any]]:
    """The columns of the table, once the models are saved."""
    for name, m in models.items():
        save(m, out / f"{name}.npz")
    times = [latencies(models, batch) for batch in BATCHES]
    return [stage(name, m, dataset, out, [t[name] for t in times]) for name, m in models.items()]


def stage(
    name: str, model: Model, dataset: Dataset, out: Path, times: Iterable[Latency]
) -> dict[str, Any]:
    """One column of the table: the measures of a model on the test part."""
    m = measure(model, dataset.test, time=False)
    assert m.quality is not None
    found: dict[str, Any] = {"stage": name} | asdict(m.quality) | asdict(m.size)
    found["val_accuracy"] = evaluate(model, dataset.val).accuracy
    found["file_bytes"] = (out / f"{name}.npz").stat().st_size
    for t in times:
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
