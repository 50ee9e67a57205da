"""Plans: what goes around training, as phases one after the other, each resumable."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from minprune.core import Dataset
from minprune.files.atomic import sweep
from minprune.nets.model import Model
from minprune.train.checkpoint import refuse
from minprune.train.fingerprint import data_print, fingerprint, machinery
from minprune.train.history import History
from minprune.train.loop import fit
from minprune.train.tree import load_tree, save_tree, sound

State = dict[str, Any]  # Models, Histories, arrays, JSON values, lists and dicts of them
FILE = "plan.npz"


@dataclass(frozen=True)
class Phase:
    """A step of a plan: `work` gives the entries of the state that it makes or replaces."""

    name: str
    work: "Callable[[Desk], State]"


class Plan(Protocol):
    """What to do next, given what has been done; a frozen dataclass, so that it can be compared."""

    def next_phase(self, state: State) -> Phase | None:
        """The next phase, a function of the state alone; None at the end."""


@dataclass(frozen=True)
class Desk:
    """What a phase works with."""

    state: State
    data: Dataset
    label: str
    progress: bool = True
    checkpoint: Path | None = None

    def fit(self, model: Model, **how: Any) -> tuple[Model, History]:
        """`fit` on the plan's data, with a checkpoint of its own; once a phase."""
        return fit(
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
) -> Done:
    """The state when plan.next_phase(state) is None, from an empty one, or from `folder`

    folder: where the state is kept after each phase, and the running phase's training beside it.
    If it holds an unfinished plan, that goes on, to the same bits as if it had never stopped; a
    finished one is given back at once. Raises ArgumentError, naming what differs, where it was made
    with another plan or other data; and what the phases raise.
    """
    owner = type(plan).__name__
    done, phases = Done({}, {}), 0
    path = None if folder is None else Path(folder) / FILE
    asked: dict[str, Any] = {}
    if path is not None:
        asked = fingerprint(plan) | data_print(data, "train", "val", "test") | machinery()
        sweep(path.parent)
        if path.exists():
            done, phases = _read(path, asked)
    while True:
        if path is not None:
            tree = {"asked": asked, "state": done.state, "seconds": done.seconds, "phases": phases}
            save_tree(path, tree, owner)
            for old in path.parent.glob("phase-*.npz"):
                if old.name != f"phase-{phases}.npz":
                    old.unlink()
        phase = plan.next_phase(dict(done.state))
        if phase is None:
            return done
        checkpoint = path.with_name(f"phase-{phases}.npz") if path else None
        begin = time.perf_counter()
        made = phase.work(Desk(dict(done.state), data, phase.name, progress, checkpoint))
        spent = {phase.name: time.perf_counter() - begin}
        done, phases = Done(done.state | made, done.seconds | spent), phases + 1


def _read(path: Path, asked: dict[str, Any]) -> tuple[Done, int]:
    tree = load_tree(path)
    with sound(path):
        theirs, found = tree["asked"], Done(dict(tree["state"]), dict(tree["seconds"]))
        phases = int(tree["phases"])
    refuse(path, theirs, asked)
    return found, phases
