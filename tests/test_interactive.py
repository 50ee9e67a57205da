"""minprune page: its orders are those of mp.prune; in Chromium, masks and answers bit for bit."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomnets import models

import minprune as mp
from minprune.cli import main
from minprune.jobs import interactive
from minprune.jobs.interactive import NAMES, contents, removal_order

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
DATA = mp.data.digits()
STEPS = [int(s) for s in np.linspace(0, 995, 20)]
CHECK = """<script>
const found = [];
for (const name of CRITERIA) for (const step of STEPS) {
  byId("criterion").value = name;
  byId("sparsity").value = step;
  const one = show();
  found.push([name, step, one.mask.join(""), Array.from(answers(one.mask)).join(""),
    one.milliseconds]);
}
document.body.replaceChildren(document.createTextNode(JSON.stringify(found)));
</script>"""


def gone(model: mp.Model, scores: Any, k: int) -> Any:
    """Where mp.prune masks k entries, over all layers one after another"""
    total = sum(s.size for s in scores.values())
    pruned = mp.prune(model, scores, sparsity=k / total)
    return np.concatenate([~pruned.masks[n].ravel() for n in scores])


def is_the_order_of_prune(order: Any, model: mp.Model, scores: Any) -> bool:
    least = sum(int((~m).sum()) for m in model.masks.values())
    for k in range(least, order.size - len(scores) + 1):
        mask = np.zeros(order.size, bool)
        mask[order[:k]] = True
        if not np.array_equal(mask, gone(model, scores, k)):
            return False
    return True


@settings(max_examples=25)
@given(models(), st.integers(0, 99), st.booleans(), st.booleans())
def test_the_order_is_that_of_prune(model: mp.Model, seed: int, equal: bool, masked: bool) -> None:
    rng = np.random.default_rng(seed)
    shapes = {n: model.net.params[n] for n in model.net.weights}
    if sum(int(np.prod(s)) for s in shapes.values()) > 60:
        return
    scores = {n: rng.integers(0, 3, s) / 2 if equal else rng.random(s) for n, s in shapes.items()}
    if masked:
        masks = {n: rng.random(s) < 0.7 for n, s in shapes.items()}
        if not all(m.any() for m in masks.values()):
            return
        model = replace(model, masks=masks)
    assert is_the_order_of_prune(removal_order(scores, model.masks), model, scores)


def test_the_law_rejects_ties_by_the_lower_index() -> None:
    model = mp.zoo.mlp(((3,), 2), (4,), seed=0)
    scores = {n: np.ones(model.net.params[n]) for n in model.net.weights}
    order = removal_order(scores, {})
    assert is_the_order_of_prune(order, model, scores)
    assert not is_the_order_of_prune(order[::-1], model, scores)


def chromium(page: Path) -> Any:
    """What the page gives for each criterion and step"""
    script = CHECK.replace("CRITERIA", json.dumps(NAMES[:5])).replace("STEPS", json.dumps(STEPS))
    page.write_text(page.read_text().replace("</body>", script + "</body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{page}"], capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(unescape(re.search(r"<body>(.*?)</body>", done.stdout, re.S)[1]))  # type: ignore[index]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is absent, which opens the page")
def test_in_a_browser_masks_and_answers_are_those_of_prune(tmp_path: Path) -> None:
    model, _ = mp.fit(mp.zoo.mlp(DATA, (16,), seed=0), DATA, epochs=4, seed=0, progress=False)
    mp.save(model, tmp_path / "m.npz")
    assert main(["page", str(tmp_path / "m.npz"), "--out", str(tmp_path / "p.html")]) == 0
    scores = {name: mp.score(model, DATA.train, name) for name in NAMES[:5]}
    found = chromium(tmp_path / "p.html")
    assert len(found) == 5 * len(STEPS)
    for name, step, mask, answers, _ in found:
        pruned = mp.prune(model, scores[name], sparsity=step / 1000)
        want = np.concatenate([pruned.masks[n].ravel() for n in model.net.weights])
        assert mask == "".join(map(str, want.astype(int)))
        out = pruned(DATA.test[0])
        first, second = np.sort(out, axis=1)[:, :-3:-1].T
        clear = first - second > 1e-5  # else rounding decides
        got = np.array(list(map(int, answers)))
        assert (got == out.argmax(axis=1))[clear].all()
        assert clear.mean() > 0.5


def test_the_page_is_small_and_asks_for_nothing(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "page.html"
    assert main(["page", "--out", str(out)]) == 0
    text = out.read_text()
    assert capsys.readouterr().out == f"{out}: {len(text.encode()):,} bytes; open it in a browser\n"
    assert len(text) < 1_000_000
    assert not re.search(r"(?:src|href)=\"(?!#)|https?://(?!www.w3.org)", text)
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'byId\("([^"]*)"\)', text))
    assert used <= set(ids)


def test_names_cannot_end_the_script() -> None:
    net = contents(mp.zoo.mlp(DATA, (3,), seed=0), DATA)
    net["classes"][0] = "</script><b>"
    page = interactive.interactive_page(net, "<b>", "minprune page")
    assert page.count("</script>") == 2
    assert "<h1>&lt;b&gt;</h1>" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ([("c", mp.Conv2d(1, 2, 3)), ("f", mp.Flatten()), ("d", mp.Dense(72, 10))],
         "page: c: the net must be of dense layers with ReLU, and has a Convolve; pass such a "
         "model, or none for a small one"),
        ([("f", mp.Flatten()), ("d", mp.Dense(64, 5)), ("t", mp.Tanh()), ("e", mp.Dense(5, 10))],
         "page: d: the net must be of dense layers with ReLU, and has a Tanh; pass such a model, "
         "or none for a small one"),
        ([("f", mp.Flatten()), ("d", mp.Dense(64, 5)), ("b", mp.BatchNorm(5)),
          ("e", mp.Dense(5, 10))],
         "page: the net must be of dense layers with ReLU, one after another, without "
         "normalisation; pass such a model, or none for a small one"),
        ([("f", mp.Flatten()), ("d", mp.Dense(64, 9))],
         "page: the net must read the digits, (1, 8, 8), and give 10 outputs, not (1, 8, 8) and 9; "
         "train it on them"),
        ([("f", mp.Flatten()), ("d", mp.Dense(64, 300)), ("e", mp.Dense(300, 10))],
         "page: the net must have at most 15,000 weights, so that a move takes no time, not "
         "22,200; pass a smaller one"),
    ],
)  # fmt: skip
def test_what_is_refused(layers: Any, text: str, tmp_path: Path, capsys: Any) -> None:
    mp.save(mp.initialise(mp.build((1, 8, 8), layers), seed=0), tmp_path / "m.npz")
    out = tmp_path / "p.html"
    assert main(["page", str(tmp_path / "m.npz"), "--out", str(out)]) == 2
    assert capsys.readouterr().err == f"minprune: {text}\n"
    assert not out.exists()
