"""C of y = W x + b and y = w * x + b, by the encoding of the weight: one row of FORMATS each.

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
    and `w` the value, whose body is $body; nanoseconds: of an entry and of a row in a dense layer,
    and of an entry in a convolution besides its multiply-adds.
    """

    encode: Callable[[Array], Encoding]
    linear: str
    each: str
    nanoseconds: tuple[float, float, float]
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
    size_t k = 0, j;
    for (; k + 8 <= inputs; k += 8)
        for (j = 0; j < 8; j++) s[j] += ($total)w[k + j] * x[k + j];
    for (; k < inputs; k++) s[0] += ($total)w[k] * x[k];
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
        (0.3, 5, 1),
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
        (0.6, 5, 1),
    ),
    "csc": Format(Columns.encode, "", "", (0.8, 3, 1)),
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
        (0.7, 5, 1),
        ", k = 0",
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
        (2.0, 5, 2),
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
WINDOW = """\
/* A convolution: sizes of channels of input and output, distances in them, places of a window */
struct ${prefix}_window {
    size_t outputs, rows, inputs, area, group, image, plane, wide, down, across;
};
/* A place of the window: the outputs that it reaches, and the first input that it reads there */
struct ${prefix}_tap {
    uint32_t first;
    uint16_t top, bottom, left, right;
};
"""
TAP = """\
static void $tap(const struct ${prefix}_window *g, const struct ${prefix}_tap *t, $weight w,
                 const $value *restrict image, $total *restrict sums$into)
{
    const size_t n = t->right - t->left;
    size_t i, j;
    for (i = t->top; i < t->bottom; i++) {
        const $value *restrict from = image + t->first + (i - t->top) * g->down;
        $total *restrict to = sums + i * g->wide + t->left;
        if (g->across == 1)
            for (j = 0; j < n; j++) to[j] += $near;
        else
            for (j = 0; j < n; j++) to[j] += $far;
    }
}
"""
TWO_TAPS = """\
/* sums += w x + v x' of two places of the window */
static void $tap($weight w, const $value *restrict from, $weight v, const $value *restrict also,
                 $total *restrict sums)
{
    size_t i, j;
    for (i = 0; i < $high; i++, from += $down, also += $down, sums += $wide)
        for (j = 0; j < $wide; j++) sums[j] += $first + $second;
}
"""
CONVOLVE = """\
static void $name(const struct ${prefix}_window *g, const struct ${prefix}_tap *taps,
                  const $value *x, $out *y$more, const $total *bias$arrays$params$into)
{
$inputs    size_t r, i$running;
    for (r = 0; r < g->outputs; r++) {
        const $value *image = x + r / g->rows * g->group;
        size_t next = g->area;
$start$held        for (i = 0; i < $plane; i++) sums[i] = bias[r];
$inside
$last
    }
}
"""
BODY = """\
while (place >= next) {
    next += g->area;
    image += g->image;
}
$add"""
ADD = "$tap(g, taps + (place + g->area - next), w, image, sums$passed);"
ADD_TWO = """\
{
    const $value *from = image + taps[place + g->area - next].first;
    if (held) $tap(before, held, w, from, sums);
    held = held ? 0 : from;
    before = w;
}"""
ADD_LAST = "if (held) $tap(before, held, 0, held, sums);\n"


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
    at = _common(f"{prefix}_linear_{kind}", prefix, types, n, form.running)
    if not form.linear:
        at |= {"more": "", "sums": "y"} if n.direct else {
            "more": f", {n.total} *sums", "sums": "sums"}  # fmt: skip
        at["last"] = _indented(n.last(at["sums"], "y[r]", "r", "outputs"), 4)
        return Kernel(at["name"], _text(BY_COLUMN, at))
    at["more"] = ", size_t inputs" if "inputs" in form.linear else ""
    at["inside"] = _indented(_text(form.linear, at), 4)
    return Kernel(at["name"], _text(LINEAR, at | {"finish": n.finish.format(sum="sum")}))


def convolve(
    kind: str, prefix: str, types: dict[str, str], n: Numbers, sizes: dict[str, int] | None = None
) -> Kernel:
    """The kernel (window, taps, x, y[, sums], bias, arrays[, params][, into])

    sizes: high, wide, down, across where each place of the window reaches every output: places two
    at a time, in loops of fixed lengths, which compilers unroll
    """
    form = FORMATS[kind]
    at = _common(f"{prefix}_convolve_{kind}", prefix, types, n, form.running)
    at |= {"tap": f"{prefix}_tap_{n.weight}{'p' * n.padded}", "into": "", "passed": "", "start": ""}
    at |= {"near": "from[j]", "far": "from[j * g->across]", "more": f", {n.total} *sums"}
    at["inputs"] = "    const size_t inputs = g->inputs;\n" * ("inputs" in form.each)
    if n.padded:
        at |= {"into": f", {n.total} into", "passed": ", into"}
        at |= {k: f"({at[k]} - into)" for k in ("near", "far")}
    at |= {k: n.product.format(w="w", x=at[k]) for k in ("near", "far")}
    if n.direct:
        at |= {"more": "", "start": f"        {n.total} *sums = y + r * g->plane;\n"}
    at |= {"plane": "g->plane", "held": "", "add": _text(ADD, at), "last": ""}
    tap = TAP
    if sizes is not None:
        tap, k = TWO_TAPS, "_".join(map(str, sizes.values()))
        at |= {name: str(v) for name, v in sizes.items()}
        at |= {"tap": f"{at['tap']}_{k}", "name": f"{at['name']}_{k}"}
        place = "[j]" if sizes["across"] == 1 else f"[j * {sizes['across']}]"
        at["first"] = n.product.format(w="w", x="from" + place)
        at["second"] = n.product.format(w="v", x="also" + place)
        at["plane"] = str(sizes["high"] * sizes["wide"])
        at["held"] = _text("        $weight before = 0;\n        const $value *held = 0;\n", at)
        at |= {"add": _text(ADD_TWO, at), "last": _text(ADD_LAST, at)}
    at["last"] += n.last("sums", f"y[r * {at['plane']} + i]", "i", at["plane"])
    at["last"] = _indented(at["last"], 8)
    body, (before, after) = _text(BODY, at), form.each.split("$body")
    margin = len(before) - len(before.rstrip(" "))
    inside = before + _indented(body, margin).lstrip() + after
    at["inside"] = _indented(_text(inside, at), 4)
    return Kernel(at["name"], _text(CONVOLVE, at), (_text(WINDOW, at), _text(tap, at)))


def _common(
    name: str, prefix: str, types: dict[str, str], n: Numbers, running: str
) -> dict[str, str]:
    sizes = [t.removesuffix("_t").removeprefix("uint") for k, t in types.items() if k != "values"]
    own = {"weight": n.weight, "value": n.value, "total": n.total, "out": n.out, "prefix": prefix}
    return own | {
        "name": "_".join([name, n.tag, *sizes]),
        "running": running,
        "arrays": "".join(f", const {t} *{k}" for k, t in types.items()),
        "params": n.params,
    }


def _text(template: str, at: dict[str, Any]) -> str:
    return Template(template).substitute(at)


def _indented(text: str, margin: int) -> str:
    lines = text.rstrip().split("\n")
    return "\n".join(f"{' ' * margin}{line}" if line else line for line in lines)
