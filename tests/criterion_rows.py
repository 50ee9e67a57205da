"""More worked rows than the specs have: edges, and other people's numbers; each runs every law."""

from typing import Any

import numpy as np
from criterion_laws import Row
from criterion_rows_activations import ROWS as OF_ACTIVATIONS

from minprune.criteria import CRITERIA

ULP = 4e-16  # of numbers below 2, where the row's own decimals are not exact in binary
LN2 = np.log(2)
W = {"weights": [[3.0, -1], [0, -2]]}
UNITS = {"weights": [[3.0, -4], [0, -2]]}

# The kernels of distiller's tests/test_thresholding.py, two filters of three, to four decimals.
KERNELS = np.array([
    [-1.2982, 0.7574, 0.7962, -0.6695, 1.5907, 0.2659, 0.1423, 0.3165, -0.7629],
    [-0.5480, -1.2718, 0.8286, -0.6427, 0.3814, -0.7988, 1.0346, 1.3023, -0.9674],
    [-0.7951, 1.8784, -0.5654, 0.0456, -0.2849, -0.3332, -0.2367, 0.7467, 0.9212],
    [1.3672, 0.2993, -0.0619, 1.8156, 0.7599, 0.1815, 0.4136, 1.8316, 1.7214],
    [0.5125, -1.5329, 0.9257, 0.9200, 0.4376, 0.5743, -0.0097, 0.9473, -0.0899],
    [0.2372, 2.4369, -0.3410, -1.0595, 0.8056, -0.0357, -1.0105, -0.1451, -0.4194],
])  # fmt: skip
FILTERS = {"weights": KERNELS.reshape(2, 27)}
L1 = [6.5997, 7.7756, 5.8073, 8.4522, 5.9498, 6.4908]
SHOWN = 2e-4  # nine or more entries, each rounded to four decimals there

FREE = (
    Row("magnitude", "distiller", [4.5039, 5.2156], FILTERS, unit=True, within=SHOWN),
    Row("norm", "by hand", [[3, 1], [0, 2]], W, {"p": 1}),
    Row("norm", "by hand", [[3, 1], [0, 2]], W, {"p": np.inf}),
    Row("norm", "by hand: a count", [[1, 1], [0, 1]], W, {"p": 0}),
    Row("norm", "distiller", L1, {"weights": KERNELS}, {"p": 1}, unit=True, within=SHOWN),
    Row("norm", "by hand: a count", [2, 1], UNITS, {"p": 0}, unit=True),
    Row("norm", "by hand: |w| > tol", [1, 0], UNITS, {"p": 0, "tol": 3}, unit=True),
    Row("lamp", "by hand: all zero", [0, 0], {"weights": [0.0, 0]}),
)  # fmt: skip


def dense(*rows: list[float]) -> dict[str, Any]:
    """These weights, none of them masked"""
    return {"weights": [*rows], "masks": np.ones(np.shape(rows)).tolist()}


EIGHT = dense([0.0, 0, 4, 4], [0, 0, 0, 0])
UNEVEN = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
SPREAD = (
    Row("geometric_median", "by hand: opposite, not twins", [10, 10],
        dense([3.0, 4], [-3, -4]), unit=True),
    Row("geometric_median", "by hand: twins tie", [5, 5, 10],
        dense([0.0, 0], [0, 0], [3, 4]), unit=True),
    Row("weight_entropy", "by hand: 10 bins", [-LN2, 0], dense([0.0, 9.5], [3.5, 3.6]),
        unit=True),
    Row("weight_entropy", "by hand: the last bin is closed", [-2 * LN2, 0],
        dense([0.0, 1, 2, 4], [3, 4, 4, 4]), {"bins": 4}, unit=True),
    Row("weight_entropy", "by hand: the range of the layer, not of the unit", [0, -UNEVEN],
        dense([0.0, 1, 0, 1], [0, 0, 0, 4]), {"bins": 2}, unit=True, within=ULP),
    Row("weight_entropy", "by hand: one weight of a unit is live", [0, -LN2],
        {"weights": [[0.0, 4], [1, 3]], "masks": [[1, 0], [1, 1]]}, {"bins": 2}, unit=True),
    Row("weight_entropy", "by hand: one bin", [0, 0], EIGHT, {"bins": 1}, unit=True),
)  # fmt: skip

LAYER = {"weights": [0.1, 0.9, 0.2, 0.5], "grads": [5.0, 1, 3, 0.5]}
GATES = {"weights": [1.0, 1], "grads": [-3.0, 1]}
HALF, EACH = {"order": 2}, {"order": 2, "hessian": "row"}
GRADIENTS = (
    Row("taylor", "by hand", [16, 0], GATES | {"hess_diag": [2.0, 2]}, HALF, unit=True),
    Row("taylor", "by hand", [16, 0], GATES | {"hess_weight": [2.0, 2]}, EACH, unit=True),
    Row("snip", "jaxpruner, divided by its sum of 2.25",
        np.array([0.5, 0.9, 0.6, 0.25]) / 2.25, LAYER, within=ULP),
)  # fmt: skip

BENT = {"weights": [[3.0, -1], [2, 1]], "hess_diag": [[2.0, -4], [1, 2]]}
CURVATURE = (
    Row("obd", "by hand: h < 0", [[9, -2], [2, 1]], BENT, {"clip": False}),
    Row("obd", "by hand: clipped entry by entry", [9, 3], BENT, {"clip": True}, unit=True),
    Row("obs", "by hand: scales share a formula", [[4.5, 0.125], [0, 4]],
        {"weights": [[3.0, -1], [0, 2]], "inverse_diag": [[1.0, 4], [2, 0.5]]},
        {"scale": "layer"}),
    Row("oracle", "itself", [[0.5, -2], [0, 1]], {"removal": [[0.5, -2], [0, 1]]}),
)  # fmt: skip
OF_SPECS = tuple(
    Row.of_spec(name, example) for name, fn in CRITERIA.items() for example in fn.spec.examples
)

ROWS = (*OF_SPECS, *FREE, *SPREAD, *OF_ACTIVATIONS, *GRADIENTS, *CURVATURE)
