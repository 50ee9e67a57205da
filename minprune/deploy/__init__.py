"""Forms in which a model leaves: C source, NumPy alone, ONNX."""
