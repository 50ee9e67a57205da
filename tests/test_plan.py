"""Plans: phases in turn, resumed from wherever they were stopped, and what is refused."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import equal
from watching import small_data, small_net

import minprune as mp
from minprune.errors import ArgumentError, FileError
from minprune.train import checkpoint, plan
from minprune.train.plan import Done, Phase, PhaseContext, State, run_plan
from minprune.train.state import load_tree, save_tree

DATA = small_data()


class Stop(BaseException):
    """What a test stops a plan with."""


@dataclass(frozen=True)
class Rounds:
    """Train, then prune and train again: the shape of every iterative plan."""

    rounds: int = 2
    epochs: int = 2
    method: mp.Method = field(default_factory=mp.Method)

    def next_phase(self, state: State) -> Phase | None:
        k = state.get("round", 0)
        if "model" not in state:
            return Phase("dense", self.train)
        if k == self.rounds:
            return None
        return Phase(f"prune {k}", self.prune) if state["trained"] else Phase(f"{k}", self.train)

    def train(self, desk: PhaseContext) -> State:
        model, history = desk.fit(
            desk.state.get("model", small_net(0.5)), epochs=self.epochs, batch_size=4,
            method=self.method,
        )  # fmt: skip
        histories = [*desk.state.get("histories", []), history]
        return {"model": model, "histories": histories, "trained": True}

    def prune(self, desk: PhaseContext) -> State:
        k = desk.state.get("round", 0) + 1
        model = desk.state["model"]
        scores = mp.score(model, desk.data.train, "magnitude")
        pruned = mp.prune(model, scores, sparsity=1 - 0.8**k)
        masks = [*desk.state.get("masks", []), pruned.masks]
        return {"model": pruned, "masks": masks, "round": k, "trained": False}


def alike(a: Done, b: Done) -> bool:
    models = [(d.state["model"], h) for d in (a, b) for h in d.state["histories"]]
    half = len(models) // 2
    masks = [
        [{k: m.tolist() for k, m in each.items()} for each in d.state["masks"]] for d in (a, b)
    ]
    rest = [{k: d.state[k] for k in ("round", "trained")} for d in (a, b)]
    return (
        all(equal(x, y) for x, y in zip(models[:half], models[half:], strict=True))
        and masks[0] == masks[1]
        and rest[0] == rest[1]
        and list(a.seconds) == list(b.seconds)
    )


def run(folder: Path | None, **how: Any) -> Done:
    return run_plan(Rounds(**how), DATA, folder, progress=False)


def test_phases_run_in_turn_and_know_what_was_done() -> None:
    done = run(None)
    assert list(done.seconds) == ["dense", "prune 0", "1", "prune 1"]
    assert len(done.state["histories"]) == 2
    shares = [
        1 - sum(m.sum() for m in masks.values()) / sum(m.size for m in masks.values())
        for masks in done.state["masks"]
    ]
    assert shares[0] < shares[1]


def stopped_at_write(k: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the plan was stopped right after the k-th file was written."""
    left, real = [k], save_tree

    def write(*args: Any) -> None:
        real(*args)
        left[0] -= 1
        if left[0] == 0:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_tree", write)
        patch.setattr(plan, "save_tree", write)
        try:
            run(folder)
        except Stop:
            return True
    return False


def test_a_plan_goes_on_from_every_file_it_ever_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, k = run(None), 0
    while stopped_at_write(k + 1, tmp_path / str(k + 1), monkeypatch):
        k += 1
        assert alike(run(tmp_path / str(k)), whole)
        assert os.listdir(tmp_path / str(k)) == ["plan.npz"]
    assert k == 5 + 2 * 2  # the plan before and after each of 4 phases, fit after 2 epochs


def test_a_plan_that_stops_always_gets_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = 0
    while stopped_at_write(2, tmp_path, monkeypatch):
        times += 1
    assert times == 4
    assert alike(run(tmp_path), run(None))


@dataclass(frozen=True)
class Pressing(mp.Method):
    """Presses Ctrl-C at a step of each fit, while a file exists."""

    file: str

    def after(self, view: mp.View) -> None:
        if view.ctx.step == 4 and os.path.exists(self.file):
            os.unlink(self.file)
            os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_leaves_the_running_phase_to_go_on_with(tmp_path: Path) -> None:
    folder, flag = tmp_path / "plan", tmp_path / "press"
    flag.write_text("")
    with pytest.raises(KeyboardInterrupt):
        run(folder, method=Pressing(str(flag)))
    assert load_tree(folder / "phase-0.npz")["done"] == 4
    assert sorted(os.listdir(folder)) == ["phase-0.npz", "plan.npz"]
    assert alike(run(folder, method=Pressing(str(flag))), run(None))


def test_a_finished_plan_is_given_back_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path)
    monkeypatch.setattr(Rounds, "train", None)
    again = run(tmp_path)
    assert alike(again, whole)
    assert again.seconds == whole.seconds


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".plan.npz.abcdefgh", ".phase-7.npz.abcdefgh", "phase-7.npz", ".other.abcdefgh"):
        (tmp_path / name).write_text("half")
    run(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".other.abcdefgh", "plan.npz"]


def test_a_phase_of_an_unknown_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    mp.fit(small_net(), DATA, epochs=1, checkpoint=tmp_path / "phase-0.npz", progress=False)
    assert alike(run(tmp_path), run(None))


def moved() -> mp.Dataset:
    x, y = DATA.test
    return mp.Dataset(DATA.train, DATA.val, (x + 1, y))


REFUSED: dict[str, tuple[Rounds, mp.Dataset, str]] = {
    "settings": (Rounds(3), DATA, "rounds 2, and this call has 3"),
    "method": (Rounds(method=mp.methods.L1(0.5)), DATA,
               "method type 'minprune.train.method.Method', and this call has "
               "'minprune.methods.penalties.L1'"),
    "data": (Rounds(), moved(), "another value of test data"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_another_plan_or_other_data_are_refused(name: str, tmp_path: Path) -> None:
    run(tmp_path)
    other, data, text = REFUSED[name]
    with pytest.raises(ArgumentError) as caught:
        run_plan(other, data, tmp_path, progress=False)
    assert caught.value.args == (
        f"{tmp_path / 'plan.npz'}: it was made with {text}; pass the same, or delete it to start "
        f"again",
    )


def test_a_state_that_cannot_be_saved_names_the_plan(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Odd:
        def next_phase(self, state: State) -> Phase | None:
            return Phase("odd", lambda desk: {"fn": print})

    with pytest.raises(ArgumentError) as caught:
        run_plan(Odd(), DATA, tmp_path)
    assert caught.value.args == (
        "Odd: state.fn is a builtin_function_or_method, which cannot be saved; "
        "hold None, numbers, text, arrays, or lists and dicts (with text as keys) of them",
    )


def test_a_phase_cannot_change_the_state_behind_the_plans_back() -> None:
    seen: list[State] = []

    class Sly:
        def next_phase(self, state: State) -> Phase | None:
            seen.append(dict(state))
            state["sly"] = 1
            return None if len(seen) > 1 else Phase("sly", self.work)

        def work(self, desk: PhaseContext) -> State:
            desk.state["sly"] = 2
            return {"told": np.ones(1)}

    assert run_plan(Sly(), DATA).state.keys() == {"told"}
    assert [s.keys() for s in seen] == [set(), {"told"}]


def test_a_foreign_file_is_one_sentence(tmp_path: Path) -> None:
    save_tree(tmp_path / "plan.npz", {"asked": {}}, "test")
    with pytest.raises(FileError) as caught:
        run(tmp_path)
    assert caught.value.args == (
        f"{tmp_path / 'plan.npz'}: must be a checkpoint, and cannot be read (KeyError: 'state'); "
        f"delete it to start again",
    )
