"""A quantized model as C99: net.h, net.c, net_test.c and net.json, with no library.

net.c has no malloc, no stdio and no floating point but in net_quantize and for the outputs. What it
computes is what the model computes in NumPy, bit for bit.

Longer than most files: the text of the written files is a third of it.
"""

import json
import os
from functools import partial
from math import prod
from typing import Any

import numpy as np

from minprune import arguments
from minprune.core import Array
from minprune.deploy import c_bytes  # noqa: F401  its rules
from minprune.deploy.c_numbers import SIZES, listed
from minprune.deploy.c_products import FORMATS
from minprune.deploy.c_steps import SCRATCH, Calls, Writing, Y, in_c, x
from minprune.deploy.memory import Life, layout
from minprune.deploy.places import Encoding
from minprune.deploy.quantize import Quantized
from minprune.deploy.steps import View
from minprune.errors import ArgumentError
from minprune.files import write_atomic

HEADER = """\
/* {about}, written by minprune */
#ifndef {N}_H
#define {N}_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {{
#endif
#define {N}_INPUTS {inputs}
#define {N}_OUTPUTS {outputs}
#define {N}_RAM_BYTES {ram} /* of work, aligned to 8 */

/* These two share one static block of memory: not for two threads, nor for an interrupt */
void {n}_run(const float *x, float *y);
int {n}_predict(const float *x); /* the largest output; of one output, whether it is above 0 */

void {n}_run_in(void *work, const float *x, float *y);

/* In integers: x to bytes, and the outputs, of which (y - {zero}) * {N}_STEP are the floats */
#define {N}_STEP {step}
void {n}_quantize(const float *x, uint8_t *q);
void {n}_run_q(void *work, const uint8_t *q, {kind} *y);
#ifdef __cplusplus
}}
#endif
#endif
"""
SOURCE = """\
#include "{n}.h"
#include <stddef.h>

#ifndef {N}_CONST
#define {N}_CONST const /* where constants go: define it with a section of your own */
#endif

{kernels}

{constants}

void {n}_quantize(const float *x, uint8_t *q)
{{
    {quantize}
}}

void {n}_run_q(void *work, const uint8_t *q, {kind} *y)
{{
    unsigned char *at = work;
{steps}
    (void)at;
}}

void {n}_run_in(void *work, const float *x, float *y)
{{
    unsigned char *at = work;
    uint8_t *q = at + {q};
    {kind} *sums = ({kind} *)(void *)(at + {sums});
    {n}_quantize(x, q);
    {n}_run_q(at + {rest}, q, sums);
    {numbers}
}}

static union {{
    unsigned char bytes[{N}_RAM_BYTES];
    int64_t aligned;
}} {n}_work;

void {n}_run(const float *x, float *y)
{{
    {n}_run_in({n}_work.bytes, x, y);
}}

int {n}_predict(const float *x)
{{
    float y[{N}_OUTPUTS];
    int k, best = 0;
    {n}_run(x, y);
    if ({N}_OUTPUTS == 1) return y[0] > 0.0f;
    for (k = 1; k < {N}_OUTPUTS; k++)
        if (y[k] > y[best]) best = k;
    return best;
}}
"""
TEST = """\
/* Exit code 0 where {n}_run gives the outputs that it has to, bit for bit, and else 1 */
#include "{n}.h"

static const float inputs[{count}][{N}_INPUTS] = {{{{
{inputs}
}}}};
static const float outputs[{count}][{N}_OUTPUTS] = {{{{
{outputs}
}}}};

int main(void)
{{
    float y[{N}_OUTPUTS];
    int i, k;
    for (i = 0; i < {count}; i++) {{
        {n}_run(inputs[i], y);
        for (k = 0; k < {N}_OUTPUTS; k++)
            if (y[k] < outputs[i][k] || y[k] > outputs[i][k]) return 1;
    }}
    return 0;
}}
"""
SAMPLES = 4  # in the test
WITHIN = 1.2  # of the fastest: the formats of which "auto" takes the one of fewest bytes
PRODUCT = 0.3  # nanoseconds of a multiply-add in a convolution


def export_c(
    model: Quantized, folder: str | os.PathLike[str], *, name: str = "net", format: str = "auto"
) -> dict[str, Any]:
    """Write a quantized model as C99, which computes the same integers

    Parameters
    ----------
    model : Quantized
        What mp.quantize returned.
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
        If model is not quantized, or name is no identifier of C.
    FileError
        If a file cannot be written.

    Examples
    --------
    >>> import minprune as mp
    >>> model = mp.zoo.mlp(((3,), 2), hidden=(4,))
    >>> small = mp.quantize(model, np.eye(3))
    >>> made = mp.export_c(small, "c", format="dense")
    >>> made["multiply_adds"], made["layers"][0]["format"]
    (20, 'dense')
    """
    if not isinstance(model, Quantized):
        arguments.instance(
            "export_c", "model", model, Quantized, "what mp.quantize(model, x) returns"
        )
    arguments.choice("export_c", "format", format, ("auto", *FORMATS))
    if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
        raise ArgumentError(
            f"export_c: name must be letters, digits and _, not {name!r}; pass name='net', for "
            f"example"
        )
    files, about = _written(model, name, format)
    place = arguments.file_path("export_c", "folder", folder)
    for file, text in files.items():
        write_atomic(place / file, text.encode())
    return about


def _chosen(format: str, step: Any, window: bool) -> tuple[str, Encoding]:
    """The format of a weight, and the weight in it"""
    if format != "auto":
        kind = "csr" if window and not FORMATS[format].each else format
        return kind, FORMATS[kind].encode(step.matrix)
    positions = prod(step.out[1:]) if window else 1
    tried = {}
    for kind, form in FORMATS.items():
        if form.each or not window:
            stored = form.encode(step.matrix)
            entry, row, besides = form.nanoseconds
            each = besides + PRODUCT * positions if window else entry
            time = stored.values.size * each + stored.shape[stored.by_column] * row
            tried[kind] = time, stored
    most = WITHIN * min(time for time, _ in tried.values())
    fast = {kind: stored for kind, (time, stored) in tried.items() if time <= most}
    kind = min(fast, key=lambda k: fast[k].nbytes)
    return kind, fast[kind]


def _written(model: Quantized, name: str, format: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The files by name, and what {name}.json holds"""
    p = model.program
    w = Writing(name, partial(_chosen, format), shapes=p.shapes)
    calls, root = list[Calls](), list(range(len(p.shapes)))
    for k, step in enumerate(p.steps, 1):
        if isinstance(step, View):
            root[k] = root[step.reads[0]]
            calls.append(Calls((), w.types[step.reads[0]], view=True))
        else:
            calls.append(in_c(step, w))
        w.types = (*w.types, calls[-1].out)
    last, end = root[p.output - 1], len(p.steps)
    if last == 1:
        raise ArgumentError("export_c: the model must compute something; add a layer to it")
    lives, used = dict[int, Life](), dict(enumerate(p.last_use))
    for k in range(len(root)):
        used[root[k]] = max(used[root[k]], used[k])
    for k in range(2, end):
        if root[k] == k and k != last:
            lives[k] = Life(_padded(prod(p.shapes[k]) * SIZES[w.types[k]]), k, used[k])
        kind, n = calls[k - 1].scratch
        if n:
            lives[-k] = Life(_padded(n * SIZES[kind]), k, k)
    plan = layout(list(lives.values()))
    offsets = dict(zip(lives, plan.offsets, strict=True))

    def place(k: int) -> str:
        if k in (1, last):
            return "q" if k == 1 else "y"
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

    first, out = _padded(prod(p.shapes[1])), _padded(prod(p.shapes[last]) * SIZES[w.types[last]])
    to_numbers = calls[-1].lines[0].replace(x(), "sums").replace(Y, "y")
    at: Any = p.steps[-1]
    common = {"n": name, "N": name.upper(), "kind": w.types[last]}
    source = SOURCE.format(
        kernels="\n".join(w.kernels),
        constants="\n".join(
            text.replace("{}", of, 1) for text, of in w.constants.items()
        ),
        quantize=calls[0].lines[0].replace(x(), "x").replace(Y, "q"),
        steps="\n".join(line for k in range(2, end) for line in lines(k)),
        numbers=to_numbers, q=0, sums=first, rest=first + out, **common,
    )  # fmt: skip
    about = {
        "data_bytes": w.nbytes,
        "ram_bytes": first + out + plan.size,
        "multiply_adds": _products(p),
        "layers": w.stored,
    }
    header = HEADER.format(
        about=f"A net of {len(w.stored)} layers with weights", inputs=prod(p.shapes[0]),
        outputs=prod(p.shapes[-1]), ram=about["ram_bytes"], zero=at.at.zero,
        step=f"{np.float32(at.at.step)!s}f", **common,
    )  # fmt: skip
    inputs, outputs = _samples(model)
    test = TEST.format(count=SAMPLES, inputs=inputs, outputs=outputs, **common)
    files = {f"{name}.h": header, f"{name}.c": source, f"{name}_test.c": test}
    return files | {f"{name}.json": json.dumps(about, indent=1) + "\n"}, about


def _padded(n: int) -> int:
    """Bytes up to the next multiple of 8"""
    return -(-n // 8) * 8


def _products(p: Any) -> int:
    """Multiply-adds of live weights for one sample"""
    weighted = (s for s in p.steps if hasattr(s, "live"))
    return sum(int(s.live.sum()) * prod(s.out[1:]) for s in weighted)


def _samples(model: Quantized) -> tuple[str, str]:
    """Inputs in the range of the calibration, and their outputs, as C"""
    low, high = model.ranges[0]
    shape = (SAMPLES, *model.net.input_shape)
    given = np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)

    def text(a: Array) -> str:
        return "\n}, {\n".join(listed(row) for row in a.reshape(SAMPLES, -1))

    return text(given), text(model(given))
