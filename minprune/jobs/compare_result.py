"""The result of a comparison of criteria from its rows, and its tables, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError, MinpruneError
from minprune.jobs.checks import at_init
from minprune.jobs.compare_stats import agreement, spread, summary
from minprune.jobs.job import Result, options
from minprune.jobs.store import Row
from minprune.report.compare_page import alerts, compare_tables, reasons
from minprune.text import table, wrapped

WORK = ("train", "true changes", "score", "prune and fine-tune")
Map = Mapping[str, Any]


def gathered(about: Result, rows: Sequence[Row], since: Map) -> Result:
    """The result of these rows; since: seconds before them"""
    failed = {r["key"][2]: r for r in rows if r["error"] and len(r["key"]) > 2}
    missing = about["left_out"] | {
        name: row["error"].removeprefix(f"{name}: ") for name, row in failed.items()
    }
    names = [name for name in about["settings"]["criteria"] if name not in missing]
    found = measured(rows, missing)
    return about | {
        "options": {name: options(name) for name in names if options(name)},
        "left_out": as_rows(missing),
        **found,
        "notes": [*at_init(names), *same(found["cells"]), *again(rows)],
        "seconds": seconds(rows, since),
    }


def again(rows: Sequence[Row]) -> list[str]:
    """What to do about cells that failed."""
    failed = sum(row["error"] is not None for row in rows)
    words = f"{failed} cells failed; --retry runs them again"
    return ["1 cell failed; --retry runs it again" if failed == 1 else words] * bool(failed)


def tables(result: Result) -> str:
    """The tables of a result, what was left out, and where the time went."""
    each = compare_tables(result)
    parts = [f"{wrapped(title)}\n\n{table(header, rows)}" for title, header, rows in each]
    took = ", ".join(f"{name} {s:.1f} s" for name, s in result["seconds"]["of"].items())
    said = [*result["notes"], *alerts(result), left_out_words(result["left_out"]), took]
    return "\n\n".join(part for part in [*parts, *map(wrapped, said)] if part)


def as_rows(left_out: dict[str, str]) -> list[dict[str, str]]:
    """What was left out, as result.json holds it."""
    return [{"criterion": name, "why": why} for name, why in left_out.items()]


def left_out_words(rows: list[dict[str, str]]) -> str:
    """A line for each reason."""
    return "\n".join(f"left out: {names}: {why}" for why, names in reasons(rows).items())


def measured(rows: Sequence[Row], left_out: Mapping[str, str]) -> Result:
    """All numbers of the rows, and their statistics over the seeds

    A criterion that failed for one seed is left out for all. Raises MinpruneError if no net could
    be trained, and ArgumentError if every criterion was left out.
    """
    made = [row["made"] for row in rows if row["error"] is None]
    nets = [one for one in made if "dense" in one]
    if not nets:
        raise MinpruneError(rows[0]["error"])
    cells = [one for one in made if "cells" in one]
    cells = [one for one in cells if one["predicted"]["criterion"] not in left_out]
    if not cells:
        why = "; ".join(left_out.values()) or "none is given"
        raise ArgumentError(f"no criterion could be compared: {why}")
    dense, truth = ([net[kind] for net in nets] for kind in ("dense", "truth"))
    predicted, all_cells = (
        [one["predicted"] for one in cells],
        [c for o in cells for c in o["cells"]],
    )
    powers = {name: fn.spec.estimates for name, fn in CRITERIA.items()}
    return {
        "dense": {"accuracy": spread([d["accuracy"] for d in dense]), "seeds": dense},
        "truth": truth, "predicted": predicted, "cells": all_cells,
        "summary": summary(all_cells), "agreement": agreement(truth, predicted),
        "estimates": {name: power for name, power in powers.items() if power is not None},
    }  # fmt: skip


def seconds(rows: Sequence[Row], since: Map) -> Result:
    """Seconds of each kind of work, summed over the workers, and of each criterion's scoring."""
    of = dict(since) | dict.fromkeys(WORK, 0.0)
    scoring: dict[str, list[float]] = {}
    for row in rows:
        for name, took in (row["made"] or {}).get("seconds", {}).items():
            of[name] += took
        if row["made"] and "predicted" in row["made"]:
            name, took = row["key"][2], row["made"]["seconds"]["score"]
            scoring.setdefault(name, []).append(took)
    of["total"] = sum(of.values())
    return {"of": of, "scoring": {name: sum(s) / len(s) for name, s in scoring.items()}}


# --- notes


def same(cells: Sequence[Map]) -> list[str]:
    """A sentence for each criterion that made the same nets as an earlier one, cell by cell."""
    made: dict[str, list[Any]] = {}
    for cell in cells:
        mine = made.setdefault(cell["criterion"], [])
        mine.append({key: value for key, value in cell.items() if key != "criterion"})
    names = list(made)
    firsts = [next(first for first in names if made[first] == made[name]) for name in names]
    return [
        f"{name} repeats {first}: the same nets in every cell"
        for name, first in zip(names, firsts, strict=True)
        if name != first
    ]
