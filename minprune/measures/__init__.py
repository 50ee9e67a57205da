"""The quality of a model and its cost: size and latency."""
