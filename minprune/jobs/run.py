"""`minprune run`: train, prune, fine-tune, compact, sparsify; measure each stage, write it down.

A stage is a row of `phases` here; what is measured of it, and how that is printed, is a row of ROWS
in measures/measure.py. With --method another procedure is run: jobs/run_method.py.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from minprune.core import Dataset
from minprune.evidence import score
from minprune.files import write_atomic
from minprune.jobs.checks import at_init, possible, reachable
from minprune.jobs.facts import break_even, facts
from minprune.jobs.job import Result, carry_out, options, plan_fields, say, timed, trained
from minprune.jobs.own import criterion, net, of_own
from minprune.jobs.run_export import exported, exported_text, ready
from minprune.jobs.run_method import method_text, run_method
from minprune.jobs.settings import RunSettings, filled, named
from minprune.jobs.stages import measured, write_history
from minprune.masking.apply import prune
from minprune.measures.measure import TIMES
from minprune.nets.model import Model
from minprune.report.exported_forms import unknown
from minprune.report.run_page import alerts, comparison, headline, run_page
from minprune.sparse import sparsify, speeds
from minprune.sparse.speeds import measured as measured_speeds
from minprune.structure import compact
from minprune.text import table, wrapped
from minprune.train.plan import Done, Phase, PhaseContext, State


@dataclass(frozen=True)
class TrainPruneTune(RunSettings):
    """w -> mask * w -> fine-tuned -> compacted -> sparse, rates by a cosine; Han et al. (2015)

    Fine-tuning repeats the learning rates of training (Renda et al. 2020), the masks held. The
    settings leave nothing open.

    state[stage]: the model of each stage; state["history"][phase]: of each training;
    state["speeds"]: those that the formats of the sparse stage were chosen by.
    """

    @property
    def by(self) -> str:
        """The criterion."""
        return str(self.criterion)

    def next_phase(self, state: State) -> Phase | None:
        """The phase that makes the first stage that is missing."""
        return next((phase for stage, phase in self.phases().items() if stage not in state), None)

    def phases(self) -> dict[str, Phase]:
        """{stage: the phase that makes it}"""
        return {
            "dense": Phase("train", partial(self.fit, "dense", self.epochs)),
            "pruned": Phase("prune", self.prune),
            "fine-tuned": Phase("fine-tune", partial(self.fit, "fine-tuned", self.fine_tune)),
            "compacted": Phase("compact", lambda c: {"compacted": compact(c.state["fine-tuned"])}),
            "sparse": Phase("sparsify", self.sparsify),
        }

    def start(self, data: Dataset) -> Model:
        """The net before training."""
        return net(str(self.net), data, self.seed)

    def fit(self, stage: str, epochs: int | None, context: PhaseContext) -> State:
        """The stage after `epochs` of training: of the pruned net, if there is one"""
        model = context.state.get("pruned") or self.start(context.data)
        model, history = trained(context, model, self, epochs, self.seed)
        done = context.state.get("history", {})
        return {stage: model, "history": done | {context.label: history}}

    def prune(self, context: PhaseContext) -> State:
        """The pruned stage."""
        dense, how = context.state["dense"], options(self.by) | {"seed": self.seed}
        scores = score(dense, context.data.train, criterion(self.by), unit=self.unit, **how)
        return {"pruned": prune(dense, scores, sparsity=self.sparsity, scope=self.scope)}

    def sparsify(self, context: PhaseContext) -> State:
        """The sparse stage; a phase, so that formats chosen once stay when the speeds change."""
        said = "the speeds of this machine are measured once, to choose formats by them"
        say(not context.progress or measured_speeds() is not None, f"{context.label}: {said}")
        known = speeds()
        return {
            "sparse": sparsify(context.state["compacted"], measured=known),
            "speeds": asdict(replace(known, where="")),  # no path of this machine
        }


def run(asked: RunSettings, *, quiet: bool = False, **how: Any) -> Result:
    """The result of the job, as result.json holds it; all its files are in its "out" folder

    Writes the model of each stage, result.json, history.json, report.html, and history.npz if a
    method learned arrays of its own. The formats of the sparse stage depend on the speeds of the
    machine besides; they are chosen once. "seconds" covers this call and the last attempt at each
    phase; the page has all of it but its own. quiet, how, errors: see carry_out.
    """
    with of_own(asked.criterion):
        if asked.method is not None or asked.set:
            return run_method(asked, quiet=quiet, **how)
        saved = partial(record, quiet=quiet)
        made = partial(planned, quiet=quiet)
        return carry_out(asked, made, saved, ("*.npz", "*.json", "*.html"), quiet=quiet, **how)


def planned(
    asked: RunSettings, dataset: Dataset, quiet: bool
) -> tuple[RunSettings, TrainPruneTune]:
    """(settings with nothing left open, plan); ArgumentError for what this net cannot have"""
    s = choices(asked, dataset)
    plan = TrainPruneTune(**plan_fields(s, dataset))
    start = plan.start(dataset)
    ready(start, s.export or ())
    reachable(start, s.unit, [s.sparsity], s.scope)
    cost = possible(plan.by, start, dataset.train, s.unit, samples=None)
    say(quiet or not cost, cost)
    return s, plan


def record(
    plan: TrainPruneTune, about: Result, dataset: Dataset, done: Done, out: Path, quiet: bool
) -> Result:
    """The whole result; the models, the history and the page are written."""
    seconds = done.seconds
    models = {name: done.state[name] for name in plan.phases()}
    say(quiet, "measure: all forms, then every layer's shape, dense and sparse")
    with timed(seconds, "measure"):
        stages = measured(models, dataset, out)
    with timed(seconds, "break-even"):
        limits = break_even(models.pop("sparse"))
    others = exported(models["compacted"], dataset, plan.export or (), out, seconds)
    result = about | {
        "options": options(plan.by),
        "net": models["fine-tuned"].summary(inf),
        "stages": stages,
        "exported": others,
        "notes": at_init([plan.by]),
        "seconds": seconds | {"total, without this page": sum(seconds.values())},
        "speeds": done.state["speeds"],
        "facts": facts(models) | {"sparse": limits},
    }
    with timed(seconds, "page"):
        history = write_history(done.state["history"], out)
        write_atomic(out / "report.html", run_page(result, history))
    return result | {"seconds": seconds | {"total": sum(seconds.values())}}


def choices(s: RunSettings, dataset: Dataset) -> RunSettings:
    """The settings with nothing left open: as asked for, else what suits the data."""
    made = filled(replace(s, criterion=s.criterion or "magnitude"), dataset.input_shape)
    kind = f"{made.criterion}-units" if s.unit else made.criterion
    base = f"{dataset.name}-{made.net}-{kind}-{s.sparsity}-seed{s.seed}"
    return replace(made, out=named(base, made) if s.out is None else s.out)


def text(result: Result) -> str:
    """The headline, the table, what to know, where the time went, and where the files are."""
    if result["settings"].get("method"):
        return method_text(result)
    stages, classes = result["stages"], result["data"].get("classes", ())
    compared = f"{table(*comparison(stages))}\n{wrapped(TIMES)}{exported_text(result)}"
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"].items())
    files = f"written to {result['out']}; open report.html there"
    absent = unknown(result.get("exported", []))
    last = "\n".join([*result["notes"], *absent, *alerts(stages, classes), spent, files])
    return f"{wrapped(headline(stages))}\n\n{compared}\n\n{wrapped(last)}"
