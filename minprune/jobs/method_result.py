"""The result of a comparison of methods from its rows: means and intervals over seeds, by pairs.

difference_k = accuracy of seed k - that of the reference with the same seed; its t interval says
whether the two are told apart. For one seed McNemar's test does, on the test samples.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minprune.core import Array
from minprune.errors import MinpruneError
from minprune.jobs.compare_result import again
from minprune.jobs.job import Result
from minprune.jobs.method_cells import DENSE, Entry
from minprune.jobs.store import Row
from minprune.measures.intervals import mcnemar, t_interval, wilson
from minprune.report.compare_page import reasons
from minprune.report.method_tables import headline, method_alerts, method_tables, notes
from minprune.text import table, wrapped

LEVEL = 0.95  # of all intervals
FIRST = "finetune"  # what the others are compared with, where it is there
KINDS = {"first": "train before pruning", "method": "methods"}  # of cells, in words
Map = Mapping[str, Any]


def gathered(about: Result, rows: Sequence[Row], since: Map) -> Result:
    """The result of these rows; since: seconds before them

    A method that failed for a seed is left out. Raises MinpruneError where no other than the dense
    net is left.
    """
    missing = dict(about["left_out"]) | failures(rows)
    nets = [net for row in rows for net in (row["made"] or {}).get("nets", [])]
    nets = [net for net in nets if name(net) not in missing]
    labels = list(dict.fromkeys(map(name, nets)))
    if labels in ([], [DENSE]):
        why = "; ".join(missing.values()) or "no cell has ended"
        raise MinpruneError(f"no method could be compared: {why}")
    others = [label for label in labels if label != DENSE]
    reference = next((label for label in others if label.split(",")[0] == FIRST), others[0])
    found = summary(nets, reference, about["settings"]["sparsities"])
    test = about["data"]["test"]
    result = about | {
        "left_out": [{"criterion": label, "why": why} for label, why in missing.items()],
        "reference": reference,
        "nets": [{k: v for k, v in net.items() if k != "right"} for net in nets],
        "summary": found,
        "seconds": {"of": seconds(rows, since)},
    }
    return result | {"notes": [*notes(result, test), *repeats(nets), *again(rows)]}


def name(net: Map) -> str:
    """What a net is called in tables"""
    return str(Entry(net["method"], net["criterion"]))


def failures(rows: Sequence[Row]) -> dict[str, str]:
    """{what failed: why}: a method, or the first training that it begins with"""
    found = {}
    for row in rows:
        if row["error"] is not None:
            kind, seed, method, criterion = row["key"]
            label = str(Entry(method, criterion))
            why = row["error"].removeprefix(f"{method}: ")
            found[label if kind == "method" else f"all that trains as {label}, seed {seed}"] = why
    return found


def summary(nets: Sequence[Map], reference: str, sparsities: Sequence[float]) -> list[Result]:
    """A row for each (label, sparsity), in the order of the nets; the dense net is at all of them

    {"label", "sparsity", "seeds", "accuracy": [mean, half of the interval], "minus": the same of
    the differences from the reference, "apart": whether 0 is outside of it, ...}; None for what one
    seed does not have.
    """
    of: dict[tuple[str, float], dict[int, Map]] = {}
    for net in nets:
        for sparsity in sparsities if net["method"] == DENSE else [net["sparsity"]]:
            of.setdefault((name(net), sparsity), {})[net["seed"]] = net
    return [row(label, s, mine, of.get((reference, s), {})) | (
        {"minus": None, "apart": None, "images": None} if label == reference else {}
    ) for (label, s), mine in of.items()]  # fmt: skip


def row(label: str, sparsity: float, mine: Mapping[int, Map], theirs: Mapping[int, Map]) -> Result:
    """Of one label at one sparsity; mine, theirs: {seed: net}"""
    both = sorted(mine.keys() & theirs.keys())
    pairs = [(mine[seed], theirs[seed]) for seed in both]
    minus = interval([a["accuracy"] - b["accuracy"] for a, b in pairs]) if pairs else None
    images = against(*pairs[0]) if len(pairs) == 1 else None
    if minus and minus[1] is not None and minus[0] is not None:
        # seeds may differ alike by chance: nothing is told below one test sample
        apart: bool | None = abs(minus[0]) > max(minus[1], 1 / pairs[0][0]["samples"])
    else:
        apart = mcnemar(*images) < 1 - LEVEL if images else None
    return {
        "label": label, "sparsity": sparsity, "seeds": sorted(mine),
        "accuracy": interval([mine[seed]["accuracy"] for seed in sorted(mine)]),
        "minus": minus, "apart": apart, "images": images,
        "updates": sorted({net["updates"] for net in mine.values()}),
        "reached": mean([net["reached"] for net in mine.values()]),
        "collapsed": sum(net["collapsed"] for net in mine.values()),
        "cost": {k: mean([net["cost"][k] for net in mine.values()]) for k in ("macs", "bytes")},
        "binomial": binomial(list(mine.values())),
    }  # fmt: skip


def interval(values: Sequence[float]) -> list[float | None]:
    """[mean, half of its t interval]; None for the latter of one value"""
    middle, _, high = t_interval(values, LEVEL)
    return [middle, high - middle if math.isfinite(high) else None]


def mean(values: Sequence[float]) -> float:
    """sum / n"""
    return math.fsum(values) / len(values)


def binomial(nets: Sequence[Map]) -> list[float] | None:
    """Wilson's interval of the accuracy on the test samples; None for several seeds"""
    if len(nets) > 1 or not nets[0]["right"]:
        return None
    right = answers(nets[0])
    return list(wilson(int(right.sum()), nets[0]["samples"], LEVEL))


def against(a: Map, b: Map) -> list[int]:
    """[samples that a alone has right, that b alone has right]"""
    mine, theirs = answers(a), answers(b)
    return [int((mine & ~theirs).sum()), int((theirs & ~mine).sum())]


def answers(net: Map) -> Array:
    """Which test samples it has right, as bits, and zeros to whole bytes"""
    return np.unpackbits(np.frombuffer(bytes.fromhex(net["right"]), np.uint8)).astype(bool)


def repeats(nets: Sequence[Map]) -> list[str]:
    """A sentence for each method that made the same nets as an earlier one"""
    made: dict[str, list[Any]] = {}
    for net in nets:
        mine = {k: v for k, v in net.items() if k not in ("method", "criterion", "updates")}
        made.setdefault(name(net), []).append(mine)
    labels = list(made)
    firsts = [next(first for first in labels if made[first] == made[label]) for label in labels]
    return [
        f"{label} repeats {first}: the same nets in every cell"
        for label, first in zip(labels, firsts, strict=True)
        if label != first
    ]


def seconds(rows: Sequence[Row], since: Map) -> dict[str, float]:
    """Seconds of each kind of cell, summed over the workers"""
    of = dict(since) | dict.fromkeys(KINDS.values(), 0.0)
    for each in rows:
        of[KINDS[each["key"][0]]] += each["seconds"]
    return of | {"total": sum(of.values())}


def tables(result: Result) -> str:
    """The tables of a result, what was left out, and where the time went"""
    each = method_tables(result)
    parts = [f"{wrapped(title)}\n\n{table(header, rows)}" for title, header, rows in each]
    took = ", ".join(f"{kind} {s:.1f} s" for kind, s in result["seconds"]["of"].items())
    left = [f"left out: {names}: {why}" for why, names in reasons(result["left_out"]).items()]
    said = [headline(result), *result["notes"], *method_alerts(result), *left, took]
    return "\n\n".join(part for part in [*parts, *map(wrapped, said)] if part)
