"""The worked rows of the criteria from activations, of redundancy and of classes."""

import numpy as np
from criterion_laws import Row

ULP = 4e-16  # of numbers below 2, where the row's own decimals are not exact in binary
LN2 = np.log(2)
TINY = 5e-324
MOST = np.finfo(float).max


def above(x: float) -> float:
    return float(np.nextafter(x, np.inf))


# distiller's tests/test_basic.py: (2 images, 2 channels, 9 positions)
IMAGES = {"activations": [
    [[1.0, 0, 0, 0, 2, 0, 0, 0, 3], [1, 0, 2, 0, 3, 0, 4, 0, 5]],
    [[4, 0, 0, 0, 5, 0, 0, 0, 6], [0, 6, 0, 7, 0, 8, 0, 9, 0]],
]}  # fmt: skip
SIGNED = {"activations": [[[3.0, -1], [0, 0]], [[-4, 0], [2, 2]]]}
HIST = {"act_hist": [[2.0, 0, 2], [0, 4, 0]]}
TEN = {"act_hist": [[1.0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]]}
ACTIVATIONS = (
    Row("apoz", "distiller, whose APoZ is 100 * 12/18 and 100 * 9/18", [6 / 18, 9 / 18], IMAGES,
        unit=True),
    Row("apoz", "by hand: |a| <= tol, not <", [5 / 18, 8 / 18], IMAGES, {"tol": 1}, unit=True),
    Row("apoz", "by hand: what is negative is not silent", [0.75, 0.5], SIGNED, unit=True),
    Row("activation", "distiller; its L1 is 9 positions times this: 21/2, 45/2",
        [21 / 18, 45 / 18], IMAGES, unit=True),
    Row("activation", "by hand: no sign", [2, 1], SIGNED, {"kind": "mean"}, unit=True),
    Row("activation", "by hand", np.sqrt([6.5, 2]), SIGNED, {"kind": "rms"}, unit=True),
    Row("activation_entropy", "by hand", [LN2, 0], HIST, {"bins": 3}, unit=True),
    Row("activation_entropy", "by hand", [-LN2, 0], HIST, {"bins": 3, "prune": "high"}, unit=True),
    Row("activation_entropy", "by hand: 10 bins", [LN2, 0], TEN, unit=True),
)  # fmt: skip

# a over two samples: (2, 0), (1, 1), (0, 4); 1 and 0 are closest, and 1 sends on less
SIMILAR = {
    "act_gram": [[2.0, 1, 0], [1, 1, 2], [0, 2, 8]], "outgoing": [[3.0, 4], [1, 0], [0, 2]],
}  # fmt: skip
# of x = (1, -1, 1, -1): 5 + x, 1 + 2 x, 3 - x, 2
AFFINE = {
    "act_mean": [5.0, 1, 3, 2],
    "act_gram": [[26.0, 7, 14, 10], [7, 5, 1, 2], [14, 1, 10, 6], [10, 2, 6, 4]],
    "outgoing": [[2.0], [1], [4], [8]],
}
WEIGHTS = {"source": "weights"}
REDUNDANCY = (
    Row("similarity", "by hand", [above(1), 1 / 3, 1], SIMILAR, unit=True),
    Row("similarity", "by hand: opposite", [2, above(2)],
        {"act_gram": [[1.0, -1], [-1, 1]], "outgoing": [[1.0], [-2]]}, unit=True),
    Row("similarity", "by hand: two silent units", [0, 1, above(1)],
        {"act_gram": [[0.0, 0, 0], [0, 0, 0], [0, 0, 3]], "outgoing": [[1.0], [2], [3]]},
        unit=True),
    Row("correlation", "by hand: affine, opposite, constant", [1, TINY, above(1), 0], AFFINE,
        unit=True),
    Row("correlation", "by hand", [0.5, above(0.5)],
        {"act_mean": [0.0, 0], "act_gram": [[1.0, 1], [1, 4]], "outgoing": [[1.0], [2]]},
        {"source": "activations"}, unit=True),
    Row("correlation", "by hand: constant, affine, opposite", [0, above(1), 1, TINY],
        {"weights": [[2.0, 2, 2], [1, 0, -1], [0, 1, 2], [3, 5, 7]],
         "outgoing": [[9.0], [3], [2], [1]]}, WEIGHTS, unit=True, within=ULP),
    Row("cosine", "by hand: 3-4-5", [TINY, 1, above(1), 0],
        {"weights": [[3.0, 4], [6, 8], [-4, 3], [0, 0]], "outgoing": [[1.0], [2], [4], [8]]},
        unit=True, within=ULP),
    Row("cosine", "by hand: opposite", [above(2), 2],
        {"weights": [[1.0, 0], [-3, 0]], "outgoing": [[1.0, 1], [1, 0]]}, {"bias": False},
        unit=True),
)  # fmt: skip

# n_c = 1, 3; unit 0: mu = 3, (9 + 3) / 4 = 3 between, 2 within
FOUR = {
    "class_counts": [1.0, 3], "class_means": [[0.0, 5, 1, 2], [4, 5, 3, 2]],
    "within": [[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
}  # fmt: skip
# S_w^-1 (mu_c - mu) = +-(4, -2) / 3
COUPLED = {
    "class_counts": [2.0, 2], "class_means": [[-1.0, 0], [1, 0]], "within": [[1.0, 0.5], [0.5, 1]],
}  # fmt: skip
CLASSES = (
    Row("lda", "by hand", [1.5, 0, MOST, 0], FOUR, unit=True, within=2 * ULP),
    Row("lda", "by hand: blind to coupling", [1, 0], COUPLED, unit=True),
    Row("lda_joint", "by hand: uncoupled", [1.5, 0, MOST, 0], FOUR, unit=True, within=2 * ULP),
    Row("lda_joint", "by hand", [16 / 9, 4 / 9], COUPLED, unit=True, within=4 * ULP),
)  # fmt: skip

ROWS = (*ACTIVATIONS, *REDUNDANCY, *CLASSES)
