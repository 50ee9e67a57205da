"""`minprune sensitivity` and `minprune find-sparsity` on a saved model."""

import json
from pathlib import Path

import pytest

import minprune as mp
from minprune.cli import main
from minprune.jobs.how_much import read


@pytest.fixture
def file(tmp_path: Path) -> str:
    data = mp.data.digits()
    model, _ = mp.fit(mp.zoo.mlp(data, (12,)), data, epochs=2, progress=False)
    mp.save(model, tmp_path / "dense.npz")
    return str(tmp_path / "dense.npz")


def test_the_same_as_from_python(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, model = mp.data.digits(), mp.load(file)
    found = mp.sensitivity(model, data, progress=False)
    assert main(["sensitivity", file, "--quiet"]) == 0
    assert capsys.readouterr().out == f"{found}\n"
    assert main(["sensitivity", file, "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(found.to_json())


def test_a_model_of_other_data_is_told_of(tmp_path: Path) -> None:
    """Whose accuracy is that of a constant answer, so that nothing about it says anything."""
    model = mp.zoo.mlp(mp.data.digits(), (4,))
    silent = mp.Model(model.net, {k: 0 * w for k, w in model.params.items()})
    mp.save(silent, path := tmp_path / "silent.npz")
    with pytest.warns(mp.errors.MinpruneWarning) as caught:
        read(path, "digits", None)
    (told,) = (str(w.message) for w in caught)
    assert told.startswith(f"{path}: COLLAPSED to chance on digits: every answer is class 0")
    assert told.endswith("; pass by --data what the model was trained on")


def test_a_picture_is_written(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    picture = Path(file).with_name("layers.svg")
    assert main(["sensitivity", file, "--quiet", "--plot", str(picture)]) == 0
    assert picture.read_text().rstrip().endswith("</svg>")
    assert main(["sensitivity", file, "--plot", "x.docx"]) == 2
    assert capsys.readouterr().err == (
        "minprune: sensitivity: the name of the picture must end in a format of matplotlib, not "
        "'x.docx'; pass --plot layers.svg, for example\n"
    )


def test_a_sparsity_and_its_model(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(Path(file).with_name("pruned.npz"))
    words = ["find-sparsity", file, "--tolerance", "0.05", "--unit", "--quiet", "--out", out]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    want = mp.find_sparsity(
        mp.load(file), mp.data.digits(), tolerance=0.05, unit=True, progress=False
    )
    assert (found["sparsity"], found["accuracy"]) == (want.sparsity, want.accuracy)
    assert mp.evaluate(mp.load(out), mp.data.digits().val).accuracy == want.accuracy
    assert main(words) == 0
    assert capsys.readouterr().out == (
        f"sparsity {want.sparsity:.6g}, accuracy {want.accuracy:.2%}; {want}\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["sensitivity", "no.npz"], 1,
         "minprune: no.npz: no such file; pass the path of a saved model\n"),
        (["find-sparsity", "FILE", "--tolerance", "2"], 2,
         "minprune: find_sparsity: tolerance must be a number from 0 to 1, not 2.0; pass "
         "tolerance=0.5, for example\n"),
        (["find-sparsity", "FILE", "--layer", "x"], 2,
         "minprune: 'x' must be a scored parameter, or a layer of one; choose among fc1.weight, "
         "fc2.weight\n"),
        (["sensitivity", "FILE", "--data", "none"], 2, None),
        (["sensitivity", "FILE", "--criterion", "none"], 2, None),
    ],
)  # fmt: skip
def test_refusals(
    file: str, words: list[str], code: int, text: str | None, capsys: pytest.CaptureFixture[str],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main([file if w == "FILE" else w for w in words] + ["--quiet"]) == code
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert text is None or error == text


def test_other_data_than_the_models_are_refused(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b,class\n" + "1,2,x\n3,4,y\n" * 30)
    for command in ("sensitivity", "find-sparsity"):
        assert main([command, file, "--data", str(table)]) == 2
        assert capsys.readouterr().err == (
            f"minprune: {file}: takes inputs of (1, 8, 8), and those of {table} are (2,); pass by "
            f"--data what the model was trained on\n"
        )
