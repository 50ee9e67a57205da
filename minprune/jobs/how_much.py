"""`minprune sensitivity` and `minprune find-sparsity`: how much of a saved model may go."""

import io
import json
import os
import warnings

from minprune.amount.find_sparsity import find_sparsity
from minprune.amount.sensitivity import sensitivity
from minprune.core import Dataset
from minprune.errors import ArgumentError, MinpruneWarning, ShapeError
from minprune.files import check_writable, load, save, write_atomic
from minprune.jobs.data import load_data
from minprune.jobs.job import options
from minprune.jobs.own import check_criterion, of_own
from minprune.jobs.own import criterion as named
from minprune.measures.quality import collapse, evaluate
from minprune.nets.model import Model
from minprune.report.sensitivity_figure import axes

Path = str | os.PathLike[str]


def each_layer(
    file: Path, data: str, criterion: str, *, unit: bool, plot: str | None, as_json: bool,
    quiet: bool,
) -> str:  # fmt: skip
    """The table of `mp.sensitivity` for the model saved at `file`, or its JSON

    plot: where the picture goes, its format by the ending. Raises MinpruneError, in one sentence.
    """
    ending = "" if plot is None else picture(plot)
    check_criterion("sensitivity", "criterion", criterion)
    model, dataset = read(file, data, plot)
    with of_own(criterion):
        found = sensitivity(
            model, dataset, named(criterion), unit=unit, progress=not quiet, **options(criterion)
        )
    if plot is not None:
        content = io.BytesIO()
        found.plot().figure.savefig(content, format=ending)
        write_atomic(plot, content.getvalue())
    return found.to_json() if as_json else str(found)


def one_sparsity(
    file: Path, data: str, criterion: str, *, unit: bool, tolerance: float, layer: str | None,
    scan: bool, out: str | None, as_json: bool, quiet: bool,
) -> str:  # fmt: skip
    """What `mp.find_sparsity` finds for the model saved at `file`; out: where the model goes

    Raises MinpruneError, in one sentence.
    """
    check_criterion("find_sparsity", "criterion", criterion)
    model, dataset = read(file, data, out)
    with of_own(criterion):
        found = find_sparsity(
            model, dataset, named(criterion), unit=unit, tolerance=tolerance, layer=layer,
            scan=scan, progress=not quiet, **options(criterion),
        )  # fmt: skip
    if out is not None:
        save(found.model, out)
    if not as_json:
        return f"sparsity {found.sparsity:.6g}, accuracy {found.accuracy:.2%}; {found}"
    kept = {k: v for k, v in vars(found).items() if k not in ("model", "crossings")}
    return json.dumps(kept | {"crossings": [vars(c) for c in found.crossings]}, indent=1)


def picture(plot: str) -> str:
    """The format of a picture, by its ending; raises ArgumentError for one that none can write"""
    ending = os.path.splitext(plot)[1].removeprefix(".")
    if ending not in axes("sensitivity").figure.canvas.get_supported_filetypes():
        raise ArgumentError(
            f"sensitivity: the name of the picture must end in a format of matplotlib, not "
            f"{plot!r}; pass --plot layers.svg, for example"
        )
    return ending


def read(file: Path, data: str, out: str | None) -> tuple[Model, Dataset]:
    """The model and the data; refused now where `out` cannot be written in the end"""
    if out is not None:
        check_writable(out)
    model, dataset = load(file), load_data(data)
    if tuple(dataset.input_shape) != tuple(model.net.input_shape):
        raise ShapeError(
            f"{file}: takes inputs of {tuple(model.net.input_shape)}, and those of {data} are "
            f"{tuple(dataset.input_shape)}; pass by --data what the model was trained on"
        )
    loud = collapse(vars(evaluate(model, dataset.val)), dataset.classes)
    if loud:
        warnings.warn(
            f"{file}: COLLAPSED to chance on {data}: {loud}; pass by --data what the model was "
            f"trained on", MinpruneWarning, stacklevel=2,
        )  # fmt: skip
    return model, dataset
