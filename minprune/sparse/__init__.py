"""Matrices of which only the live entries are stored."""

from minprune.sparse.formats import CSR, BlockCSR, NofM

__all__ = ["CSR", "BlockCSR", "NofM"]
