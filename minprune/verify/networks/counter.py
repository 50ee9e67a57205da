"""check_counter: parameters and multiply-adds of nets that are lists of plain layers."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minprune.core import Array
from minprune.verify.law import ClauseError, Laws, callable_as, judged, picked
from minprune.verify.networks.layer_compaction import Case, masked
from minprune.verify.plain.layers import Layers, chains, live, macs, net, parameters, weighted
from minprune.verify.trees import mapped, repeats, untouched
from minprune.verify.verdict import Verdicts

LAWS, LIVING = Laws(), Laws()

CHECK = "check_counter"
Fn = Callable[[Layers, Array], Any]


@dataclass(frozen=True)
class Subject:
    """The function, and whether it counts live weights alone."""

    fn: Fn
    living: bool

    def count(self, layers: Layers, x: Array) -> tuple[int, int]:
        """(parameters, multiply-adds) that it gives"""
        found = self.fn(mapped(layers, np.copy), x.copy())
        if isinstance(found, Mapping):
            found = tuple(found[name] for name in ("parameters", "macs") if name in found)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise ClauseError(f"it gives {found!r}, not (parameters, macs)")
        if any(int(n) != n for n in found):
            raise ClauseError(f"it gives {found!r}, which are not whole numbers")
        return int(found[0]), int(found[1])


@dataclass(frozen=True)
class Published:
    """A net whose counts are known."""

    name: str
    layers: Layers
    shape: tuple[int, ...]
    parameters: int
    macs: int

    def __str__(self) -> str:
        return f"{self.name}, samples of {self.shape}"


def zeros(*made: Any, x: tuple[int, ...]) -> Layers:
    """A net for its shapes."""
    return net(0, *made, x=x)


def published() -> list[Published]:
    """LeNet-300-100; distiller's simplenet_cifar, 352,800 + 240,000 + 48,000 + 10,080 + 840;
    shrinkbench's convolution of 10 to 10 channels; a depthwise and a strided one, by hand.
    """
    simple = zeros((6, 5, 0), "relu", "maxpool", (16, 5, 0), "relu", "maxpool", "flatten", 120,
                   "relu", 84, "relu", 10, x=(3, 32, 32))  # fmt: skip
    window = {"kind": "conv", "weight": np.ones((10, 10, 3, 2)), "bias": np.ones(10)}
    return [
        Published("a dense layer of 3 to 2", zeros(2, x=(3,)), (3,), 8, 6),
        Published("LeNet-300-100", zeros(300, "relu", 100, "relu", 10, x=(784,)), (784,),
                  266_610, 266_200),
        Published("10 to 10 channels, 3 x 2 on 4 x 5", [window], (10, 4, 5), 610, 10 * 10 * 6 * 8),
        Published("4 to 6 channels, 3 x 3, padding 1 on 5 x 5",
                  zeros((6, 3, 1), x=(4, 5, 5)), (4, 5, 5), 222, 216 * 25),
        Published("4 to 6 channels, 3 x 3, padding 1, stride 2 on 5 x 5",
                  zeros((6, 3, 1, 2), x=(4, 5, 5)), (4, 5, 5), 222, 216 * 9),
        Published("depthwise, 4 channels, 3 x 3 on 5 x 5",
                  zeros((4, 3, 0, 1, 4), x=(4, 5, 5)), (4, 5, 5), 40, 36 * 9),
        Published("two groups, 4 to 8 channels, 3 x 3, normalised, on 5 x 5",
                  zeros((8, 3, 0, 1, 2), "batchnorm", "relu", x=(4, 5, 5)), (4, 5, 5),
                  144 + 8 + 16, 144 * 9),
        Published("simplenet_cifar", simple, (3, 32, 32), 62_006, 651_720),
    ]  # fmt: skip


NETS = st.builds(lambda made: Case(*made), chains()) | masked()


def batch(c: Case, n: int = 2) -> Array:
    return np.zeros((n, *c.shape))


@LAWS("published", published())
def meets_published(s: Subject, p: Published) -> str | None:
    """counts of known nets are the known ones"""
    found = s.count(p.layers, np.zeros((1, *p.shape)))
    if found == (p.parameters, p.macs):
        return None
    return (f"{found[0]:,} parameters and {found[1]:,} multiply-adds are given, expected "
            f"{p.parameters:,} and {p.macs:,}")  # fmt: skip


@LAWS("parameters", NETS)
def counts_parameters(s: Subject, c: Case) -> str | None:
    """weights, biases, gammas and betas count, running statistics do not"""
    found, want = s.count(c.layers, batch(c))[0], parameters(c.layers, s.living)
    return None if found == want else f"{found} are given, expected {want}"


@LAWS("multiply-adds", NETS)
def counts_macs(s: Subject, c: Case) -> str | None:
    """each weight counts once for each position of one sample's output, over padding too; biases,
    normalisation and activations do not
    """
    found, want = s.count(c.layers, batch(c))[1], macs(c.layers, batch(c), s.living)
    if found == want:
        return None
    more = "; two for each multiply-add are given" if found == 2 * want else ""
    return f"{found} are given, expected {want}{more}"


@LAWS("batch size", NETS)
def ignores_batch(s: Subject, c: Case) -> str | None:
    """counts are those of one sample, whatever the batch"""
    one, three = s.count(c.layers, batch(c, 1)), s.count(c.layers, batch(c, 3))
    return None if one == three else f"they are {one} for one sample and {three} for three"


@LAWS("numbers", NETS)
def ignores_numbers(s: Subject, c: Case) -> str | None:
    """only shapes and masks matter: a live weight that is 0.0 counts as any other"""
    blank = mapped(c.layers, lambda a: np.zeros_like(a) if a.dtype.kind == "f" else a)
    found, want = s.count(blank, batch(c)), s.count(c.layers, batch(c))
    return None if found == want else f"of zeros they are {found}, else {want}"


@LAWS("same bits", NETS)
def same_bits(s: Subject, c: Case) -> str | None:
    """the same net gives the same counts"""
    return repeats(lambda: s.count(c.layers, batch(c)))


@LAWS("input untouched", NETS)
def leaves_input(s: Subject, c: Case) -> str | None:
    """the layers given are not changed"""
    return untouched(s.fn, c.layers, batch(c))


@LIVING("live", masked())
def counts_live(s: Subject, c: Case) -> str | None:
    """masked weights do not count, and where all are masked no weight does"""
    for k in weighted(c.layers):
        layers = [dict(layer) for layer in c.layers]
        layers[k] = layers[k] | {"mask": np.zeros(np.shape(layers[k]["weight"]), bool)}
        gone = s.count(c.layers, batch(c))[0] - s.count(layers, batch(c))[0]
        want = int(live(c.layers[k]).sum())
        if gone != want:
            return f"masking all of weighted layer {k} takes {gone} parameters, expected {want}"
    return None


def check_counter(
    fn: Fn, *, live: bool = False, laws: Collection[str] | None = None, examples: int = 100,
    seed: int = 0,
) -> Verdicts:  # fmt: skip
    """Check `fn(layers, x) -> (parameters, macs)`, which counts what a net has and costs.

    Parameters
    ----------
    fn : callable
        layers: a list of plain layers, see `check_layer_compaction`; x: a batch, of which one
        sample is meant. It returns two whole numbers, or {"parameters": ..., "macs": ...}:
        multiply-adds, one for each weight at each position.
    live : bool
        Whether masked weights are left out of both; else masks do not matter.
    laws : collection of str, optional
        Only these.
    examples, seed : int
        How many examples each law is tried on; the same seed tries the same ones.

    Returns
    -------
    Verdicts

    Raises
    ------
    ArgumentError
        For another law, and a function that cannot be called so.

    Examples
    --------
    >>> import minprune as mp
    >>> def count(layers, x):  # every convolution as if it were at one position
    ...     sizes = [a.size for layer in layers for n, a in layer.items()
    ...              if n in ("weight", "bias", "gamma", "beta")]
    ...     return sum(sizes), sum(layer["weight"].size for layer in layers if "weight" in layer)
    >>> [v.law for v in mp.verify.check_counter(count, examples=20).broken]
    ['published', 'multiply-adds']
    """
    wanted = picked(CHECK, laws, LAWS | (LIVING if live else {}))
    callable_as(fn, "layers", "x")
    return Verdicts(judged(wanted, Subject(fn, live), examples=examples, seed=seed))
