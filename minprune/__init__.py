"""minprune: a from-scratch reference implementation of neural-network pruning.

The names below stand in the order in which data flows: data, nets, training, scores, masks,
measures, files.
"""

from minprune import criteria, data, errors, kernels, methods, schedule
from minprune.autograd import Tensor, grad
from minprune.core import Dataset, Evidence, criterion
from minprune.files import load, save
from minprune.masking.apply import prune, with_masks
from minprune.measures.measure import measure
from minprune.measures.quality import evaluate
from minprune.nets import zoo
from minprune.nets.model import Model, initialise
from minprune.nets.net import build
from minprune.nets.plain import (
    Add,
    AvgPool,
    Concat,
    Dropout,
    Flatten,
    GlobalAvgPool,
    LeakyReLU,
    MaxPool,
    ReLU,
    Sigmoid,
    Tanh,
)
from minprune.nets.weighted import BatchNorm, Conv2d, Dense
from minprune.probe import score
from minprune.train import rates
from minprune.train.history import History
from minprune.train.loop import fit
from minprune.train.method import Change, Method, View
from minprune.train.optim import SGD, Adam, AdamW

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Change",
    "Concat",
    "Conv2d",
    "Dataset",
    "Dense",
    "Dropout",
    "Evidence",
    "Flatten",
    "GlobalAvgPool",
    "History",
    "LeakyReLU",
    "MaxPool",
    "Method",
    "Model",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "Tensor",
    "View",
    "build",
    "criteria",
    "criterion",
    "data",
    "errors",
    "evaluate",
    "fit",
    "grad",
    "initialise",
    "kernels",
    "load",
    "measure",
    "methods",
    "prune",
    "rates",
    "save",
    "schedule",
    "score",
    "with_masks",
    "zoo",
]
