"""s ~ U(0, 1): the control that every other criterion has to beat."""

from minprune.core import Arrays, Evidence, criterion


@criterion(needs=("weights", "rng"), cite="the usual control; Blalock et al. (2020)")
def random(ev: Evidence) -> Arrays:
    """s ~ U(0, 1), independent, in the weight's dtype; same generator state, same scores

    One for each weight, or with ev.unit one for each unit (row).
    """
    rng = ev.of("rng")
    return {
        name: rng.random(w.shape[: 1 if ev.unit else None], w.dtype)
        for name, w in ev.of("weights").items()
    }
