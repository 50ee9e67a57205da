"""d2L/dw2 = sum over ops of dL/dy y''[dx/dw, dx/dw]: for which parameters the ops' rules are exact.

A rule for single samples needs every op behind a parameter to keep samples apart. A diagonal made
of such rules is exact where, besides, y'' along any one entry is 0 or in the table of activations:
an op that is linear, or a product of which one factor at most depends on the parameter.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

from minprune.autograd import ACTIVATIONS, Tensor
from minprune.autograd.tape import ancestors
from minprune.curvature.record import Recorded
from minprune.errors import ArgumentError

Keys = Mapping[str, Sequence[str]]


def unruled(seen: Recorded, keys: Keys, curved: bool = False) -> dict[str, str]:
    """{key: the first op where its rules end}, for those keys whose parameters meet one

    keys: {key: names of the parameters that move together}. curved: for second derivatives too.
    """
    bits = {key: 1 << k for k, key in enumerate(keys)}
    moved: dict[Tensor, int] = {}  # the keys that a value depends on, as bits
    for key, names in keys.items():
        for name in names:
            leaf = seen.leaves[name]
            moved[leaf] = moved.get(leaf, 0) | bits[key]
    found: dict[str, str] = {}
    leaves, n = set(moved), seen.out.shape[-1:]
    for t in ancestors(seen.out):
        inputs = [x for x in t.inputs if isinstance(x, Tensor) and moved.get(x)]
        if t.op is None or not inputs:
            continue
        wrong = moved[t] = 0
        for a in inputs:
            moved[t] |= moved[a]
            fits = t.op.each if a in leaves else t.op.second and a.shape[-1:] == n
            if not fits or t.shape[-1:] != n:
                wrong |= moved[a]
        if curved:
            wrong |= _bent_along(t, inputs, moved)
        for key, bit in bits.items() if wrong else ():
            if wrong & bit:
                found.setdefault(key, t.op.name)
    return found


def _bent_along(t: Tensor, inputs: Sequence[Tensor], moved: Mapping[Tensor, int]) -> int:
    """The keys along which the op has a second derivative that no rule knows"""
    assert t.op is not None
    if t.op.second in (None, "apart") or not straight(t.settings.get("act", "none")):
        return moved[t]
    if t.op.second != "product":
        return 0
    both = 0
    for a, b in combinations(inputs, 2):
        both |= moved[a] & moved[b]
    return both


def straight(kind: str) -> bool:
    """Whether that activation is piecewise linear"""
    return kind == "none" or ACTIVATIONS[kind].linear


def need_rules(what: str, seen: Recorded, keys: Keys) -> None:
    """Raises ArgumentError, naming the op, for parameters without rules for single samples."""
    for key, op in unruled(seen, keys).items():
        raise ArgumentError(
            f"{what}: {key} goes through the op {op}, which must have rules for single samples, "
            f"not none; give the op each, squares and second, or use the diagonal 'exact' or "
            f"'hutchinson', which do without"
        )


def each_alone(names: Sequence[str]) -> dict[str, list[str]]:
    """The keys of parameters that do not move together"""
    return {name: [name] for name in names}
