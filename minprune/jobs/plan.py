"""The main job as a plan: train, prune, fine-tune, compact, sparsify; one model a phase."""

import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

from minprune.core import Dataset
from minprune.evidence import score
from minprune.jobs.possible import OPTIONS
from minprune.jobs.settings import Settings
from minprune.masking.apply import prune
from minprune.nets.model import Model
from minprune.nets.zoo import ZOO
from minprune.sparse import sparsify, speeds
from minprune.structure import compact
from minprune.train.optim import SGD
from minprune.train.plan import Phase, PhaseContext, State
from minprune.train.rates import cosine


@dataclass(frozen=True)
class TrainPruneTune:
    """w -> mask * w -> fine-tuned -> compacted -> sparse, rates by a cosine; Han et al. (2015)

    Fine-tuning replays the learning rates of training (Renda et al. 2020), the masks held.

    state[stage]: the model of each stage; state["history"][phase]: of each training;
    state["speeds"]: those that the formats of the sparse stage were chosen by.
    """

    net: str
    epochs: int
    fine_tune: int
    criterion: str
    unit: bool
    sparsity: float
    scope: Literal["global", "layer"]
    batch_size: int
    lr: float
    seed: int

    stages = ("dense", "pruned", "fine-tuned", "compacted", "sparse")

    @classmethod
    def of(cls, s: Settings) -> "TrainPruneTune":
        """The plan for settings that leave nothing open."""
        assert s.net is not None
        assert s.epochs is not None
        assert s.fine_tune is not None
        return cls(
            s.net, s.epochs, s.fine_tune, s.criterion, s.unit, s.sparsity, s.scope, s.batch_size,
            s.lr, s.seed,
        )  # fmt: skip

    def next_phase(self, state: State) -> Phase | None:
        """The phase that makes the first stage that is not there yet."""
        phases = {
            "dense": Phase("train", self._train),
            "pruned": Phase("prune", self._prune),
            "fine-tuned": Phase("fine-tune", self._fine_tune),
            "compacted": Phase("compact", self._compact),
            "sparse": Phase("sparsify", self._sparsify),
        }
        return next((phases[stage] for stage in self.stages if stage not in state), None)

    def start(self, data: Dataset) -> Model:
        """The net before training."""
        return ZOO[self.net](data, seed=self.seed)

    def _train(self, desk: PhaseContext) -> State:
        return self._fit(desk, "dense", self.start(desk.data), self.epochs)

    def _prune(self, desk: PhaseContext) -> State:
        dense = desk.state["dense"]
        how = {"unit": self.unit, "seed": self.seed} | OPTIONS.get((self.criterion, self.unit), {})
        scores = score(dense, desk.data.train, self.criterion, **how)
        return {"pruned": prune(dense, scores, sparsity=self.sparsity, scope=self.scope)}

    def _fine_tune(self, desk: PhaseContext) -> State:
        return self._fit(desk, "fine-tuned", desk.state["pruned"], self.fine_tune)

    def _compact(self, desk: PhaseContext) -> State:
        return {"compacted": compact(desk.state["fine-tuned"])}

    def _sparsify(self, desk: PhaseContext) -> State:
        """A phase, so that what was chosen once stays when the speeds have changed."""
        if desk.progress:
            what = "formats by the speeds of this machine, measured now where none are kept"
            print(f"{desk.label}: {what}", file=sys.stderr, flush=True)
        known = speeds()
        return {
            "sparse": sparsify(desk.state["compacted"], measured=known),
            "speeds": asdict(known),
        }

    def _fit(self, desk: PhaseContext, stage: str, model: Model, epochs: int) -> State:
        how: dict[str, Any] = {"seed": self.seed, "batch_size": self.batch_size}
        model, history = desk.fit(
            model, epochs=epochs, optimizer=optimizer(self.lr), rate=cosine(), **how
        )
        return {
            stage: model,
            "history": desk.state.get("history", {}) | {desk.label: history},
        }


def optimizer(lr: float) -> SGD:
    """Nesterov momentum and a little weight decay, without which large weights say less."""
    return SGD(lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
