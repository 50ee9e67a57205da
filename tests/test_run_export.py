"""minprune run --export: files, rows and sentences; what the page and the terminal show of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_export_c import absent

import minprune as mp
from minprune.cli import main
from minprune.errors import ArgumentError
from minprune.jobs.run_export import exported, ready
from minprune.report.exported_forms import forms, unknown

FAST = ["--net", "mlp", "--epochs", "1", "--fine-tune", "0", "--out", "out", "--quiet"]


@absent("gcc")
@pytest.mark.parametrize("method", [[], ["--method", "gradual"]])
def test_a_run_writes_and_measures_the_forms(
    method: Any, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *FAST, "--export", "c", *method]) == 0
    said = capsys.readouterr().out
    assert "c, float32" in said
    assert "c, int8" in said
    assert "export " in said
    names = {f"net_{k}{end}" for k in ("float32", "int8") for end in (".c", ".h", ".json")}
    assert names < {p.name for p in (tmp_path / "out" / "c").iterdir()}
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h2>Exported</h2>" in page
    assert "c, int8" in page


def test_without_gcc_or_without_int8_it_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "")
    data = mp.data.digits()
    layers = [("c", mp.Conv2d(1, 2, 3)), ("n", mp.GroupNorm(1, 2)), ("p", mp.GlobalAvgPool())]
    model = mp.initialise(mp.build((1, 8, 8), [*layers, ("d", mp.Dense(2, 10))]), seed=0)
    spent: dict[str, float] = {}
    rows = exported(model, data, ["c", "numpy"], tmp_path, spent)
    assert spent.keys() == {"export"}
    assert [row["form"] for row in rows] == ["c, float32", "c, int8", "numpy, float32",
                                             "numpy, int8"]  # fmt: skip
    shown = forms(rows)[1]
    assert shown[0][4] == "-"
    assert shown[1][1:] == ["-"] * 4
    assert shown[2][4] != "-"
    gcc, int8 = unknown(rows)
    assert gcc.startswith("check: gcc must be found")
    assert int8.startswith("quantize: n must have an integer form")


def test_what_has_no_form_is_refused_before_training() -> None:
    model = mp.zoo.mlp(((4,), 3), (5,), seed=0)
    model.params["fc1.weight"][0, 0] = np.nan
    ready(model, [])
    with pytest.raises(ArgumentError) as found:
        ready(model, ["c"])
    assert str(found.value).startswith("run: --export: fc1.weight must be finite")


def test_other_forms_are_refused(capsys: Any) -> None:
    assert main(["run", *FAST, "--export", "c,rust"]) == 2
    assert capsys.readouterr().err == (
        "minprune: run: --export must be c or numpy, not 'rust'; choose one of them\n"
    )
