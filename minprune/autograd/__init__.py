"""A small reverse-mode engine: the tape, and ops by family, each with its rule of derivative."""
# ruff: noqa: F403, F405 (__all__ names what the families give)

from minprune.autograd.activations import *
from minprune.autograd.arithmetic import *
from minprune.autograd.linear import *
from minprune.autograd.losses import *
from minprune.autograd.normalisation import *
from minprune.autograd.tape import *
from minprune.autograd.windows import *

__all__ = [
    "ACTIVATIONS", "Op", "Tensor", "Value", "absolute", "act", "act_grad", "add", "affine",
    "avg_pool", "clip", "column", "concat", "conv2d", "conv_input", "conv_weight",
    "cross_entropy", "div", "exp", "expand", "fold", "grad", "log", "matmul", "max_pool", "mse",
    "mul", "normalise", "normalise_grad", "normalise_groups", "part", "pick", "place", "power",
    "put", "reshape", "row_dot", "row_sum", "scale_shift", "sigmoid", "softmax", "softplus",
    "spread", "sqrt", "sub", "sum_to", "total", "transpose", "unfold", "value",
]  # fmt: skip
