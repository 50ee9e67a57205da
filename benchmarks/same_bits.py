"""Same arguments, same bits: 100 processes with 1 and 2 Numba threads, hash seeds and locales.

The digest is over a training, scores, masks, a smaller and a sparse model, and their files.
"""

import hashlib
import io
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import minprune as mp
from benchmarks.harness import Row, within

PROCESSES, FEW = 100, 4
LOCALES = ("C", "C.UTF-8", "POSIX", "en_US.UTF-8")
COMMAND = "from benchmarks.same_bits import digest; print(digest())"


def run(quick: bool, data: Path | None) -> list[Row]:
    """How many processes have another digest than the first one."""
    n = FEW if quick else PROCESSES
    with ThreadPoolExecutor(1 if quick else min(os.cpu_count() or 1, 4)) as pool:
        found = list(pool.map(in_a_process, range(n)))
    counts = Counter(found)
    most, alike = counts.most_common(1)[0]
    return [
        within(
            f"of {n} processes, those with other bits", n - alike, 0, "",
            "; ".join(f"{k}: {d[:60]}" for k, d in enumerate(found) if d != most)[:300]
            or f"digest {most[:16]}",
        )
    ]  # fmt: skip


def in_a_process(k: int) -> str:
    """The digest that the k-th process prints, or what went wrong there"""
    env = os.environ | {
        "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": str(1 + k % 2), "PYTHONHASHSEED": str(k),
        "LC_ALL": LOCALES[k // 2 % len(LOCALES)], "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": str(k // 4 % 2), "TZ": ("UTC", "Asia/Tokyo")[k // 3 % 2],
    }  # fmt: skip
    root = str(Path(__file__).parent.parent)
    env["PYTHONPATH"] = os.pathsep.join([root, env.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", COMMAND], env=env, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-200:]


def digest() -> str:
    """sha256 of what a short piece of work gives"""
    data = mp.data.digits()
    few = mp.Dataset(*((x[:300], y[:300]) for x, y in (data.train, data.val, data.test)))
    found = hashlib.sha256()

    def add(*parts: object) -> None:
        for part in parts:
            if isinstance(part, mp.Model):
                mp.save(part, content := io.BytesIO())
                found.update(content.getvalue())
            elif isinstance(part, dict):
                add(*part, *part.values())
            elif isinstance(part, np.ndarray):
                found.update(part.tobytes())
            else:
                found.update(repr(part).encode())

    model, history = mp.fit(
        mp.zoo.cnn_small(few, seed=0), few, epochs=1, batch_size=32, seed=1, progress=False
    )
    add(model, history.steps)
    for name in ("magnitude", "taylor", "random"):
        add(mp.score(model, few.val, name, seed=2))
    units = mp.score(model, few.val, "taylor", unit=True)
    add(units, mp.compact(mp.prune(model, units, sparsity=0.5)))
    moving = mp.methods.start_sparse(mp.zoo.mlp(few, (16,), seed=0), 0.8, "erk", seed=3)
    for method in (mp.methods.SET(), mp.methods.RigL(every=3)):
        trained, history = mp.fit(moving, few, epochs=2, method=method, progress=False)
        add(trained, history.steps, mp.sparsify(trained, "csr")(few.test[0]))
    plain = mp.zoo.mlp(few, (16,), seed=0)
    add(mp.methods.obs(plain, few.train, scale="layer", sparsity=0.5, progress=False).model)
    share = mp.sensitivity(plain, few, sparsities=(0.5, 0.9), progress=False).allocate(0.1)
    add(share, mp.find_sparsity(plain, few, progress=False).sparsity)
    return found.hexdigest()
