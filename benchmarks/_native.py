"""C that is built and called here: what we export, a naive dense net, emlearn's.

`naive` is the floor of the field: every weight in a plain loop. A library is called with many
samples at a time, so that Python's share of a call is small.
"""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._litert import Layers
from benchmarks.harness import AbsentError, peer
from minprune.core import Array
from minprune.deploy import Program
from minprune.deploy import steps as kinds

MANY = """
void many(const {given} *x, {found} *y, long n);
void many(const {given} *x, {found} *y, long n)
{{
    for (long k = 0; k < n; k++) {call};
}}
"""


@dataclass(frozen=True)
class Built:
    """many(x): outputs of all samples; sections: bytes of code, constants and working memory"""

    many: Callable[[Array], Array]
    code: int
    data: int
    ram: int

    @property
    def sizes(self) -> str:
        return f"{self.code:,} B code, {self.data:,} B constants, {self.ram:,} B memory"


def gcc() -> str:
    """The compiler's path"""
    if found := shutil.which("gcc"):
        return found
    raise AbsentError("gcc is not on the path; apt-get install gcc")


def build(
    text: str, call: str, shapes: tuple[int, int], flags: Sequence[str] = ("-std=c99", "-O2"),
    kinds: tuple[str, str] = ("float", "float"), include: Sequence[Path] = (),
) -> Built:  # fmt: skip
    """The library of a source and a call of it with x + i k and y + o k

    shapes: the numbers of inputs and outputs, which `call` names I and O; kinds: their types in C.
    """
    types = {"float": np.float32, "unsigned char": np.uint8, "int": np.int32}
    given, found = kinds
    call = call.replace("I", str(shapes[0])).replace("O", str(shapes[1]))
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "timed.c"), Path(folder, "timed.so")
        source.write_text(text + MANY.format(given=given, found=found, call=call))
        where = [f"-I{place}" for place in include]
        command = [gcc(), *flags, *where, str(source)]
        subprocess.run([*command, "-fPIC", "-shared", "-o", str(made), "-lm"], check=True)
        library = ctypes.CDLL(str(made))
        source.write_text(text)
        subprocess.run([*command, "-c", "-o", str(made)], check=True)
        listed = subprocess.run(["size", "-A", str(made)], check=True, capture_output=True)
    sections = dict.fromkeys(("text", "rodata", "data", "bss"), 0)
    for line in listed.stdout.decode().splitlines():
        words = line.split()
        kind = words[0].split(".")[1] if words and words[0].startswith(".") else ""
        if kind in sections:
            sections[kind] += int(words[1])

    def many(x: Array) -> Array:
        x = np.ascontiguousarray(x, types[given])
        y = np.zeros((len(x), shapes[1]), types[found])
        library.many(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p),
                     ctypes.c_long(len(x)))  # fmt: skip
        return y

    code, data = sections["text"], sections["rodata"] + sections["data"]
    return Built(many, code, data, sections["bss"])


def naive(program: Program) -> str:
    """net_run(x, y) of dense layers, convolutions and pools, in loops over everything"""
    sizes = [int(np.prod(shape)) for shape in program.shapes]
    parts = [f"static float v{k}[{n}];" for k, n in enumerate(sizes) if k]
    body = []
    for k, step in enumerate(program.steps, 1):
        (r,) = step.reads
        x, y = "x" if r == 0 else f"v{r}", f"v{k}"
        if isinstance(step, kinds.Mixing):
            for letter, a in (("w", step.weight), ("b", step.bias)):
                numbers = ", ".join(f"{float(v)!r}f" for v in a.ravel())
                parts.append(f"static const float {letter}{k}[{a.size}] = {{{numbers}}};")
        body.append(_loops(step, program.shapes[r], k, x, y))
    last = f"for (int o = 0; o < {sizes[-1]}; o++) out[o] = v{len(sizes) - 1}[o];"
    head = "void net_run(const float *x, float *out)"
    return "\n".join([*parts, f"{head};", head, "{", *body, last, "}"])


def _loops(step: kinds.Step, shape: tuple[int, ...], k: int, x: str, y: str) -> str:
    if isinstance(step, kinds.View):
        return f"for (int i = 0; i < {int(np.prod(shape))}; i++) {y}[i] = {x}[i];"
    if isinstance(step, kinds.Linear):
        o, i = step.weight.shape
        return (f"for (int o = 0; o < {o}; o++) {{ float a = b{k}[o];"
                f" for (int i = 0; i < {i}; i++) a += w{k}[o * {i} + i] * {x}[i];"
                f" {y}[o] = {_act(step)}; }}")  # fmt: skip
    (c, h, w), (o, p, q) = shape, step.out
    loops = zip("opq", (o, p, q), strict=True)
    over = " ".join(f"for (int {v} = 0; {v} < {n}; {v}++)" for v, n in loops)
    to = f"{y}[(o * {p} + p) * {q} + q]"
    if isinstance(step, kinds.Convolve) and not any(step.padding) and step.groups == 1:
        (m, n), (s, t) = step.weight.shape[2:], step.stride
        at = f"{x}[(i * {h} + p * {s} + u) * {w} + q * {t} + v]"
        return (f"{over} {{ float a = b{k}[o]; for (int i = 0; i < {c}; i++)"
                f" for (int u = 0; u < {m}; u++) for (int v = 0; v < {n}; v++)"
                f" a += w{k}[((o * {c} + i) * {m} + u) * {n} + v] * {at};"
                f" {to} = {_act(step)}; }}")  # fmt: skip
    if isinstance(step, kinds.Largest) and not any(step.padding):
        (m, n), (s, t) = step.kernel, step.stride
        at = f"{x}[(o * {h} + p * {s} + u) * {w} + q * {t} + v]"
        return (f"{over} {{ float a = -1e30f; for (int u = 0; u < {m}; u++)"
                f" for (int v = 0; v < {n}; v++) if ({at} > a) a = {at}; {to} = a; }}")  # fmt: skip
    raise AbsentError(f"the naive C has no loop for {type(step).__name__}")


def _act(step: kinds.Acting) -> str:
    if step.act not in ("none", "relu"):
        raise AbsentError(f"the naive C has no {step.act}")
    return "a" if step.act == "none" else "a > 0 ? a : 0"


def emlearn(layers: Layers) -> tuple[str, Path]:
    """(its C of a dense net, which gives the class by net_predict; the folder of its headers)"""
    nets = peer("emlearn.net")
    acts = ["relu" if relu else "identity" for _, _, relu in layers]
    arrays = [w.T for w, _, _ in layers], [b for _, b, _ in layers]
    return nets.c_generate_net_loadable(acts, *arrays, prefix="net"), Path(nets.__file__).parent
