"""`minprune import`: arrays of another program, or a net in ONNX, as a saved model."""

import re
from collections.abc import Mapping
from typing import Any

from minprune.arguments import choice
from minprune.deploy.from_onnx import from_onnx
from minprune.errors import ArgumentError
from minprune.files import check_writable, save
from minprune.files.from_arrays import LAYOUTS, SIZED, from_arrays
from minprune.files.weights import is_onnx, read_weights
from minprune.jobs.data import load_data
from minprune.jobs.own import check_net
from minprune.jobs.own import net as make


def import_weights(
    file: str, net: str | None, out: str, data: str, layout: Any, rename: Mapping[str, str]
) -> str:
    """Save the model of a net and the arrays of a file, and say what it is

    net: as for `minprune run`, sized for the data; None: that of an ONNX file.
    """
    choice("import", "--layout", layout, LAYOUTS)
    if not out.endswith(".npz"):
        raise ArgumentError(f"import: --out must end with .npz, not {out!r}; pass --out model.npz")
    if net is not None:
        check_net("import", "--net", net)
    elif not is_onnx(file):
        raise ArgumentError(
            f"import: --net must be given for {file}, which holds arrays without their net; pass "
            f"--net lenet_5, or package.module:function"
        )
    elif rename or layout != LAYOUTS[0]:
        raise ArgumentError(
            "import: --rename and --layout must come with --net, since an ONNX file has a net of "
            "its own; leave them out"
        )
    check_writable(out)
    if net is None:
        model = from_onnx(file)
    else:
        arrays = read_weights(file)
        try:
            model = from_arrays(make(net, load_data(data), 0), arrays, rename or None, layout)
        except ArgumentError as e:  # in the words of the command line
            text = str(e).replace("from_arrays: rename must", "import: --rename must")
            text = text.replace(SIZED, "pass the --data that it is sized for, or another --net")
            text = text.replace("layout='keras'", "--layout keras")
            e.args = (re.sub(r"rename={'(.+?)': '(.+?)'}", r"--rename \1=\2", text),)
            raise
    save(model, out)
    return f"{model.summary()}\n\nwritten to {out}"
