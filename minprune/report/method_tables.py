"""The tables and sentences of `minprune compare --methods`: intervals in words.

A table has a row for each method and a column for each sparsity.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minprune.measures.measure import share
from minprune.report.compare_page import Titled, shown
from minprune.report.run_page import percent

Map = Mapping[str, Any]
DENSE = "dense"
HALF = "half of the 95 % interval"


def method_tables(result: Map) -> list[Titled]:
    """Accuracies, and differences from the reference: by seed, or for one seed by test sample"""
    rows, reference = result.get("summary", []), result.get("reference")
    many = most_seeds(rows)
    half = f", mean ({HALF} over {many} seeds)" if many > 1 else ""
    marked = "; !: no better than chance" * any(row["collapsed"] for row in rows)
    minus = (
        f"Percentage points above {reference}, paired by seed ({HALF})"
        if many > 1
        else f"Test samples that it alone has right, and that {reference} alone has right"
    )
    found = [
        of(rows, f"Test accuracy in %{half}{marked}", accuracy, updates=True),
        of(rows, f"{minus}; =: not told apart", difference if many > 1 else samples),
    ]
    return [titled for titled in found if titled[2]]


def most_seeds(rows: Sequence[Map]) -> int:
    """Of a row of the summary"""
    return max((len(row["seeds"]) for row in rows), default=0)


def of(
    rows: Sequence[Map], title: str, cell: Callable[[Map], str | None], updates: bool = False
) -> Titled:
    """A table of cell(row); updates: with those of each net"""
    sparsities = list(dict.fromkeys(row["sparsity"] for row in rows))
    found: dict[str, dict[float, str]] = {}
    spent: dict[str, set[int]] = {}
    for row in rows:
        if (words := cell(row)) is not None:
            found.setdefault(row["label"], {})[row["sparsity"]] = words
            spent.setdefault(row["label"], set()).update(row["updates"])
    lines = [[label, *(cells.get(s, "-") for s in sparsities)] for label, cells in found.items()]
    header = ["method", *(f"{percent(s)} %" for s in sparsities)]
    if updates:
        header.append("updates")
        lines = [[*line, " ".join(f"{n:,}" for n in sorted(spent[line[0]]))] for line in lines]
    return title, header, lines


def accuracy(row: Map) -> str:
    """97.22 (0.40) !"""
    return shown(row["accuracy"]) + " !" * bool(row["collapsed"])


def difference(row: Map) -> str | None:
    """+0.28 (0.55) =; None for the reference"""
    if row["minus"] is None:
        return None
    return shown(row["minus"], sign="+") + " =" * (row["apart"] is False)


def samples(row: Map) -> str | None:
    """+12 -7 =; None for the reference"""
    if row["images"] is None:
        return None
    gained, lost = row["images"]
    return f"+{gained} -{lost}" + " =" * (row["apart"] is False)


def headline(result: Map) -> str:
    """Who is best at the highest sparsity, beside the reference and the dense net"""
    rows = result.get("summary", [])
    if not rows:
        return ""
    top, reference = max(row["sparsity"] for row in rows), result["reference"]
    at = {row["label"]: row for row in rows if row["sparsity"] == top}
    pruned = [label for label in at if label != DENSE and not misses(at[label])]
    if not pruned:
        return ""
    best = max(pruned, key=lambda label: at[label]["accuracy"][0])
    said = f"At {percent(top)} % sparsity {best} {share(at[best]['accuracy'][0])} is the best"
    said += " mean" * (most_seeds(rows) > 1) + ", COLLAPSED to chance" * bool(at[best]["collapsed"])
    if best != reference and reference in at:
        alike = ", not told apart from it" * (at[best]["apart"] is False)
        said += f" ({reference} {share(at[reference]['accuracy'][0])}{alike})"
    return said + (f"; dense: {share(at[DENSE]['accuracy'][0])}" if DENSE in at else "")


def notes(result: Map, test: int) -> list[str]:
    """What every net was given, what the intervals mean, and what was not reached"""
    rows = result["summary"]
    found, many = [budget(result), doubt(result, test)], most_seeds(rows)
    fewer = {r["label"]: len(r["seeds"]) for r in rows if len(r["seeds"]) < many}
    found += [f"{label}: {n} of {many} seeds" for label, n in fewer.items()]
    return found + [
        f"{row['label']} has a sparsity of {100 * row['reached']:.1f} % where "
        f"{percent(row['sparsity'])} % was asked"
        for row in rows
        if row["label"] != DENSE and misses(row)
    ]


def misses(row: Map) -> bool:
    """Whether its nets have another sparsity than was asked, by half a point"""
    return bool(abs(row["reached"] - row["sparsity"]) > 0.005)


def budget(result: Map) -> str:
    """What every net was trained for, and the learning rate"""
    s, updates = result["settings"], {n for row in result["summary"] for n in row["updates"]}
    spent = f"{min(updates):,} updates" if len(updates) == 1 else "the updates of its row"
    total = s["epochs"] + s["rounds"] * s["fine_tune"]
    prunings = f"{s['rounds']} prunings" if s["rounds"] > 1 else "a pruning"
    return (
        f"Each net is trained for {spent}, {total} epochs: {s['epochs']}, then {prunings} with "
        f"{s['fine_tune']} after it, or as its method divides them; the learning rate falls from "
        f"{s['lr']:g} to {s['lr'] * s['last_rate']:g} by a cosine in each training, and finetune "
        f"continues at the last"
    )


def doubt(result: Map, test: int) -> str:
    """What one test sample is, and what = means"""
    rows, image = result["summary"], f"One test sample of {test:,} is {100 / test:.2f} points"
    if most_seeds(rows) > 1:
        few = (
            "; two seeds may differ alike by chance, and the interval is then far too narrow: "
            "take 3 or more"
        ) * (most_seeds(rows) == 2)
        return (
            f"{image}; =: the 95 % t interval of the differences over the seeds, or one test "
            f"sample if that is wider, holds 0{few}"
        )
    mine = [row for row in rows if row["label"] == result["reference"] and row["binomial"]]
    where = "".join(
        f"; {row['label']} at {percent(row['sparsity'])} % is between {100 * low:.1f} and "
        f"{100 * high:.1f} % (95 %, binomial)"
        for row in mine[-1:]
        for low, high in [row["binomial"]]
    )
    return f"{image}{where}; =: McNemar's test tells no difference at 95 % (one seed)"


def method_alerts(result: Map) -> list[str]:
    """Which nets are no better than chance"""
    found: dict[float, list[str]] = {}
    for row in result.get("summary", []):
        if row["collapsed"]:
            some = f" ({row['collapsed']} of {len(row['seeds'])} seeds)"
            some *= row["collapsed"] < len(row["seeds"])
            found.setdefault(row["sparsity"], []).append(row["label"] + some)
    at = [f"at {percent(s)} %: {', '.join(found[s])}" for s in sorted(found)]
    return [f"COLLAPSED to chance: {'; '.join(at)}"] if at else []
