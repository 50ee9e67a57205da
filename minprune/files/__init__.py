"""Files: each a plain .npz that is written whole or not at all; models, locks, the container."""

from minprune.files.container import sweep, write_atomic
from minprune.files.lock import alone
from minprune.files.model import describe, load, rebuild, save

__all__ = ["alone", "describe", "load", "rebuild", "save", "sweep", "write_atomic"]
