"""Progress of fit, on stderr: a bar with tqdm, lines without it, nothing when switched off."""

import builtins
import re
import sys
from importlib.util import find_spec
from typing import Any

import pytest
from watching import one_sample, one_weight

import minprune as mp
from minprune.train.progress import Bar, Lines, Quiet, progress


def train(**how: Any) -> mp.History:
    # w = 2 and lr 0.25: the loss 4 is followed by w = 1 and 1, by w = 0.5 and 0.25
    return mp.fit(one_weight(), one_sample(), epochs=2, optimizer=mp.SGD(0.25), **how)[1]


def lines(label: str) -> list[str]:
    end = "val accuracy 1.0000, sparsity 0.0000"
    return [
        f"{label}: epoch 1/2, loss 4.0000, val loss 1.0000, val accuracy 0.0000, sparsity 0.0000",
        f"{label}: epoch 2/2, loss 1.0000, val loss 0.2500, {end}",
    ]


def hide_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "tqdm":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)


def test_plain_lines_where_tqdm_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide_tqdm(monkeypatch)
    train()
    train(label="fine-tune")
    out, err = capsys.readouterr()
    assert err.splitlines() == lines("fit") + lines("fine-tune")
    assert not out


def test_silent_when_switched_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(progress=False)
    hide_tqdm(monkeypatch)
    train(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_bar_counts_the_steps_and_ends_with_the_last_epoch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tqdm", reason='no tqdm: pip install "minprune[report]"')
    train(label="prune")
    out, err = capsys.readouterr()
    last = re.split(r"[\r\n]+", err.strip())[-1]
    assert last.startswith("prune: 100%")
    assert "2/2" in last
    assert lines("fit")[1].removeprefix("fit: ") in last
    assert not out


def test_showing_progress_changes_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_bar, silent = train(), train(progress=False)
    hide_tqdm(monkeypatch)
    assert with_bar.steps == silent.steps == train().steps
    assert capsys.readouterr().err


def test_which_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with progress("fit", 3, False) as shown:
        assert type(shown) is Quiet
    if find_spec("tqdm"):
        with progress("fit", 3, True) as shown:
            assert type(shown) is Bar
    hide_tqdm(monkeypatch)
    with progress("fit", 3, True) as shown:
        assert type(shown) is Lines


def test_a_bar_is_closed_when_training_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(mp.errors.NonFiniteError):
        mp.fit(one_weight(1e200), one_sample(), epochs=1)
    assert capsys.readouterr().err.endswith("\n") or "tqdm" not in sys.modules


def test_long_work_without_epochs_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hide_tqdm(monkeypatch)
    clock = iter([0.0, 4.0, 11.0, 11.0, 12.0, 15.0])  # read at the start, per step and per line
    monkeypatch.setattr("minprune.train.progress.monotonic", lambda: next(clock))
    with progress("obs", 30, show=True, done=5) as shown:
        for _ in range(4):
            shown.update()
    assert capsys.readouterr().err == "obs: 7 of 30 steps\n"
