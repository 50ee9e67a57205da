"""A full disk at every write of fit, run and compare: one sentence, and no file is half-written.

The folder is on a small tmpfs, which is filled just before the k-th write, so that nothing of it
fits, or half. What was there before keeps its bytes; with room again the job ends as it would have.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks._jobs import JOBS, Job, ended, fork, unsound
from benchmarks.harness import AbsentError, Row, attempt, within
from minprune.files import atomic

SIZE, PAGE = "16m", 4096  # of the disk; how it counts
FILLER = "filler"


def run(quick: bool, data: Path | None) -> list[Row]:
    """Every write of every job; some of those of `fit` with --quick."""
    names, step = (["fit"], 19) if quick else (list(JOBS), 1)
    return [r for n in names for r in attempt(f"{n}: full disk", lambda n=n: rows(JOBS[n], step))]  # type: ignore[misc]


def rows(job: Job, step: int = 1) -> list[Row]:
    """What is wrong after a full disk at the first, the (1 + step)-th, ... write of the job"""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        whole = here / "whole"
        whole.mkdir()
        ended(fork(lambda: job.work(whole), here / "said"))
        want, k, tried = job.made(whole), 1, 0
        while True:
            with small_disk(here / "disk") as disk:
                found = full_at(k, job, disk, here, want)
            if found is None:  # there is no k-th write
                break
            wrong += [f"write {k}: {w}" for w in found]
            k, tried = k + step, tried + 1
    note = "; ".join(wrong[:3]) or "the disk was full at each of them"
    return [
        Row(f"{job.name}: writes", tried, None, None, None, tried > 0, unit=""),
        within(f"{job.name}: wrong at a full disk", len(wrong), 0, "", note),
    ]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A tmpfs of SIZE; raises AbsentError where nothing may be mounted"""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as e:
        raise AbsentError(f"no disk can be mounted ({e}); run it as root on Linux") from None
    if done.returncode:
        raise AbsentError(f"no disk can be mounted ({done.stderr.strip()}); run it as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def full_at(k: int, job: Job, disk: Path, here: Path, want: Any) -> list[str] | None:
    """What is wrong with a disk that is full at the k-th write; None: there was none"""
    out, said, seen = disk / "out", here / "said", here / "seen.json"
    out.mkdir()
    seen.unlink(missing_ok=True)
    code = ended(fork(lambda: filling(k, job, out, seen), said))
    if not seen.exists():
        return None
    lines, wrong = said.read_text("utf-8").splitlines(), []
    if code != 1 or len(lines) != 1 or "(No space left on device); " not in lines[0]:
        wrong.append(f"exit code {code}, {' | '.join(lines)[-300:]!r}")
    before: dict[str, str] = json.loads(seen.read_text("utf-8"))
    now = contents(out)
    wrong += [f"{name} has changed" for name, sha in before.items() if now.get(name) != sha]
    wrong += [f"{name} was left" for name in now if Path(name).name.startswith(".")]
    wrong += unsound(out)
    (disk / FILLER).unlink()
    code = ended(fork(lambda: job.work(out), said))
    if code or job.made(out) != want:
        wrong.append(f"with room again: exit code {code}, {said.read_text('utf-8')[-200:]!r}")
    return wrong


def filling(k: int, job: Job, out: Path, seen: Path) -> None:
    """The job, in a process of its own, with the disk full from its k-th write on"""
    real, left = atomic._replace, [k]

    def replace(path: Path, found: Any, content: Any) -> None:
        left[0] -= content is not None
        if left[0] == 0 and content is not None:
            seen.write_text(json.dumps(contents(out)))
            fill(out.parent / FILLER, len(content) // 2 if k % 2 else 0)
        real(path, found, content)

    atomic._replace = replace
    job.work(out)


def fill(path: Path, room: int) -> None:
    """A file that takes all of the disk but `room` bytes, in whole pages"""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT)
    size = 0
    try:
        while True:
            size += os.write(handle, bytes(PAGE))
    except OSError:
        os.ftruncate(handle, max(size - room // PAGE * PAGE, 0))
    finally:
        os.close(handle)


def contents(out: Path) -> dict[str, str]:
    """{file: sha256} of all files but locks"""
    files = [p for p in sorted(out.rglob("*")) if p.is_file() and not p.name.endswith(".lock")]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
