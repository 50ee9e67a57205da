"""`minprune results`: the tables of a comparison from its rows, of one machine or of several."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minprune.errors import ArgumentError
from minprune.jobs.compare import look
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
    if as_csv:
        return lines(rows) if about["settings"].get("methods") is None else method_lines(rows)
    shown = look(about["settings"])
    return shown.tables(shown.gathered(about, rows, {}))


def together(paths: Sequence[Path]) -> tuple[dict[str, Any], list[Row]]:
    """(about the job, rows by seed) of all databases; a cell that several have counts once

    A row without an error is taken before one with.
    """
    about, found = read(paths[0])
    names: dict[str, dict[str, None]] = {"criteria": {}, "methods": {}}
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
        for kind, known in names.items():
            known |= dict.fromkeys(other["settings"].get(kind) or [])
        left_out = {k: why for k, why in left_out.items() if k in other["left_out"]}
    seeds = {row["key"][1] for row in found.values()}
    about["settings"] |= {"seeds": sorted(seeds)} | {k: [*v] or None for k, v in names.items()}
    places = [{name: at for at, name in enumerate(known)} for known in reversed(names.values())]

    def order(row: Row) -> tuple[Any, ...]:
        kind, seed, *of = row["key"]
        known = places if len(of) > 1 else places[1:]
        return seed, [at.get(name, -1) for at, name in zip(known, of, strict=False)], kind

    kept = sorted(found.values(), key=order)
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


def method_lines(rows: Sequence[Row]) -> str:
    """The same of methods"""
    own = ["seed", "method", "criterion"]
    of_net = ["sparsity", "reached", "updates", "accuracy", "loss", "collapsed"]
    names = [*own, *of_net, "multiply_adds", "bytes", "seconds_of_cell", *MACHINE, "error"]
    body = io.StringIO()
    table = csv.DictWriter(body, names, restval="", lineterminator="\n")
    table.writeheader()
    for row in rows:
        cell = dict(zip(own, row["key"][1:], strict=True)) | {k: row[k] for k in MACHINE}
        cell |= {"seconds_of_cell": row["seconds"], "error": row["error"] or ""}
        if row["key"][0] == "method" or row["error"]:
            for net in (row["made"] or {}).get("nets", [{}]):
                cost = net.get("cost", {})
                told = {k: net[k] for k in of_net if k in net}
                told |= {"multiply_adds": cost.get("macs", ""), "bytes": cost.get("bytes", "")}
                table.writerow(cell | told)
    return body.getvalue().rstrip("\n")
