"""A small reverse-mode engine: the tape, and ops by family, each with its rule of derivative."""

from minprune.autograd.activations import ACTIVATIONS, act, act_grad, sigmoid, softplus
from minprune.autograd.convolution import conv2d, conv_input, conv_weight, fold, unfold
from minprune.autograd.elementwise import (
    absolute,
    add,
    clip,
    div,
    exp,
    log,
    mul,
    power,
    sqrt,
    sub,
)
from minprune.autograd.linear import affine, matmul, row_dot, row_sum
from minprune.autograd.losses import cross_entropy, mse, softmax
from minprune.autograd.normalisation import normalise, normalise_grad, normalise_groups, scale_shift
from minprune.autograd.pooling import avg_pool, max_pool, pick, put, spread
from minprune.autograd.shaping import (
    column,
    concat,
    expand,
    part,
    place,
    reshape,
    sum_to,
    total,
    transpose,
)
from minprune.autograd.tape import Op, Tensor, Value, grad, value

__all__ = [
    "ACTIVATIONS", "Op", "Tensor", "Value", "absolute", "act", "act_grad", "add", "affine",
    "avg_pool", "clip", "column", "concat", "conv2d", "conv_input", "conv_weight",
    "cross_entropy", "div", "exp", "expand", "fold", "grad", "log", "matmul", "max_pool", "mse",
    "mul", "normalise", "normalise_grad", "normalise_groups", "part", "pick", "place", "power",
    "put", "reshape", "row_dot", "row_sum", "scale_shift", "sigmoid", "softmax", "softplus",
    "spread", "sqrt", "sub", "sum_to", "total", "transpose", "unfold", "value",
]  # fmt: skip
