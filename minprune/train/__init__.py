"""Training: optimizers, learning rates, the method interface, and the one loop."""
