"""Random small nets for hypothesis: those of the kit, where minprune verify --self needs them."""

from minprune.verify.ours.nets import ALSO, batch, filled, last, models
from minprune.verify.ours.nets import random_nets as nets

__all__ = ["ALSO", "batch", "filled", "last", "models", "nets"]
