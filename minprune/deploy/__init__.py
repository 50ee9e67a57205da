"""A model on machines without minprune: lowered to plain steps, then written as C and other forms.

`program` lowers a model; what writes a form reads the steps alone and knows no layer.
"""

from minprune.deploy import numpy_bytes  # noqa: F401  which adds its rules to numpy_file
from minprune.deploy.numpy_file import export_numpy
from minprune.deploy.program import Program, lowers, program
from minprune.deploy.quantize import Quantized, quantize

__all__ = ["Program", "Quantized", "export_numpy", "lowers", "program", "quantize"]
