"""fit with other epochs than its checkpoint was made with: equal bits, or a refusal."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from checkpointing import Busy, equal, states, train
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minprune as mp
from minprune.errors import ArgumentError
from minprune.train import checkpoint

CASES = (
    "plain", "momentum, dropout", "busy", "gradual", "chain", "penalty", "frozen", "patience",
    "generator",
)  # fmt: skip
UPDATES = 3  # of an epoch
SHARED = {"rate": mp.rates.step(4, 0.5)}


@cache
def whole(case: str, epochs: int) -> Any:
    return train(None, case, epochs=epochs, **SHARED)


def kept(path: Path, case: str, epochs: int) -> list[bytes]:
    """Each content of the checkpoint of so many epochs, one for each update and the end."""
    path.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        return states(patch, path, case, epochs=epochs, every=1, **SHARED)[1]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=st.sampled_from(CASES), first=st.integers(0, 3), more=st.integers(0, 2), data=st.data())
def test_continued_is_all_at_once(
    case: str, first: int, more: int, data: st.DataObject, tmp_path: Path
) -> None:
    """From any state on the way, also of fewer epochs than were asked for at first."""
    path = tmp_path / "fit.npz"
    content = data.draw(st.sampled_from(kept(path, case, first)), label="state")
    path.write_bytes(content)
    done = int(checkpoint.load_tree(path)["done"])
    epochs = -(-done // UPDATES) + more
    assert equal(train(path, case, epochs=epochs, **SHARED), whole(case, epochs))
    assert equal(train(path, case, epochs=epochs + 1, **SHARED), whole(case, epochs + 1))


class Late(mp.Method):
    """Halves the weights in the second half of training."""

    def after(self, view: mp.View) -> mp.Change | None:
        late = view.ctx.step > view.ctx.total / 2
        return mp.Change(params={k: w / 2 for k, w in view.params.items()}) if late else None


class Told(Late):
    reads_total = True


class Ending(Busy):
    def settled(self, step: int, total: int) -> bool:
        return step == total


REMEDY = "pass epochs=2, or delete it to start again"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "cosine": (
        {"rate": mp.rates.cosine()},
        "the rate of the updates done depends on that, as mp.rates.cosine's does; " + REMEDY,
    ),
    "a method": ({"method": Told()}, "what Told does depends on that; " + REMEDY),
    "a method of a chain": (
        {"method": mp.methods.chain(Busy(), Told())}, "what Told does depends on that; " + REMEDY,
    ),
    "an unknown method": (
        {"method": Late()},
        "Late does not say whether it depends on that; set reads_total = False in the class if it "
        "does not, or " + REMEDY,
    ),
    "the settled epoch": (
        {"method": Ending(), "patience": 3}, "what Ending does depends on that; " + REMEDY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_the_total_is_refused_and_else_would_differ(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, (how, text) = tmp_path / "fit.npz", REFUSED[name]
    train(path, epochs=2, **how)
    with pytest.raises(ArgumentError) as caught:
        train(path, epochs=3, **how)
    assert caught.value.args == (
        f"{path}: it was made with epochs 2, and this call has 3, and {text}",
    )
    monkeypatch.setattr(checkpoint, "continues", lambda *args: None)
    assert not equal(train(path, epochs=3, **how), train(None, epochs=3, **how))


def test_fewer_epochs_than_are_done(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    for content in kept(path, "plain", 2)[4:]:  # from the second update of the second epoch on
        path.write_bytes(content)
        with pytest.raises(ArgumentError) as caught:
            train(path, epochs=1, **SHARED)
        assert caught.value.args == (
            f"{path}: epochs must be at least 2, which this checkpoint has begun, not 1; pass "
            f"epochs=2, or delete it to start again",
        )


def test_another_rate_is_refused_where_it_was_used_alone(tmp_path: Path) -> None:
    path = tmp_path / "fit.npz"
    train(path, epochs=1)
    late = {"rate": mp.rates.step(UPDATES, 0.5)}
    assert equal(train(path, epochs=2, **late), train(None, epochs=2, **late))
    with pytest.raises(ArgumentError) as caught:
        train(path, epochs=2)
    assert caught.value.args == (
        f"{path}: it was made with another value of rate; pass the same, or delete it to start "
        f"again",
    )


def test_sets_moves_depend_on_the_total() -> None:
    assert mp.methods.SET.reads_total
    assert mp.methods.RigL.reads_total
