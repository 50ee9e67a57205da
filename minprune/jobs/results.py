"""`minprune results`: the tables of a comparison from its rows, of one machine or of several."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minprune.errors import ArgumentError
from minprune.jobs.compare import gathered, tables
from minprune.jobs.compare_cells import OF_JOB
from minprune.jobs.store import DATABASE, Row, read
from minprune.train.fingerprint import difference

MACHINE = ("host", "cpu", "blas")
STAGES = {"pruned": "pruned", "fine-tuned": "fine_tuned"}  # in the names of columns


def results(files: Sequence[str], as_csv: bool = False) -> str:
    """The tables, or a line of CSV for each net

    Raises FileError for a file that is no database of `minprune compare`, and ArgumentError for
    databases that were made with different settings.
    """
    paths = [Path(name, DATABASE) if Path(name).is_dir() else Path(name) for name in files]
    about, rows = together(paths)
    return lines(rows) if as_csv else tables(gathered(about, rows, {}))


def together(paths: Sequence[Path]) -> tuple[dict[str, Any], list[Row]]:
    """(about the job, rows by seed) of all databases; a cell that several have counts once

    A row without an error is taken before one with.
    """
    about, found = read(paths[0])
    seeds: set[int] = set()
    names: dict[str, None] = {}
    left_out = about["left_out"]
    for path in paths:
        other, rows = read(path)
        differs = difference(same(other["asked"]), same(about["asked"]))
        if differs is not None:
            raise ArgumentError(
                f"results: {path} must be of the same settings as {paths[0]}, but it was made with "
                f"{differs.replace('this call', paths[0].name)}; pass databases of one comparison"
            )
        found |= {k: row for k, row in rows.items() if k not in found or not row["error"]}
        names |= dict.fromkeys(other["settings"]["criteria"])
        left_out = {k: why for k, why in left_out.items() if k in other["left_out"]}
    seeds = {row["key"][1] for row in found.values()}
    about["settings"] |= {"seeds": sorted(seeds), "criteria": list(names)}
    place = {name: k for k, name in enumerate(names)}
    kept = sorted(
        found.values(), key=lambda r: (r["key"][1], place.get(r["key"][-1], -1), r["key"][0])
    )
    return about | {"left_out": left_out}, kept


def same(asked: dict[str, Any]) -> dict[str, Any]:
    """What must not differ."""
    return {k: v for k, v in asked.items() if k not in OF_JOB}


def lines(rows: Sequence[Row]) -> str:
    """CSV: a line for each net of each cell, and one for each cell that failed"""
    names = ["seed", "criterion", "sparsity"]
    names += [f"{stage}_{what}" for stage in STAGES.values() for what in ("accuracy", "loss")]
    names += ["multiply_adds", "bytes", "seconds_of_cell", *MACHINE, "error"]
    body = io.StringIO()
    table = csv.DictWriter(body, names, restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        _, seed, *of = row["key"]
        own = {"seed": seed, "criterion": of[0] if of else "", "seconds_of_cell": row["seconds"]}
        own |= {k: row[k] for k in MACHINE} | {"error": row["error"] or ""}
        made = row["made"] or {}
        dense = [{"sparsity": 0.0, "pruned": made["dense"], "cost": {}}] if "dense" in made else []
        for cell in made.get("cells", dense) or [{}]:
            told = {
                f"{words}_{what}": cell[stage][what]
                for stage, words in STAGES.items() if stage in cell
                for what in ("accuracy", "loss")
            }  # fmt: skip
            cost = cell.get("cost", {})
            told |= {"multiply_adds": cost.get("macs", ""), "bytes": cost.get("bytes", "")}
            table.writerow(own | told | {"sparsity": cell.get("sparsity", "")})
    return body.getvalue().rstrip("\n")
