"""`minprune export`: a saved model written for other programs, each a row of TARGETS."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minprune.arguments import one_of
from minprune.core import Array
from minprune.deploy import net_run
from minprune.deploy.agreement import agreement
from minprune.deploy.export_onnx import export_onnx
from minprune.deploy.numpy_file import RUNNER, export_numpy
from minprune.deploy.run_onnx import run_onnx
from minprune.errors import ArgumentError
from minprune.files import load
from minprune.nets.model import Model

Run = tuple[str, Callable[[Array], Array]]  # what runs a form, and x -> outputs


class Target(NamedTuple):
    """write(model, folder, name) -> what to print; run(folder, name) -> what runs it here"""

    write: Callable[[Model, Path, str], str]
    run: Callable[[Path, str], Run]


def export(file: str, to: str, out: str | None, name: str, check: bool = False) -> str:
    """Write the model of a file for another program, and say what was written

    out: the folder; None: one beside the file, called after both. check: whether outputs of the
    form are compared with those of the model; raises FileError where they differ.
    """
    one_of("export", "--to", to, TARGETS)
    if not name.isidentifier():
        raise ArgumentError(
            f"export: --name must be letters, digits and _, not {name!r}; pass --name net"
        )
    model = load(file)
    folder = Path(file).with_suffix("").with_name(f"{Path(file).stem}-{to}")
    folder = folder if out is None else Path(out)
    text = TARGETS[to].write(model, folder, name)
    return f"{text}\n{agreement(model, *TARGETS[to].run(folder, name))}" if check else text


def _numpy(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.npz"
    made = export_numpy(model, path)
    return (
        f"{path}: {made['bytes']:,} bytes, {made['live']:,} of {made['weights']:,} weights\n"
        f"{folder / RUNNER} runs it on NumPy alone: net = net_run.load({path.name!r}); net(x)\n"
        f"NumPy has no sparse products: this saves bytes, and time where units were compacted"
    )


def _run_numpy(folder: Path, name: str) -> Run:
    return "NumPy", net_run.load(folder / f"{name}.npz")  # type: ignore[no-untyped-call]


def _onnx(model: Model, folder: Path, name: str) -> str:
    path = folder / f"{name}.onnx"
    export_onnx(model, path)
    return f"{path}: {path.stat().st_size:,} bytes, operators of version 17"


TARGETS = {
    "numpy": Target(_numpy, _run_numpy),
    "onnx": Target(_onnx, lambda folder, name: run_onnx(folder / f"{name}.onnx")),
}
