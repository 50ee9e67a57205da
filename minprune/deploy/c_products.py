"""C of y = W x + b by the encoding of the weight, and of a loop over it: one row of FORMATS each.

A kernel is text with the types of `Numbers` and of the indices in its name, so that it is written
once for all layers that share them. Sums have a fixed order: four of them (eight when dense), entry
k in sum k mod 4, which a processor adds at the same time; then bias + ((s0 + s1) + (s2 + s3)).

Longer than most files: the text of the kernels is most of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from string import Template
from typing import Any

from minprune.core import Array
from minprune.deploy.c_numbers import C_TYPES, Numbers
from minprune.deploy.places import Bits, Columns, Encoding, Everything, Rows, Steps8


@dataclass(frozen=True)
class Format:
    """How a matrix is stored, and the C that reads it

    linear: of the sum of one row r; each: of a loop over the entries of row r, `place` the column
    and `w` the value, whose body is $body. entry: nanoseconds of a stored entry of a dense layer,
    in float32 and int8, where no input is 0; place: of any entry of the matrix, of a dense layer
    and of a convolution, by `python -m benchmarks c_costs`: gcc -O2 on an AMD EPYC.
    """

    encode: Callable[[Array], Encoding]
    linear: str
    each: str
    entry: tuple[float, float]
    place: tuple[float, float] = (0, 0)
    running: str = ""  # what is declared before the first row, besides r


ENTRIES = """\
    size_t k = start[r];
    const size_t end = start[r + 1];
"""
COUNTED = "    const size_t end = k + counts[r];\n"
SUMS = "    $total s0 = 0, s1 = 0, s2 = 0, s3 = 0, sum;\n"
ENDED = "    sum = bias[r] + ((s0 + s1) + (s2 + s3));\n"

FORMATS: dict[str, Format] = {
    "dense": Format(
        Everything.encode,
        """\
    $total s[8] = {0, 0, 0, 0, 0, 0, 0, 0}, sum;
    const $weight *w = values + r * inputs;
    const size_t whole = inputs / 8 * 8;
    size_t k, j;
    for (k = 0; k < whole; k += 8)
        for (j = 0; j < 8; j++) s[j] += ($total)w[k + j] * x[k + j];
    for (k = 0; k < inputs - whole; k++) s[0] += ($total)w[whole + k] * x[whole + k];
    sum = bias[r] + (((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])));
""",
        """\
    const $weight *v = values + r * inputs;
    size_t place;
    for (place = 0; place < inputs; place++) {
        const $weight w = v[place];
        $body
    }
""",
        (0.09, 0.23),
    ),
    "csr": Format(
        Rows.encode,
        ENTRIES + SUMS + """\
    for (; k + 4 <= end; k += 4) {
        s0 += ($total)values[k] * x[columns[k]];
        s1 += ($total)values[k + 1] * x[columns[k + 1]];
        s2 += ($total)values[k + 2] * x[columns[k + 2]];
        s3 += ($total)values[k + 3] * x[columns[k + 3]];
    }
    for (; k < end; k++) s0 += ($total)values[k] * x[columns[k]];
""" + ENDED,
        ENTRIES + """\
    for (; k < end; k++) {
        const size_t place = columns[k];
        const $weight w = values[k];
        $body
    }
""",
        (0.31, 0.42),
    ),
    "csc": Format(Columns.encode, "", "", (0.5, 0.55)),
    "delta8": Format(
        Steps8.encode,
        COUNTED + SUMS + """\
    const $value *at = x;
    for (; k + 4 <= end; k += 4) {
        const $value *a = at + steps[k], *b = a + steps[k + 1], *c = b + steps[k + 2];
        at = c + steps[k + 3];
        s0 += ($total)values[k] * *a;
        s1 += ($total)values[k + 1] * *b;
        s2 += ($total)values[k + 2] * *c;
        s3 += ($total)values[k + 3] * *at;
    }
    for (; k < end; k++) {
        at += steps[k];
        s0 += ($total)values[k] * *at;
    }
""" + ENDED,
        COUNTED + """\
    size_t place = 0;
    for (; k < end; k++) {
        const $weight w = values[k];
        place += steps[k];
        $body
    }
""",
        (0.31, 0.5),
        running=", k = 0",
    ),
    "bitmask": Format(
        Bits.encode,
        """\
    const size_t bytes = (inputs + 7) / 8;
    const $weight *w = values + start[r];
    $total sum = bias[r];
    size_t k;
    for (k = 0; k < bytes; k++) {
        const $value *at = x + 8 * k;
        unsigned live = bits[r * bytes + k];
        $total s = 0;
        for (; live; live >>= 1, at++)
            if (live & 1u) s += ($total)*w++ * *at;
        sum += s;
    }
""",
        """\
    const size_t bytes = (inputs + 7) / 8;
    const $weight *v = values + start[r];
    size_t k;
    for (k = 0; k < bytes; k++) {
        unsigned live = bits[r * bytes + k];
        size_t place = 8 * k;
        for (; live; live >>= 1, place++)
            if (live & 1u) {
                const $weight w = *v++;
                $body
            }
    }
""",
        (2.3, 2.2),
        (0.1, 0.4),
    ),
}  # fmt: skip

LINEAR = """\
static void $name(const $value *x, $out *y$more, size_t outputs, const $total *bias$arrays$params)
{
    size_t r$running;
    for (r = 0; r < outputs; r++) {
$inside
        y[r] = $finish;
    }
}
"""
BY_COLUMN = """\
static void $name(const $value *x, $out *y$more, size_t inputs, size_t outputs,
    const $total *bias$arrays$params)
{
    size_t r, j, k;
    for (r = 0; r < outputs; r++) $sums[r] = bias[r];
    for (j = 0; j < inputs; j++) {
        const $total v = x[j];
        const size_t end = start[j + 1];
        if (v != 0)
            for (k = start[j]; k < end; k++) $sums[rows[k]] += values[k] * v;
    }
$last
}
"""


@dataclass(frozen=True)
class Kernel:
    """A C function: its name, its text, what it needs before it, and its arrays by name in order"""

    name: str
    text: str
    needs: tuple[str, ...] = ()


def stored_types(stored: Encoding) -> dict[str, str]:
    """The C type of each array of an encoding"""
    return {k: C_TYPES[a.dtype.name] for k, a in stored.arrays.items()}


def linear(kind: str, prefix: str, types: dict[str, str], n: Numbers) -> Kernel:
    """The kernel (x, y[, sums], [inputs,] outputs, bias, arrays[, params]); types: of the arrays"""
    form = FORMATS[kind]
    at = common(f"{prefix}_linear_{kind}", prefix, types, n, form.running)
    if not form.linear:
        at |= {"more": "", "sums": "y"} if n.direct else {
            "more": f", {n.total} *sums", "sums": "sums"}  # fmt: skip
        at["last"] = indented(n.last(at["sums"], "y[r]", "r", "outputs"), 4)
        return Kernel(at["name"], text(BY_COLUMN, at))
    at["more"] = ", size_t inputs" if "inputs" in form.linear else ""
    at["inside"] = indented(text(form.linear, at), 4)
    return Kernel(at["name"], text(LINEAR, at | {"finish": n.finish.format(sum="sum")}))


def common(
    name: str, prefix: str, types: dict[str, str], n: Numbers, running: str
) -> dict[str, str]:
    """What every kernel is written with: its name, its types, its arrays"""
    sizes = [t.removesuffix("_t").removeprefix("uint") for k, t in types.items() if k != "values"]
    own = {"weight": n.weight, "value": n.value, "total": n.total, "out": n.out, "prefix": prefix}
    return own | {
        "name": "_".join([name, n.tag, *sizes]),
        "running": running,
        "arrays": "".join(f", const {t} *{k}" for k, t in types.items()),
        "params": n.params,
    }


def text(template: str, at: dict[str, Any]) -> str:
    """The template with these words"""
    return Template(template).substitute(at)


def indented(inside: str, margin: int) -> str:
    """Lines, each so many spaces further in"""
    lines = inside.rstrip().split("\n")
    return "\n".join(f"{' ' * margin}{line}" if line else line for line in lines)
