"""`minprune compare`: every criterion on the same nets, with equal budgets, over several seeds."""

import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from minprune import kernels
from minprune.core import Dataset
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.files import alone, write_atomic
from minprune.jobs import run as job
from minprune.jobs.compare_plan import Compare
from minprune.jobs.compare_settings import CompareSettings
from minprune.jobs.compare_stats import agreement, spread, summary
from minprune.jobs.folder import CHECKPOINT, RESULT, as_json, begin, discard, named
from minprune.jobs.possible import OPTIONS, check, possible, reachable
from minprune.nets.zoo import ZOO
from minprune.report import compare_page, compare_tables, reasons
from minprune.text import table
from minprune.train.plan import Done, run_plan

PAGE = "compare.html"


def run(
    settings: CompareSettings, *, quiet: bool = False, command: str = "", resume: bool = False
) -> dict[str, Any]:
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    While it runs, out/checkpoint holds what is done; with `resume` it goes on from there, to the
    same result but for its seconds, and a comparison that is done is only read. Raises
    MinpruneError, in one sentence, for settings or data that it cannot use, or that are not those
    of the comparison to go on with.
    """
    check(settings)
    dataset, started = job.load_data(settings.data), time.perf_counter()
    plan, left_out, settings = choices(settings, dataset)
    out = Path(str(settings.out))

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    with alone(out):
        if finished := begin(out, settings, resume, RESULT, PAGE):
            say(f"{out}: this comparison is done; without --resume it begins anew")
            return finished
        if left_out:
            say(left_out_words(as_rows(left_out)))
        job.warm_up(plan.start(dataset), dataset, settings.batch_size)
        ready = time.perf_counter() - started
        say(f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
        done = run_plan(plan, dataset, out / CHECKPOINT, progress=not quiet)
        left_out |= done.state.get("left_out", {})
        about = {
            "name": out.name,
            "command": command,
            "out": str(out),
            "settings": asdict(settings),
        }
        result = about | {
            "options": {
                n: OPTIONS[n, u] for n, u in OPTIONS if n in plan.criteria and u is plan.unit
            },
            "left_out": as_rows(left_out),
            "data": job.about(dataset),
            "net": str(plan.start(dataset)),
            **measured(done, left_out),
            "seconds": seconds(done, ready),
            "versions": job.versions(),
        }
        write_atomic(out / PAGE, compare_page(result))
        write_atomic(out / RESULT, as_json(result))  # last: where it is, all is there
        discard(out / CHECKPOINT)
        return result


def text(result: dict[str, Any]) -> str:
    """The tables of a result, what was left out, where the time went, and where the files are."""
    parts = [f"{title}\n\n{table(header, rows)}" for title, header, rows in compare_tables(result)]
    parts += [left_out_words(result["left_out"])]
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    parts += [f"{spent}\nwritten to {result['out']}; open {PAGE} there"]
    return "\n\n".join(part for part in parts if part)


def as_rows(left_out: dict[str, str]) -> list[dict[str, str]]:
    """What was left out, as result.json holds it."""
    return [{"criterion": name, "why": why} for name, why in left_out.items()]


def left_out_words(rows: list[dict[str, str]]) -> str:
    """A line for each reason."""
    return "\n".join(f"left out: {', '.join(names)}: {why}" for why, names in reasons(rows).items())


def choices(
    s: CompareSettings, dataset: Dataset
) -> tuple[Compare, dict[str, str], CompareSettings]:
    """(plan, {criterion that is left out: why}, settings that leave nothing open)

    Raises ArgumentError for a criterion that is asked for by name and cannot be compared, and for a
    sparsity that the net cannot reach.
    """
    usual, net = job.suited(s.data, dataset)
    net, epochs = s.net or net, s.epochs if s.epochs is not None else usual
    base = f"compare-{dataset.name}-{net}-{'units' if s.unit else 'weights'}"
    out = named(base, replace(s, epochs=epochs), CompareSettings(epochs=usual))
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
    out = out if s.out is None else s.out
    made = replace(s, net=net, epochs=epochs, out=out, criteria=names)
    return (
        Compare(
            net, names, s.unit, s.sparsities, s.seeds, epochs, s.fine_tune, s.samples, s.batch_size,
            s.lr,
        ),
        left_out,
        made,
    )  # fmt: skip


def measured(done: Done, left_out: dict[str, str]) -> dict[str, Any]:
    """All numbers of the cells, and what is read off them over the seeds

    Raises ArgumentError where every criterion was left out.
    """
    state = {
        kind: [one for one in done.state.get(kind, []) if one["criterion"] not in left_out]
        for kind in ("cells", "scored")
    }
    if not state["cells"]:
        raise ArgumentError(
            f"no criterion could be compared: {'; '.join(left_out.values()) or 'none is given'}"
        )
    dense = done.state["dense"]
    truth = [
        {"seed": t["seed"], "change": t["change"].tolist(),
         "entries": {name: at.tolist() for name, at in t["entries"].items()}}
        for t in done.state["truth"]
    ]  # fmt: skip
    predicted = [one | {"scores": one["scores"].tolist()} for one in state["scored"]]
    return {
        "dense": {"accuracy": spread([d["accuracy"] for d in dense]), "seeds": dense},
        "summary": summary(state["cells"]),
        "agreement": agreement(truth, predicted),
        "cells": state["cells"],
        "truth": truth,
        "predicted": predicted,
    }


def seconds(done: Done, ready: float) -> dict[str, Any]:
    """Seconds of each kind of work, and the mean of each criterion's scoring."""
    kinds = {"train": "train", "true": "true changes", "score": "score"}
    of = {"compile and warm up": ready} | dict.fromkeys(kinds.values(), 0.0)
    of["prune and fine-tune"] = 0.0
    scoring: dict[str, list[float]] = {}
    for phase, spent in done.seconds.items():
        first, second = phase.split()[:2]
        of[kinds.get(first.rstrip(","), "prune and fine-tune")] += spent
        if first == "score":
            scoring.setdefault(second.rstrip(","), []).append(spent)
    of["total"] = sum(of.values())
    return {"of": of, "scoring": {name: sum(s) / len(s) for name, s in scoring.items()}}
