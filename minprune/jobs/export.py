"""`minprune export`: a saved model written for other programs, each a row of TARGETS."""

from collections.abc import Callable
from pathlib import Path

from minprune.arguments import one_of
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.errors import ArgumentError
from minprune.files import load
from minprune.nets.model import Model


def export(file: str, to: str, out: str | None, name: str) -> str:
    """Write the model of a file for another program, and say what was written

    out: the folder; None: one beside the file, called after both.
    """
    one_of("export", "--to", to, TARGETS)
    if not name.isidentifier():
        raise ArgumentError(
            f"export: --name must be letters, digits and _, not {name!r}; pass --name net"
        )
    model = load(file)
    folder = Path(file).with_suffix("").with_name(f"{Path(file).stem}-{to}")
    return TARGETS[to](model, folder if out is None else Path(out), name)


def _numpy(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.npz"
    made = export_numpy(model, path)
    return (
        f"{path}: {made['bytes']:,} bytes, {made['live']:,} of {made['weights']:,} weights\n"
        f"{folder / RUNNER} runs it on NumPy alone: net = net_run.load({path.name!r}); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted"
    )


# (model, folder, name) -> what to print
TARGETS: dict[str, Callable[[Model, Path, str], str]] = {"numpy": _numpy}
