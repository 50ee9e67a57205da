"""A small reverse-mode engine: the tape, and ops by family, each with its rule of derivative."""

from minprune.autograd.activations import ACTIVATIONS, act, act_grad, sigmoid, softplus
from minprune.autograd.arithmetic import (
    absolute,
    add,
    clip,
    column,
    concat,
    div,
    exp,
    expand,
    log,
    mul,
    part,
    place,
    power,
    reshape,
    sqrt,
    sub,
    sum_to,
    total,
    transpose,
)
from minprune.autograd.linear import affine, matmul, row_dot, row_sum
from minprune.autograd.losses import cross_entropy, mse, softmax
from minprune.autograd.normalisation import normalise, normalise_grad, normalise_groups, scale_shift
from minprune.autograd.tape import Op, Tensor, Value, grad, value
from minprune.autograd.windows import (
    avg_pool,
    conv2d,
    conv_input,
    conv_weight,
    fold,
    max_pool,
    pick,
    put,
    spread,
    unfold,
)

__all__ = [
    "ACTIVATIONS", "Op", "Tensor", "Value", "absolute", "act", "act_grad", "add", "affine",
    "avg_pool", "clip", "column", "concat", "conv2d", "conv_input", "conv_weight",
    "cross_entropy", "div", "exp", "expand", "fold", "grad", "log", "matmul", "max_pool", "mse",
    "mul", "normalise", "normalise_grad", "normalise_groups", "part", "pick", "place", "power",
    "put", "reshape", "row_dot", "row_sum", "scale_shift", "sigmoid", "softmax", "softplus",
    "spread", "sqrt", "sub", "sum_to", "total", "transpose", "unfold", "value",
]  # fmt: skip
