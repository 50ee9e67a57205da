"""pruned = round_half_even(sparsity * n): the one place where a share becomes a count."""

from numbers import Real

from minprune.errors import ArgumentError


def pruned_count(sparsity: float, n: int) -> int:
    """round(sparsity n), half to even, of the float product: how many of n entries are pruned

    Raises ArgumentError unless 0 <= sparsity <= 1.
    """
    if not isinstance(sparsity, Real) or not 0 <= sparsity <= 1:
        raise ArgumentError(
            f"sparsity is {sparsity!r}, expected a share in [0, 1]; sparsity=0.9 prunes 90 %"
        )
    return round(float(sparsity) * n)
