"""Every dense kernel, compiled: the same names and parameters as dense_ref.py, one list.

The loops are in conv_jit, obs_jit, pool_jit, rows_jit, select_jit and train_jit. Importing this
loads Numba.
"""

from minprune.kernels.conv_jit import conv2d, conv2d_grad_input, conv2d_grad_weight, fold, unfold
from minprune.kernels.obs_jit import obs_sweep
from minprune.kernels.pool_jit import avg_pool, avg_pool_grad, max_pool, max_values, pick, put
from minprune.kernels.rows_jit import (
    act,
    act_grad,
    affine,
    erf,
    matmul,
    moments,
    normalise,
    normalise_grad,
    row_dot,
    row_sum,
    scale_shift,
)
from minprune.kernels.select_jit import gather_last, smallest
from minprune.kernels.train_jit import adam_step, cross_entropy, mse, sgd_step, softmax

__all__ = [
    "act",
    "act_grad",
    "adam_step",
    "affine",
    "avg_pool",
    "avg_pool_grad",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "erf",
    "fold",
    "gather_last",
    "matmul",
    "max_pool",
    "max_values",
    "moments",
    "mse",
    "normalise",
    "normalise_grad",
    "obs_sweep",
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
