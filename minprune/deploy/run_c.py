"""Exported C, compiled here by gcc and called through ctypes: for checks, and to measure it."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minprune.core import Array
from minprune.errors import MissingError

FLAGS = ("-std=c99", "-O3")
MANY = """
void many(const float *x, float *y, long n);
void many(const float *x, float *y, long n)
{{
    long k;
    for (k = 0; k < n; k++) {name}_run(x + k * {N}_INPUTS, y + k * {N}_OUTPUTS);
}}
"""


def run_c(folder: Path, name: str, outputs: int) -> tuple[str, Callable[[Array], Array]]:
    """(the compiler, x -> outputs) of the files that export_c wrote; MissingError without gcc"""
    gcc = shutil.which("gcc")
    if gcc is None:
        raise MissingError(
            f"check: gcc must be found to compile {name}.c, and is not; install it, or compile "
            f"{name}_test.c elsewhere, which checks what was written"
        )
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place, "many.c"), Path(place, "many.so")
        source.write_text(
            (folder / f"{name}.c").read_text() + MANY.format(name=name, N=name.upper())
        )
        where = [f"-I{folder.resolve()}", str(source), "-o", str(made)]
        subprocess.run([gcc, *FLAGS, "-fPIC", "-shared", *where, "-lm"], check=True)
        library = ctypes.CDLL(str(made))

    def run(x: Array) -> Array:
        x = np.ascontiguousarray(x, np.float32)
        y = np.empty((len(x), outputs), np.float32)
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (x, y))
        library.many(*pointers, ctypes.c_long(len(x)))
        return y

    return f"gcc {' '.join(FLAGS)}", run
