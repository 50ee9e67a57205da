"""How sparse at which step: pure functions, step -> sparsity, that never fall.

A step counts optimizer updates from 0. Sparsity is the share of prunable entries whose mask is
False, in [0, 1]. Linear, exponential and cubic share four arguments: they start from `initial` at
step `start`, reach `final` at `start + span`, change every `every` steps, and are flat outside.
"""

from collections.abc import Callable
from numbers import Integral, Real

from minprune.errors import ArgumentError


def one_shot(step: int, *, final: float, at: int = 0) -> float:
    """s = final if step >= at else 0

    Everything at once, at step `at`. Raises ArgumentError.
    """
    _whole("step", step, 0)
    _whole("at", at, 0)
    _share("final", final)
    return float(final) if step >= at else 0.0


def constant(step: int, *, final: float) -> float:
    """s = final

    For nets that are sparse from the start. Raises ArgumentError.
    """
    _whole("step", step, 0)
    _share("final", final)
    return float(final)


def linear(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = initial + (final - initial) * p      p = (t - start) / span, t: the last update

    Equal sparsity is added at each update. Raises ArgumentError.
    """
    p = _progress(step, final, span, initial, start, every)
    return _clamp(initial + (final - initial) * p, initial, final, p)


def exponential(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = 1 - (1 - initial) * ((1 - final) / (1 - initial))**p      p = (t - start) / span

    Each update removes the same share of what is left; from initial = 0 the kept share is
    keep**(k / n) for update k of n and final kept share `keep`. A final sparsity of 1 has no such
    share and is refused. Raises ArgumentError.
    """
    p = _progress(step, final, span, initial, start, every)
    if final == 1.0:
        raise ArgumentError(
            "final is 1.0, expected less than 1 for an exponential schedule, "
            "which never reaches an empty net; use linear or cubic"
        )
    kept = (1 - initial) * ((1 - final) / (1 - initial)) ** p
    return _clamp(1 - kept, initial, final, p)


def cubic(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = final + (initial - final) * (1 - p)**3      p = (t - start) / span, t: the last update

    Fast while much is redundant, slow near the end. Raises ArgumentError.
    Source: Zhu & Gupta (2017), To prune, or not to prune; their n * dt is `span`, dt is `every`.
    """
    p = _progress(step, final, span, initial, start, every)
    return _clamp(final + (initial - final) * (1 - p) ** 3, initial, final, p)


def iterative(round: int, *, fraction: float) -> float:
    """s = 1 - (1 - fraction)**round

    Each round removes `fraction` of what the round before kept; round 0 is dense. The sparsity is
    a share of the ORIGINAL count, so that rounding one round never moves the next.
    Raises ArgumentError. Source: Frankle & Carbin (2018), The Lottery Ticket Hypothesis.
    """
    _whole("round", round, 0)
    _share("fraction", fraction)
    return float(1 - (1 - fraction) ** round)


SCHEDULES: dict[str, Callable[..., float]] = {
    "one_shot": one_shot,
    "constant": constant,
    "linear": linear,
    "exponential": exponential,
    "cubic": cubic,
    "iterative": iterative,
}


def _progress(step: int, final: float, span: int, initial: float, start: int, every: int) -> float:
    """p = clip((t - start) / span, 0, 1)      t = start + every * floor((step - start) / every)

    The last change is at start + span, also where `every` does not divide `span`.
    """
    _whole("step", step, 0)
    _whole("start", start, 0)
    _whole("span", span, 1)
    _whole("every", every, 1)
    _share("initial", initial)
    _share("final", final)
    if initial > final:
        raise ArgumentError(
            f"initial is {initial}, expected at most final, which is {final}; "
            f"sparsity only rises, so exchange them or lower initial"
        )
    done = step - start
    if done >= span:
        return 1.0
    return max(done // every * every, 0) / span


def _clamp(value: float, initial: float, final: float, p: float) -> float:
    """Exact at both ends, and never outside [initial, final] by a rounding error."""
    if p in (0.0, 1.0):
        return float(final if p else initial)
    return float(min(max(value, initial), final))


def _whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ArgumentError(
            f"{name} is {value!r}, expected an integer of at least {least}; "
            f"count steps and rounds in whole numbers"
        )


def _share(name: str, value: float) -> None:
    if not isinstance(value, Real) or not 0 <= value <= 1:
        raise ArgumentError(f"{name} is {value!r}, expected a share from 0 to 1; write 90 % as 0.9")
