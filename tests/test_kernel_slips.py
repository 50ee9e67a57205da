"""What the derived bounds of the kernels must reject: at least one wrong variant of each."""

from types import SimpleNamespace
from typing import Any

import kernel_cases as cases
import kernel_slips
import numpy as np
import pytest
import sparse_slips
from kernel_contract import CONTRACT
from twins import ref

SLIPS = kernel_slips.SLIPS | sparse_slips.SLIPS
WITHOUT_FLOATS = {"csr_transpose", "smallest"}


def test_every_kernel_has_a_wrong_variant() -> None:
    assert {name for name, _ in SLIPS.values()} == set(CONTRACT)
    assert len(SLIPS) == len(kernel_slips.SLIPS) + len(sparse_slips.SLIPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slip", SLIPS)
def test_the_bound_rejects_a_wrong_kernel(slip: str, dtype: type) -> None:
    name, wrong = SLIPS[slip]
    rng = np.random.default_rng(5)
    tries = (cases.case(name, cases.drawn(rng), dtype) for _ in range(200))
    assert any(cases.breaks(name, SimpleNamespace(**{name: wrong}), args) for args in tries)


@pytest.mark.parametrize("name", sorted(set(CONTRACT) - WITHOUT_FLOATS))
def test_no_bound_is_so_wide_that_half_precision_passes(name: str) -> None:
    """The right results, rounded to 11 bits."""
    right = getattr(ref, name)

    def rounded(*args: Any) -> None:
        before = cases.copied(args)
        right(*args)
        for a, b in zip(args, before, strict=True):
            if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.tobytes() != b.tobytes():
                a[...] = kernel_slips.halved(a)

    rng, impl = np.random.default_rng(5), SimpleNamespace(**{name: rounded})
    tries = [cases.breaks(name, impl, cases.case(name, cases.drawn(rng), np.float32))
             for _ in range(100)]  # fmt: skip
    assert sum(map(bool, tries)) > 20


@pytest.mark.parametrize("name", CONTRACT)
def test_the_definition_itself_passes(name: str) -> None:
    """With the same cases, so that it is the slip that is rejected."""
    rng, right = np.random.default_rng(5), SimpleNamespace(**{name: getattr(ref, name)})
    for _ in range(50):
        assert cases.breaks(name, right, cases.case(name, cases.drawn(rng), np.float32)) is None
