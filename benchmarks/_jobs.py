"""fit, run and compare on the digits, short, each in a forked process: what interruptions try.

A job works in a folder and continues what it finds there. Forked, since a child has all that was
imported and compiled: the moments at which it is interrupted are moments of its work.
"""

import json
import os
import sys
import traceback
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from minprune.cli import main
from minprune.errors import FileError, MinpruneError
from minprune.files import load, write_atomic
from minprune.jobs.job import as_json
from minprune.jobs.store import begun
from minprune.train.state import load_tree

SPENT = (
    "seconds",
    "latency",
    "speed",
    "break",
    "against_dense",
)  # parts of the keys of what is measured
PLACES = ("out", "name", "command")  # keys of where it was done


@dataclass(frozen=True)
class Job:
    """work(folder) starts or continues it; made(folder) is what must be the same every time."""

    name: str
    work: Callable[[Path], None]
    made: Callable[[Path], dict[str, Any]]


def fitted(out: Path) -> None:
    """A training with two methods, chained, written into the folder with what they learned."""
    data = mp.data.digits()
    checkpoint = out / "checkpoint" / "fit.npz"
    model, history = mp.fit(
        mp.zoo.mlp(data, (32,), seed=0), data, epochs=6, batch_size=32, progress=False,
        optimizer=mp.SGD(0.1, momentum=0.9),
        method=mp.methods.chain(
            mp.methods.L1(1e-4), mp.methods.DynamicSurgery(sparsity=0.8, gamma=0.01)
        ),
        checkpoint=checkpoint, every=7,
    )  # fmt: skip
    mp.save(model, out / "model.npz")
    learned = {name: a.tolist() for name, a in history.extra.items()}
    found = {"steps": history.steps, "epochs": history.epochs, "learned": learned}
    write_atomic(out / "history.json", as_json(found))


def commanded(*words: str) -> Callable[[Path], None]:
    """A command of minprune in the folder."""

    def work(out: Path) -> None:
        raise SystemExit(main([*words, "--quiet", "--resume", "--out", str(out)]))

    return work


def models(out: Path) -> dict[str, Any]:
    """{file: bytes} of the models in the folder."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.npz"))}


def everything(out: Path) -> dict[str, Any]:
    """The models, and the results without what was measured in time."""
    results = {
        p.name: untimed(json.loads(p.read_text("utf-8"))) for p in sorted(out.glob("*.json"))
    }
    return models(out) | results


def untimed(value: Any) -> Any:
    """Without what differs from one run to the next by its nature"""
    if isinstance(value, dict):
        left = {k: v for k, v in value.items() if not any(word in k for word in SPENT)}
        return {k: untimed(v) for k, v in left.items() if k not in PLACES}
    return [untimed(v) for v in value] if isinstance(value, list) else value


RUN = ("run", "--net", "mlp", "--epochs", "4", "--fine-tune", "4", "--sparsity", "0.8")
SHORT = (
    "compare", "--net", "mlp", "--epochs", "1", "--fine-tune", "1", "--seeds", "2", "--samples",
    "60", "--sparsities", "0.5,0.9", "--criteria", "magnitude,obd",
)  # fmt: skip
METHODS = ("--methods", "finetune,lr_rewind,lottery_ticket,set")
JOBS = {
    "fit": Job("fit", fitted, everything),
    "run": Job("run", commanded(*RUN), everything),
    "compare": Job("compare", commanded(*SHORT), everything),
    "methods": Job("methods", commanded(*SHORT, *METHODS), everything),
}


def fork(work: Callable[[], None], said: Path) -> int:
    """The process that does it; its exit code is that of `work`; said: what it printed on stderr"""
    with warnings.catch_warnings():  # of Python 3.12, about threads: ours do not hold locks
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        errors = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for standard, handle in enumerate((nothing, nothing, errors)):
            os.dup2(handle, standard)
        sys.stdout, sys.stderr = (os.fdopen(handle, "w") for handle in (1, 2))
        try:
            work()
            code = 0
        except SystemExit as e:
            code = int(e.code or 0)
        except MinpruneError as e:
            print(e, file=sys.stderr)
            code = 1
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Its exit code, or minus the signal that ended it; waits for it"""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def unsound(out: Path) -> list[str]:
    """The files with a final name, in the folder and its checkpoint, that are not whole."""
    readers: dict[str, Callable[[Path], object]] = {
        ".npz": load, ".html": page, ".json": lambda p: json.loads(p.read_text("utf-8")),
        ".db": begun, ".db-wal": Path.exists, ".db-shm": Path.exists,  # read with the database
    }  # fmt: skip
    wrong = []
    for path in sorted(p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")):
        read = readers[path.suffix]
        if path.parent.name == "checkpoint":
            read = load_tree
        elif path.name == "history.npz":  # arrays of a method, as `numpy.savez` writes them
            read = arrays
        try:
            read(path)
        except (FileError, ValueError, zipfile.BadZipFile) as e:
            wrong.append(str(e))
    return wrong


def page(path: Path) -> None:
    """Raises ValueError unless the page has its end."""
    if not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError(f"{path} has no end")


def arrays(path: Path) -> dict[str, Any]:
    """All arrays of a file that `numpy.savez` wrote."""
    with np.load(path) as stored:
        return dict(stored)
