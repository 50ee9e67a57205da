"""A model as C99: net.h, net.c, net_test.c and net.json, with no library but libc's.

net.c has no malloc and no stdio. Of a quantized model it computes what the model computes in NumPy,
bit for bit, with no floating point but in net_quantize and for the outputs.
"""

import json
import os
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from minprune import arguments
from minprune.core import Array
from minprune.deploy import c_bytes, c_floats  # noqa: F401  their rules
from minprune.deploy import c_templates as templates
from minprune.deploy.c_numbers import SIZES, listed, literal
from minprune.deploy.c_products import FORMATS
from minprune.deploy.c_steps import SCRATCH, Calls, Writing, Y, in_c, x
from minprune.deploy.memory import Life, layout
from minprune.deploy.places import Encoding
from minprune.deploy.program import Program, float32, program
from minprune.deploy.quantize import Quantized
from minprune.deploy.rounding import rounding
from minprune.deploy.steps import View
from minprune.errors import ArgumentError
from minprune.files import write_atomic
from minprune.nets.model import Model, is_model
from minprune.sparse.convert import densify

SAMPLES, TESTED = 4, 16  # in the test: samples, and outputs, of floats, at most
UNIT = 2.0**-24  # of float32
WITHIN = 1.2  # of the fastest: the formats of which "auto" takes the one of fewest bytes
PRODUCT = 0.11, 0.2  # nanoseconds of a multiply-add in a convolution, float32 and int8


def export_c(
    model: Model | Quantized,
    folder: str | os.PathLike[str],
    *,
    name: str = "net",
    format: str = "auto",
) -> dict[str, Any]:
    """Write a model as C99: in float32, or in the integers of a quantized model

    y = model(x), within rounding; of what mp.quantize returned bit for bit

    Parameters
    ----------
    model : Model or Quantized
        Masked weights are not stored. Weights of float64 are rounded to float32.
    folder : path
        Where {name}.h, {name}.c, {name}_test.c and {name}.json are written.
    name : str, default "net"
        The beginning of all names in C.
    format : {"auto", "dense", "csr", "csc", "delta8", "bitmask"}
        How weights are stored; "auto": for each layer the fewest bytes among those within 1.2 times
        of the fastest, by a table of costs. "csc" skips inputs that are 0; a convolution is then
        stored as "csr".

    Returns
    -------
    dict
        What {name}.json holds: data_bytes, ram_bytes, multiply_adds, and layers, of each the format
        and its bytes.

    Raises
    ------
    ArgumentError
        If a layer has no form in C, or name is no identifier of C.
    FileError
        If a file cannot be written.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> made = mp.export_c(model, "c", format="dense")
    >>> made["multiply_adds"], made["layers"][0]["format"]
    (20, 'dense')
    """
    if not isinstance(model, Quantized):
        is_model(model, "export_c")
    arguments.choice("export_c", "format", format, ("auto", *FORMATS))
    if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
        raise ArgumentError(
            f"export_c: name must be letters, digits and _, not {name!r}; pass name='net', for "
            f"example"
        )
    lowered = model if isinstance(model, Quantized) else float32(program(model, "export_c"))
    files, about = _written(lowered, name, format)
    place = arguments.file_path("export_c", "folder", folder)
    for file, text in files.items():
        write_atomic(place / file, text.encode())
    return about


def _chosen(format: str, step: Any, window: bool) -> tuple[str, Encoding]:
    """The format of a weight, and the weight in it"""
    if format != "auto":
        kind = "csr" if window and not FORMATS[format].each else format
        return kind, FORMATS[kind].encode(step.matrix)
    whole = step.matrix.dtype == np.int8
    tried = {}
    for kind, form in FORMATS.items():
        if form.each or not window:
            stored = form.encode(step.matrix)
            each = PRODUCT[whole] * prod(step.out[1:]) if window else form.entry[whole]
            time = stored.values.size * each + step.matrix.size * form.place[window]
            tried[kind] = time, stored
    most = WITHIN * min(time for time, _ in tried.values())
    fast = {kind: stored for kind, (time, stored) in tried.items() if time <= most}
    kind = min(fast, key=lambda k: fast[k].nbytes)
    return kind, fast[kind]


def _written(model: Any, name: str, format: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The files by name, and what {name}.json holds"""
    whole = isinstance(model, Quantized)
    p: Program = model.program if whole else model
    w = Writing(name, partial(_chosen, format), shapes=p.shapes)
    calls, root = list[Calls](), list(range(len(p.shapes)))
    for k, step in enumerate(p.steps, 1):
        if isinstance(step, View):
            root[k] = root[step.reads[0]]
            calls.append(Calls((), w.types[step.reads[0]], view=True))
        else:
            calls.append(in_c(step, w))
        w.types = (*w.types, calls[-1].out)
    # Of integers the first step makes bytes, the last one numbers: both have functions of their own
    first, end = (1, len(p.steps)) if whole else (0, len(p.steps) + 1)
    last = root[p.steps[-1].reads[0] if whole else p.output]
    if last == first:
        raise ArgumentError("export_c: the model must compute something; add a layer to it")
    lives, used = dict[int, Life](), dict(enumerate(p.last_use))
    for k in range(len(root)):
        used[root[k]] = max(used[root[k]], used[k])
    for k in range(first + 1, end):
        if root[k] == k and k != last:
            lives[k] = Life(_padded(prod(p.shapes[k]) * SIZES[w.types[k]]), k, used[k])
        kind, n = calls[k - 1].scratch
        if n:
            lives[-k] = Life(_padded(n * SIZES[kind]), k, k)
    plan = layout(list(lives.values()))
    offsets = dict(zip(lives, plan.offsets, strict=True))

    def place(k: int) -> str:
        if k in (first, last):
            return ("x", "q")[first] if k == first else "y"
        kind = w.types[k] if k > 0 else calls[-k - 1].scratch[0]
        return f"(({kind} *)(void *)(at + {offsets[k]}))"

    def lines(k: int) -> list[str]:
        found = []
        for line in calls[k - 1].lines:
            for j, read in enumerate(p.steps[k - 1].reads):
                line = line.replace(x(j), place(root[read]))
            line = line.replace(SCRATCH, place(-k)) if SCRATCH in line else line
            found.append("    " + line.replace(Y, place(k)))
        return found

    at: Any = {"n": name, "N": name.upper(), "kind": w.types[last], "inputs": prod(p.shapes[0]),
               "outputs": prod(p.shapes[-1])}  # fmt: skip
    at["steps"] = "\n".join(line for k in range(first + 1, end) for line in lines(k))
    ram, more, run = plan.size, "", templates.RUN_FLOATS
    if whole:
        run, more = templates.RUN_INTEGERS, templates.HEADER_INTEGERS
        meaning: Any = p.steps[-1]
        at["sums"] = _padded(prod(p.shapes[1]))
        at["rest"] = at["sums"] + _padded(prod(p.shapes[last]) * SIZES[w.types[last]])
        at["quantize"] = calls[0].lines[0].replace(x(), "x").replace(Y, "q")
        at["numbers"] = calls[-1].lines[0].replace(x(), "sums").replace(Y, "y")
        at |= {"zero": meaning.at.zero, "step": literal(np.float32(meaning.at.step))}
        ram += at["rest"]
    about = {
        "data_bytes": w.nbytes,
        "ram_bytes": ram,
        "multiply_adds": _products(p),
        "layers": w.stored,
    }
    at |= {"ram": ram, "about": f"A net of {len(w.stored)} layers with weights"}
    constants = [text.replace("{}", of, 1) for text, of in w.constants.items()]
    source = templates.SOURCE.format(
        kernels="\n".join(w.kernels), constants="\n".join(constants), run=run.format(**at),
        **at | {"ram": max(ram, 1)},
    )  # fmt: skip
    files = {
        f"{name}.h": templates.HEADER.format(more=more.format(**at), **at),
        f"{name}.c": source,
        f"{name}_test.c": templates.TEST.format(**at | _samples(model)),
        f"{name}.json": json.dumps(about, indent=1) + "\n",
    }
    return files, about


def _padded(n: int) -> int:
    """Bytes up to the next multiple of 8"""
    return -(-n // 8) * 8


def _products(p: Any) -> int:
    """Multiply-adds of live weights for one sample"""
    weighted = (s for s in p.steps if hasattr(s, "live"))
    return sum(int(s.live.sum()) * prod(s.out[1:]) for s in weighted)


def _samples(model: Program | Quantized) -> dict[str, Any]:
    """Inputs, outputs and how far these may be off, as C: integers in the range of calibration"""
    rng = np.random.default_rng(0)
    if isinstance(model, Quantized):
        low, high = model.ranges[0]
        given = rng.uniform(low, high, (SAMPLES, *model.net.input_shape)).astype(np.float32)
        outputs = model(given)
        bounds = np.zeros(outputs.shape)
    else:
        dense = densify(model.model)
        params = {k: np.where(dense.masks.get(k, True), a, 0) for k, a in dense.params.items()}
        dense = replace(dense, params=params, masks={})
        given = rng.standard_normal((SAMPLES, *dense.net.input_shape)).astype(np.float32)
        outputs = model(given)
        bounds = np.full(outputs.shape, np.finfo(np.float32).max)
        some = [*range(0, outputs.shape[1], -(-outputs.shape[1] // TESTED))]
        bounds[:, some] = 2 * rounding(dense, given, some, UNIT)

    def text(a: Array) -> str:
        return "\n}, {\n".join(listed(row) for row in a.reshape(SAMPLES, -1).astype(np.float32))

    return {"count": SAMPLES, "inputs": text(given), "outputs": text(outputs),
            "bounds": text(bounds)}  # fmt: skip
