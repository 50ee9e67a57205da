"""The kernels, dense and sparse, behind one door; importing this does not import Numba."""

from minprune.kernels.door import *  # noqa: F403
from minprune.kernels.door import __all__ as __all__
from minprune.kernels.workspace import Workspace as Workspace
from minprune.kernels.workspace import empty as empty
from minprune.kernels.workspace import lend as lend
