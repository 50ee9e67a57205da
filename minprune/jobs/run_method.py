"""`minprune run --method NAME`: a procedure around training, in rounds, with a page of its own.

What can be run is a row of PROCEDURES in jobs/procedures.py.
"""

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from minprune.core import Arrays, Dataset
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.jobs.checks import possible
from minprune.jobs.facts import first_layer
from minprune.jobs.job import Result, carry_out, optimizer, say, timed
from minprune.jobs.learned import learned, traced
from minprune.jobs.methods import Budget
from minprune.jobs.own import criterion, net, way
from minprune.jobs.procedures import PROCEDURES, asked, completed
from minprune.jobs.run_export import exported, exported_text, ready
from minprune.jobs.settings import RunSettings, filled, named
from minprune.jobs.stages import measured, write_history
from minprune.measures.measure import TIMES
from minprune.methods.plans import result as outcome
from minprune.methods.plans import tables
from minprune.nets.model import Model
from minprune.report.exported_forms import unknown
from minprune.report.method_page import method_page
from minprune.report.run_page import alerts, comparison, headline
from minprune.structure import compact
from minprune.text import table, wrapped
from minprune.train.plan import Done, Phase, PhaseContext, State
from minprune.train.rates import cosine

PICTURES = 6  # rounds, at most, whose masks are recorded


@dataclass(frozen=True)
class MethodRun:
    """The net before training, then a procedure that begins with it."""

    net: str
    seed: int
    procedure: Any  # a Procedure, all of which are plans

    def start(self, data: Dataset) -> Model:
        """The net before training."""
        return net(self.net, data, self.seed)

    def next_phase(self, state: State) -> Phase | None:
        """The phases of the procedure, once there is a net."""
        if "start" not in state:
            return Phase("initialise", self._begin)
        phase: Phase | None = self.procedure.next_phase(state)
        return phase

    def _begin(self, here: PhaseContext) -> State:
        return {"start": self.start(here.data)}


def run_method(given: RunSettings, *, quiet: bool = False, **how: Any) -> Result:
    """The result of the job, as result.json holds it; all its files are in its "out" folder

    Writes the models, result.json, history.json, report.html, and history.npz if a method learned
    arrays of its own. quiet, how, errors: see carry_out.
    """
    if given.method is None:
        raise ArgumentError(
            f"run: --set {next(iter(given.set))} needs --method; minprune methods lists them"
        )
    saved = partial(record, quiet=quiet)
    return carry_out(given, planned, saved, ("*.npz", "*.json", "*.html"), quiet=quiet, **how)


def planned(given: RunSettings, dataset: Dataset) -> tuple[RunSettings, MethodRun]:
    """(settings with nothing left open, plan); ArgumentError for what this net cannot have"""
    s = filled(given, dataset.input_shape)
    assert s.method is not None
    assert s.fine_tune is not None
    train = {"optimizer": optimizer(s.lr), "rate": cosine(), "batch_size": s.batch_size}
    budget = Budget(
        s.sparsity, s.epochs or 0, s.fine_tune, seed=s.seed, unit=s.unit, train=train,
        criterion=None if s.criterion is None else criterion(s.criterion),
    )  # fmt: skip
    own = s.set if s.scope == "global" else {"scope": s.scope} | s.set
    start = net(str(s.net), dataset, s.seed)
    known = PROCEDURES | {s.method: way(s.method)}
    procedure = asked(s.method, budget, start, dataset, own, known)
    ready(start, s.export or ())
    if s.criterion is not None:
        possible(s.criterion, start, dataset.train, s.unit, samples=None)
    return replace(s, out=folder(s, dataset)), MethodRun(str(s.net), s.seed, procedure)


def folder(s: RunSettings, dataset: Dataset) -> str:
    """The folder that is asked for, or one named by the settings"""
    kind = [s.method, s.criterion, "units" if s.unit else None]
    said = {k: v if isinstance(v, str) else json.dumps(v) for k, v in s.set.items()}
    own = [re.sub(r"[^\w.+=]+", "_", f"{key}={value}") for key, value in said.items()]
    asks = way(str(s.method)).prunes and "sparsity" not in completed(s.set)
    share = [s.sparsity] if asks else []
    words = [dataset.name, s.net, *filter(None, kind), *share, *own, f"seed{s.seed}"]
    return named("-".join(map(str, words)), s) if s.out is None else s.out


def record(
    plan: MethodRun, about: Result, dataset: Dataset, done: Done, out: Path, quiet: bool
) -> Result:
    """The whole result; the models, the history and the page are written."""
    found, start, seconds = outcome(done), done.state["start"], done.seconds
    models = {re.sub(r"\W+", "-", name): model for name, model in found.models.items()}
    if not any("kind" in row for row in found.rounds):  # else no model is the one
        models |= {"final": found.model, "compacted": compact(found.model)}
    say(quiet, "measure: all models")
    with timed(seconds, "measure"):
        stages = measured(models, dataset, out)
    last, forms = models.get("compacted", found.model), about["settings"]["export"]
    others = exported(last, dataset, forms or (), out, seconds)
    if "final" in models:
        stages[-1]["form_of"] = stages[-2]["stage"]  # compacted
    result = about | {
        "net": str(found.model.summary()),
        "stages": stages,
        "exported": others,
        "rounds": found.rounds,
        "report": found.report,
        "masks": pictured(start, found.masks),
        "learned": learned(found.history, plan.procedure.pictures),
        "traced": traced(plan.procedure, found, dataset),
        "seconds": seconds | {"total, without this page": sum(seconds.values())},
    }
    with timed(seconds, "page"):
        history = write_history(found.history, out)
        result["history"] = {name: phase["epochs"] for name, phase in history.items()}
        write_atomic(out / "report.html", method_page(result, history))
    return result | {"seconds": seconds | {"total": sum(seconds.values())}}


def pictured(start: Model, masks: list[Arrays]) -> list[Result]:
    """The masks of the first layer after at most PICTURES rounds, the last among them

    Rounds in which the layer has another shape, because it was compacted, are left out.
    """
    name = next(iter(start.net.weights), "")
    fits = [
        k for k, m in enumerate(masks) if name in m and m[name].shape == start.params[name].shape
    ]
    every = max(1, -(-len(fits) // PICTURES))
    taken = fits[::-1][::every][::-1]
    return [{"round": k} | first_layer(replace(start, masks=masks[k])) for k in taken]


def method_text(result: Result) -> str:
    """The headline, the rounds, the models, where the time went, and where the files are."""
    stages, classes = result["stages"], result["data"].get("classes", ())
    rounds = "\n\n".join(table(*each) for each in tables(result["rounds"], result["report"]))
    compared = f"{table(*comparison(stages))}\n{wrapped(TIMES)}{exported_text(result)}"
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"].items())
    files = f"written to {result['out']}; open report.html there"
    absent = unknown(result.get("exported", []))
    last = "\n".join([*absent, *alerts(stages, classes), spent, files])
    kinds = any("kind" in row for row in result["rounds"])
    first = "" if kinds else f"{wrapped(headline(stages))}\n\n"
    return f"{first}{rounds}\n\n{compared}\n\n{wrapped(last)}"
