"""time = call + moved x a + multiply-adds x b: what each format costs on this machine.

The three costs are measured once, kept in a file of the user's cache folder, and shown by printing
them.
"""

import functools
import json
import os
import platform
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import gmtime, strftime
from typing import Any

import numpy as np

from minprune import kernels
from minprune.errors import FileError, MinpruneWarning
from minprune.files import write_atomic
from minprune.sparse.calibrate import BATCHES, measure
from minprune.text import table
from minprune.train.fingerprint import digest, threads

COSTS = "nanoseconds", "calls", "moves"
HEADER = ["format", "ns per multiply-add", "ns per value moved", "ns per call"]
_unkept: dict[str, "Speeds"] = {}  # by machine: measured by this process, and in no file


@dataclass(frozen=True)
class Speeds:
    """What the formats cost on a machine; print it for a table.

    nanoseconds of a pass = calls + moves x values moved + nanoseconds x multiply-adds

    Parameters
    ----------
    machine : str
        CPU, kernels and threads.
    nanoseconds : dict
        Of one multiply-add of a live weight: {"csr, batch 64": 0.05, ...}.
    calls, moves : dict, optional
        Of a call, and of a value that is copied or written; 0 unless given.
    when, where : str, default ""
        When it was measured; the file that keeps it, or why there is none.

    Examples
    --------
    >>> import minprune as mp
    >>> print(mp.sparse.Speeds("one core", {"csr, batch 1": 0.25}, {"csr, batch 1": 4321.0}))
    one core
    format        ns per multiply-add  ns per value moved  ns per call
    ------------  -------------------  ------------------  -----------
    csr, batch 1               0.2500               0.000         4321
    """

    machine: str
    nanoseconds: dict[str, float]
    calls: dict[str, float] = field(default_factory=dict)
    moves: dict[str, float] = field(default_factory=dict, repr=False)
    when: str = field(default="", repr=False)
    where: str = field(default="", repr=False)

    def rows(self) -> list[list[str]]:
        """A row for each name, under HEADER"""
        return [
            [name, f"{ns:.4f}", f"{self.moves.get(name, 0):.3f}", f"{self.calls.get(name, 0):.0f}"]
            for name, ns in self.nanoseconds.items()
        ]

    def __str__(self) -> str:
        about = [f"measured {self.when}, {self.where}"] if self.when else []
        return "\n".join([self.machine, *about, table(HEADER, self.rows())])


def measured() -> Speeds | None:
    """The speeds of this machine, if they are known without measuring"""
    machine = here()
    return parsed(machine, kept().get(machine)) or _unkept.get(machine)


def speeds(again: bool = False) -> Speeds:
    """Return the speeds of this machine, from the cache folder, or measured and kept there.

    To measure takes less than a second, with NumPy alone 3 seconds. The file is speeds.json in
    MINPRUNE_CACHE, or else in the folder minprune of XDG_CACHE_HOME or ~/.cache. It holds one entry
    for each machine; another CPU, backend or thread count is another machine. An entry that is
    absent, damaged or of other kernels is replaced. If the file cannot be written, or the
    machine was too busy to trust what was measured (a warning), the result is used by this process
    alone.

    Parameters
    ----------
    again : bool, default False
        Whether to measure again.

    Returns
    -------
    Speeds
        What the formats cost.

    Examples
    --------
    >>> import minprune as mp
    >>> "csr, batch 64" in mp.sparse.speeds().nanoseconds
    True
    """
    machine, before = here(), kept()
    if not again and (found := measured()) is not None:
        return found
    nanoseconds, calls, moves, doubt = measure()
    when = strftime("%Y-%m-%d %H:%M UTC", gmtime())
    made = Speeds(machine, nanoseconds, calls, moves, when)
    if not doubt and keep(made, before):
        return replace(made, where=f"kept in {path()}")
    why = doubt or "the cache folder cannot be written to"
    _unkept[machine] = made = replace(made, where=f"not kept: {why}")
    if doubt:
        warnings.warn(
            f"speeds: {doubt}, as on a machine that is busy, so this process alone uses them; "
            f"call mp.sparse.speeds(again=True) when less is running",
            MinpruneWarning,
            stacklevel=2,
        )
    return made


def kept() -> dict[str, Any]:
    """The entries of the file, by machine; none if it is damaged"""
    try:
        found = json.loads(path().read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return found if isinstance(found, dict) else {}


def keep(made: Speeds, before: dict[str, Any]) -> bool:
    """Write it to the file, beside the other machines; True if that succeeded"""
    entry = {kind: getattr(made, kind) for kind in (*COSTS, "when")} | {"kernels": version()}
    try:
        write_atomic(path(), json.dumps(before | {made.machine: entry}, indent=1))
    except (FileError, RuntimeError):  # RuntimeError: the home folder is unknown
        return False
    return True


def parsed(machine: str, entry: Any) -> Speeds | None:
    """The speeds in an entry of the file, if it is complete and of these kernels"""
    try:
        costs = {kind: {name: float(entry[kind][name]) for name in names()} for kind in COSTS}
        sound = all(0 <= ns < np.inf for cost in costs.values() for ns in cost.values())
        if sound and entry["kernels"] == version():
            return Speeds(machine, **costs, when=str(entry["when"]), where=f"kept in {path()}")
    except (ValueError, LookupError, TypeError, OverflowError):
        pass
    return None


@functools.cache
def version() -> str:
    """A digest of the code of the kernels: other code has other speeds."""
    files = sorted(Path(kernels.__file__).parent.rglob("*.py"))
    return digest(*(file.read_text("utf-8") for file in files))


def names() -> list[str]:
    """Everything that is measured."""
    kinds = ("dense", "csr", "blocks", "N:M", "conv dense", "conv csr")
    return [f"{kind}, batch {n}" for n in BATCHES for kind in kinds]


def path() -> Path:
    """The file, in the folder of the user's cache."""
    given = os.environ.get("MINPRUNE_CACHE")
    if given:
        return Path(given, "speeds.json")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "minprune", "speeds.json")


def here() -> str:
    """What the speeds depend on: CPU, kernels and threads"""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text("utf-8").splitlines() if x.startswith("model name")]
        cpu = lines[0].partition(":")[2].strip() if lines else cpu
    ours = os.environ.get("NUMBA_NUM_THREADS") or f"all {os.cpu_count()}"
    return f"{cpu}, {kernels.backend()}, threads: {threads()} of BLAS, {ours} of kernels"
