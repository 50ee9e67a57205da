"""How much: what each layer bears, and the sparsity at which accuracy falls by a tolerance."""
