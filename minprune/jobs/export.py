"""`minprune export`: a saved model written for other programs, each a row of TARGETS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from minprune.arguments import choice, one_of, only_with
from minprune.deploy.c_source import export_c
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.deploy.quantize import Quantized, quantize
from minprune.errors import ArgumentError
from minprune.files import load
from minprune.jobs.data import load_data
from minprune.nets.model import Model

SAMPLES = 1000  # of the training part, from which int8 has the ranges of values


def export(
    file: str, to: str, out: str | None, name: str, weights: str = "float32",
    calibrate: str | None = None, format: str | None = None,
) -> str:  # fmt: skip
    """Write the model of a file for another program, and say what was written

    out: the folder; None: one beside the file, called after both. calibrate: the data by which int8
    weights get the ranges of values. format: how C stores weights.
    """
    one_of("export", "--to", to, TARGETS)
    choice("export", "--weights", weights, ("float32", "int8"))
    if weights == "int8" and calibrate is None:
        raise ArgumentError(
            "export: --weights int8 must have data for the range of each value, not none; pass "
            "--calibrate digits, or your own data"
        )
    if weights != "int8" and calibrate is not None:
        only_with("export", "--calibrate", "--weights=int8", weights)
    if weights == "int8" and to != "c":
        only_with("export", "--weights int8", "--to=c", to)
    if format is not None and to != "c":
        only_with("export", "--format", "--to=c", to)
    if not name.isidentifier():
        raise ArgumentError(
            f"export: --name must be letters, digits and _, not {name!r}; pass --name net"
        )
    model: Any = load(file)
    said = ""
    if calibrate is not None:
        data = load_data(calibrate)
        model = quantize(model, data.train[0][:SAMPLES])
        said = f"{model.compare(data.test)}\n"
    folder = Path(file).with_suffix("").with_name(f"{Path(file).stem}-{to}")
    options = {} if format is None else {"format": format}
    return said + TARGETS[to](model, folder if out is None else Path(out), name, **options)


def _c(model: Any, folder: Path, name: str, format: str = "auto") -> str:
    if not isinstance(model, Quantized):
        raise ArgumentError(
            "export: --to c must have --weights int8, not float32; pass it with --calibrate DATA"
        )
    made = export_c(model, folder, name=name, format=format)
    return (
        f"{folder / name}.c: {made['data_bytes']:,} bytes of constants, {made['ram_bytes']:,} of "
        f"memory, {made['multiply_adds']:,} multiply-adds; {name}_test.c tests it"
    )


def _numpy(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.npz"
    made = export_numpy(model, path)
    return (
        f"{path}: {made['bytes']:,} bytes, {made['live']:,} of {made['weights']:,} weights\n"
        f"{folder / RUNNER} runs it on NumPy alone: net = net_run.load({path.name!r}); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted"
    )


# (model, folder, name) -> what to print
TARGETS: dict[str, Callable[..., str]] = {"numpy": _numpy, "c": _c}
