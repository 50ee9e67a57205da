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
from minprune.files import sweep, write_atomic
from minprune.jobs import run as job
from minprune.jobs.compare_plan import BOUND, OPTIONS, Compare, macs
from minprune.jobs.compare_settings import CompareSettings
from minprune.jobs.compare_stats import agreement, spread, summary
from minprune.jobs.folder import CHECKPOINT, RESULT, discard, earlier
from minprune.jobs.plan import optimizer
from minprune.jobs.settings import Settings
from minprune.masking.apply import prune
from minprune.nets.model import Model
from minprune.nets.ties import ties
from minprune.nets.zoo import ZOO
from minprune.probe import compatible, find, score
from minprune.report import compare_page, compare_tables
from minprune.text import table
from minprune.train.plan import Done, run_plan

PAGE = "compare.html"
FEWEST = 10  # samples that it makes sense to advise


def run(
    settings: CompareSettings, *, quiet: bool = False, command: str = "", resume: bool = False
) -> dict[str, Any]:
    """The result of the comparison, as result.json holds it, beside compare.html in its folder

    While it runs, out/checkpoint holds what is done; with `resume` it goes on from there, to the
    same result but for its seconds, and a comparison that is done is only read. Raises
    MinpruneError, in one sentence, for settings or data that it cannot use, or that are not those
    of the comparison to go on with.
    """
    _check(settings)
    dataset = job.load_data(settings.data)
    plan, left_out, settings = choices(settings, dataset)
    out, started = Path(str(settings.out)), time.perf_counter()

    def say(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    if resume and (finished := earlier(out, settings)):
        say(f"{out}: this comparison is done; without --resume it begins anew")
        return finished
    if not resume:
        discard(out / RESULT, out / CHECKPOINT)
    sweep(out, RESULT, PAGE)
    for name, why in left_out.items():
        say(f"{name} is left out: {why}")
    job.warm_up(plan.start(dataset), dataset, settings.batch_size)
    ready = time.perf_counter() - started
    say(f"kernels: {kernels.backend()}, ready after {ready:.1f} s")
    done = run_plan(plan, dataset, out / CHECKPOINT, progress=not quiet)
    left_out |= done.state.get("left_out", {})
    about = {"name": out.name, "command": command, "out": str(out), "settings": asdict(settings)}
    result = about | {
        "options": {n: OPTIONS[n, u] for n, u in OPTIONS if n in plan.criteria and u is plan.unit},
        "left_out": [{"criterion": name, "why": why} for name, why in left_out.items()],
        "data": job.about(dataset),
        "net": str(plan.start(dataset)),
        **measured(done, left_out),
        "seconds": seconds(done, ready),
        "versions": job.versions(),
    }
    write_atomic(out / PAGE, compare_page(result))
    write_atomic(out / RESULT, job.as_json(result))  # last: where it is, all is there
    discard(out / CHECKPOINT)
    return result


def text(result: dict[str, Any]) -> str:
    """The tables of a result, what was left out, where the time went, and where the files are."""
    parts = [f"{title}\n\n{table(header, rows)}" for title, header, rows in compare_tables(result)]
    parts += [
        "\n".join(f"{one['criterion']} is left out: {one['why']}" for one in result["left_out"])
    ]
    spent = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    parts += [f"{spent}\nwritten to {result['out']}; open {PAGE} there"]
    return "\n\n".join(part for part in parts if part)


def choices(
    s: CompareSettings, dataset: Dataset
) -> tuple[Compare, dict[str, str], CompareSettings]:
    """(plan, {criterion that is left out: why}, settings that leave nothing open)

    Raises ArgumentError for a criterion that is asked for by name and cannot be compared, and for a
    sparsity that the net cannot reach.
    """
    as_run = Settings(data=s.data, net=s.net, epochs=s.epochs)
    net, epochs, *_ = job.choices(as_run, dataset)
    out = s.out or str(
        Path("runs", f"compare-{dataset.name}-{net}-{'units' if s.unit else 'weights'}")
    )
    model = ZOO[net](dataset, seed=0)
    chance = score(model, None, "random", unit=s.unit)
    for sparsity in s.sparsities:
        prune(model, chance, sparsity=sparsity)
    samples = min(s.samples, len(dataset.train[0]))
    left_out = {} if s.criteria else other_kind(s.unit)
    for name in s.criteria or [name for name in CRITERIA if name not in left_out]:
        try:
            possible(name, model, s.unit, samples)
        except ArgumentError as e:
            if s.criteria:
                raise
            left_out[name] = str(e).removeprefix(f"{name}: ")
    names = s.criteria or [name for name in CRITERIA if name not in left_out]
    made = replace(s, net=net, epochs=epochs, out=out, criteria=names)
    return (
        Compare(
            net, names, s.unit, s.sparsities, s.seeds, epochs, s.fine_tune, s.samples, s.batch_size,
            s.lr,
        ),
        left_out,
        made,
    )  # fmt: skip


def other_kind(unit: bool) -> dict[str, str]:
    """{criterion: why} of those that score single weights alone, or units alone."""
    marks = {name: fn.mark for name, fn in CRITERIA.items()}  # type: ignore[attr-defined]
    if unit:
        return {n: "it scores single weights alone" for n, m in marks.items() if m.unit is None}
    why = "it scores units alone; --unit compares those"
    return {name: why for name, mark in marks.items() if not mark.single}


def possible(name: str, model: Model, unit: bool, samples: int) -> None:
    """Raises ArgumentError unless the criterion scores units, or weights, within BOUND."""
    compatible(name, unit)
    needs, _ = find(name).mark.asked(OPTIONS.get((name, unit), {}))  # type: ignore[attr-defined]
    if "removal" not in needs:
        return
    free = sum(g.size for g in ties(model) if g.free)
    passes = free if unit else sum(model.params[n].size for n in model.net.weights)
    each = passes * macs(model)
    if each * samples <= BOUND:
        return
    most = int(BOUND / each)
    remedies = [] if unit else ["compare units"]
    remedies += [f"ask for {most:,} samples at most"] if most >= FEWEST else ["use a smaller net"]
    raise ArgumentError(
        f"{name}: {passes:,} passes over {samples:,} samples take {each * samples:.1e} "
        f"multiply-adds, more than the bound of {BOUND:.0e}; {', or '.join(remedies)}"
    )


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


def _check(s: CompareSettings) -> None:
    """What can be said before any work is done."""
    if s.net is not None and s.net not in ZOO:
        raise ArgumentError(f"net is {s.net!r}, expected one of {', '.join(ZOO)}; choose one")
    for sparsity in s.sparsities:
        if not 0 <= sparsity <= 1:
            raise ArgumentError(f"sparsity is {sparsity}, expected a share in [0, 1]; give 0.9")
    for what, given in (("sparsities", s.sparsities), ("criteria", s.criteria)):
        if given is not None and (not given or len(set(map(str, given))) < len(given)):
            raise ArgumentError(
                f"{what} are {', '.join(map(str, given)) or 'none'}, expected at least one, and "
                f"each of them once; list them"
            )
    for name in s.criteria or ():
        find(name)
    optimizer(s.lr)
    for what, number, least in (
        ("seeds", s.seeds, 1), ("epochs", s.epochs, 0), ("fine_tune", s.fine_tune, 0),
        ("samples", s.samples, 1), ("batch_size", s.batch_size, 1),
    ):  # fmt: skip
        if number is not None and number < least:
            raise ArgumentError(f"{what} is {number}, expected at least {least}; give a count")
