"""The report: tables of any content, a page that is whole, safe, and the same on each call."""

import builtins
import copy
import importlib.util
import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minprune.errors import ArgumentError
from minprune.report import comparison, page
from minprune.report.plots import curves, join
from minprune.report.stages import by_class, headline
from minprune.text import table

ROOT = Path(__file__).parent.parent
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None,
    reason='no matplotlib: pip install "minprune[report]"',
)


def epochs(losses, sparsity):
    """The record of one phase, a loss and a sparsity for each epoch."""
    return {
        "steps": {"step": [], "loss": [], "lr": []},
        "epochs": {
            "epoch": list(range(len(losses))),
            "train_loss": losses,
            "val_loss": [loss + 0.1 for loss in losses],
            "val_accuracy": [1 / (3 + loss) for loss in losses],
            "seconds": [0.5] * len(losses),
            "sparsity": sparsity,
        },
    }


HISTORY = {
    "train": epochs([2.0, 0.5, 0.1, 0.05], [0.0] * 4),
    "fine-tune": epochs([0.3, 0.1], [0.9] * 2),
}
DENSE = {
    "stage": "dense",
    "accuracy": 0.9777777,
    "loss": 0.08123456,
    "per_class": [1.0, 0.955],
    "parameters": 12345,
    "live": 12345,
    "sparsity": 0.0,
    "macs": 1000000,
    "live_macs": 1000000,
    "bytes": 49380,
    "sparse_bytes": 74070,
    "file_bytes": 50000,
    "latency_1_ms": 0.12345,
    "latency_1_spread_ms": 0.0051,
    "latency_64_ms": 2.5,
    "latency_64_spread_ms": None,
}
SMALL = {**DENSE, "stage": "fine-tuned", "accuracy": 0.9722222, "live": 1345, "sparsity": 0.9}
RESULT = {
    "name": "digits, cnn_small",
    "command": "minprune run --epochs 4",
    "settings": {"epochs": 4, "criterion": "magnitude", "pattern": None, "hidden": [300, 100]},
    "data": {"name": "digits", "train": 1078, "val": 359, "test": 360, "input": [1, 8, 8]},
    "net": "layer  parameters\nconv1         160",
    "stages": [DENSE, SMALL],
    "layers": [
        {"name": "conv1.weight", "shape": [16, 1, 3, 3], "total": 144, "kept": 36},
        {"name": "fc1.weight", "shape": [0, 4], "total": 0, "kept": 0},
    ],
    "seconds": {"compile": 6.123, "train": 9.3},
    "versions": {"minprune": "0.1.0", "numpy": "2.4.6"},
}

# --- plain-text tables


def test_a_table_by_hand():
    rows = [["conv1", 1024, 0.123456, "97.2 %"], ["fc", None, 12.0, "0.12 (0.01) ms"]]
    assert table(["layer", "n", "loss", "note"], rows) == (
        "layer      n    loss            note\n"
        "-----  -----  ------  --------------\n"
        "conv1  1,024  0.1235          97.2 %\n"
        "fc         -      12  0.12 (0.01) ms"
    )


def test_a_table_without_rows_has_its_header():
    assert table(["a", "bcd"], []) == "a  bcd\n-  ---"


def test_a_ragged_row_is_named():
    with pytest.raises(ArgumentError) as error:
        table(["a", "b"], [[1, 2], [3]])
    assert error.value.args == (
        "table: row 1 has 1 cells, the header has 2; give each row one cell to a column",
    )


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(),
    st.text(st.characters(codec="ascii", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e")),
)


def is_aligned(text, rows):
    """One line a row; each column of the rule covers the cells under it."""
    lines = text.split("\n")
    spans = [match.span() for match in re.finditer("-+", lines[1])]
    gaps = [at for (_, begin), (end, _) in itertools.pairwise(spans) for at in range(begin, end)]
    return len(lines) == 2 + len(rows) and all(
        line[at : at + 1] in ("", " ") for line in lines for at in gaps
    )


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(cells, min_size=n, max_size=n))))
def test_a_table_is_aligned_for_any_cells(rows):
    header = ["name"] * (len(rows[0]) if rows else 2)
    assert is_aligned(table(header, rows), rows)


def test_the_alignment_law_rejects_a_table_that_is_not_padded():
    rows = [["a", 1], ["long name", 2]]
    assert not is_aligned("name  n\n----  -\na  1\nlong name  2", rows)


# --- stages


def test_comparison_by_hand():
    header, rows = comparison([DENSE, SMALL])
    assert header == ["", "dense", "fine-tuned"]
    assert rows[0] == ["accuracy", "97.78 %", "97.22 %"]
    assert rows[1] == ["loss", "0.08123", "0.08123"]
    assert rows[3] == ["live parameters", "12,345", "1,345"]
    assert rows[-2] == ["latency, batch of 1", "0.123 (0.005) ms", "0.123 (0.005) ms"]
    assert rows[-1] == ["latency, batch of 64", "2.5 ms", "2.5 ms"]


def test_what_no_stage_has_is_left_out_and_what_one_lacks_is_a_gap():
    assert comparison([{"stage": "a", "loss": 1.0}, {"stage": "b"}])[1] == [["loss", "1", "-"]]
    assert comparison([]) == ([""], [])


def test_accuracy_on_each_class():
    assert by_class([DENSE, {"stage": "pruned"}, {**SMALL, "per_class": [0.5]}]) == (
        ["class", "dense", "fine-tuned"],
        [["0", "100.00 %", "50.00 %"], ["1", "95.50 %", "-"]],
    )


def test_headline():
    assert headline([DENSE, SMALL]) == (
        "10.00 % of the weights kept, accuracy 97.22 % (dense: 97.78 %)"
    )
    assert headline([DENSE]) == "100.00 % of the weights kept, accuracy 97.78 %"
    assert headline([]) == ""


# --- the page


class Reader(HTMLParser):
    """Collects tags and text, and checks that each tag is closed in order."""

    VOID = ("meta", "br", "hr", "img", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def reaches_out(text):
    """Whether a page asks for anything outside itself, or runs a script."""
    read = Reader(text)
    links = [value for name, value in read.attributes if name in ("src", "href", "srcset", "data")]
    return (
        any(tag in ("script", "link", "iframe", "object", "embed", "form") for tag in read.tags)
        or any(name.startswith("on") for name, _ in read.attributes)
        or any(not link.startswith(("#", "data:")) for link in links)
        or "@import" in text
        or re.search(r"url\((?!#)", text) is not None
    )


@pytest.fixture(params=["with", "without"])
def pictures(request, monkeypatch):
    """Runs a test with matplotlib (where it is installed) and as if it were absent."""
    if request.param == "without":
        real = builtins.__import__

        def refuse(name, *args, **kwargs):
            if name.split(".")[0] == "matplotlib":
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", refuse)
    elif importlib.util.find_spec("matplotlib") is None:
        pytest.skip('no matplotlib: pip install "minprune[report]"')
    return request.param == "with"


def test_the_page_is_whole_and_keeps_to_itself(pictures):
    text = page(RESULT, HISTORY)
    assert not reaches_out(text)
    words = " ".join(Reader(text).words)
    for expected in (
        "minprune run --epochs 4",
        "97.22 %",
        "36 of 144",
        "0 of 0",
        "conv1         160",
        "[300, 100]",
        "1 x 8 x 8",
        "6.12",
        "2.4.6",
    ):
        assert expected in words
    assert (text.count("<svg") == 2) == pictures
    assert ('pip install "minprune[report]"' in words) == (not pictures)


@pytest.mark.parametrize(
    "piece",
    [
        "<script>1</script>",
        '<img src="https://example.org/x.png">',
        '<a href="x.html">x</a>',
        '<p onclick="x()">x</p>',
        "<style>p { background: url(x.png) }</style>",
    ],
)
def test_what_reaches_out_is_seen(piece):
    assert reaches_out(f"<html>{piece}</html>")


def test_an_unclosed_tag_is_seen():
    with pytest.raises(AssertionError):
        Reader("<div><p>text</div>")


HOSTILE = "</pre><script>alert('x')</script>\"&$x^2$"


def poison(value):
    """The same structure with every text, keys of tables too, replaced by markup."""
    if isinstance(value, dict):
        free = value.keys() & {"epochs", "criterion", "compile", "minprune"}
        return {(HOSTILE + k if free else k): poison(v) for k, v in value.items()}
    if isinstance(value, list):
        return [poison(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


def test_text_cannot_become_markup(pictures):
    history = {HOSTILE + name: phase for name, phase in HISTORY.items()}
    text = page(poison(RESULT), history)
    assert not reaches_out(text)
    assert HOSTILE in " ".join(Reader(text).words)


def test_every_part_may_be_absent(pictures):
    assert Reader(page({}, {})).words
    for part in RESULT:
        Reader(page({name: value for name, value in RESULT.items() if name != part}, HISTORY))
    assert "<svg" not in page(RESULT, {"train": epochs([], [])})


def test_input_is_left_alone(pictures):
    result, history = copy.deepcopy(RESULT), copy.deepcopy(HISTORY)
    page(result, history)
    assert (result, history) == (RESULT, HISTORY)


# --- pictures


def test_phases_stand_one_after_the_other_with_a_gap_between():
    x, y = join({"a": epochs([3.0, 2.0], [0, 0]), "b": epochs([1.0], [0])}, "train_loss")
    assert x == [1, 2, 2, 3, 3]
    assert [v for v in y if v == v] == [3.0, 2.0, 1.0]
    assert [v == v for v in y] == [True, True, False, True, False]


def test_what_was_not_recorded_is_a_gap():
    phase = {"epochs": {"epoch": [0, 1, 2], "val_loss": [1.0, None]}}
    assert [v == v for v in join({"a": phase}, "val_loss")[1]] == [True, False, False, False]
    assert [v == v for v in join({"a": phase}, "train_loss")[1]] == [False] * 4


@needs_matplotlib
def test_sparsity_is_drawn_only_where_it_changes():
    gradual = {"train": epochs([1.0, 0.5, 0.2], [0.0, 0.5, 0.9])}
    assert len(curves(HISTORY)) == 2
    assert len(curves(gradual)) == 3


@needs_matplotlib
@pytest.mark.parametrize(
    "losses",
    [[1.0], [0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e-30, 1e30]],
)
def test_any_losses_can_be_drawn(losses):
    assert curves({"train": epochs(losses, [0.0] * len(losses))})


@needs_matplotlib
def test_colours_are_the_page_s_own_and_ids_are_not_repeated():
    text = page(RESULT, HISTORY)
    assert "var(--line-1)" in text
    assert not re.findall(r"(?:fill|stroke): (?!none|var)", text)
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text))


@needs_matplotlib
def test_pictures_leave_no_state_behind():
    import matplotlib as mpl

    before = mpl.rcParams.copy()
    curves(HISTORY)
    # reading "backend" is what makes matplotlib choose one
    assert [k for k in before if k != "backend" and mpl.rcParams[k] != before[k]] == []


def test_the_page_is_the_same_in_a_new_process(pictures):
    if not pictures:
        assert page(RESULT, HISTORY) == page(RESULT, HISTORY)
        return
    code = (
        "import sys; sys.stdout.reconfigure(encoding='utf-8', newline='\\n')\n"
        "import test_report as t; sys.stdout.write(t.page(t.RESULT, t.HISTORY))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert done.stdout.decode() == page(RESULT, HISTORY)
