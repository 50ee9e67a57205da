"""state_{k+1} = state_k | phase_k(state_k): what goes around training."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from minprune.core import Dataset
from minprune.files import alone, sweep
from minprune.nets.model import Model
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import data_print, fingerprint, machinery
from minprune.train.history import History
from minprune.train.loop import Part, fit, fit_part
from minprune.train.state import load_tree, save_tree, sound

State = dict[str, Any]  # Models, Histories, arrays, JSON values, lists and dicts of them
FILE, PHASES = "plan.npz", "phase-*.npz"


@dataclass(frozen=True)
class Phase:
    """A step of a plan: `work` gives the entries of the state that it makes or replaces

    name: another one for each phase of the plan.
    """

    name: str
    work: "Callable[[PhaseContext], State]"


class Plan(Protocol):
    """What to do next, given what is done; a frozen dataclass, whose fields a folder compares."""

    def next_phase(self, state: State) -> Phase | None:
        """The next phase, a function of the state alone; None at the end."""


@dataclass(frozen=True)
class PhaseContext:
    """What a phase works with."""

    state: State
    data: Dataset
    label: str
    progress: bool = True
    checkpoint: Path | None = None
    began: float = field(default_factory=lambda: time.perf_counter())

    @property
    def seconds(self) -> float:
        """Since the phase began."""
        return time.perf_counter() - self.began

    def fit(self, model: Model, **how: Any) -> tuple[Model, History]:
        """`fit` on the plan's data, with a checkpoint of its own; once a phase."""
        return fit(
            model, self.data, checkpoint=self.checkpoint, progress=self.progress,
            label=self.label, **how,
        )  # fmt: skip

    def fit_part(self, model: Model, **how: Any) -> Part:
        """The same of `fit_part`, which may begin at a point and stop before the end."""
        return fit_part(
            model, self.data, checkpoint=self.checkpoint, progress=self.progress,
            label=self.label, **how,
        )  # fmt: skip


@dataclass(frozen=True)
class Done:
    """The last state, and the seconds that each phase took (its last attempt)."""

    state: State
    seconds: dict[str, float]


def run_plan(
    plan: Plan,
    data: Dataset,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
    begin: State | None = None,
) -> Done:
    """Run the phases of a plan: its state when plan.next_phase(state) is None.

    begin: the state before the first phase, such as {"start": model}; none by default.
    folder: where the state is kept after each phase, with the training of the running phase beside
    it. If it holds an unfinished plan, that is resumed, and ends with the same bits as if it had
    never stopped; a finished one is returned at once. Raises ArgumentError, naming what differs,
    where the folder was made with another plan or other data; FileError while another process uses
    it; and what the phases raise.
    """
    first = Done(dict(begin or {}), {})
    kept = None if folder is None else PlanFolder(Path(folder), plan, data, first)
    with alone(kept.folder) if kept else nullcontext():
        done = kept.begin() if kept else first
        while (phase := plan.next_phase(dict(done.state))) is not None:
            checkpoint = kept.running(done) if kept else None
            here = PhaseContext(dict(done.state), data, phase.name, progress, checkpoint)
            made = phase.work(here)
            spent = {phase.name: here.seconds}
            done = Done(done.state | made, done.seconds | spent)
            if kept:
                kept.write(done)
    return done


def forget(folder: Path) -> None:
    """Remove the plan's files, and the folder unless it holds something else

    Raises FileError while another process uses it.
    """
    with alone(folder):
        _clear(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _clear(folder: Path) -> None:
    """Remove the plan's files, its state first."""
    (folder / FILE).unlink(missing_ok=True)
    sweep(folder, FILE, PHASES)
    for path in folder.glob(PHASES):
        path.unlink()


class PlanFolder:
    """The state of a plan in its folder."""

    def __init__(self, folder: Path, plan: Plan, data: Dataset, first: Done) -> None:
        self.folder, self.path, self.owner = folder, folder / FILE, type(plan).__name__
        self.first = first
        self.asked = {
            **fingerprint(first.state), **fingerprint(plan),
            **data_print(data, "train", "val", "test"), **machinery(),
        }  # fmt: skip

    def begin(self) -> Done:
        """What is done."""
        if not self.path.exists():
            _clear(self.folder)  # phases of a plan that is not known
            self.write(self.first)
            return self.first
        sweep(self.folder, FILE, PHASES)
        tree = load_tree(self.path)
        with sound(self.path):
            done = Done(dict(tree["state"]), dict(tree["seconds"]))
            asked = tree["asked"]
        refuse(self.path, asked, self.asked)
        self._tidy(done)
        return done

    def write(self, done: Done) -> None:
        """Keep what is done; the checkpoints of phases that are over go."""
        save_tree(self.path, {"asked": self.asked, **vars(done)}, self.owner)
        self._tidy(done)

    def running(self, done: Done) -> Path:
        """The checkpoint of the next phase."""
        return self.folder / f"phase-{len(done.seconds)}.npz"

    def _tidy(self, done: Done) -> None:
        for old in self.folder.glob(PHASES):
            if old != self.running(done):
                old.unlink()
