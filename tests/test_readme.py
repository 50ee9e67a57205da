"""The README is true: its commands stand at the top, its code runs, its files exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    'python3.11 -m venv .venv && .venv/bin/pip install -e ".[report]" && .venv/bin/minprune run',
    'python3.11 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest',
]


def code_blocks(text: str, language: str) -> list[tuple[int, str]]:
    """(line number of its first line, code) of each fenced block in a language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [(text[: block.start(1)].count("\n") + 1, block[1]) for block in found]


def run(blocks: list[tuple[int, str]], path: str) -> None:
    """Runs the blocks in one namespace; a traceback shows the line of the file."""
    names: dict[str, object] = {"__name__": "readme"}
    for line, code in blocks:
        exec(compile("\n" * (line - 1) + code, path, "exec"), names)


def top_commands(text: str) -> list[str]:
    """The commands of the first block, if nothing but a title stands before it."""
    line, code = code_blocks(text, "sh")[0]
    before = [words for words in text.splitlines()[: line - 2] if words]
    if any(not words.startswith("# ") for words in before):
        return []
    return [words for words in code.splitlines() if words and not words.startswith("#")]


def test_the_two_commands_stand_at_the_top():
    assert top_commands(TEXT) == COMMANDS


def test_a_command_further_down_is_not_at_the_top():
    assert top_commands("# name\n\nSome words.\n\n```sh\nmake\n```\n") == []
    assert top_commands("# name\n\n```sh\n# why\nmake\n```\n") == ["make"]


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(TEXT, "python")
    assert blocks
    run(blocks, str(ROOT / "README.md"))
    assert capsys.readouterr().out


def test_code_that_does_not_run_is_seen():
    with pytest.raises(NameError) as error:
        run(code_blocks("a\n\n```python\nx = 1\ny = z\n```\n", "python"), "page.md")
    assert error.traceback[-1].lineno == 4  # counted from 0: the fifth line of the page


def test_the_files_it_names_exist():
    named = re.findall(r"`((?:tests|minprune|benchmarks|\.ci)/[\w./]*)`", TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
