"""mask = prune(score(w)): the settings by which a plan scores and prunes, once a round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minprune.arguments import choice, count, instance
from minprune.core import Criterion, Split
from minprune.criteria import CRITERIA
from minprune.errors import ArgumentError
from minprune.evidence import find, score
from minprune.evidence.options import check as suits
from minprune.masking.apply import prune
from minprune.masking.choose import Norm, Scope
from minprune.masking.count import for_each, named
from minprune.masking.patterns import Given, parse
from minprune.methods.plans import Procedure
from minprune.nets.model import Model, dense_only

OF_SCORE = ("params", "batch_size", "seed", "needs")  # options that are no criterion's


@dataclass(frozen=True, kw_only=True)
class Pruning(Procedure):
    """What scores, and what of `mp.prune` beside the target."""

    criterion: str | Criterion = "magnitude"
    unit: bool = False
    scope: Scope = "global"
    protect: Iterable[str] = ()
    minimum: int = 1
    normalize: Norm = None
    pattern: Given = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        find(self.criterion)
        choice(self.call, "unit", self.unit, (False, True))
        choice(self.call, "scope", self.scope, ("global", "layer"))
        count(self.call, "minimum", self.minimum, 0)
        choice(self.call, "normalize", self.normalize, (None, "l1", "l2", "max"))
        parse(self.pattern)
        instance(self.call, "options", self.options, Mapping, "{'samples': 100}")
        own = {k: v for k, v in self.options.items() if k not in OF_SCORE}
        needs = tuple(self.options.get("needs") or ())
        suits(find(self.criterion), own, self.unit, self.options.get("params", "weights"), needs)

    def check(self, model: Model, data: Any) -> None:
        super().check(model, data)
        dense_only(model, "pruning")
        named(model.net.weights, self.protect)

    @property
    def fixed(self) -> bool:
        """Whether the pattern fixes how many weights stay."""
        form = parse(self.pattern)
        return form is not None and form.kept is not None

    def scores(self, model: Model, data: Split) -> Mapping[str, Any]:
        """The scores of the model on data"""
        how = {"seed": self.seed, **self.options}
        return score(model, data, self.criterion, unit=self.unit, **how)

    def prune(self, model: Model, scores: Mapping[str, Any], **target: Any) -> Model:
        """The model with the lowest scores masked: sparsity= or threshold= of `mp.prune`"""
        return prune(
            model, scores, scope=self.scope, protect=self.protect, minimum=self.minimum,
            normalize=self.normalize, pattern=self.pattern, **target,
        )  # fmt: skip

    def rehearsed(self, model: Model, data: Split) -> Mapping[str, Any]:
        """Scores by magnitude, which take no time: `prune` raises with them what it would later"""
        params = {k: v for k, v in self.options.items() if k == "params"}
        return replace(self, criterion="magnitude", options=params).scores(model, data)

    def deviations(self, model: Model, times: float | Mapping[str, float]) -> dict[str, float]:
        """{weight: times the standard deviation of its live entries}, a threshold for |w|

        Han et al. (2015). times: one number, or one for each layer or weight named.
        """
        left, found = named(model.net.weights, self.protect), {}
        same = times if isinstance(times, Mapping) else {"*": times}
        each = for_each(model.net.weights, same, "the factor", self.call)
        for name, factor in each.items():
            w = model.params[name].astype(np.float64)
            live = w[model.masks[name]] if name in model.masks else w
            if name not in left:
                found[name] = float(factor) * float(live.std()) if live.size else 0.0
        return found

    def of_magnitude(self, what: str) -> None:
        """Raises ArgumentError unless |w| of single weights is what a threshold is of."""
        if self.unit or find(self.criterion) is not CRITERIA["magnitude"] or self.options:
            raise ArgumentError(
                f"{self.call}: {what} must be with criterion='magnitude' of single weights, whose "
                f"standard deviation it is a multiple of; pass sparsity instead"
            )
        for name in ("normalize", "pattern"):  # which compare other numbers than |w|
            if getattr(self, name) is not None:
                raise ArgumentError(
                    f"{self.call}: {name} must be None with {what}, not {getattr(self, name)!r}; "
                    f"leave it out, or pass sparsity instead"
                )
