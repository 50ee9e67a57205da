"""The layers by name, for files and for people."""

from minprune.nets.layer import Layer
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

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Dense,
        Conv2d,
        MaxPool,
        AvgPool,
        GlobalAvgPool,
        BatchNorm,
        ReLU,
        LeakyReLU,
        Tanh,
        Sigmoid,
        Dropout,
        Flatten,
        Add,
        Concat,
    )
}
