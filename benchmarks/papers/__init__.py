"""Tables of papers, a file for each: `python -m benchmarks papers.renda [--quick] [--data DIR]`."""
