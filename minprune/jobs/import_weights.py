"""`minprune import`: arrays of another program as a saved model."""

import re
from collections.abc import Mapping

from minprune.errors import ArgumentError, FileError
from minprune.files import check_writable, save
from minprune.files.from_arrays import Layout, from_arrays
from minprune.files.weights import read_weights
from minprune.jobs.data import load_data
from minprune.jobs.own import check_net
from minprune.jobs.own import net as make


def import_weights(
    file: str, net: str, out: str, data: str, layout: Layout, rename: Mapping[str, str]
) -> str:
    """Save the model of a net and the arrays of a file, and say what it is

    net: as for `minprune run`, sized for the data.
    """
    check_net("import", "net", net)
    if not out.endswith(".npz"):
        raise FileError(f"{out}: must end with .npz; pass --out model.npz, for example")
    arrays = read_weights(file)
    try:
        model = from_arrays(make(net, load_data(data), 0), arrays, rename or None, layout)
    except ArgumentError as e:
        e.args = (re.sub(r"rename={'(.+?)': '(.+?)'}", r"--rename \1=\2", str(e)),)
        raise
    check_writable(out)
    save(model, out)
    return f"{model.summary()}\n\nwritten to {out}"
