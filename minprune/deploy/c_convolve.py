"""C of y = w * x + b for every encoding of the weight, one live place of a window after another.

Each live weight w adds w x to all outputs of its channel, row by row: loops that a compiler
vectorises, whatever the sparsity. Sums have a fixed order: that of the places, two at a time where
there is no padding.
"""

from minprune.deploy.c_numbers import Numbers
from minprune.deploy.c_products import FORMATS, Kernel, common, indented, text

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
            for (j = 0; j < n; j++) to[j] += w * $near;
        else
            for (j = 0; j < n; j++) to[j] += w * $far;
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


def convolve(
    kind: str, prefix: str, types: dict[str, str], n: Numbers, sizes: dict[str, int] | None = None
) -> Kernel:
    """The kernel (window, taps, x, y[, sums], bias, arrays[, params][, into])

    sizes: high, wide, down, across where each place of the window reaches every output: places two
    at a time, in loops of fixed lengths, which compilers unroll
    """
    form = FORMATS[kind]
    at = common(f"{prefix}_convolve_{kind}", prefix, types, n, form.running)
    at |= {"tap": f"{prefix}_tap_{n.weight}{'p' * n.padded}", "into": "", "passed": "", "start": ""}
    at |= {"near": "from[j]", "far": "from[j * g->across]", "more": f", {n.total} *sums"}
    at["inputs"] = "    const size_t inputs = g->inputs;\n" * ("inputs" in form.each)
    if n.padded:
        at |= {"into": f", {n.total} into", "passed": ", into"}
        at |= {k: f"({at[k]} - into)" for k in ("near", "far")}
    if n.direct:
        at |= {"more": "", "start": f"        {n.total} *sums = y + r * g->plane;\n"}
    at |= {"plane": "g->plane", "held": "", "add": text(ADD, at), "last": ""}
    tap = TAP
    if sizes is not None:
        tap, k = TWO_TAPS, "_".join(map(str, sizes.values()))
        at |= {name: str(v) for name, v in sizes.items()}
        at |= {"tap": f"{at['tap']}_{k}", "name": f"{at['name']}_{k}"}
        place = "[j]" if sizes["across"] == 1 else f"[j * {sizes['across']}]"
        at |= {"first": f"w * from{place}", "second": f"v * also{place}"}
        at["plane"] = str(sizes["high"] * sizes["wide"])
        at["held"] = text("        $weight before = 0;\n        const $value *held = 0;\n", at)
        at |= {"add": text(ADD_TWO, at), "last": text(ADD_LAST, at)}
    at["last"] += n.last("sums", f"y[r * {at['plane']} + i]", "i", at["plane"])
    at["last"] = indented(at["last"], 8)
    body, (before, after) = text(BODY, at), form.each.split("$body")
    margin = len(before) - len(before.rstrip(" "))
    inside = before + indented(body, margin).lstrip() + after
    at["inside"] = indented(text(inside, at), 4)
    return Kernel(at["name"], text(CONVOLVE, at), (text(WINDOW, at), text(tap, at)))
