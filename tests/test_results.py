"""minprune results: tables and CSV from the rows, of one database or of several."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from jobs import COMPARE

from minprune.cli import main
from minprune.jobs import compare_result

TWO = ["--criteria", "magnitude,random"]
TIMES = ("compile and warm up", "train 0.", "written to")


def made(folder: Path, name: str, *more: str) -> str:
    out = folder / name
    assert main([*COMPARE, *TWO, "--out", str(out), *more]) == 0
    return str(out / "runs.db")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("several")
    for name, seeds in {"all": "0,1,2", "a": "1,", "b": "0,2"}.items():
        made(found, name, "--seeds", seeds)
    return found


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["results", *words]) == 0
    return capsys.readouterr().out


def test_the_tables_are_those_of_the_job(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result: dict[str, Any] = json.loads((folder / "all" / "result.json").read_text())
    want = compare_result.tables(result)
    found = printed(capsys, str(folder / "all" / "runs.db"))
    tables = "Rank correlation"
    assert found.partition(tables)[0] == want.partition(tables)[0]


def test_databases_of_several_machines_merge(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, a, b = (str(folder / name / "runs.db") for name in ("all", "a", "b"))
    rows = [list(csv.DictReader(io.StringIO(printed(capsys, *files, "--csv"))))
            for files in ([one], [a, b], [b, a, b, one])]  # fmt: skip
    assert len(rows[0]) == 3 * (1 + 2 * 2)
    cut = [[{k: v for k, v in r.items() if "seconds" not in k} for r in each] for each in rows]
    assert cut[0] == cut[1] == cut[2]
    first = json.loads((folder / "all" / "result.json").read_text())["cells"][0]
    assert float(rows[0][1]["fine_tuned_accuracy"]) == first["fine-tuned"]["accuracy"]


def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, one = made(folder, "other", "--seeds", "1", "--lr", "0.1"), str(folder / "a" / "runs.db")
    bad = folder / "bad.db"
    bad.write_text("no database")
    capsys.readouterr()
    assert main(["results", one, other]) == 2
    assert capsys.readouterr().err == (
        f"minprune: results: {other} must be of the same settings as {one}, but it was made with "
        f"lr 0.1, and runs.db has 0.05; pass databases of one comparison\n"
    )
    assert main(["results", str(bad)]) == 1
    assert capsys.readouterr().err == (
        f"minprune: {bad}: must be a database of minprune compare that can be read and written, "
        f"and is not (DatabaseError: file is not a database); pass another, or delete it to start "
        f"again\n"
    )
    assert main(["results", str(folder / "none.db")]) == 1
    assert capsys.readouterr().err == (
        f"minprune: {folder / 'none.db'}: no such file; pass the path of a runs.db, or its folder\n"
    )
