"""The one door to the dense kernels: every public name, in the order of the families.

Each function checks its arguments once, allocates its result and calls the implementation that
MINPRUNE_KERNELS chose; see contract.py for what each costs and how exact it is.
"""

from minprune.kernels.choice import backend
from minprune.kernels.door_conv import conv2d, conv2d_grad_input, conv2d_grad_weight, fold, unfold
from minprune.kernels.door_pool import avg_pool, avg_pool_grad, max_pool, pick, put
from minprune.kernels.door_rows import (
    act,
    act_grad,
    affine,
    matmul,
    moments,
    normalise,
    normalise_grad,
    row_dot,
    row_sum,
    scale_shift,
)
from minprune.kernels.door_select import gather_last, smallest
from minprune.kernels.door_train import adam_step, cross_entropy, mse, sgd_step, softmax

__all__ = [
    "act",
    "act_grad",
    "adam_step",
    "affine",
    "avg_pool",
    "avg_pool_grad",
    "backend",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "fold",
    "gather_last",
    "matmul",
    "max_pool",
    "moments",
    "mse",
    "normalise",
    "normalise_grad",
    "pick",
    "put",
    "row_dot",
    "row_sum",
    "scale_shift",
    "sgd_step",
    "smallest",
    "softmax",
    "unfold",
]
