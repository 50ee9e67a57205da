"""The report's page: whole, safe, and the same on each call."""

import builtins
import copy
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from minprune.report.run_page import run_page as page

ROOT = Path(__file__).parent.parent


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
    "latency_1_median_ms": 0.13,
    "latency_64_ms": 2.5,
    "latency_64_median_ms": None,
}
SMALL = {
    **DENSE, "stage": "fine-tuned", "accuracy": 0.9722222, "live": 1345, "sparsity": 0.9,
    "speedup_1": 1.0, "speedup_1_told": False, "speedup_64": 2.5, "speedup_64_told": True,
}  # fmt: skip
RESULT = {
    "name": "digits, cnn_small",
    "command": "minprune run --epochs 4",
    "settings": {"epochs": 4, "criterion": "magnitude", "pattern": None, "hidden": [300, 100]},
    "data": {
        "name": "digits", "train": 1078, "val": 359, "test": 360, "input": [1, 8, 8],
        "classes": ["cat", "dog"],
    },
    "net": "layer  parameters\nconv1         160",
    "stages": [DENSE, SMALL],
    "facts": {
        "before": "dense",
        "after": "fine-tuned",
        "last": "compacted",
        "histograms": [
            {"name": "fc1.weight", "low": -1.0, "high": 3.0, "before": [1, 4], "after": [1, 0]}
        ],
        "first": {
            "name": "fc1.weight", "units": 2, "image": [1, 2, 2], "kept": 3,
            "masks": ["90", "40"], "used": [1, 1, 0, 1],
        },
        "costs": [
            {"name": "conv1.weight", "kind": "Conv2d", "shape": [16, 1, 3, 3],
             "parameters": 144, "macs": 9216, "kept": 36, "live": 30, "live_macs": 2304},
            {"name": "fc1.weight", "kind": "Dense", "shape": [4, 324], "parameters": 1296,
             "macs": 1296, "kept": 0, "live": 0, "live_macs": 0},
        ],
        "layers": [{"name": "fc1", "kind": "Dense", "shape": [2, 4]}],
        "ties": [
            {"name": "fc1.weight", "size": 2, "why": "the net's output",
             "members": [["fc1.weight", "makes"], ["fc1.bias", "shifts"]]},
            {"name": "the net's input", "size": 1, "why": "the net's input",
             "members": [["fc1.weight", "reads"]]},
        ],
    },
    "seconds": {"compile": 6.123, "train": 9.3},
    "versions": {"minprune": "0.1.0", "numpy": "2.4.6"},
}  # fmt: skip


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


def panels(text):
    """How many pictures a page has, without those of the legends."""
    return re.sub(r"(?s)<li>.*?</li>", "", text).count("<svg")


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
    words = " ".join(" ".join(Reader(text).words).split())
    for expected in (
        "minprune run --epochs 4",
        "97.22 %",
        "144 36 25.0 % 30 9,216 2,304",
        "1,296 0 0.0 % 0 1,296 0",
        "conv1 160",
        "[300, 100]",
        "1 x 8 x 8",
        "classes cat, dog",
        "6.12",
        "2.4.6",
        "No class lost accuracy.",
        "3 of 4 inputs are still used.",
        "no: it is the net's output",
        "Conv2d: 10.0 % of the weights, 87.7 % of the multiply-adds; "
        "Dense: 90.0 % of the weights, 12.3 % of the multiply-adds.",
    ):
        assert expected in words
    drawn = 2 + 1 + 2 + 1  # curves, a histogram, the inputs and the units, the groups
    assert panels(text) == drawn * pictures
    assert ("5 → 1" in words) == pictures
    assert words.count('pip install "minprune[report]"') == 5 * (not pictures)


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
        return {
            (HOSTILE + k if free else k): v if k == "masks" else poison(v)  # bits, no text
            for k, v in value.items()
        }
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
    assert Reader(page({}, HISTORY)).words
    assert "<h2>" not in page({}, {})  # no heading without anything under it
    for part in RESULT:
        Reader(page({name: value for name, value in RESULT.items() if name != part}, {}))
    for fact in RESULT["facts"]:
        facts = {name: value for name, value in RESULT["facts"].items() if name != fact}
        Reader(page({**RESULT, "facts": facts}, {}))
    assert "<svg" not in page({**RESULT, "facts": {}}, {"train": epochs([], [])})


def test_input_is_left_alone(pictures):
    result, history = copy.deepcopy(RESULT), copy.deepcopy(HISTORY)
    page(result, history)
    assert (result, history) == (RESULT, HISTORY)


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
