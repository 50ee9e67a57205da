"""What both jobs share: read the data, run a plan in a folder, record the result.

The folder holds a checkpoint during the work, and then the result.
"""

import json
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from minprune import kernels
from minprune.core import PARTS, Dataset
from minprune.errors import FileError, MinpruneWarning
from minprune.files import alone, sweep, write_atomic
from minprune.jobs.checks import check
from minprune.jobs.data import load_data
from minprune.jobs.own import spec
from minprune.jobs.settings import WEIGHT_DECAY, Settings
from minprune.nets.model import Model
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import difference, machinery
from minprune.train.history import History
from minprune.train.loop import fit
from minprune.train.optim import SGD
from minprune.train.plan import FILE, Done, PhaseContext, forget, run_plan
from minprune.train.progress import tell
from minprune.train.rates import cosine

CHECKPOINT, RESULT = "checkpoint", "result.json"
WARM = "compile and warm up"
Result = dict[str, Any]


def optimizer(lr: float) -> SGD:
    """Nesterov momentum and a little weight decay, without which large weights say less."""
    return SGD(lr, momentum=0.9, nesterov=True, weight_decay=WEIGHT_DECAY)


def trained(
    context: PhaseContext, model: Model, settings: Any, epochs: int | None, seed: int
) -> tuple[Model, History]:
    """(model, history) of one training: rates by a cosine, as the settings say."""
    return context.fit(
        model, epochs=epochs, optimizer=optimizer(settings.lr), rate=cosine(), seed=seed,
        batch_size=settings.batch_size,
    )  # fmt: skip


def options(name: str) -> dict[str, Any]:
    """The options that a criterion is given by the jobs; none where the defaults suit."""
    return dict(spec(name).large)


def plan_fields(settings: Settings, dataset: Dataset) -> dict[str, Any]:
    """The settings as the fields of a plan, without paths, so that a moved folder resumes."""
    return asdict(replace(settings, data=dataset.name, out=None))


@dataclass(frozen=True)
class Works:
    """How a job is done, and what is kept of it until the result is there

    do(plan, about, dataset, out, progress) -> what is done; stopped(out): whether there is work to
    resume in the folder; forget(out): removes it; kept: whether it stays beside the result.
    """

    do: Callable[[Any, Result, Dataset, Path, bool], Done]
    stopped: Callable[[Path], bool]
    forget: Callable[[Path], None]
    kept: bool = False


BY_PLAN = Works(
    do=lambda plan, about, data, out, progress: run_plan(plan, data, out / CHECKPOINT, progress),
    stopped=lambda out: (out / CHECKPOINT / FILE).exists(),
    forget=lambda out: discard(out / CHECKPOINT),
)  # fmt: skip


def carry_out(
    asked: Settings, planned: Callable[[Any, Dataset], tuple[Any, Any]],
    record: Callable[[Any, Result, Dataset, Done, Path], Result], files: tuple[str, ...], *,
    works: Works = BY_PLAN, quiet: bool = False, command: str = "", resume: bool = False,
) -> Result:  # fmt: skip
    """The result of a job, as result.json in its folder holds it; the result is written last

    planned(asked, dataset) gives the settings with nothing left open, and the plan. works: how; by
    default out/checkpoint holds what is done while it runs, and with `resume` the plan continues
    from there, to the same bits; the result of a finished job is returned. record(plan, about,
    dataset, done, out) writes the job's other files and gives the whole result; about: what both
    jobs record; done.seconds begin with those until the plan began; files: the names of all files.
    Raises MinpruneError, in one sentence, for settings or data that cannot be used, or that are not
    those of the job to resume.
    """
    began = time.perf_counter()
    check(asked)
    dataset = load_data(asked.data)
    settings, plan = planned(asked, dataset)
    out = Path(settings.out)
    with alone(out):
        if finished := begin(out, settings, resume, works, *files):
            say(quiet, f"{out}: this job is done; without --resume it starts from the beginning")
            return finished
        warm_up(plan.start(dataset), dataset, settings.batch_size)
        ready = time.perf_counter() - began
        say(quiet, f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
        facts: Result = {part: len(getattr(dataset, part)[0]) for part in PARTS}
        facts |= {"classes": list(dataset.classes)} if dataset.classes else {}
        about = {
            "name": out.name, "command": command, "out": str(out), "settings": asdict(settings),
            "data": {"name": dataset.name, **facts, "input": list(dataset.input_shape)},
            "versions": versions(),
        }  # fmt: skip
        done = works.do(plan, about, dataset, out, not quiet)
        seconds = {WARM: ready} | done.seconds
        result = record(plan, about, dataset, Done(done.state, seconds), out)
        write_atomic(out / RESULT, as_json(result))
        if not works.kept:
            works.forget(out)
        return result


def say(quiet: bool, text: str) -> None:
    """A line of progress."""
    if not quiet:
        tell(text)


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


def versions() -> dict[str, str]:
    """What the result depends on: versions, kernels, BLAS threads."""
    found = {"python": platform.python_version()} | machinery()
    for name in ("minprune", "numpy", "numba"):
        found[name] = "not installed"
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


# --- the folder


def begin(
    out: Path, settings: Settings, resume: bool, works: Works, *names: str
) -> dict[str, Any] | None:
    """The result of a finished job in the folder, to resume; None: there is work to do

    Without `resume` the job starts from the beginning: what an earlier job left is removed, with a
    warning if its settings differ. names: files that a killed job may have left half-written.
    Raises ArgumentError, naming what differs, if a result to resume was made with other settings;
    FileError if it cannot be read, or if what is in the way cannot be removed.
    """
    path, stopped = out / RESULT, works.stopped(out)
    asked = asdict(settings)
    if resume and path.exists() and not stopped:
        found = read(path)
        refuse(path, found["settings"] | {"out": settings.out}, asked)
        return found
    if not resume:
        differs = None
        with suppress(FileError):  # no result
            differs = difference(read(path)["settings"] | {"out": settings.out}, asked)
        lost = f"a job that was made with {differs}" if differs else ""
        if stopped:
            lost = "a job that was stopped; --resume would continue it"
        if lost:
            warnings.warn(f"{out}: this replaces {lost}", MinpruneWarning, stacklevel=2)
        discard(path)
        works.forget(out)
    sweep(out, *names)
    return None


def read(path: Path) -> dict[str, Any]:
    """What a result file holds; raises FileError if it cannot be read."""
    try:
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
        dict(result["settings"])
    except (OSError, ValueError, LookupError, TypeError) as e:
        raise FileError(f"{path}: is no readable result ({e}); leave out --resume") from None
    return result


def as_json(value: Any) -> str:
    """JSON text; what is not finite becomes null, since JSON has no word for it."""
    finite = json.loads(json.dumps(value), parse_constant=lambda word: None)
    return json.dumps(finite, indent=1) + "\n"


def discard(*paths: Path) -> None:
    """Remove a plan's files from a folder, or one file; other files in the folder stay

    Raises FileError if one cannot be removed.
    """
    for path in paths:
        try:
            if path.is_dir():
                forget(path)
            else:
                path.unlink(missing_ok=True)
        except NotADirectoryError:  # nothing is there, and writing will say why
            continue
        except OSError as e:
            raise FileError(f"{path}: cannot be removed ({e.strerror}); remove it") from None
