"""Timings of minprune beside its peers: `python -m benchmarks NAME [--quick]`."""
