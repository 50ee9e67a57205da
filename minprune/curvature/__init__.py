"""Second derivatives of the mean loss: products, diagonals, gradients of each sample."""

from minprune.curvature.diagonals import DIAGONALS, diagonal, exact, gauss_newton, hutchinson
from minprune.curvature.products import ggn, ggn_product, hessian, hvp
from minprune.curvature.recursion import becker_lecun
from minprune.curvature.removal import removal, unit_removal
from minprune.curvature.samples import ggn_rows, sample_grads, squared_grads

__all__ = [
    "DIAGONALS", "becker_lecun", "diagonal", "exact", "gauss_newton", "ggn", "ggn_product",
    "ggn_rows", "hessian", "hutchinson", "hvp", "removal", "sample_grads", "squared_grads",
    "unit_removal",
]  # fmt: skip
