"""What both jobs do alike: read the data, carry out a plan in a folder, record what was done."""

import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minprune import data, kernels
from minprune.core import Dataset
from minprune.criteria import CRITERIA
from minprune.files import alone, write_atomic
from minprune.jobs.folder import CHECKPOINT, RESULT, as_json, begin, discard
from minprune.jobs.settings import Settings
from minprune.nets.model import Model
from minprune.train.fingerprint import machinery
from minprune.train.loop import fit
from minprune.train.optim import SGD
from minprune.train.plan import Done, Plan, run_plan

VAL = 1 / 12  # of a folder's training images, for validation: 5,000 of the 60,000 of MNIST
Result = dict[str, Any]


def load_data(name: str) -> Dataset:
    """The embedded digits, or a folder of IDX files; the Dataset's name is the folder's."""
    if name == "digits":
        return data.digits()
    return replace(data.idx(name, val=VAL), name=Path(name).resolve().name)


def optimizer(lr: float) -> SGD:
    """Nesterov momentum and a little weight decay, without which large weights say less."""
    return SGD(lr, momentum=0.9, nesterov=True, weight_decay=5e-4)


def options(name: str) -> dict[str, Any]:
    """The options that a criterion is given by the jobs; none where the defaults suit."""
    spec: Any = CRITERIA[name].spec
    return dict(spec.large)


def carry_out(
    settings: Settings, plan: Plan, start: Model, dataset: Dataset,
    record: Callable[[Result, Done, Path, float], Result], *,
    files: tuple[str, ...], began: float, quiet: bool, command: str, resume: bool,
) -> Result:  # fmt: skip
    """The result of a job, as result.json in its folder holds it; the result is written last

    While it runs, out/checkpoint holds what is done, and with `resume` the plan continues from
    there, to the same bits; the result of a finished job is returned. start: the net before
    training, for the warm-up. record(about, done, out, ready) writes the job's other files and
    gives the whole result; about: what both jobs record; ready: seconds until the plan began;
    files: the names of those files. began: when the job started.
    """
    out = Path(str(settings.out))
    with alone(out):
        if finished := begin(out, settings, resume, *files):
            say(quiet, f"{out}: this job is done; without --resume it starts from the beginning")
            return finished
        warm_up(start, dataset, settings.batch_size)
        ready = time.perf_counter() - began
        say(quiet, f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
        done = run_plan(plan, dataset, out / CHECKPOINT, progress=not quiet)
        about = {
            "name": out.name, "command": command, "out": str(out), "settings": asdict(settings),
            "data": about_data(dataset), "versions": versions(),
        }  # fmt: skip
        result = record(about, done, out, ready)
        write_atomic(out / RESULT, as_json(result))
        discard(out / CHECKPOINT)
        return result


def say(quiet: bool, text: str) -> None:
    """A line of progress."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """seconds[name] = how long the block took"""
    begun = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - begun


def warm_up(model: Model, dataset: Dataset, batch_size: int) -> None:
    """One step and one evaluation, so that compilation is timed apart from the work."""
    x, y = (a[:batch_size] for a in dataset.train)
    few, by = Dataset((x, y), (x, y), (x, y)), optimizer(Settings.lr)
    fit(model, few, epochs=1, batch_size=batch_size, optimizer=by, progress=False)


def about_data(dataset: Dataset) -> Result:
    """The name and the sizes of the data."""
    sizes = {part: len(getattr(dataset, part)[0]) for part in ("train", "val", "test")}
    return {"name": dataset.name, **sizes, "input": list(dataset.input_shape)}


def versions() -> dict[str, str]:
    """What the result depends on: versions, kernels, BLAS threads."""
    found = {"python": platform.python_version()} | machinery()
    for name in ("minprune", "numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
