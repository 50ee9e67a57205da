"""What reading damaged files does: the answers, what they execute, memory and time, in processes.

Memory is what the process grows by at its peak; every TRACED-th file is also read under
tracemalloc, which sees what is allocated where freed memory is used again.
"""

import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, within
from minprune.errors import FileError

PIECE, TRACED = 500, 40  # files a task; one of so many is read under tracemalloc
LONGEST = 500  # characters of a sentence


@dataclass(frozen=True)
class Subject:
    """What is read: functions that are found by name, so that each process has them

    loads: ways to read a file, each of which answers; judge(values, content, k): what is wrong with
    the values (None: not read) of the k-th file, and whether one was read. room: bytes beside twice
    the file.
    """

    originals: Callable[[], tuple[bytes, ...]]
    damaged: Callable[[int], tuple[str, bytes]]
    loads: tuple[Callable[[Any], Any], ...]
    judge: Callable[[list[Any], bytes, int], tuple[str, bool]]
    room: int


def answer(load: Callable[[Path], Any], path: Path) -> tuple[str, Any]:
    """(what is wrong or "", the value or None)

    Wrong is any exception but FileError, a warning, and a sentence that is none: of more than one
    line, of LONGEST characters or more, or without the path at its beginning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return "", load(path)
    except FileError as e:
        text = str(e)
        if not text.startswith(f"{path}: ") or len(text.splitlines()) != 1 or len(text) >= LONGEST:
            return f"no sentence: {text[:80]!r}", None
        return "", None
    except BaseException as e:  # SystemExit too: a pickle may have been obeyed
        return f"{type(e).__name__}: {str(e)[:80]}", None


def verdict(subject: Subject, path: Path) -> tuple[str, int, float]:
    """(what is wrong or "", bytes at the peak, seconds) of reading a file in each way"""
    wrong, peaks, begin = [], [], time.perf_counter()
    for load in subject.loads:
        tracemalloc.start()
        try:
            wrong.append(answer(load, path)[0])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return "; ".join(filter(None, wrong)), max(peaks), time.perf_counter() - begin


# --- many files in forked processes

FORBIDDEN = (  # audit events, of which reading a file causes none
    "exec", "import", "pickle.find_class", "marshal.loads", "os.system", "os.exec", "os.fork",
    "os.posix_spawn", "subprocess.Popen", "socket.connect", "ctypes.dlopen", "os.remove",
    "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree",
)  # fmt: skip
events: list[str] = []  # the forbidden ones, while `watching`
watching = False


def hook(event: str, args: tuple[Any, ...]) -> None:
    """Notes what a file made the process do."""
    if watching and (event in FORBIDDEN or (event == "open" and args[1] not in ("rb", "r"))):
        events.append(f"{event} {str(args[:2])[:60]}")


@dataclass
class Tally:
    """What was found in some of the files."""

    files: int = 0
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    loaded: int = 0
    grown: tuple[int, str] = (-(2**62), "")  # bytes beyond twice the file, and which
    traced: tuple[int, str] = (-(2**62), "")
    slowest: tuple[float, str] = (0.0, "")

    def add(self, other: "Tally") -> None:
        self.files += other.files
        self.wrong += other.wrong
        self.kinds += other.kinds
        self.loaded += other.loaded
        self.grown, self.traced = max(self.grown, other.grown), max(self.traced, other.traced)
        self.slowest = max(self.slowest, other.slowest)


def memory(what: bytes) -> int:
    """VmHWM (the peak since the last reset) or VmRSS of this process in bytes; 0 if unknown"""
    try:
        with open("/proc/self/status", "rb", buffering=0) as f:
            return int(f.read().partition(what + b":")[2].split(None, 1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        return 0


def reset_peak() -> None:
    """VmHWM = VmRSS, where the system allows it"""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as f:
            f.write(b"5")
    except OSError:
        pass


def examined(subject: Subject, task: tuple[range, str]) -> Tally:
    """The verdicts on some files; each process has a file of its own in the folder"""
    global watching
    ks, folder = task
    path, found = Path(folder, f"{os.getpid()}.npz"), Tally(len(ks))
    for k in ks:
        kind, content = subject.damaged(k)
        path.write_bytes(content)
        label = f"file {k}, {kind}, {len(content)} B"
        reset_peak()
        before, begin = memory(b"VmRSS"), time.perf_counter()
        watching = True
        answers = [answer(load, path) for load in subject.loads]
        watching = False
        seconds = time.perf_counter() - begin
        grown = memory(b"VmHWM") - before
        unsound, loaded = subject.judge([value for _, value in answers], content, k)
        wrong = [what for what, _ in answers] + [unsound]
        if events:
            wrong.append(f"it caused {events[0]}")
            events.clear()
        found.loaded += loaded
        found.kinds[kind] += 1
        found.wrong += [f"{label}: {w}" for w in wrong if w]
        found.grown = max(found.grown, (grown - 2 * len(content), label))
        found.slowest = max(found.slowest, (seconds, label))
        if k % TRACED == 0:
            found.traced = max(found.traced, (verdict(subject, path)[1] - 2 * len(content), label))
    return found


def watch(subject: Subject) -> None:
    """In each process: note what files make it do, and have all imported that reading needs"""
    sys.addaudithook(hook)
    import_module("unicodedata")  # by which Python reads "\N{DIGIT ONE}" in a header of .npy
    with tempfile.TemporaryDirectory() as folder:
        for content in subject.originals():
            path = Path(folder, "w")
            path.write_bytes(content)
            assert any(answer(load, path)[1] is not None for load in subject.loads)


def fuzzed(subject: Subject, n: int, workers: int) -> Tally:
    """The verdicts on the first n files"""
    found = Tally()
    subject.originals()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(range(k, min(k + PIECE, n)), folder) for k in range(0, n, PIECE)]
        with warnings.catch_warnings():  # of Python 3.12, about threads: ours do not hold locks
            warnings.simplefilter("ignore", DeprecationWarning)
            pool = multiprocessing.get_context("fork").Pool(workers, watch, (subject,))
        with pool:
            for part in pool.imap_unordered(partial(examined, subject), tasks):
                found.add(part)
    return found


def rows(subject: Subject, n: int, quick: bool) -> list[Row]:
    """Wrong answers, memory beyond twice the file, and the slowest answer."""
    begin = time.perf_counter()
    found = fuzzed(subject, n, 1 if quick else min(os.cpu_count() or 1, 4))
    seconds = time.perf_counter() - begin
    mb, most = 2**20, subject.room / 2**20
    return [
        within(
            f"{found.files:,} files in {len(found.kinds)} ways, wrong answers", len(found.wrong), 0,
            "", "; ".join(found.wrong[:3]) or f"{found.loaded:,} were loaded",
        ),
        within("memory beyond twice the file, resident", found.grown[0] / mb, most, "MB",
               found.grown[1]),
        within("memory beyond twice the file, traced", found.traced[0] / mb, most, "MB",
               found.traced[1]),
        Row("files a second", n / seconds, None, None, None, None, unit=""),
        Row("slowest answer", found.slowest[0], None, None, None, None, note=found.slowest[1]),
    ]  # fmt: skip
