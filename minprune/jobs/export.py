"""`minprune export`: a saved model written for other programs, each a row of TARGETS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from minprune.arguments import one_of
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.deploy.quantize import Quantized, quantize
from minprune.errors import ArgumentError
from minprune.files import load
from minprune.jobs.data import load_data
from minprune.nets.model import Model

CALIBRATION = 1000  # samples


def export(
    file: str, to: str, out: str | None, name: str, weights: str, calibrate: str | None
) -> str:
    """Write the model of a file for another program, and say what was written

    out: the folder; None: one beside the file, called after both. calibrate: the data whose first
    training samples give the ranges of int8.
    """
    one_of("export", "--to", to, TARGETS)
    if not name.isidentifier():
        raise ArgumentError(
            f"export: --name must be letters, digits and _, not {name!r}; pass --name net"
        )
    if (weights == "int8") != (calibrate is not None):
        raise ArgumentError(
            "export: --weights int8 and --calibrate DATA must be given together, or neither; give "
            "both, for example with --calibrate digits"
        )
    model: Any = load(file)
    if calibrate is not None:
        model = quantize(model, load_data(calibrate).train[0][:CALIBRATION])
    folder = Path(file).with_suffix("").with_name(f"{Path(file).stem}-{to}")
    return TARGETS[to](model, folder if out is None else Path(out), name)


def _numpy(model: Model | Quantized, folder: Path, name: str) -> str:
    path = folder / f"{name}.npz"
    made = export_numpy(model, path)
    return (
        f"{path}: {made['bytes']:,} bytes, {made['live']:,} of {made['weights']:,} weights\n"
        f"{folder / RUNNER} runs it on NumPy alone: net = net_run.load({path.name!r}); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted"
    )


# (model, folder, name) -> what to print
TARGETS: dict[str, Callable[[Model | Quantized, Path, str], str]] = {"numpy": _numpy}
