"""What interruptions and full disks may not do is done on purpose, and must be seen."""

import io
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import minprune as mp
from benchmarks import _jobs, _plans, _watched, disk_full, fuzz, reliability, resilience, same_bits
from benchmarks._damage import entries_of, packed, signed
from benchmarks._jobs import Job
from benchmarks.harness import AbsentError
from minprune.errors import FileError
from minprune.files import atomic, write_atomic
from minprune.files.container import HEADER, ROOM, room_of
from minprune.train.state import load_tree, save_tree


def saved(out: Path) -> None:
    """Two models, one after the other, in one file, and a text"""
    for seed in (0, 1):
        mp.save(mp.zoo.mlp(((64,), 10), (40,), seed=seed), out / "m.npz")
    write_atomic(out / "a.json", "{}")


SAVED = Job("save", saved, _jobs.everything)


def half_written(path: Path, found: Any, content: Any) -> None:
    """A wrong variant of `_replace`: in place"""
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
def disk(tmp_path: Path) -> None:
    try:
        with disk_full.small_disk(tmp_path / "probe"):
            pass
    except AbsentError as e:
        pytest.skip(str(e))


def wrong(rows: list[Any]) -> list[str]:
    return [row.name for row in rows if row.ok is False]


@pytest.mark.usefixtures("disk")
def test_a_full_disk() -> None:
    assert wrong(disk_full.rows(SAVED)) == []


@pytest.mark.usefixtures("disk")
def test_a_file_written_in_place_is_seen_at_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_replace", half_written)
    assert wrong(disk_full.rows(SAVED)) == ["save: wrong at a full disk"]


def test_a_job_that_does_not_continue_is_seen(tmp_path: Path) -> None:
    def careless(out: Path) -> None:
        again = (out / "begun.json").exists()
        (out / "begun.json").write_text("{}")
        time.sleep(0.2)
        (out / "result.json").write_text(json.dumps({"again": again}))

    rows = resilience.rows(tmp_path, Job("careless", careless, _jobs.everything), kills=4)
    assert "careless: jobs whose files differ" in wrong(rows)


def test_every_plan_is_killed() -> None:
    plans = _plans.plans()
    assert {name.split(",")[0] for name in plans} == set(mp.methods.PLANS)
    tried = {plan.retrain for plan in plans.values() if type(plan) is mp.methods.Iterative}
    assert tried == set(mp.methods.RETRAIN)


def test_what_is_measured_in_time_does_not_count() -> None:
    one = {"seconds": 1, "a": [{"latency_1_ms": 2, "b": 3}], "out": "x", "speeds": {}}
    assert _jobs.untimed(one) == {"a": [{"b": 3}]}


def test_two_fits() -> None:
    assert reliability.two_fits() == 0


def test_same_bits_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(same_bits.in_a_process(1)) == 64
    monkeypatch.setattr(same_bits, "COMMAND", "import os; print(os.environ['PYTHONHASHSEED'])")
    (row,) = same_bits.run(True, None)
    assert row.ok is False
    assert row.ours == 3


def test_forbidden_events_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _watched.watch(fuzz.SUBJECT)
    monkeypatch.setattr(_watched, "watching", True)
    mp.load(io.BytesIO(fuzz.originals()[0]))
    assert _watched.events == []
    exec("1")
    with open(tmp_path / "x", "w"):
        pass
    monkeypatch.setattr(_watched, "watching", False)
    assert [e.split()[0] for e in _watched.events] == ["exec", "open"]
    _watched.events.clear()


def test_few_files_in_forked_processes() -> None:
    found = _watched.fuzzed(fuzz.SUBJECT, 200, 1)
    assert found.files == sum(found.kinds.values()) == 200
    assert found.wrong == []
    assert found.loaded
    assert found.grown[0] < fuzz.ROOM
    assert -(2**62) < found.traced[0] < fuzz.ROOM


def test_another_value_under_the_old_checksum_is_seen() -> None:
    content = fuzz.originals()[0]
    assert fuzz.unsound(mp.load(io.BytesIO(content)), content, 0) == ""
    other = mp.zoo.mlp(((2, 3), 3), (4,), seed=9)
    assert fuzz.unsound(other, content, 0) == "another value under the old checksum"


# --- what the fuzzing found: values that load and cannot be saved again


def forged(content: bytes, change: Any) -> bytes:
    entries = entries_of(content)
    header = json.loads(entries[HEADER])
    change(header)
    return packed(signed(entries | {HEADER: json.dumps(header).encode()}))


def test_a_layer_whose_field_is_a_dict(tmp_path: Path) -> None:
    def change(header: Any) -> None:
        header["net"]["layers"][1]["fields"]["bias"] = {"a": 1}

    path = tmp_path / "m.npz"
    path.write_bytes(forged(fuzz.originals()[0], change))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert caught.value.args == (
        f"{path}: layer 'fc1': its bias must be a number, text, None or a list of them, not "
        f"{{'a': 1}}; save it again",
    )


def test_a_history_whose_extra_is_text(tmp_path: Path) -> None:
    def change(header: Any) -> None:
        history = header["meta"]["dict"]["history"]["history"]["dict"]
        history["extra"] = "text"

    path = tmp_path / "s.npz"
    path.write_bytes(forged(fuzz.originals()[-1], change))
    with pytest.raises(FileError) as caught:
        load_tree(path)
    assert caught.value.args == (
        f"{path}: must be a checkpoint, and cannot be read (ArgumentError: extra must be a dict "
        f"of arrays by full name, not str; pass {{'fc1.weight': array, ...}}); delete it to start "
        f"again",
    )


def test_a_header_in_another_encoding_imports_nothing(tmp_path: Path) -> None:
    """JSON in UTF-16 would be read by json.loads, with a codec that it imports."""
    entries = entries_of(fuzz.originals()[0])
    path = tmp_path / "m.npz"
    path.write_bytes(packed(entries | {HEADER: entries[HEADER].decode().encode("utf-16-be")}))
    with pytest.raises(FileError) as caught:
        mp.load(path)
    assert str(caught.value).startswith(f"{path}: must be a minprune model, and cannot be read (")


PIECES = (
    "[]", "{}", '""', '"ab"', '"abcdefgh"', "0.5", "1234567", "[[0]]", '{"a":[]}', '{"":0}', "true",
    '{"a":1,"b":2}', '"\\ud83d\\ude00abc"', '{"ab":"cd"}', f'"{"x" * 200}\\u20ac"',
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("form", ["[{}]", "{{{}}}"])
def test_the_room_of_a_header_is_an_upper_bound(piece: str, form: str) -> None:
    entries = [piece if form[0] == "[" else f'"k{k}":{piece}' for k in range(2_000)]
    text = form.format(",".join(entries))
    tracemalloc.start()
    value = json.loads(text)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(value) == 2_000
    assert taken <= room_of(text.encode())


def test_a_header_of_very_many_small_values(tmp_path: Path) -> None:
    path, many = tmp_path / "s.npz", [[]] * 200_000
    with pytest.raises(FileError) as caught:
        save_tree(path, {"many": many}, "here")
    need = room_of(json.dumps(many, separators=(",", ":")).encode())
    told = str(caught.value)
    assert told.startswith(f"{path}: its header must hold fewer values, which would take ")
    assert told.endswith(f"more than {ROOM}; store numbers in arrays, in few of them")
    assert need > ROOM
    path.write_bytes(forged(fuzz.originals()[-1], lambda header: header.update(x=many)))
    with pytest.raises(FileError) as caught:
        load_tree(path)
    assert str(caught.value).startswith(
        f"{path}: its header.json must take at most {ROOM} bytes to read, not "
    )
    assert str(caught.value).endswith("; delete it to start again")
