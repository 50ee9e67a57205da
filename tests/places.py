"""Where the tests find real data: MINPRUNE_DATA, or ../shared/data beside the repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def real_data(name: str) -> Path:
    """The folder of one data set, "mnist" or "monks"; skips the test with the reason if absent."""
    base = Path(os.environ.get("MINPRUNE_DATA") or ROOT.parent / "shared" / "data")
    if not (base / name).is_dir():
        pytest.skip(f"no {name} folder in {base}; set MINPRUNE_DATA to the folder that holds it")
    return base / name
