"""Every kernel, declared once: its name, parameters and types, its equation, its shapes, its rules.

A declaration has no body: the decorator makes it the function that checks its arguments, allocates
its result and calls the implementation: in the first of two files plain NumPy, the definition, in
the second compiled. To add a kernel: its declaration here, its twin there, its loop there.

Images are (c, h, w, n), batch last; weights (o, i/groups, ky, kx); kernel, stride, padding and
dilation are pairs of integers, vertical first; padding is zeros, of convolutions also (top, left,
bottom, right); dilation: the places of a window are (dy, dx) apart; (oh, ow): output positions,
(h + 2*py - (ky - 1)*dy - 1) // sy + 1. x (c, m, ...): the first axis is the channel, all others are
one long row; (features, n) too. All raise ShapeError for shapes that do not fit, ArgumentError for
other arguments. Long because it is one table, of which most is documentation.
"""

# mypy: disable-error-code="empty-body"
from typing import TYPE_CHECKING

from minprune.core import Array
from minprune.kernels import indices, rules
from minprune.kernels.door import KERNELS, kernel

Pair = tuple[int, int]
Shape = tuple[int, ...]
ROWS, SUMS = ("dense.rows_ref", "dense.rows_jit"), ("dense.rows_ref", "dense.sums_jit")
OPTIM = "dense.optim_ref", "dense.optim_jit"
NOISE = "dense.noise_ref", "dense.noise_jit"
CONV, POOL = ("dense.image_ref", "dense.conv_jit"), ("dense.image_ref", "dense.pool_jit")
SELECT = "dense.select_ref", "dense.select_jit"
CSR, BLOCK = ("sparse.sparse_ref", "sparse.csr_jit"), ("sparse.sparse_ref", "sparse.block_jit")
SPARSE_CONV = "sparse.sparse_ref", "sparse.conv_jit"
AT = "stride: sizes (sy, sx), padding: sides (py, px), dilation: sizes (dy, dx)"
WINDOW = f"kernel: sizes (ky, kx), {AT}"
POOLED = "kernel: sizes (ky, kx), stride: sizes (sy, sx), padding: sizes (py, px)"
IMAGE = "shape: sizes (c, h, w, n)"
ACT = rules.activation


@kernel(CONV, f"x (c, h, w, n), {WINDOW} -> (c*ky*kx, oh*ow*n)", rules.windows)
def unfold(
    x: Array, kernel: Pair, stride: Pair = (1, 1), padding: Shape = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """cols[(c, y, x), (oy, ox, n)] = padded[c, oy*sy + y*dy, ox*sx + x*dx, n]

    x: (c, h, w, n) -> cols: (c*ky*kx, oh*ow*n). As torch.nn.functional.unfold, batch last.
    """


@kernel(CONV, f"cols (c*ky*kx, oh*ow*n), {IMAGE}, {WINDOW} -> (c, h, w, n)", rules.windows)
def fold(
    cols: Array, shape: Shape, kernel: Pair, stride: Pair = (1, 1), padding: Shape = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """padded[c, oy*sy + y*dy, ox*sx + x*dx, n] += cols[(c, y, x), (oy, ox, n)]; the rim is cut off

    cols: (c*ky*kx, oh*ow*n) -> shape = (c, h, w, n). The adjoint of unfold.
    """


@kernel(
    CONV, f"x (i, h, w, n), w (o, ig, ky, kx), b (o)?, {AT}, groups, act -> (o, oh, ow, n)",
    rules.grouping, ACT, rules.windows,
)  # fmt: skip
def conv2d(
    x: Array, w: Array, b: Array | None = None, stride: Pair = (1, 1), padding: Shape = (0, 0),
    groups: int = 1, act: str = "none", dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """out[o, oy, ox, n] = act(sum_iyx w[o, i, y, x] * window[i, y, x, oy, ox, n] + b[o])

    window[i, y, x, oy, ox, n] = padded[i, oy*sy + y*dy, ox*sx + x*dx, n]

    x: (i, h, w, n), w: (o, i/groups, ky, kx), b: (o,) or None -> (o, oh, ow, n).
    Cross-correlation, as torch.nn.functional.conv2d. act: see `act`.
    """


@kernel(
    CONV,
    f"g (o, oh, ow, n), w (o, ig, ky, kx), shape: sizes (i, h, w, n), {AT}, groups -> (i, h, w, n)",
    rules.grouping, rules.windows,
)  # fmt: skip
def conv2d_grad_input(
    g: Array, w: Array, shape: Shape, stride: Pair = (1, 1), padding: Shape = (0, 0),
    groups: int = 1, dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """dx = fold(w^T @ g)      the adjoint of conv2d in x

    g: (o, oh, ow, n), w: (o, i/groups, ky, kx) -> shape = (i, h, w, n).
    """


@kernel(
    CONV, f"g (o, oh, ow, n), x (i, h, w, n), {WINDOW}, groups -> (o, ig, ky, kx)",
    rules.grouping, rules.windows,
)  # fmt: skip
def conv2d_grad_weight(
    g: Array, x: Array, kernel: Pair, stride: Pair = (1, 1), padding: Shape = (0, 0),
    groups: int = 1, dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """dw = g @ unfold(x)^T      the adjoint of conv2d in w

    g: (o, oh, ow, n), x: (i, h, w, n) -> (o, i/groups, ky, kx). Summed over the batch.
    """


@kernel(
    POOL, f"x (c, h, w, n), {POOLED} -> (c, oh, ow, n), uint16 (c, oh, ow, n)",
    rules.windows, rules.overlap, rules.countable,
)  # fmt: skip
def max_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    """y = max over the window      index = y*KX + x of the first maximum inside it

    x: (c, h, w, n) -> y: (c, oh, ow, n), index: the same shape, uint16. Padding never wins; NaN
    does. Raises ArgumentError for padding as large as the kernel, or above 65536 places in it.
    """


@kernel(POOL, f"x (c, h, w, n), {POOLED} -> (c, oh, ow, n)", rules.windows, rules.overlap)
def max_values(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """y = max over the window: max_pool without the index, which only derivatives need

    x: (c, h, w, n) -> (c, oh, ow, n). Padding never wins; NaN does. Raises ArgumentError for
    padding as large as the kernel.
    """


@kernel(
    POOL, f"x (c, h, w, n), index: uint16 (c, oh, ow, n), {POOLED} -> (c, oh, ow, n)",
    rules.windows, checks=(rules.in_window,),
)  # fmt: skip
def pick(x: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out[c, oy, ox, n] = the entry of the window that index[c, oy, ox, n] names

    x: (c, h, w, n), index: (c, oh, ow, n) as max_pool gives it -> (c, oh, ow, n). Padding is 0.
    """


@kernel(
    POOL, f"g (c, oh, ow, n), index: uint16 (c, oh, ow, n), {IMAGE}, {POOLED} -> (c, h, w, n)",
    rules.windows, checks=(rules.in_window,),
)  # fmt: skip
def put(g: Array, index: Array, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out = fold of g at index, 0 elsewhere      the adjoint of pick: places met twice add up

    g, index: (c, oh, ow, n) -> shape = (c, h, w, n).
    """


@kernel(POOL, f"x (c, h, w, n), {POOLED} -> (c, oh, ow, n)", rules.windows)
def avg_pool(x: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out = mean over the window, its padding counted as zeros

    x: (c, h, w, n) -> (c, oh, ow, n). As torch.nn.functional.avg_pool2d by default.
    """


@kernel(POOL, f"g (c, oh, ow, n), {IMAGE}, {POOLED} -> (c, h, w, n)", rules.windows)
def avg_pool_grad(g: Array, shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """out = fold(g / (KY*KX)) over the whole window      the adjoint of avg_pool

    g: (c, oh, ow, n) -> shape = (c, h, w, n).
    """


@kernel(ROWS, "w (o, i), x (i, n), b (o)?, act -> (o, n)", ACT)
def affine(w: Array, x: Array, b: Array | None = None, act: str = "none") -> Array:
    """out[o, n] = act(sum_i w[o, i] * x[i, n] + b[o])

    w: (o, i), x: (i, n), b: (o,) or None -> (o, n). act: see `act`.
    """


@kernel(ROWS, "a (r, s), b (t, u), ta, tb -> (m, p)", rules.inner)
def matmul(a: Array, b: Array, ta: bool = False, tb: bool = False) -> Array:
    """out[m, p] = sum_n a[m, n] * b[n, p]      ta, tb: a, b given transposed"""


@kernel(ROWS, "x (...), kind -> (...)", ACT)
def act(x: Array, kind: str) -> Array:
    """none: x    relu: max(x, 0)    leaky_relu: x or 0.01 x    tanh    sigmoid: 1/(1+exp(-x))

    Any shape. NaN stays NaN.
    """


@kernel(ROWS, "g (...), out (...), kind -> (...)", ACT)
def act_grad(g: Array, out: Array, kind: str) -> Array:
    """g * act'(x), written in the output out = act(x)

    relu: out > 0    leaky_relu: 1 or 0.01    tanh: 1 - out**2    sigmoid: out * (1 - out)
    Any shape. At x = 0 the derivative of relu is 0, of leaky_relu 0.01.
    """


@kernel(ROWS, "x (...) -> (...)")
def erf(x: Array) -> Array:
    """out = 2/sqrt(pi) * integral of exp(-t**2) from 0 to x      any shape; NaN stays NaN"""


@kernel(ROWS, "x (c, m, ...), scale (c)?, shift (c), act -> (c, m, ...)", ACT)
def scale_shift(x: Array, scale: Array | None, shift: Array, act: str = "none") -> Array:
    """out[c, ...] = act(x[c, ...] * scale[c] + shift[c])

    x: (c, ...), scale: (c,) or None for ones, shift: (c,) -> the shape of x. act: see `act`.
    """


@kernel(SUMS, "x (c, m, ...) -> (c)")
def row_sum(x: Array) -> Array:
    """out[c] = sum x[c, ...]      x: (c, ...) -> (c,)"""


@kernel(SUMS, "a (c, m, ...), b (c, m, ...) -> (c)")
def row_dot(a: Array, b: Array) -> Array:
    """out[c] = sum a[c, ...] * b[c, ...]      a, b: (c, ...) -> (c,)"""


@kernel(SUMS, "x (c, m, ...) -> (c), (c)", rules.nonempty)
def moments(x: Array) -> tuple[Array, Array]:
    """mean[c] = mean x[c, ...]      var[c] = mean (x[c, ...] - mean[c])**2

    x: (c, ...) -> mean, var: (c,). Two passes; biased: the divisor is the count.
    """


@kernel(SUMS, "x (c, m, ...), mean (c), inv (c) -> (c, m, ...)")
def normalise(x: Array, mean: Array, inv: Array) -> Array:
    """out[c, ...] = (x[c, ...] - mean[c]) * inv[c]      x: (c, ...), mean, inv: (c,)"""


@kernel(SUMS, "g (c, m, ...), xhat (c, m, ...), inv (c) -> (c, m, ...)", rules.nonempty)
def normalise_grad(g: Array, xhat: Array, inv: Array) -> Array:
    """out = inv * (g - mean(g) - xhat * mean(g * xhat))      means per row

    g, xhat: (c, ...), inv: (c,) -> the shape of g. xhat: the output of normalise on the batch
    whose own moments it used. Source: Ioffe, Szegedy (2015), Batch Normalization, section 3.
    """


@kernel(ROWS, "x (k, n) -> (k, n)", rules.nonempty)
def softmax(x: Array) -> Array:
    """out[k, n] = exp(x[k, n]) / sum_k exp(x[k, n])      x: (k, n); shifted by the maximum first"""


@kernel(ROWS, "x (k, n), labels: integers<k (n) -> ()", rules.nonempty)
def cross_entropy(x: Array, labels: Array) -> Array:
    """out = mean_n (log sum_k exp(x[k, n]) - x[labels[n], n])

    x: (k, n), labels: (n,) integers in 0..k-1 -> a 0-d array. Shifted by the maximum first.
    """


@kernel(SUMS, "x (k, n, ...), y (k, n, ...) -> ()", rules.nonempty)
def mse(x: Array, y: Array) -> Array:
    """out = sum (x - y)**2 / n      a mean over samples of the SUM over outputs

    x, y: (k, n) or (..., n) -> a 0-d array.
    """


@kernel(
    NOISE, "mean (...), variance (...), words: uint16 (...), table (q), eps -> (...)",
    rules.whole_table,
)  # fmt: skip
def noisy(mean: Array, variance: Array, words: Array, table: Array, eps: float) -> Array:
    """out = mean + sqrt(variance + eps) e      e = table[words]

    Any shape; table: (65536,), of normal noise its quantiles.
    """


@kernel(
    NOISE, "g (...), variance (...), words: uint16 (...), table (q), eps -> (...)",
    rules.whole_table,
)  # fmt: skip
def noisy_grad(g: Array, variance: Array, words: Array, table: Array, eps: float) -> Array:
    """out = g e / (2 sqrt(variance + eps))      e = table[words]      any shape"""


@kernel(
    OPTIM, "w: changed (...), g (...), v: changed (...)?, mask: bool (...)? ->",
    checks=(rules.momentum_state,),
)  # fmt: skip
def sgd_step(
    w: Array, g: Array, v: Array | None, mask: Array | None, lr: float, momentum: float = 0.0,
    nesterov: bool = False, weight_decay: float = 0.0,
) -> None:  # fmt: skip
    """g += wd * w    v = momentum * v + g    w -= lr * (g + momentum * v if nesterov else v)

    w, g, v, mask: one shape; w and v change in place, g does not. v is None when momentum is 0.
    mask (bool, None = dense): where it is False, w and v become 0.0. As torch.optim.SGD; v starts
    at zeros. Raises ArgumentError for w or v that cannot be written in place.
    """


@kernel(
    OPTIM,
    "w: changed (...), g (...), m: changed (...), s: changed (...), mask: bool (...)? ->",
    checks=(rules.step_number,),
)
def adam_step(
    w: Array, g: Array, m: Array, s: Array, mask: Array | None, lr: float, beta1: float = 0.9,
    beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0, decoupled: bool = False,
    step: int = 1,
) -> None:  # fmt: skip
    """m = b1 m + (1-b1) g    s = b2 s + (1-b2) g^2    w -= lr m/(1-b1^t) / (sqrt(s/(1-b2^t)) + eps)

    t: step, counted from 1. Weight decay: w *= 1 - lr*wd first when decoupled (AdamW), else
    g += wd * w. w, g, m, s, mask: one shape; w, m and s change in place. mask (bool, None = dense):
    where it is False, w, m and s become 0.0. As torch.optim.Adam and AdamW.
    Raises ArgumentError for arrays that cannot be written in place, or a step below 1.
    """


@kernel(SELECT, "scores (...) -> bool (...)", checks=(rules.ranks,))
def smallest(scores: Array, k: int) -> Array:
    """out[j] = True at the k first of the order (score, then the HIGHER flat index first)

    scores: any shape, no NaN -> bool, the same shape, exactly k True. So among equals the lower
    index is kept; -0.0 equals 0.0. Raises ArgumentError for NaN, or k outside 0..size.
    """


@kernel(ROWS, "x: read (rows, ...), index: integers<rows (n)? -> (..., n)", rules.every_row)
def gather_last(x: Array, index: Array | None = None) -> Array:
    """out[..., j] = x[index[j], ...]      rows of a batch-first array into a batch-last one

    x: (rows, ...) floats, index: (n,) integers in 0..rows-1, or None for all rows in their order
    -> (..., n). x may be read-only. Raises ArgumentError for a row that does not exist.
    """


@kernel(
    SELECT,
    "w (rows, n), inverse: float64 (n, n), count "
    "-> int64 (rows, count), float64 (rows, count), float64 (rows, n)",
    rules.removals, checks=(rules.finite,),
)  # fmt: skip
def obs_sweep(w: Array, inverse: Array, count: int | None = None) -> tuple[Array, Array, Array]:
    """order, losses, left: repeat {q = argmin w_q^2 / (2 [H^-1]_qq); remove, adjust, downdate}

    w: (rows, n), inverse: (n, n) float64, H^-1 that all rows share, symmetric. -> order: (rows,
    count) int64, losses: (rows, count), the loss of each step, left: (rows, n), the weights after
    `count` removals (all, unless given), 0.0 where removed. All in float64, also for float32 w.
    Among equal scores the higher index goes first, as everywhere; scores that only rounding tells
    apart may go either way.

    The sum of the first k losses is 1/2 d^T H d, d the change of w: the error of the least-squares
    refit on what is left, if H = (2/P) X X^T. Source: Hassibi & Stork (1992); Frantar & Alistarh
    (2022), ExactOBS. Raises NonFiniteError where a diagonal entry is not above 0 when it is needed:
    H^-1 is not positive definite to rounding.
    """


# Sparse matrices A (m, n). CSR: values (k,), columns (k,), row_start (m+1,); block CSR: the same of
# blocks (size, size), cut at the edges, their values block by block and row by row. Indices are
# uint32. x is (n, p), g is (m, p). Entries of a row may come in any order; equal places add up.

A_CSR = "columns: uint32 (k), row_start: uint32 (m+1)"
A_TURNED = "positions: uint32 (k), rows: uint32 (k), column_start: uint32 (n+1)"
BLOCKS = "columns: uint32 (k), row_start: uint32 (down+1), size"
OF_CSR = indices.csr("columns", "row_start", "n")
OF_TURNED = indices.csr("rows", "column_start", "m"), indices.order
OF_BLOCKS = (
    indices.csr("columns", "row_start", "across"),
    indices.area("columns", "row_start", "m", "n"),
)


@kernel(CSR, f"values (k), {A_CSR}, x (n, p), b (m)?, act -> (m, p)", ACT, checks=(OF_CSR,))
def csr_matmul(
    values: Array, columns: Array, row_start: Array, x: Array, b: Array | None = None,
    act: str = "none",
) -> Array:  # fmt: skip
    """out[r, p] = act(sum_k values[k] * x[columns[k], p] + b[r])      k over row r

    x: (n, p), b: (m,) or None -> (m, p). act: see `act`.
    """


@kernel(CSR, f"values (k), {A_CSR}, x (n) -> (m)", checks=(OF_CSR,))
def csr_matvec(values: Array, columns: Array, row_start: Array, x: Array) -> Array:
    """out[r] = sum_k values[k] * x[columns[k]]      k over row r      x: (n,) -> (m,)"""


@kernel(
    CSR, f"{A_CSR}, n -> kept uint32 (k), kept uint32 (k), kept uint32 (width+1)", indices.extent,
    checks=(indices.csr("columns", "row_start", "width"),),
)  # fmt: skip
def csr_transpose(columns: Array, row_start: Array, n: int) -> tuple[Array, Array, Array]:
    """positions, rows, column_start: the entries in the order of their columns, then rows

    n: columns of A. Entry k of A^T in CSR is the value positions[k], in column rows[k]. Of blocks
    too: then n counts blocks. All uint32 and read-only.
    """


@kernel(CSR, f"values (k), {A_TURNED}, g (m, p) -> (n, p)", checks=OF_TURNED)
def csr_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, g: Array
) -> Array:
    """out[c, p] = sum_k values[positions[k]] * g[rows[k], p]      A^T @ g, k over column c

    positions, rows, column_start: of csr_transpose; g: (m, p) -> (n, p). The gradient of x.
    """


@kernel(CSR, f"{A_CSR}, g (m, p), x (n, p) -> (k)", checks=(OF_CSR,))
def csr_sampled(columns: Array, row_start: Array, g: Array, x: Array) -> Array:
    """out[k] = sum_p g[row of k, p] * x[columns[k], p]      g @ x^T at the places of A alone

    g: (m, p), x: (n, p) -> (k,). The gradient of the values.
    """


@kernel(
    BLOCK, f"values (area), {BLOCKS}, shape: sizes (m, n), x (n, p), b (m)?, act -> (m, p)",
    ACT, indices.blocks, checks=OF_BLOCKS,
)  # fmt: skip
def block_matmul(
    values: Array, columns: Array, row_start: Array, size: int, shape: Pair, x: Array,
    b: Array | None = None, act: str = "none",
) -> Array:  # fmt: skip
    """out = act(A @ x + b)      A in block CSR, shape = (m, n)

    columns, row_start: of blocks; x: (n, p), b: (m,) or None -> (m, p). act: see `act`.
    """


@kernel(
    BLOCK,
    "values (area), positions: uint32 (k), rows: uint32 (k), column_start: uint32 (across+1), "
    "size, shape: sizes (m, n), g (m, p) -> (n, p)",
    indices.blocks,
    checks=(
        indices.csr("rows", "column_start", "down"), indices.order,
        indices.area("rows", "column_start", "n", "m"),
    ),
)  # fmt: skip
def block_matmul_t(
    values: Array, positions: Array, rows: Array, column_start: Array, size: int, shape: Pair,
    g: Array,
) -> Array:  # fmt: skip
    """out = A^T @ g      positions, rows, column_start: of csr_transpose of the blocks

    shape: (m, n), of A; g: (m, p) -> (n, p).
    """


@kernel(BLOCK, f"{BLOCKS}, stored, g (m, p), x (n, p) -> (area)", indices.blocks, checks=OF_BLOCKS)
def block_sampled(
    columns: Array, row_start: Array, size: int, stored: int, g: Array, x: Array
) -> Array:
    """out[k] = sum_p g[row of k, p] * x[column of k, p]      in the order of the values

    stored: how many values the blocks have. g: (m, p), x: (n, p) -> (stored,).
    """


FILTERS = "columns: uint32 (k), row_start: uint32 (o+1), kernel: sizes (ky, kx)"
OF_FILTERS = indices.csr("columns", "row_start", "taps")


@kernel(
    SPARSE_CONV,
    f"values (k), {FILTERS}, x (i, h, w, n), b (o)?, {AT}, groups, act -> (o, oh, ow, n)",
    rules.grouping, ACT, rules.windows, checks=(OF_FILTERS,),
)  # fmt: skip
def csr_conv2d(
    values: Array, columns: Array, row_start: Array, kernel: Pair, x: Array,
    b: Array | None = None, stride: Pair = (1, 1), padding: Shape = (0, 0), groups: int = 1,
    act: str = "none", dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """out[o, oy, ox, n] = act(sum_k values[k] * padded[i, oy*sy + y*dy, ox*sx + x*dx, n] + b[o])

    The weight (o, i/groups, ky, kx) is a matrix (o, i/groups*ky*kx) in CSR. k over row o,
    columns[k] = (i, y, x) counted within the group. x: (i, h, w, n), b: (o,) or None
    -> (o, oh, ow, n). No unfolded copy is made. act: see `act`.
    """


@kernel(
    SPARSE_CONV,
    f"values (k), {FILTERS}, g (o, oh, ow, n), shape: sizes (i, h, w, n), {AT}, groups "
    "-> (i, h, w, n)",
    rules.grouping, rules.windows, checks=(OF_FILTERS,),
)  # fmt: skip
def csr_conv2d_grad_input(
    values: Array, columns: Array, row_start: Array, kernel: Pair, g: Array, shape: Shape,
    stride: Pair = (1, 1), padding: Shape = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """dx = the adjoint of csr_conv2d in x      g: (o, oh, ow, n) -> shape = (i, h, w, n)"""


@kernel(
    SPARSE_CONV, f"{FILTERS}, g (o, oh, ow, n), x (i, h, w, n), {AT}, groups -> (k)",
    rules.grouping, rules.windows, checks=(OF_FILTERS,),
)  # fmt: skip
def csr_conv2d_grad_weight(
    columns: Array, row_start: Array, kernel: Pair, g: Array, x: Array, stride: Pair = (1, 1),
    padding: Shape = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> Array:  # fmt: skip
    """dvalues[k] = sum over positions and samples of g[o] * the window of (i, y, x)

    The adjoint of csr_conv2d in the values. g: (o, oh, ow, n), x: (i, h, w, n) -> (k,).
    """


if not TYPE_CHECKING:  # who checks types reads the declarations
    __all__ = list(KERNELS)
