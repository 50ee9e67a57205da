"""Every sparse kernel, compiled: the same names and parameters as sparse_ref.py, one list.

The loops are in the files named here, the registers they use in register_jit. Importing this
loads Numba.
"""

from minprune.kernels.sparse_block_jit import block_matmul, block_matmul_t, block_sampled
from minprune.kernels.sparse_conv_grad_jit import csr_conv2d_grad_input, csr_conv2d_grad_weight
from minprune.kernels.sparse_conv_jit import csr_conv2d
from minprune.kernels.sparse_csr_jit import csr_matmul, csr_matmul_t, csr_matvec, csr_transpose
from minprune.kernels.sparse_nm_jit import nm_columns, nm_matmul, nm_matmul_t, nm_sampled
from minprune.kernels.sparse_sample_jit import csr_sampled

__all__ = [
    "block_matmul",
    "block_matmul_t",
    "block_sampled",
    "csr_conv2d",
    "csr_conv2d_grad_input",
    "csr_conv2d_grad_weight",
    "csr_matmul",
    "csr_matmul_t",
    "csr_matvec",
    "csr_sampled",
    "csr_transpose",
    "nm_columns",
    "nm_matmul",
    "nm_matmul_t",
    "nm_sampled",
]
