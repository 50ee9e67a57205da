"""step -> sparsity: pure functions that never fall.

A step counts optimizer updates from 0. Sparsity is the share of prunable entries whose mask is
False, in [0, 1]. Linear, exponential and cubic share four arguments: they start from `initial` at
step `start`, reach `final` at `start + span`, change every `every` steps, and are flat outside.
Longer than most files: two thirds are the docstrings of public functions.
"""

from collections.abc import Callable

from minprune.arguments import count, share
from minprune.errors import ArgumentError

__all__ = ["SCHEDULES", "constant", "cubic", "exponential", "iterative", "linear", "one_shot"]


def one_shot(step: int, *, final: float, at: int = 0) -> float:
    """s = final if step >= at else 0

    Parameters
    ----------
    step : int
        The number of optimizer updates done.
    final : float
        The sparsity from step `at` on.
    at : int
        The step at which everything is pruned at once.

    Returns
    -------
    float
        The sparsity: 0 or `final`.

    Raises
    ------
    ArgumentError
        For a negative step or a sparsity outside [0, 1].

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.schedule.one_shot(step, final=0.9, at=2) for step in range(4)]
    [0.0, 0.0, 0.9, 0.9]
    """
    final = share("one_shot", "final", final)
    return final if count("one_shot", "step", step, 0) >= count("one_shot", "at", at, 0) else 0.0


def constant(step: int, *, final: float) -> float:
    """s = final, for nets that are sparse from the start

    Parameters
    ----------
    step : int
        The number of optimizer updates done.
    final : float
        The sparsity at every step.

    Returns
    -------
    float
        The sparsity, `final`.

    Raises
    ------
    ArgumentError
        For a negative step or a sparsity outside [0, 1].

    Examples
    --------
    >>> import minprune as mp
    >>> mp.schedule.constant(7, final=0.8)
    0.8
    """
    count("constant", "step", step, 0)
    return share("constant", "final", final)


def linear(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = initial + (final - initial) * p      p = (t - start) / span, t: the last update

    Equal sparsity is added at each update.

    Parameters
    ----------
    step : int
        The number of optimizer updates done.
    final : float
        The sparsity from step `start + span` on.
    span : int
        How many steps lie between `start` and the last update.
    initial : float
        The sparsity until the first update after step `start`.
    start : int
        The step from which the sparsity may rise.
    every : int
        How many steps lie between two updates.

    Returns
    -------
    float
        The sparsity after that many updates, in [initial, final].

    Raises
    ------
    ArgumentError
        For a count below its least, a sparsity outside [0, 1], and initial above final.

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.schedule.linear(step, final=0.8, span=4) for step in (0, 2, 4, 5)]
    [0.0, 0.4, 0.8, 0.8]
    """
    p = _progress("linear", step, final, span, initial, start, every)
    return _clamp(initial + (final - initial) * p, initial, final, p)


def exponential(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = 1 - (1 - initial) * ((1 - final) / (1 - initial))**p      p = (t - start) / span

    Each update removes the same share of what is left; from initial = 0 the kept share is
    keep**(k / n) for update k of n and final kept share `keep`. A final sparsity of 1 has no such
    share and is refused.

    Parameters
    ----------
    step : int
        The number of optimizer updates done.
    final : float
        The sparsity from step `start + span` on.
    span : int
        How many steps lie between `start` and the last update.
    initial : float
        The sparsity until the first update after step `start`.
    start : int
        The step from which the sparsity may rise.
    every : int
        How many steps lie between two updates.

    Returns
    -------
    float
        The sparsity after that many updates, in [initial, final].

    Raises
    ------
    ArgumentError
        For a count below its least, a sparsity outside [0, 1], and initial above final.

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.schedule.exponential(step, final=0.75, span=2) for step in (0, 1, 2)]
    [0.0, 0.5, 0.75]
    """
    p = _progress("exponential", step, final, span, initial, start, every)
    if final == 1.0:
        raise ArgumentError(
            "exponential: final must be below 1, not 1.0, since the schedule never reaches an "
            "empty net; use linear or cubic"
        )
    kept = (1 - initial) * ((1 - final) / (1 - initial)) ** p
    return _clamp(1 - kept, initial, final, p)


def cubic(
    step: int, *, final: float, span: int, initial: float = 0.0, start: int = 0, every: int = 1
) -> float:
    """s = final + (initial - final) * (1 - p)**3      p = (t - start) / span, t: the last update

    Fast while much is redundant, slow near the end.

    Parameters
    ----------
    step : int
        The number of optimizer updates done.
    final : float
        The sparsity from step `start + span` on.
    span : int
        How many steps lie between `start` and the last update.
    initial : float
        The sparsity until the first update after step `start`.
    start : int
        The step from which the sparsity may rise.
    every : int
        How many steps lie between two updates.

    Returns
    -------
    float
        The sparsity after that many updates, in [initial, final].

    Raises
    ------
    ArgumentError
        For a count below its least, a sparsity outside [0, 1], and initial above final.

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.schedule.cubic(step, final=0.5, span=2) for step in (0, 1, 2)]
    [0.0, 0.4375, 0.5]

    Source: Zhu & Gupta (2017), To prune, or not to prune; their n * dt is `span`, dt is `every`.
    """
    p = _progress("cubic", step, final, span, initial, start, every)
    return _clamp(final + (initial - final) * (1 - p) ** 3, initial, final, p)


def iterative(round: int, *, fraction: float) -> float:
    """s = 1 - (1 - fraction)**round

    The sparsity is a share of the original count, so that rounding in one round does not affect
    the next.

    Parameters
    ----------
    round : int
        The number of rounds done; round 0 is dense.
    fraction : float
        The share of the weights kept by the previous round that each round removes.

    Returns
    -------
    float
        The sparsity after that many rounds.

    Raises
    ------
    ArgumentError
        For a negative round or a fraction outside [0, 1].

    Examples
    --------
    >>> import minprune as mp
    >>> [mp.schedule.iterative(round, fraction=0.5) for round in range(4)]
    [0.0, 0.5, 0.75, 0.875]

    Source: Frankle & Carbin (2018), The Lottery Ticket Hypothesis.
    """
    left = 1 - share("iterative", "fraction", fraction)
    return 1 - left ** count("iterative", "round", round, 0)


SCHEDULES: dict[str, Callable[..., float]] = {
    f.__name__: f for f in (one_shot, constant, linear, exponential, cubic, iterative)
}


def _progress(
    owner: str, step: int, final: float, span: int, initial: float, start: int, every: int
) -> float:
    """p = clip((t - start) / span, 0, 1)      t = start + every * floor((step - start) / every)

    The last change is at start + span, also where `every` does not divide `span`.
    """
    for what, given, least in (("step", step, 0), ("start", start, 0), ("span", span, 1)):
        count(owner, what, given, least)
    count(owner, "every", every)
    if share(owner, "initial", initial) > share(owner, "final", final):
        raise ArgumentError(
            f"{owner}: initial must be at most final, {final}, not {initial}, since sparsity only "
            f"rises; exchange them or lower initial"
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
