"""What could make all scores right: a missing factor, a sign, a square.

Few numbers may agree with it by chance, so it is asked of many, of examples that nobody shrunk.
"""

import numpy as np

from minprune.core import Arrays

# by the factor that all scores are off
SLIPS = {
    1.0: "six digits agree; look for float32, or for an epsilon that is added",
    2.0: "a factor 1/2 is missing", 4.0: "a factor 1/4 is missing",
    0.5: "a factor 1/2 is too many", 0.25: "a factor 1/4 is too many",
    -1.0: "the sign is reversed",
}  # fmt: skip


FEWEST = 20  # numbers that differ from 0
SAME = 2.0**-40


def factor(found: Arrays, want: Arrays) -> str:
    """What one could do to all scores to make them right, as a clause; empty if nothing simple."""
    a = np.concatenate([np.ravel(found[n]) for n in want]).astype(np.float64)
    b = np.concatenate([np.ravel(w) for w in want.values()])
    live = (a != 0) | (b != 0)
    if live.sum() < FEWEST or not (a[live].all() and b[live].all() and np.isfinite(a).all()):
        return ""
    ratio = a[live] / b[live]
    if np.allclose(ratio, 1, rtol=SAME):  # they are right
        return ""
    if np.allclose(ratio, ratio[0], rtol=1e-6):
        often = f"all are {ratio[0]:.6g} times as much" if len(ratio) > 1 else ""
        clause = SLIPS.get(round(float(ratio[0]), 6), often)
        return f": {clause}" if clause else ""
    if np.allclose(a[live] ** 2, b[live], rtol=1e-6):
        return ": a square is missing"
    return ": a square is too many" if np.allclose(a[live], b[live] ** 2, rtol=1e-6) else ""
