"""survivors / (mutants - equivalent ones) <= 5 % in each folder: what the tests do not notice.

    python -m benchmarks.mutation masking [--mutants 300]

A seeded sample of mutmut's mutants, without those of string literals. What has been killed is kept
in runs/mutation/ and not tried again, so that a second call tries the survivors; --fresh tries all.
The first call runs every test once, to learn which lines it reaches: half an hour of one core. A
mutant takes 1 to 2 seconds then. Why a survivor changes nothing that could be seen stands in
equivalent_mutants.json.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import Row, peer, within

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "runs" / "mutation"
SEED, MANY, FEW, TARGET = 0, 300, 30, 0.05


class Folder(NamedTuple):
    """Which files are mutated, which tests are tried, and in which environment."""

    files: tuple[str, ...]
    tests: tuple[str, ...] = ("tests/test_*.py",)
    environment: Mapping[str, str] = {"MINPRUNE_KERNELS": "numpy"}


# Compiling a loop takes a second, so loops are mutated and run as plain Python.
PLAIN = {"MINPRUNE_KERNELS": "numba", "NUMBA_DISABLE_JIT": "1"}
FOLDERS = {
    "criteria": Folder(("minprune/criteria/*.py",)),
    "masking": Folder(("minprune/masking/*.py",)),
    "curvature": Folder(("minprune/curvature/*.py",)),
    "schedule": Folder(("minprune/schedule.py", "minprune/train/rates.py")),
    "optimizers": Folder(("minprune/train/optim.py", "minprune/kernels/dense/optim_ref.py")),
    "optimizer_loops": Folder(
        ("minprune/kernels/dense/optim_jit.py",),
        ("tests/test_optim.py", "tests/test_kernel_oracles.py"),
        PLAIN,
    ),
    "structure": Folder(("minprune/structure/*.py",)),
}


def matching(patterns: Iterable[str]) -> list[str]:
    """The files of the repository that match, from its root."""
    hits = (path for pattern in patterns for path in sorted(ROOT.glob(pattern)))
    return [path.relative_to(ROOT).as_posix() for path in hits]


def equivalent() -> dict[tuple[str, str], str]:
    """{(file, change): why nothing that could be seen changes}"""
    entries = json.loads((ROOT / "benchmarks" / "equivalent_mutants.json").read_text())
    return {(e["file"], e["change"]): e["why"] for e in entries}


def tried(folder: str, size: int, fresh: bool = False) -> Row:
    """Try the mutants of a folder; their verdicts are left in runs/mutation/FOLDER.json."""
    peer("mutmut"), peer("coverage")
    for module in ("pytest", "numpy", "hypothesis.extra.numpy"):
        peer(module)  # before the forks
    from benchmarks import _mutants, _trials

    place, file = KEPT / folder, KEPT / f"{folder}.json"
    _trials.copied(ROOT, place)
    _trials.warmed(place)
    known = json.loads(file.read_text()) if file.exists() and not fresh else {}
    files, tests, environment = FOLDERS[folder]
    os.environ.update(environment)
    alike = [f for f in FOLDERS.values() if f.environment == environment]
    every = matching(pattern for f in alike for pattern in f.files)
    kept = KEPT / f"reach_{environment['MINPRUNE_KERNELS']}.json"
    reach = _trials.reached(place, every, matching(tests), kept)
    killers = Counter(v["by"].split("[")[0] for v in known.values() if v["by"])
    verdicts: dict[str, Any] = {}
    why = equivalent()
    for at, mutant in enumerate(_mutants.sample(ROOT, matching(files), size, SEED)):
        begin, verdict = time.perf_counter(), known.get(mutant.key)
        if not (verdict and verdict["by"]):
            batches = _trials.rounds(_trials.chosen(mutant, reach, killers), reach)
            length = sum(reach[test][0] for batch in batches for test in batch)
            by = _trials.trial(place, mutant, batches, length)
            killers[by.split("[")[0]] += 1
            verdict = {"by": by, "tests": sum(map(len, batches))}
            verdict["seconds"] = round(time.perf_counter() - begin, 2)
        verdict |= {"file": mutant.path, "line": mutant.line, "change": mutant.change}
        if not verdict["by"]:
            verdict["equivalent"] = why.get((mutant.path, mutant.change))
            print(f"{at}: {mutant.path}:{mutant.line} survives\n{mutant.change}", flush=True)
        verdicts[mutant.key] = verdict
        file.write_text(json.dumps({**known, **verdicts}, indent=1))
    file.write_text(json.dumps(verdicts, indent=1))
    return row(folder, list(verdicts.values()))


def row(folder: str, verdicts: list[dict[str, Any]]) -> Row:
    """The share of survivors, with the counts that it comes from."""
    killed = sum(bool(v["by"]) for v in verdicts)
    timeouts = sum(v["by"] == "timeout" for v in verdicts)
    same = sum(bool(v.get("equivalent")) for v in verdicts if not v["by"])
    left = len(verdicts) - killed - same
    note = f"{len(verdicts)} mutants, {killed} killed ({timeouts} timeouts), {same} equivalent"
    return within(folder, left / max(len(verdicts) - same, 1), TARGET, unit="", note=note)


def run(quick: bool, data: Path | None) -> list[Row]:
    """All folders in turn."""
    return [tried(folder, FEW if quick else MANY) for folder in FOLDERS]


def main() -> None:
    """One folder."""
    parser = argparse.ArgumentParser(description="Mutation testing of one folder.")
    parser.add_argument("folder", choices=FOLDERS)
    parser.add_argument("--mutants", type=int, default=MANY, metavar="N")
    parser.add_argument("--fresh", action="store_true", help="forget what was killed before")
    args = parser.parse_args()
    begin = time.perf_counter()
    found = tried(args.folder, args.mutants, args.fresh)
    seconds = time.perf_counter() - begin
    print(f"{found.name}: {found.ours:.3f} survive; {found.note}; {seconds:.0f} s")


if __name__ == "__main__":
    main()
