"""One process at a time works in a folder of a plan; a killed one leaves no lock behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from test_plan import alike, run

from minprune.errors import FileError
from minprune.files import alone
from minprune.train.plan import forget

HOLDS = """
import sys
from minprune.files import alone
with alone(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process works in the folder."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLDS, str(folder)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=env, text=True, **pipes) as other:
        try:
            assert other.stdout.readline() == "held\n"  # type: ignore[union-attr]
            yield other
        finally:
            other.kill()


@pytest.mark.skipif(os.name != "posix", reason="folders are locked by flock")
def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    text = (
        f"{folder}: must not be in use by another process; wait until it ends, or pass another path"
    )
    with held(folder):
        for work in (run, forget):
            with pytest.raises(FileError) as caught:
                work(folder)
            assert caught.value.args == (text,)
        assert folder.is_dir()
    assert alike(run(folder), run(None))  # it was killed, and left no lock behind
    with (
        alone(tmp_path),
        pytest.raises(FileError, match="in use by another process"),
        alone(tmp_path),
    ):
        pass
    forget(folder)
    assert not folder.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("")
    with pytest.raises(FileError) as caught:
        run(tmp_path / "plan")
    assert caught.value.args == (
        f"{tmp_path / 'plan'}: cannot be opened (File exists); pass a folder that you can write to",
    )
