"""Laws of every method that acts during training, over the rows of method_rows.py."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpointing import equal, written
from method_rows import DATA, HOW, ROWS, Fitted, Row, done, fit
from places import ROOT
from renaming import as_named, renamed, to
from test_chain import Loudest
from watching import same

import minprune as mp
from minprune.autograd import value
from minprune.core import stream
from minprune.errors import ArgumentError
from minprune.jobs.procedures import PROCEDURES
from minprune.methods import L2
from minprune.methods.chain import Chain
from minprune.nets.model import Model
from minprune.train import step

KINDS = {
    name: kind
    for name, kind in vars(mp.methods).items()
    if isinstance(kind, type) and issubclass(kind, mp.Method)
}


# --- the table is complete


@pytest.mark.parametrize("name", KINDS)
def test_every_class_has_a_row(name: str) -> None:
    rows = [row for row in ROWS.values() if row.kind is KINDS[name]]
    assert rows, f"{name}: write a row in tests/method_rows.py"
    assert name in mp.methods.__all__
    words = " ".join((KINDS[name].__doc__ or "").split())
    none = all(row.null is None for row in rows)
    assert none or "Null setting: " in words or "changes nothing" in words
    assert not none or "no null setting" in words


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_a_row_of_the_command_or_says_why_not(name: str) -> None:
    row = ROWS[name]
    assert row.way in PROCEDURES or " " in row.way
    if row.way in PROCEDURES:
        assert row.null is None or PROCEDURES[row.way].null
    assert row.call in mp.methods.__all__ or not row.call


# --- the laws


def null_is_plain_training(row: Row) -> bool:
    """Bit for bit, with its history."""
    plain, null = fit(row, None), fit(row, row.method(**row.null or {}))
    return same(plain[0], null[0]) and plain[1].steps == null[1].steps and alike(plain, null)


def it_resumes(row: Row) -> bool:
    """The same again, and from the checkpoint of half of its updates, is the same to the bit."""
    how = {"checkpoint": fresh(), "every": 3}
    with pytest.MonkeyPatch.context() as patch:
        kept, files = written(patch, how["checkpoint"], lambda: fit(row, row.method(), **how))
    how["checkpoint"].write_bytes(files[0])
    return equal(done(row), kept) and equal(done(row), fit(row, row.method(), **how))


def it_continues_or_says_why_not(row: Row) -> bool:
    """An epoch and then another are two at once, unless the method says that it reads the total."""
    path = fresh()
    fit(row, row.method(), epochs=1, checkpoint=path)
    if row.method().reads_total:
        with pytest.raises(ArgumentError, match="does depends on that"):
            fit(row, row.method(), checkpoint=path)
        return True
    return equal(done(row), fit(row, row.method(), checkpoint=path))


def masks_are_honoured(row: Row) -> bool:
    """A masked weight is exactly 0.0 in each forward pass, and stored so unless it says dense."""
    seen, real = [], step.Training._seen

    def spy(self: step.Training, *args: Any) -> Any:
        p = real(self, *args)
        for k, mask in self.masks.items():
            stored = self.dense or not self.params[k][~mask].any()
            seen.append(stored and not value(p[k])[~mask].any())
        return p

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step.Training, "_seen", spy)
        model, _ = fit(row, row.method())
    return all(seen) and zeros(model)


def it_chains(row: Row, kind: type[Chain] = Chain) -> bool:
    """With L2 behind it: at 0 nothing changes, above 0 there is a penalty, and masks are kept."""
    alone, null = done(row), fit(row, kind((row.method(), L2(0.0))))
    model, history = fit(row, kind((row.method(), L2(0.125))))
    more = history.steps["penalty"][0] > alone[1].steps["penalty"][0]
    return same(alone[0], null[0]) and alike(alone, null) and more and zeros(model)


def it_ends_at_its_share(row: Row) -> bool:
    """round(share n) of the n weights, or units, are masked at the end."""
    gone, n = row.masked(done(row)[0])
    return row.share is None or gone == round(row.share * n)


def one_call_is_fit(row: Row) -> bool:
    """mp.methods.name(model, data, its settings) and fit(method=) are the same training."""
    call, rest = getattr(mp.methods, row.call), {**HOW, **row.fit}
    found = call(row.net(), DATA, **row.how, **rest)
    model, history = done(row)
    return same(found.model, model) and found.history["train"].steps == history.steps


def names_mean_nothing(row: Row) -> bool:
    """Layers called 4.fc1 or layer5.0.fc2 are trained to the same bits, extra arrays too."""
    net = row.net().net
    how = {k: to(net, v) for k, v in row.how.items()}
    other = replace(row, how=how, net=lambda: renamed(row.net()), fit=to(net, row.fit))
    (model, history), (found, more) = done(row), fit(other, other.method())
    pairs = [(history.extra, more.extra), (model.params, found.params), (model.masks, found.masks)]
    return all(
        {k: a.tobytes() for k, a in one.items()}
        == {k: a.tobytes() for k, a in as_named(net, two).items()}
        for one, two in pairs
    )


def zeros(model: Model) -> bool:
    return not any(model.params[k][~m].any() for k, m in model.masks.items())


def alike(a: Fitted, b: Fitted) -> bool:
    """The same masks."""
    one, other = a[0].masks, b[0].masks
    return one.keys() == other.keys() and all((m == other[k]).all() for k, m in one.items())


def fresh() -> Path:
    Path("fit.npz").unlink(missing_ok=True)
    return Path("fit.npz")


Law = Callable[[Row], bool]
LAWS: dict[Law, Callable[[Row], bool]] = {  # with the rows that it is of
    null_is_plain_training: lambda row: row.null is not None, it_resumes: lambda row: True,
    it_continues_or_says_why_not: lambda row: True, masks_are_honoured: lambda row: True,
    it_chains: lambda row: True, it_ends_at_its_share: lambda row: True,
    one_call_is_fit: lambda row: bool(row.call), names_mean_nothing: lambda row: True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ROWS)
def test_laws(name: str) -> None:
    """And its settings are such that it does something."""
    row = ROWS[name]
    assert [law.__name__ for law, of in LAWS.items() if of(row) and not law(row)] == []
    assert row.null == {} or not same(fit(row, None)[0], done(row)[0])


# --- wrong ones, which the laws reject


class Little(mp.Method):
    """Adds something so small that accuracies do not show it."""

    reads_total = False

    def after(self, view: mp.View) -> mp.Change:
        return mp.Change(params={k: w * (1 + 2.0**-50) for k, w in view.params.items()})


@dataclass(frozen=True)
class Remembering(mp.Method):
    """Keeps its count of updates in itself, which no checkpoint holds."""

    seen: list[int] = field(default_factory=list)
    reads_total = False

    def after(self, view: mp.View) -> mp.Change:
        self.seen.append(view.ctx.step)
        return mp.Change(params={k: w * (1 - len(self.seen) / 64) for k, w in view.params.items()})


class Ending(mp.Method):
    """Reads the total, and says that it does not."""

    reads_total = False

    def after(self, view: mp.View) -> mp.Change:
        share = view.ctx.step / view.ctx.total
        return mp.Change(params={k: w * (1 - share / 8) for k, w in view.params.items()})


class Leaking(mp.Method):
    """Puts masked weights back into the model that it ends with."""

    dense = True
    reads_total = False

    def after(self, view: mp.View) -> mp.Change:
        w = view.params["fc1.weight"]
        return mp.Change(masks={"fc1.weight": np.arange(w.size).reshape(w.shape) % 2 > 0})

    def finish(self, model: Model, extra: Any, ctx: mp.Context) -> Model:
        params = {k: w + 1 for k, w in model.params.items()}
        return Model(model.net, params, model.buffers, model.masks)


class Splitting(mp.Method):
    """Takes what is before the first dot for the layer."""

    def after(self, view: mp.View) -> mp.Change:
        found = {k: w for k, w in view.params.items() if k.split(".")[0] == "fc2"}
        return mp.Change(params={k: w / 2 for k, w in found.items()})


def of(kind: type[mp.Method]) -> Row:
    return Row(kind, {}, {})


WRONG: dict[str, Callable[[], bool]] = {
    "little": lambda: null_is_plain_training(of(Little)),
    "remembering": lambda: it_resumes(of(Remembering)),
    "ending": lambda: it_continues_or_says_why_not(of(Ending)),
    "leaking": lambda: masks_are_honoured(of(Leaking)),
    "a chain that forgets": lambda: it_chains(ROWS["SET"], Loudest),
    "another share": lambda: it_ends_at_its_share(replace(ROWS["Gradual"], share=0.49)),
    "splitting": lambda: names_mean_nothing(of(Splitting)),
    "another call": lambda: one_call_is_fit(replace(ROWS["L1"], call="l2")),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_laws_reject(name: str) -> None:
    assert not WRONG[name]()


# --- a new process


def digest() -> str:
    """Of the models that all rows end with."""
    found = hashlib.sha256()
    for row in ROWS.values():
        model, _ = done(row)
        arrays = model.params | model.buffers | {f"mask {k}": m for k, m in model.masks.items()}
        found.update(b"".join(arrays[k].tobytes() for k in sorted(arrays)))
    return found.hexdigest()


class Hashing(mp.Method):
    """Draws from a stream seeded by Python's own hash, which each process salts."""

    def after(self, view: mp.View) -> mp.Change:
        rng = stream(hash("fc1.weight") % 2**32, "method")
        return mp.Change(params={"fc1.weight": rng.random(view.params["fc1.weight"].shape)})


def of_hash() -> float:
    return float(fit(of(Hashing), Hashing())[0].params["fc1.weight"].sum())


def test_a_new_process_gives_the_same_bits() -> None:
    code = "import sys; sys.path.insert(0, 'tests')\nimport test_methods_table as t\n" \
           "print(t.digest(), t.of_hash())"  # fmt: skip
    salt = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    env = os.environ | {"PYTHONHASHSEED": salt, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    bits, salted = there.stdout.split()
    assert bits == digest()
    assert float(salted) != of_hash()
