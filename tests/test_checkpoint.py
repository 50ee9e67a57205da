"""fit with a checkpoint: resumed = uninterrupted, from every state that was ever written."""

import os
import signal
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import CASES, FORGETFUL, HOW, PATIENT, Busy, equal, states, train
from watching import Watching, one_sample, one_weight, same, small_data, small_net

import minprune as mp
from minprune.errors import NonFiniteError
from minprune.train import checkpoint


@pytest.mark.parametrize("case", CASES)
def test_resumed_is_uninterrupted_from_any_state(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    plain = train(None, case)
    kept, written = states(monkeypatch, path, case, every=1)
    assert equal(kept, plain)  # writing changes nothing
    assert len(written) == len(plain[1].steps["step"]) + 1
    for k, content in enumerate(written):
        path.write_bytes(content)
        assert equal(train(path, case, every=2), plain), k


def test_an_early_stop_is_resumed_too(tmp_path: Path) -> None:
    _, history = train(None, "patience")
    assert len(history.epochs["epoch"]) < CASES["patience"]["epochs"]


@pytest.mark.parametrize("part", FORGETFUL)
def test_the_law_rejects_whatever_is_forgotten(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, case = tmp_path / "fit.npz", "patience" if part in PATIENT else "busy"
    plain, written = states(monkeypatch, path, case, every=1)
    path.write_bytes(written[0])
    first, real = checkpoint.load_tree(path), checkpoint.load_tree

    def load(path: Path) -> Any:
        tree = real(path)
        FORGETFUL[part](tree, first)
        return tree

    path.write_bytes(written[-3])  # within the last epoch
    monkeypatch.setattr(checkpoint, "load_tree", load)
    try:
        wrong = train(path, case)
    except mp.errors.MinpruneError:
        return
    assert not equal(wrong, plain)


def test_the_state_is_written_at_each_epochs_end_or_every_so_many_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fit.npz"
    for every, times in ((None, 3), (2, 4 + 1), (100, 0 + 1)):  # and the end
        assert len(states(monkeypatch, path, "plain", every=every)[1]) == times
        path.unlink()


def test_a_finished_fit_is_at_its_end_at_once(tmp_path: Path) -> None:
    path, watching = tmp_path / "fit.npz", Watching()
    done = mp.fit(small_net(), small_data(), checkpoint=path, method=watching, **HOW)
    again = mp.fit(small_net(), small_data(), checkpoint=path, method=Watching(), **HOW)
    assert equal(done, again)
    assert len(watching.views) == 9
    unchanged = train(tmp_path / "none.npz", epochs=0)
    assert same(unchanged[0], small_net())
    kept = checkpoint.load_tree(path)["params"]
    assert all(np.array_equal(kept[k], w) for k, w in done[0].params.items())


@dataclass(frozen=True)
class Pressing(Busy):
    """Presses Ctrl-C during one update, twice if asked."""

    at: int = 5
    times: int = 1

    def after(self, view: mp.View) -> mp.Change:
        for _ in range(self.times if view.ctx.step == self.at else 0):
            os.kill(os.getpid(), signal.SIGINT)
        return super().after(view)


@pytest.mark.parametrize("at", [1, 5, 6, 9])
def test_ctrl_c_waits_for_the_update_and_leaves_its_state(at: int, tmp_path: Path) -> None:
    path, how = tmp_path / "fit.npz", HOW | {"method": Pressing(at)}
    with pytest.raises(KeyboardInterrupt):
        mp.fit(small_net(), small_data(), checkpoint=path, **how)
    assert checkpoint.load_tree(path)["done"] == at
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = mp.fit(small_net(), small_data(), checkpoint=path, **how)  # the update is not redone
    assert equal(resumed, mp.fit(small_net(), small_data(), **HOW | {"method": Pressing(99)}))


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    with pytest.raises(KeyboardInterrupt):
        mp.fit(small_net(), small_data(), checkpoint=path, **HOW | {"method": Pressing(5, 2)})
    assert checkpoint.load_tree(path)["done"] == 3  # of the last epoch that ended


def test_ctrl_c_is_left_alone_without_a_checkpoint_and_in_threads(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        mp.fit(small_net(), small_data(), **HOW | {"method": Pressing()})
    found: list[Any] = []
    work = partial(lambda: found.append(train(tmp_path / "fit.npz")))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert equal(found[0], train(None))


def test_somebody_elses_handler_stays(tmp_path: Path) -> None:
    presses: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: presses.append(number))
    try:
        mp.fit(small_net(), small_data(), checkpoint=tmp_path / "f", **HOW | {"method": Pressing()})
    finally:
        signal.signal(signal.SIGINT, before)
    assert presses == [signal.SIGINT]


@dataclass(frozen=True)
class Breaking(mp.Method):
    """The weight is not finite from one update on."""

    at: int

    def after(self, view: mp.View) -> mp.Change | None:
        broken = {"fc.weight": np.array([[np.nan]])}
        return mp.Change(params=broken) if view.ctx.step == self.at else None


@pytest.mark.parametrize(("every", "good"), [(1, 4), (3, 3), (None, 4)])
def test_the_last_good_state_survives_what_is_not_finite(
    every: int | None, good: int, tmp_path: Path
) -> None:
    path = tmp_path / "fit.npz"
    with pytest.raises(NonFiniteError) as caught:
        mp.fit(one_weight(), one_sample(), epochs=9, method=Breaking(5), progress=False,
               checkpoint=path, every=every)  # fmt: skip
    assert caught.value.args == (
        f"step 5: 1 of 1 entries of fc.weight are not finite, but must be numbers; lower the "
        f"learning rate, 0.001, or check the data; the last good checkpoint, of step {good}, is "
        f"{path}",
    )
    assert checkpoint.load_tree(path)["done"] == good
    assert np.isfinite(checkpoint.load_tree(path)["params"]["fc.weight"]).all()


def test_nothing_is_said_of_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"check the data$"):
        mp.fit(one_weight(), one_sample(), epochs=1, method=Breaking(1), progress=False,
               checkpoint=tmp_path / "f")  # fmt: skip
    assert not os.listdir(tmp_path)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".fit[1].npz.abcdefgh", ".fit1.npz.abcdefgh", ".other.npz.abcdefgh"):
        (tmp_path / name).write_text("half")
    train(tmp_path / "fit[1].npz")
    left = [".fit1.npz.abcdefgh", ".other.npz.abcdefgh", "fit[1].npz"]
    assert sorted(os.listdir(tmp_path)) == left


def test_extra_arrays_must_be_finite_too(tmp_path: Path) -> None:
    """Or the last good checkpoint would not be good."""

    class Odd(Busy):
        def after(self, view: mp.View) -> mp.Change:
            bad = {"scale": np.full(3, np.nan)} if view.ctx.step == 5 else None
            return mp.Change(extra=bad)

    path, how = tmp_path / "fit.npz", HOW | {"method": Odd()}
    with pytest.raises(NonFiniteError, match=r"^step 5: 3 of 3 entries of scale are"):
        mp.fit(small_net(), small_data(), checkpoint=path, every=1, **how)
    assert checkpoint.load_tree(path)["done"] == 4


def test_buffers_must_be_finite_too() -> None:
    class Overflow(mp.Method):
        def after(self, view: mp.View) -> None:
            view.buffers["bn1.running_var"][:] = np.inf  # gone through, the output would be 0

    with pytest.raises(NonFiniteError, match=r"3 of 3 entries of bn1\.running_var are"):
        mp.fit(small_net(), small_data(), **HOW | {"method": Overflow()})
