"""The kernels, dense and sparse, behind one door; importing this does not import Numba."""

from typing import TYPE_CHECKING

from minprune.kernels import door
from minprune.kernels.door import backend as backend
from minprune.kernels.door import check as check
from minprune.kernels.indices import area as area
from minprune.kernels.indices import blocks as blocks
from minprune.kernels.indices import climbs as climbs
from minprune.kernels.indices import kept as kept
from minprune.kernels.replay import Repeats as Repeats
from minprune.kernels.replay import noted as noted
from minprune.kernels.signatures import *  # noqa: F403
from minprune.kernels.workspace import Workspace as Workspace
from minprune.kernels.workspace import empty as empty
from minprune.kernels.workspace import lend as lend

if not TYPE_CHECKING:
    __all__ = ["backend", *door.KERNELS]
