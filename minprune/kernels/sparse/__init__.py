"""The sparse kernels: for each family its NumPy twin (_ref) and its compiled loops (_jit)."""
