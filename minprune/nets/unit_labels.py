"""Labels for the rows of every tensor of a trace: rows that must go together share a root."""

from collections.abc import Mapping

import numpy as np

from minprune.autograd import Tensor, Value
from minprune.autograd.tape import ancestors
from minprune.core import Array
from minprune.errors import ArgumentError


def parameter(names: Mapping[Tensor, str], out: Tensor, w: Value) -> str:
    """The name of the parameter w, which out is a product with; raises ArgumentError for another"""
    if isinstance(w, Tensor) and w in names:
        return names[w]
    made_of = [names[t] for t in ancestors(w) if t in names] if isinstance(w, Tensor) else []
    op = out.op.name if out.op else ""
    found = f"an array made of {', '.join(made_of)}" if made_of else "a constant"
    raise ArgumentError(
        f"{op}: the weight must be a parameter itself, not {found}, since units are rows of "
        f"parameters; apply the layer's other ops to its output"
    )


class Labels:
    """The tie rules' words (Links, in autograd/tape.py) as a union-find over rows

    whole: the labels of rows that are normalised all together, so that none can go.
    """

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.rows: dict[Tensor, Array] = {}  # the labels of the first axis
        self.columns: dict[Tensor, Array] = {}  # of a weight's input axis
        self.names: dict[Tensor, str] = {}
        self.whole: list[int] = []

    def fresh(self, n: int) -> Array:
        start = len(self.parent)
        self.parent.extend(range(start, start + n))
        return np.arange(start, start + n)

    def root(self, a: int) -> int:
        while self.parent[a] != a:
            self.parent[a] = self.parent[self.parent[a]]
            a = self.parent[a]
        return a

    def union(self, a: Array, b: Array) -> None:
        for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
            low, high = sorted((self.root(x), self.root(y)))
            self.parent[high] = low

    def leaf(self, name: str, t: Tensor) -> None:
        self.names[t] = name
        self.rows[t] = self.fresh(t.shape[0])

    def of(self, x: Tensor) -> Array:
        if x not in self.rows:
            self.rows[x] = self.fresh(x.shape[0])
        return self.rows[x]

    def same(self, out: Tensor, *xs: Tensor) -> None:
        for x in xs:
            if out in self.rows:
                self.union(self.rows[out], self.of(x))
            else:
                self.rows[out] = self.of(x)

    def scale(self, out: Tensor, x: Tensor, s: Tensor) -> None:
        self.same(out, x, s)

    def spread(self, out: Tensor, x: Tensor, times: int) -> None:
        self.rows[out] = np.repeat(self.of(x), times)

    def stack(self, out: Tensor, *xs: Tensor) -> None:
        self.rows[out] = np.concatenate([self.of(x) for x in xs])

    def bind(self, out: Tensor, x: Tensor, groups: int) -> None:
        self.same(out, x)
        runs = self.of(x).reshape(groups, -1)
        if groups == 1:
            self.whole += runs.ravel().tolist()
        else:
            self.union(runs[:, 1:], np.repeat(runs[:, :1], runs.shape[1] - 1, axis=1))

    def mix(self, out: Tensor, w: Tensor, x: Tensor, groups: int, padded: bool) -> None:
        parameter(self.names, out, w)
        made, read = self.rows[w], self.of(x)
        if groups > 1 and w.shape[1] == 1:  # depthwise: the outputs of a group go with its input
            self.union(made, np.repeat(read, len(made) // groups))
        else:
            if w not in self.columns:
                self.columns[w] = self.fresh(w.shape[1])
            for part in read.reshape(groups, -1):
                self.union(part, self.columns[w])
            for part in made.reshape(groups, -1)[1:]:
                self.union(part, made.reshape(groups, -1)[0])
        self.rows[out] = made
