"""Files: models and states, each a plain .npz that is written whole or not at all."""

from minprune.files.atomic import check_writable, sweep, write_atomic
from minprune.files.lock import alone, alone_with
from minprune.files.model import describe, load, rebuild, save
from minprune.files.state import load_state, save_state

__all__ = [
    "alone", "alone_with", "check_writable", "describe", "load", "load_state", "rebuild", "save",
    "save_state", "sweep", "write_atomic",
]  # fmt: skip
