"""`minprune compare`: every criterion on the same nets, with equal budgets, over several seeds."""

import time
from dataclasses import asdict, replace
from pathlib import Path

from minprune.core import Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.jobs.checks import check, possible, reachable
from minprune.jobs.compare_plan import Compare
from minprune.jobs.compare_stats import agreement, spread, summary
from minprune.jobs.folder import RESULT, named
from minprune.jobs.job import Result, carry_out, load_data, options, say
from minprune.jobs.settings import CompareSettings, usual_epochs, usual_net
from minprune.nets.zoo import ZOO
from minprune.report.compare_page import compare_page
from minprune.report.compare_tables import compare_tables, reasons
from minprune.text import table
from minprune.train.plan import Done

PAGE = "compare.html"
KINDS = {"train": "train", "true": "true changes", "score": "score"}  # first word of a phase


def run(
    settings: CompareSettings, *, quiet: bool = False, command: str = "", resume: bool = False
) -> Result:
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    With `resume` a stopped comparison continues, to the same result but for its seconds. Raises
    MinpruneError, in one sentence, for settings or data that cannot be used, or that are not those
    of the comparison to resume.
    """
    began = time.perf_counter()
    check(settings)
    dataset = load_data(settings.data)
    left_out, settings = choices(settings, dataset)
    plan = Compare(**asdict(replace(settings, data=dataset.name, out=None)))
    say(quiet or not left_out, left_out_words(as_rows(left_out)))

    def record(about: Result, done: Done, out: Path, ready: float) -> Result:
        missing = left_out | done.state.get("left_out", {})
        given = {name: options(name) for name in plan.criteria or [] if options(name)}
        result = about | {
            "options": given,
            "left_out": as_rows(missing),
            "net": str(plan.start(dataset)),
            **measured(done, missing),
            "seconds": seconds(done, ready),
        }
        write_atomic(out / PAGE, compare_page(result))
        return result

    return carry_out(
        settings, plan, plan.start(dataset), dataset, record, files=(RESULT, PAGE), began=began,
        quiet=quiet, command=command, resume=resume,
    )  # fmt: skip


def text(result: Result) -> str:
    """The tables of a result, what was left out, where the time went, and where the files are."""
    parts = [f"{title}\n\n{table(header, rows)}" for title, header, rows in compare_tables(result)]
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    files = f"written to {result['out']}; open {PAGE} there"
    parts += [left_out_words(result["left_out"]), f"{spent}\n{files}"]
    return "\n\n".join(part for part in parts if part)


def as_rows(left_out: dict[str, str]) -> list[dict[str, str]]:
    """What was left out, as result.json holds it."""
    return [{"criterion": name, "why": why} for name, why in left_out.items()]


def left_out_words(rows: list[dict[str, str]]) -> str:
    """A line for each reason."""
    return "\n".join(f"left out: {', '.join(names)}: {why}" for why, names in reasons(rows).items())


def choices(s: CompareSettings, dataset: Dataset) -> tuple[dict[str, str], CompareSettings]:
    """({criterion that is left out: why}, settings that leave nothing open)

    Raises ArgumentError for a criterion that is asked for by name and cannot be compared, and for a
    sparsity that the net cannot reach.
    """
    usual, net = usual_epochs(s.data), s.net or usual_net(dataset.input_shape)
    made = replace(s, net=net, epochs=usual if s.epochs is None else s.epochs)
    base = f"compare-{dataset.name}-{net}-{'units' if s.unit else 'weights'}"
    out = named(base, made, CompareSettings(epochs=usual)) if s.out is None else s.out
    model = ZOO[net](dataset, seed=0)
    reachable(model, s.unit, s.sparsities)
    samples = min(s.samples, len(dataset.train[0]))
    left_out: dict[str, str] = {}
    for name in s.criteria or CRITERIA:
        try:
            possible(name, model, dataset.train, s.unit, samples=samples)
        except ArgumentError as e:
            if s.criteria:
                raise
            left_out[name] = str(e).removeprefix(f"{name}: ")
    names = s.criteria or [name for name in CRITERIA if name not in left_out]
    return left_out, replace(made, out=out, criteria=names)


def measured(done: Done, left_out: dict[str, str]) -> Result:
    """All numbers of the cells, and their statistics over the seeds

    Raises ArgumentError if every criterion was left out.
    """
    cells, scored = (
        [one for one in done.state.get(kind, []) if one["criterion"] not in left_out]
        for kind in ("cells", "scored")
    )
    if not cells:
        raise ArgumentError(
            f"no criterion could be compared: {'; '.join(left_out.values()) or 'none is given'}"
        )
    truth = [
        one | {"change": one["change"].tolist(),
               "entries": {name: at.tolist() for name, at in one["entries"].items()}}
        for one in done.state["truth"]
    ]  # fmt: skip
    predicted = [one | {"scores": one["scores"].tolist()} for one in scored]
    powers = {name: fn.spec.estimates for name, fn in CRITERIA.items()}
    dense = done.state["dense"]
    return {
        "dense": {"accuracy": spread([d["accuracy"] for d in dense]), "seeds": dense},
        "summary": summary(cells),
        "agreement": agreement(truth, predicted),
        "estimates": {name: power for name, power in powers.items() if power is not None},
        "cells": cells,
        "truth": truth,
        "predicted": predicted,
    }


def seconds(done: Done, ready: float) -> Result:
    """Seconds of each kind of work, and the mean of each criterion's scoring."""
    of = {"compile and warm up": ready} | dict.fromkeys(KINDS.values(), 0.0)
    of["prune and fine-tune"] = 0.0
    scoring: dict[str, list[float]] = {}
    for phase, spent in done.seconds.items():
        first, second = phase.replace(",", "").split()[:2]
        of[KINDS.get(first, "prune and fine-tune")] += spent
        if first == "score":
            scoring.setdefault(second, []).append(spent)
    of["total"] = sum(of.values())
    return {"of": of, "scoring": {name: sum(s) / len(s) for name, s in scoring.items()}}
