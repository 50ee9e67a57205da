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
TEN = {"act_hist": [[1.0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 2, 0, 0, 0, 0, 0, 0, 0]]}
ACTIVATIONS = (
    Row("apoz", "distiller, whose APoZ is 100 * 12/18 and 100 * 9/18", [6 / 18, 9 / 18], IMAGES,
        unit=True),
    Row("apoz", "by hand: |a| <= tol, not <", [5 / 18, 8 / 18], IMAGES, {"tol": 1}, unit=True),
    Row("activation", "distiller; its L1 is 9 positions times this: 21/2, 45/2",
        [21 / 18, 45 / 18], IMAGES, unit=True),
    Row("activation_entropy", "by hand: 10 bins", [LN2, 0], TEN, unit=True),
)  # fmt: skip

# of x = (1, -1, 1, -1): 5 + x, 1 + 2 x, 3 - x, 2
AFFINE = {
    "act_mean": [5.0, 1, 3, 2],
    "act_cov": [[1.0, 2, -1, 0], [2, 4, -2, 0], [-1, -2, 1, 0], [0, 0, 0, 0]],
    "outgoing": [[2.0], [1], [4], [8]],
}
BEYOND = 1 + 2.0**-51  # 2 + 2 of these, over 2, is above 2
REDUNDANCY = (
    Row("similarity", "by hand: opposite", [2, above(2)],
        {"act_gram": [[1.0, -1], [-1, 1]], "outgoing": [[1.0], [-2]]}, unit=True),
    Row("similarity", "by hand: a product rounded beyond opposite", [2, above(2)],
        {"act_gram": [[1.0, -BEYOND], [-BEYOND, 1]], "outgoing": [[1.0], [2]]}, unit=True),
    Row("similarity", "by hand: two silent units", [0, 1, above(1)],
        {"act_gram": [[0.0, 0, 0], [0, 0, 0], [0, 0, 3]], "outgoing": [[1.0], [2], [3]]},
        unit=True),
    Row("correlation", "by hand: affine, opposite, constant", [1, TINY, above(1), 0], AFFINE,
        unit=True),
    Row("cosine", "by hand: 3-4-5", [TINY, 1, above(1), 0],
        {"weights": [[3.0, 4], [6, 8], [-4, 3], [0, 0]], "outgoing": [[1.0], [2], [4], [8]]},
        unit=True, within=ULP),
)  # fmt: skip

# n_c = 1, 3; unit 0: mu = 3, (9 + 3) / 4 = 3 between, 2 within
FOUR = {
    "class_counts": [1.0, 3], "class_means": [[0.0, 5, 1, 2], [4, 5, 3, 2]],
    "within": [[2.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
}  # fmt: skip
CLASSES = (
    Row("lda", "by hand: silent", [1.5, 0], {"class_counts": [1, 3],
        "class_means": [[0, 0], [4, 0]], "within": [[2, 0], [0, 0]]}, unit=True, within=2 * ULP),
    Row("lda", "by hand", [1.5, 0, MOST, 0], FOUR, unit=True, within=2 * ULP),
    Row("lda_joint", "by hand: uncoupled", [1.5, 0, MOST, 0], FOUR, unit=True, within=2 * ULP),
)  # fmt: skip

ROWS = (*ACTIVATIONS, *REDUNDANCY, *CLASSES)
