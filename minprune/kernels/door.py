"""The one door to the kernels: every public name, in the order of the families.

Each function checks its arguments once, allocates its result and calls the implementation that
MINPRUNE_KERNELS chose; see contract.py for what each costs and how exact it is.
"""

from minprune.kernels.choice import backend
from minprune.kernels.door_conv import conv2d, conv2d_grad_input, conv2d_grad_weight, fold, unfold
from minprune.kernels.door_obs import obs_sweep
from minprune.kernels.door_pool import avg_pool, avg_pool_grad, max_pool, max_values, pick, put
from minprune.kernels.door_rows import (
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
from minprune.kernels.door_select import gather_last, smallest
from minprune.kernels.door_sparse import (
    block_matmul,
    block_matmul_t,
    block_sampled,
    csr_matmul,
    csr_matmul_t,
    csr_matvec,
    csr_sampled,
    csr_transpose,
    nm_columns,
    nm_matmul,
    nm_matmul_t,
    nm_sampled,
)
from minprune.kernels.door_sparse_conv import (
    csr_conv2d,
    csr_conv2d_grad_input,
    csr_conv2d_grad_weight,
)
from minprune.kernels.door_train import adam_step, cross_entropy, mse, sgd_step, softmax

__all__ = [
    "act",
    "act_grad",
    "adam_step",
    "affine",
    "avg_pool",
    "avg_pool_grad",
    "backend",
    "block_matmul",
    "block_matmul_t",
    "block_sampled",
    "conv2d",
    "conv2d_grad_input",
    "conv2d_grad_weight",
    "cross_entropy",
    "csr_conv2d",
    "csr_conv2d_grad_input",
    "csr_conv2d_grad_weight",
    "csr_matmul",
    "csr_matmul_t",
    "csr_matvec",
    "csr_sampled",
    "csr_transpose",
    "erf",
    "fold",
    "gather_last",
    "matmul",
    "max_pool",
    "max_values",
    "moments",
    "mse",
    "nm_columns",
    "nm_matmul",
    "nm_matmul_t",
    "nm_sampled",
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
