"""Models and matrices of which only the live entries are stored."""

from minprune.sparse.convert import densify, matrix, sparsify
from minprune.sparse.formats import CSR, BlockCSR
from minprune.sparse.layers import SparseConv, SparseDense
from minprune.sparse.nofm import NofM
from minprune.sparse.speeds import Speeds, speeds

__all__ = [
    "CSR", "BlockCSR", "NofM", "SparseConv", "SparseDense", "Speeds", "densify", "matrix",
    "sparsify", "speeds",
]  # fmt: skip
