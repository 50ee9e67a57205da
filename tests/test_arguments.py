"""The shared checks of arguments: what each lets through, and every sentence compared whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minprune.arguments import choice, count, file_path, float_type, instance, number, share
from minprune.errors import ArgumentError

PASSED: tuple[tuple[Callable[[], Any], Any], ...] = (
    (lambda: count("fit", "epochs", np.int64(3)), 3),
    (lambda: count("fit", "epochs", 0, 0), 0),
    (lambda: number("fit", "lr", np.float32(0.5)), 0.5),
    (lambda: number("fit", "lr", 0), 0.0),
    (lambda: share("prune", "sparsity", 1), 1.0),
    (lambda: choice("prune", "scope", "layer", ("global", "layer")), "layer"),
    (lambda: choice("prune", "normalize", None, (None, "l1")), None),
    (lambda: instance("fit", "data", 3, int, "3"), 3),
    (lambda: float_type("digits", "float32"), np.dtype(np.float32)),
    (lambda: file_path("idx", "folder", "mnist"), Path("mnist")),
)
REFUSED: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: count("fit", "epochs", 0),
     "fit: epochs must be an integer of at least 1, not 0; pass epochs=1, for example"),
    (lambda: count("fit", "epochs", True),
     "fit: epochs must be an integer of at least 1, not True; pass epochs=1, for example"),
    (lambda: count("fit", "epochs", 2.0, 0),
     "fit: epochs must be an integer of at least 0, not 2.0; pass epochs=1, for example"),
    (lambda: number("fit", "lr", float("nan")),
     "fit: lr must be a finite number of at least 0, not nan; pass lr=1, for example"),
    (lambda: number("fit", "lr", float("inf")),
     "fit: lr must be a finite number of at least 0, not inf; pass lr=1, for example"),
    (lambda: number("fit", "lr", 0, above=True),
     "fit: lr must be a finite number above 0, not 0; pass lr=1, for example"),
    (lambda: number("fit", "lr", True),
     "fit: lr must be a finite number of at least 0, not True; pass lr=1, for example"),
    (lambda: share("prune", "sparsity", 90),
     "prune: sparsity must be a number from 0 to 1, not 90; pass sparsity=0.5, for example"),
    (lambda: share("prune", "sparsity", 0, above=True),
     "prune: sparsity must be a number above 0 and at most 1, not 0; "
     "pass sparsity=0.5, for example"),
    (lambda: share("prune", "sparsity", 1, below=True),
     "prune: sparsity must be a number from 0 to below 1, not 1; pass sparsity=0.5, for example"),
    (lambda: share("prune", "sparsity", "0.5"),
     "prune: sparsity must be a number from 0 to 1, not '0.5'; pass sparsity=0.5, for example"),
    (lambda: choice("prune", "scope", "net", ("global", "layer")),
     "prune: scope must be 'global' or 'layer', not 'net'; choose one of them"),
    (lambda: choice("prune", "order", True, (1, 2)),
     "prune: order must be 1 or 2, not True; choose one of them"),
    (lambda: instance("fit", "optimizer", "adam", dict, "mp.SGD(0.1)"),
     "fit: optimizer must be a dict, not str; pass mp.SGD(0.1)"),
    (lambda: instance("fit", "optimizer", dict, OSError, "one"),
     "fit: optimizer must be an OSError, not the class dict; pass one"),
    (lambda: float_type("digits", np.int8),
     "digits: dtype must be float32 or float64, not <class 'numpy.int8'>; "
     "pass np.float32, for example"),
    (lambda: file_path("idx", "folder", 3),  # type: ignore[arg-type]
     "idx: folder must be a path, not 3; pass its name as text"),
)  # fmt: skip


@pytest.mark.parametrize(("call", "want"), PASSED)
def test_what_is_right_is_returned(call: Callable[[], Any], want: Any) -> None:
    found = call()
    assert found == want
    assert type(found) is type(want)


@pytest.mark.parametrize(("call", "text"), REFUSED, ids=[text[:50] for _, text in REFUSED])
def test_messages(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.args == (text,)
