"""Files: each a plain .npz that is written whole or not at all; models, locks, the container."""

from minprune.files.atomic import check_writable, sweep, write_atomic
from minprune.files.lock import alone, alone_with
from minprune.files.model import describe, load, rebuild, save

__all__ = [
    "alone", "alone_with", "check_writable", "describe", "load", "rebuild", "save", "sweep",
    "write_atomic",
]  # fmt: skip
