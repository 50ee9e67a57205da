"""What print shows of data and of a quality; what a table without parts of its own is told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune.errors import DataError, MinpruneWarning
from minprune.jobs.data import load_data
from minprune.methods.obs import Round, Surgery
from minprune.methods.plans import Result


def test_a_dataset_shows_its_parts_and_no_array() -> None:
    assert repr(mp.data.digits()) == (
        "Dataset digits: 1,197 train, 240 val, 360 test; inputs (1, 8, 8), 10 classes"
    )
    part = np.zeros((2, 3)), np.zeros((2, 4))
    assert str(mp.Dataset(part, part, part)) == (
        "Dataset data: 2 train, 2 val, 2 test; inputs (3,), 4 outputs"
    )


def test_a_quality_is_a_line() -> None:
    found = mp.evaluate(mp.zoo.mlp(mp.data.digits(), hidden=(4,)), mp.data.digits().val)
    plain = replace(found, accuracy=0.975, loss=0.08344, collapsed=False)
    assert str(plain) == "accuracy 97.50%, loss 0.0834"
    assert str(replace(plain, collapsed=True)).endswith(", COLLAPSED to chance")
    assert str(replace(plain, accuracy=None, r2=0.5)) == "loss 0.0834, R^2 0.5000"


def test_a_result_shows_what_the_command_shows() -> None:
    rows = [{"round": 0, "kind": "joint", "seed": 1, "sparsity": 0.5}]
    gap = {"values": [0.1], "mean": 0.1, "low": 0.0, "high": 0.2, "level": 0.95}
    model = mp.zoo.mlp(((4,), 2), hidden=(2,))
    plain = Result(model, rounds=rows)
    assert [line.split() for line in str(plain).splitlines()[::2]] == [
        ["kind", "seed", "round", "sparsity"], ["joint", "1", "0", "0.5"],
    ]  # fmt: skip
    found = {
        "controls": [{"control": "reinit", "seed": 0, "round": 1, "test_accuracy": 0.25}],
        "overlap": [{"between seeds": "0, 1", "shared": 0.75, "layers": {"fc1.weight": 0.7}}],
        "joint - same": gap,
        "joint - new": {},
    }
    text = str(replace(plain, report=found))
    assert text.startswith(str(plain))
    for word in ("reinit", "0.25", "between seeds", "0.75", "joint - same", "0.95"):
        assert word in text
    assert "fc1.weight" not in text
    assert "joint - new" not in text


def test_surgery_is_a_line() -> None:
    model = mp.zoo.mlp(((4,), 2), hidden=(2,))
    of = [("fc1.weight", [0, 3], 0.25), ("fc2.weight", [1], 0.5), ("fc1.weight", [1], 0.25)]
    found = Surgery(model, tuple(Round(n, np.array(k), rise, 1e-6) for n, k, rise in of))
    told = "by which the quadratic model says that the loss rises by"
    assert str(found) == (f"Surgery: 4 entries removed (fc1.weight 3, fc2.weight 1), {told} 1")
    assert repr(Surgery(model, ())) == f"Surgery: 0 entries removed, {told} 0"


def test_a_table_whose_parts_are_one_is_told_of(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("class,size\n" + "yes,1\nno,2\n" * 5)
    with pytest.warns(MinpruneWarning) as caught:
        mp.data.csv(path)
    assert [str(w.message) for w in caught] == [
        "csv: t.csv: validation and test are the training part, so that accuracies are of samples "
        "that were trained on; pass val=0.1, test=0.2, for example"
    ]
    recwarn.clear()
    mp.data.csv(path, val=2)
    mp.data.csv(path, path)
    assert not recwarn.list


def test_a_table_may_name_the_column_of_its_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("kind,size\n" + "yes,1\nno,2\n" * 20)
    data = load_data(f"{path}:kind")
    assert (data.name, data.classes, len(data.test[0])) == ("t", ("no", "yes"), 8)
    with pytest.raises(DataError, match="class"):
        load_data(str(path))
    with pytest.raises(DataError, match="knid"):
        load_data(f"{path}:knid")
