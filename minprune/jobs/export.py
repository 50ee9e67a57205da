"""`minprune export`: a saved model written for other programs, each a row of TARGETS."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minprune.arguments import one_of, only_with
from minprune.core import Array, stream
from minprune.deploy import net_run
from minprune.deploy.agreement import SAMPLES, agreement
from minprune.deploy.c_source import export_c
from minprune.deploy.export_onnx import export_onnx
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.deploy.quantize import Quantized, quantize
from minprune.deploy.run_c import run_c
from minprune.deploy.run_onnx import run_onnx
from minprune.deploy.safetensors import export_safetensors
from minprune.errors import ArgumentError, FileError
from minprune.files import load
from minprune.jobs.data import load_data
from minprune.nets.model import Model

CALIBRATION = 1000  # samples

Run = tuple[str, Callable[[Array], Array]]  # what runs a form, and x -> outputs


class Target(NamedTuple):
    """write(model, folder, name) -> what to print; run(model, folder, name) -> what runs it here

    int8, formats: whether it takes what `quantize` returns, and a format for weights. unit: that of
    rounding of the numbers in the form, where it is coarser than the model's. instead: without run,
    how to check what is written.
    """

    write: Callable[..., str]
    run: Callable[[Any, Path, str], Run] | None
    int8: bool = False
    formats: bool = False
    unit: float = 0.0
    instead: str = ""


def export(
    file: str, to: str, out: str | None, name: str, check: bool = False,
    weights: str = "float32", calibrate: str | None = None, format: str | None = None,
) -> str:  # fmt: skip
    """Write the model of a file for another program, and say what was written

    out: the folder; None: one beside the file, called after both. check: whether outputs of the
    form are compared with those of the model; raises FileError where they differ. calibrate: the
    data whose first training samples give the ranges of int8. format: how C stores weights.
    """
    one_of("export", "--to", to, TARGETS)
    target = TARGETS[to]
    if not name.isidentifier():
        raise ArgumentError(
            f"export: --name must be letters, digits and _, not {name!r}; pass --name net"
        )
    if (weights == "int8") != (calibrate is not None):
        raise ArgumentError(
            "export: --weights int8 and --calibrate DATA must be given together, or neither; give "
            "both, for example with --calibrate digits"
        )
    if weights == "int8" and not target.int8:
        raise ArgumentError(
            f"export: --weights must be float32 for --to {to}, not int8; leave it out, or pass "
            f"--to numpy"
        )
    if format is not None and not target.formats:
        only_with("export", "--format", "--to=c", to)
    if check and target.run is None:
        raise ArgumentError(
            f"export: --check must be left out with --to {to}; {target.instead.format(name)}"
        )
    model: Any = load(file)
    said = ""
    if calibrate is not None:
        data = load_data(calibrate)
        model = quantize(model, data.train[0][:CALIBRATION])
        said = f"{model.compare(data.test)}\n"
    folder = Path(file).with_suffix("").with_name(f"{Path(file).stem}-{to}")
    folder = folder if out is None else Path(out)
    options = {} if format is None else {"format": format}
    text = said + target.write(model, folder, name, **options)
    if not (check and target.run):
        return text
    runs = target.run(model, folder, name)
    if isinstance(model, Quantized):
        return f"{text}\n{same_bits(model, *runs)}"
    return f"{text}\n{agreement(model, *runs, unit=target.unit)}"


def same_bits(model: Quantized, runtime: str, run: Callable[[Array], Array]) -> str:
    """What `--check` says of integers; raises FileError where a bit of the outputs differs"""
    low, high = model.ranges[0]
    x = stream(0, "samples").uniform(low, high, (SAMPLES, *model.net.input_shape))
    ours, theirs = model(x.astype(np.float32)), run(x.astype(np.float32))
    if wrong := int(np.count_nonzero(ours != theirs)):
        raise FileError(
            f"check: outputs of {runtime} must equal those of the model bit for bit, and {wrong} "
            f"of {ours.size} differ; do not use the file"
        )
    return f"checked by {runtime}: outputs of {SAMPLES} samples are those of the model, bit for bit"


def _c(model: Any, folder: Path, name: str, format: str = "auto") -> str:
    made = export_c(model, folder, name=name, format=format)
    return (
        f"{folder / name}.c: {made['data_bytes']:,} bytes of constants, {made['ram_bytes']:,} of "
        f"memory, {made['multiply_adds']:,} multiply-adds; {name}_test.c tests it"
    )


def _numpy(model: Model | Quantized, folder: Path, name: str) -> str:
    path = folder / f"{name}.npz"
    made = export_numpy(model, path)
    return (
        f"{path}: {made['bytes']:,} bytes, {made['live']:,} of {made['weights']:,} weights\n"
        f"{folder / RUNNER} runs it on NumPy alone: net = net_run.load({path.name!r}); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted"
    )


def _run_numpy(model: Any, folder: Path, name: str) -> Run:
    return "NumPy", net_run.load(folder / f"{name}.npz")  # type: ignore[no-untyped-call]


def _run_c(model: Any, folder: Path, name: str) -> Run:
    return run_c(folder, name, prod(model.net.shapes[model.net.nodes[-1].name]))


def _onnx(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.onnx"
    export_onnx(model, path)
    return f"{path}: {path.stat().st_size:,} bytes, operators of version 17"


def _safetensors(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.safetensors"
    export_safetensors(model, path)
    return f"{path}: {path.stat().st_size:,} bytes, 0.0 where a weight is masked"


TARGETS = {
    "c": Target(_c, _run_c, int8=True, formats=True, unit=2.0**-24),
    "numpy": Target(_numpy, _run_numpy, int8=True),
    "onnx": Target(  # attributes of operators, such as slopes, are float32
        _onnx, lambda model, folder, name: run_onnx(folder / f"{name}.onnx"), unit=2.0**-24
    ),
    "safetensors": Target(
        _safetensors, None, instead="read {}.safetensors by mp.read_weights, and compare the arrays"
    ),
}
