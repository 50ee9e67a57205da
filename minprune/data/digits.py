"""The digits that ship with the package: 1,797 images of 8 x 8 pixels, 10 classes.

Source: E. Alpaydin & C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, https://archive.ics.uci.edu/dataset/80, licence CC BY 4.0. It is the test part
of that set, from the copy in scikit-learn (`sklearn.datasets.load_digits`). Changes made here: a
new order and a split. The file's own order is by writer, so a split along it would test on writers
never seen, which is a much harder task.

How digits.npz is made: sort the images by (label, SHA-256 of the index as decimal text); of n
images, the j-th goes to a part of `count` when floor((j + 1) count / n) > floor(j count / n): first
for training, 1,197 of all, then for validation, 240 of the other 600, in the order so far; the rest
is the test part; sort each part by the SHA-256 of "order " and the index; write train, validation,
test. (The first hash again would deal the classes out evenly: the draw spaces it so.) No random
generator takes part, so any version of NumPy rebuilds the same file.
"""

import numpy as np
import numpy.typing as npt

from minprune.arguments import float_type
from minprune.core import Dataset

TRAIN, VAL, TEST = 1197, 240, 360


def digits(*, dtype: npt.DTypeLike = np.float32) -> Dataset:
    """x = pixel / 16      x: (n, 1, 8, 8) in [0, 1], y: (n,) int64 from 0 to 9

    n is 1,197 for training, 240 for validation, 360 for test; the class shares of each part are
    within one sample of those of the whole. Every call gives new arrays.

    Parameters
    ----------
    dtype : dtype
        Of the inputs: float32 or float64.

    Returns
    -------
    Dataset
        The three parts, named "digits".

    Raises
    ------
    ArgumentError
        For another dtype.

    Examples
    --------
    >>> import minprune as mp
    >>> data = mp.data.digits()
    >>> data.train[0].shape, data.outputs
    ((1197, 1, 8, 8), 10)

    Source: Alpaydin & Kaynak (1998), see the top of this file.
    """
    from importlib.resources import files

    kind = float_type("digits", dtype)
    path = files("minprune.data") / "digits.npz"
    with path.open("rb") as f, np.load(f, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    x = images[:, None].astype(kind) / kind.type(16)
    y = labels.astype(np.int64)
    a, b = TRAIN, TRAIN + VAL
    return Dataset((x[:a], y[:a]), (x[a:b], y[a:b]), (x[b:], y[b:]), name="digits")
