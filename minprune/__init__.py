"""minprune: a from-scratch reference implementation of neural-network pruning.

The names stand in the order in which data flows: data, nets, training, scores, masks, measures,
files. Each is imported when it is first used, so that `import minprune` costs little more than
`import numpy`.
"""

# mypy: implicit-reexport
from __future__ import annotations

import sys
from importlib import import_module

__version__ = "0.2.0"

TYPE_CHECKING = False  # that of typing, whose import takes longer than all else here
if TYPE_CHECKING:  # the same names, for type checkers and editors; a test compares the two
    import typing

    from minprune import (
        autograd,
        criteria,
        curvature,
        data,
        errors,
        kernels,
        methods,
        schedule,
        sparse,
        structure,
        verify,
    )
    from minprune.amount.find_sparsity import find_sparsity
    from minprune.amount.sensitivity import sensitivity
    from minprune.amount.threshold_curve import threshold_curve
    from minprune.autograd import Tensor, grad
    from minprune.core import CriterionSpec, Dataset, Evidence, Example, criterion
    from minprune.deploy.c_source import export_c
    from minprune.deploy.export_onnx import export_onnx
    from minprune.deploy.from_onnx import from_onnx
    from minprune.deploy.numpy_file import export_numpy
    from minprune.deploy.quantize import quantize
    from minprune.deploy.safetensors import export_safetensors
    from minprune.evidence import score
    from minprune.evidence.why import why
    from minprune.files import load, save
    from minprune.files.from_arrays import from_arrays
    from minprune.files.weights import read_weights
    from minprune.masking.allocate import allocate
    from minprune.masking.apply import collapsed, prune, with_masks
    from minprune.masking.combine import combine
    from minprune.masking.masks import masks
    from minprune.measures.measure import measure
    from minprune.measures.quality import evaluate
    from minprune.nets import zoo
    from minprune.nets.convolution import *  # noqa: F403
    from minprune.nets.dense import *  # noqa: F403
    from minprune.nets.dropout import *  # noqa: F403
    from minprune.nets.initialise import initialise
    from minprune.nets.joining import *  # noqa: F403
    from minprune.nets.model import Model
    from minprune.nets.net import build
    from minprune.nets.normalisation import *  # noqa: F403
    from minprune.nets.pooling import *  # noqa: F403
    from minprune.nets.registry import layer
    from minprune.nets.ties import ties
    from minprune.sparse.convert import densify, sparsify
    from minprune.structure.compact import compact
    from minprune.train import rates
    from minprune.train.history import History, Learned
    from minprune.train.loop import fit
    from minprune.train.method import Change, Context, Method, View
    from minprune.train.optim import SGD, Adam, AdamW

MODULES = {
    "errors": "errors",
    "data": "data",
    "schedule": "schedule",
    "kernels": "kernels",
    "autograd": "autograd",
    "zoo": "nets.zoo",
    "rates": "train.rates",
    "curvature": "curvature",
    "criteria": "criteria",
    "structure": "structure",
    "sparse": "sparse",
    "methods": "methods",
    "verify": "verify",
}
NAMES = {
    "core": ("Dataset", "Evidence", "Example", "CriterionSpec", "criterion"),
    "autograd": ("Tensor", "grad"),
    "nets.net": ("build",),
    "nets.registry": ("layer",),
    "nets.model": ("Model",),
    "nets.initialise": ("initialise",),
    "nets.ties": ("ties",),
    "train.optim": ("SGD", "Adam", "AdamW"),
    "train.method": ("Method", "Context", "View", "Change"),
    "train.history": ("History", "Learned"),
    "train.loop": ("fit",),
    "evidence": ("score",),
    "evidence.why": ("why",),
    "masking.combine": ("combine",),
    "masking.allocate": ("allocate",),
    "masking.masks": ("masks",),
    "masking.apply": ("prune", "with_masks", "collapsed"),
    "amount.sensitivity": ("sensitivity",),
    "amount.find_sparsity": ("find_sparsity",),
    "amount.threshold_curve": ("threshold_curve",),
    "structure.compact": ("compact",),
    "sparse.convert": ("sparsify", "densify"),
    "measures.quality": ("evaluate",),
    "measures.measure": ("measure",),
    "files": ("save", "load"),
    "files.weights": ("read_weights",),
    "files.from_arrays": ("from_arrays",),
    "deploy.safetensors": ("export_safetensors",),
    "deploy.c_source": ("export_c",),
    "deploy.export_onnx": ("export_onnx",),
    "deploy.from_onnx": ("from_onnx",),
    "deploy.numpy_file": ("export_numpy",),
    "deploy.quantize": ("quantize",),
}  # fmt: skip
_HOME = {name: home for home, names in NAMES.items() for name in names}


def _layers() -> dict[str, typing.Any]:
    """The layers, {name: class}: those of the files that the registry lists"""
    found: dict[str, typing.Any] = import_module("minprune.nets.registry").LAYERS
    return found


def __getattr__(name: str) -> typing.Any:
    if name in MODULES:
        found: typing.Any = import_module(f"minprune.{MODULES[name]}")
    elif name in _HOME:
        found = getattr(import_module(f"minprune.{_HOME[name]}"), name)
    elif name == "__all__":
        found = ["__version__", *MODULES, *_HOME, *_layers()]
    elif name[:1].isupper() and name in _layers():  # a class, not a file that is being imported
        found = _layers()[name]
    else:
        said = f"module 'minprune' has no attribute {name!r}"
        raise AttributeError(said, name=name, obj=sys.modules[__name__])  # Python adds the nearest
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))
