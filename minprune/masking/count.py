"""pruned = round_half_even(sparsity * n): the one place where a share becomes a count."""

from minprune.arguments import share


def pruned_count(sparsity: float, n: int, owner: str = "prune") -> int:
    """round(sparsity n), half to even, of the float product: how many of n entries are pruned

    Raises ArgumentError, which begins with `owner`, unless 0 <= sparsity <= 1.
    """
    return round(share(owner, "sparsity", sparsity) * n)
